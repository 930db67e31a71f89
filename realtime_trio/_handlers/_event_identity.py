"""The identity of an event: its session, its type and its id (protocol.md §8 D1)."""

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
    """Return an event's session, or ``None`` for a type without sessions.

    Events of a known type have a session id at this point, see ``_resolved``.
    """
    if not isinstance(event, UnknownEvent):
        named: object = getattr(event, "session_id", None)
        return named if type(named) is str else None
    # An unknown type can have any value in place of an id.
    for name in ("session_id", "user_session_id"):
        named = event.payload.get(name)
        if type(named) is int or (type(named) is str and named):
            return str(named)
    # In the control lane, their home, the user's session is the current one.
    text = type(slice_) is TextSlice
    user = slice_.rest.user_session_id if text else getattr(slice_, "chat_session_id", None)
    return user or ""


def identity(
    event: ServerEvent | Delta, session_id: str | None, reading: Reading | None
) -> Hashable | None:
    """Return the identity of an event, or ``None`` without an id (§8 D1).

    ``session_id`` is the event's session, ``reading`` its decoding details.
    """
    if type(event) is AudioDeltaEvent:  # its id identifies a stream
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
    """Return a text, or a digest of a long one, so that the memory is bounded in bytes, too."""
    if len(text) * 4 <= _MAX_ID:
        return text
    data = text.encode("utf-8", "surrogatepass")
    return text if len(data) <= _MAX_ID else hashlib.blake2b(data, digest_size=32).digest()
