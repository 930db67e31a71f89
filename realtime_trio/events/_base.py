"""Base classes of events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar, dataclass_transform

import attrs

from .._value import equal, hashed, shown
from ._checks import check_event
from ._json import json_field

__all__ = [
    "AudioFrame",
    "ClientEvent",
    "Event",
    "ServerEvent",
    "SessionEvent",
    "UnknownEvent",
    "frozen",
]

_C = TypeVar("_C", bound=type)


@dataclass_transform(
    frozen_default=True, kw_only_default=True, field_specifiers=(attrs.field, json_field)
)
def frozen(cls: _C) -> _C:
    """Make an immutable value class with slots and keyword arguments, like all events."""
    own = vars(cls)
    for name, method in (("__eq__", equal), ("__hash__", hashed), ("__repr__", shown)):
        if name not in own:
            setattr(cls, name, method)
    make: Callable[[_C], _C] = attrs.define(
        slots=True, frozen=True, kw_only=True, weakref_slot=False, eq=False, repr=False
    )
    return make(cls)


@frozen
class Event:
    """Base of all events on the wire. The registry sets ``type``."""

    type: ClassVar[str] = ""


@frozen
class ServerEvent(Event):
    """An event from the server (protocol.md §3).

    ``id`` is the server's raw value. Only a non-empty string identifies an event that is delivered
    twice (protocol.md §8 D1).
    """

    id: Any = None


@frozen
class SessionEvent(ServerEvent):
    """An event of one chat session (protocol.md §2).

    ``user_session_id`` is the session that the user sees. If it differs from ``session_id``, the
    event belongs to a sub-session of a delegation (§8 U3). ``session_id`` is empty if the server
    omitted it. Each type has its own default for ``role``.
    """

    session_id: str = ""
    role: str = "assistant"
    parent_session_id: str | None = None
    user_session_id: str | None = None


@frozen
class ClientEvent(Event):
    """An event from the client (protocol.md §4).

    The constructor raises ``TypeError`` for a field of the wrong type and ``ValueError`` for a
    value that no server could decode (§2 L5).
    """

    def __attrs_post_init__(self) -> None:
        """Check every field against its annotation."""
        check_event(self)


@frozen
class UnknownEvent(ServerEvent):
    """An event of a type that the registry does not know (protocol.md §2), kept as received."""

    tag: str
    payload: Mapping[str, Any] = attrs.field(repr=False)


@frozen
class AudioFrame(ServerEvent):
    """One binary frame (protocol.md §3): raw PCM, by default PCM16 mono at 16 kHz."""

    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
