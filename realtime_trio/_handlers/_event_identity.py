"""What tells an event from others: its session, its type and its id (protocol.md §8 D1)."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from typing import Any, Final

from .._core._fast_decoder import Delta
from .._core._local_events import Reading
from .._core._state import TextSlice
from ..events import AudioDeltaEvent, InteractionEvent, ServerEvent, UnknownEvent

__all__ = ["identity", "session_of"]

_MAX_ID: Final = 256


def session_of(event: ServerEvent | Delta, slice_: Any) -> str | None:
    """The session that an event is of; ``None`` for a type whose events are of no session.

    One of a type that is known names it by now, see ``_resolved``.
    """
    if not isinstance(event, UnknownEvent):
        named: object = getattr(event, "session_id", None)
        return named if type(named) is str else None
    # A type that nobody knows may have anything in the place of an id.
    for name in ("session_id", "user_session_id"):
        named = event.payload.get(name)
        if type(named) is int or (type(named) is str and named):
            return str(named)
    # The control lane, which is their home, knows the user's session by the current one.
    text = type(slice_) is TextSlice
    user = slice_.rest.user_session_id if text else getattr(slice_, "chat_session_id", None)
    return user or ""


def identity(
    event: ServerEvent | Delta, session_id: str | None, reading: Reading | None
) -> Hashable | None:
    """What tells an event from others, or ``None`` where it has no id (§8 D1).

    ``session_id`` is the session of which the event is, ``reading`` what else is known of it.
    """
    if type(event) is AudioDeltaEvent:  # its id names a stream
        return None
    if isinstance(event, UnknownEvent):
        event_type, event_id = event.tag, event.payload.get("id")
    else:
        event_type, event_id = event.type, event.id if reading is None else reading.id
    if type(event_id) is not str or not event_id:
        return None
    started = event.started if isinstance(event, InteractionEvent) else None
    session = None if session_id is None else _brief(session_id)
    return session, _brief(event_type), _brief(event_id), started


def _brief(text: str) -> str | bytes:
    """A text, or a digest of one that is long: what is remembered is bounded in bytes, too."""
    if len(text) * 4 <= _MAX_ID:
        return text
    data = text.encode("utf-8", "surrogatepass")
    return text if len(data) <= _MAX_ID else hashlib.blake2b(data, digest_size=32).digest()
