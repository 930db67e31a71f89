"""What a client may send: the check at the door of the outbox."""

from __future__ import annotations

from ..events import REGISTRY, AudioFrame, Direction, Event, UnknownEvent
from ..events._checks import check_event

__all__ = ["check_outgoing"]


def check_outgoing(event: object) -> None:
    """Raise ``TypeError`` or ``ValueError`` for what a client cannot send (protocol.md §2 L5).

    An event is checked when it is made, and here once more: the mappings that it holds are the
    application's own and may have changed.
    """
    if not isinstance(event, Event):
        message = (
            f"send an event of the client, as in send(PingEvent()), not {type(event).__name__}"
        )
        raise TypeError(message)
    local = isinstance(event, (UnknownEvent, AudioFrame))
    if local or Direction.CLIENT not in REGISTRY.row_of(type(event)).direction:
        message = f"{type(event).__name__} is what a server sends: a client cannot send it"
        raise TypeError(message)
    check_event(event)
