"""Check that an event is one that a client may send."""

from __future__ import annotations

from ..events import REGISTRY, AudioFrame, Direction, Event, UnknownEvent
from ..events._checks import check_event

__all__ = ["check_outgoing"]


def check_outgoing(event: object) -> None:
    """Raise ``TypeError`` or ``ValueError`` if a client cannot send ``event`` (protocol.md §2 L5).

    An event is checked when it is created. It is checked again here because the application may
    have changed the mappings that it holds.
    """
    if not isinstance(event, Event):
        message = (
            f"send an event of the client, as in send(PingEvent()), not {type(event).__name__}"
        )
        raise TypeError(message)
    local = isinstance(event, (UnknownEvent, AudioFrame))
    if local or Direction.CLIENT not in REGISTRY.row_of(type(event)).direction:
        message = f"{type(event).__name__} is a server event: a client cannot send it"
        raise TypeError(message)
    check_event(event)
