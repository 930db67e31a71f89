"""The text lane's record of one session: its messages, its tools, its place in the turn."""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from operator import is_not
from types import MappingProxyType
from typing import Any, TypeAlias, cast

import attrs
import msgspec
from msgspec.structs import astuple

from .._value import Value
from ..events import AgentConfiguration, ToolCall, ToolResult
from ._messages import Message
from ._unchecked import unchecked_constructor
from ._values import Log, Recent

__all__ = [
    "EMPTY",
    "SEEN_LIMIT",
    "CallStage",
    "Delegation",
    "DelegationKey",
    "KnownCall",
    "Record",
    "SessionDraft",
    "StoredCall",
    "WaitingTool",
    "differs",
    "equal_but",
    "waiting_tool",
]

EMPTY: Mapping[Any, Any] = MappingProxyType({})


def _read_only(items: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(items)


def _reduced(
    mapping: MappingProxyType[Any, Any],
) -> tuple[Callable[[dict[Any, Any]], MappingProxyType[Any, Any]], tuple[dict[Any, Any]]]:
    return _read_only, (dict(mapping),)


# States can be pickled and deep-copied, and their ``extra`` is such a mapping.
copyreg.pickle(MappingProxyType, _reduced)
SEEN_LIMIT = 1024


def equal_but(one: msgspec.Struct, other: object, *but: str) -> bool:
    """Compare all fields except ``names``: fields about time do not count."""
    if type(one) is not type(other):
        return False
    names = (name for name in one.__struct_fields__ if name not in but)
    return all(getattr(one, name) == getattr(other, name) for name in names)


@attrs.frozen(slots=True, eq=False, repr=False)
class WaitingTool(Value):
    """A completed tool that waits for a message of its session (§8 T4).

    The ids come from its event, in case the tool gets a separate message.
    """

    call: ToolCall
    result: ToolResult | None
    parent_session_id: str | None
    user_session_id: str | None


waiting_tool = unchecked_constructor(WaitingTool)


class CallStage(IntEnum):
    """The stage of a call. All stages from ``CLEARED`` on are final (§8 T1).

    ``FORGOTTEN``: only its message is still known. ``LISTED``: it occurs only in a history.
    ``CLEARED``: all notifications were cleared, so it can still complete. ``REMOVED``: its
    notification was removed, which was announced, and it cannot complete. ``ENDED``: its end
    arrived.
    """

    FORGOTTEN = 0
    LISTED = 1
    PREPARING = 2
    EXECUTING = 3
    CLEARED = 4
    REMOVED = 5
    ENDED = 6


class StoredCall(msgspec.Struct, frozen=True, gc=False):
    """The fields of a :class:`~realtime_trio.ToolCall`.

    Older states keep their values, so a session holds several for each tool. Unlike a
    ``ToolCall``, one costs the garbage collector nothing.
    """

    id: str
    name: str
    input: Mapping[str, Any]
    type: str

    @classmethod
    def of(cls, call: ToolCall) -> StoredCall:
        """Take a call's fields."""
        return cls(call.id, call.name, call.input, call.type)

    def whole(self) -> ToolCall:
        """Return the call."""
        return ToolCall(id=self.id, name=self.name, input=self.input, type=self.type)


class KnownCall(msgspec.Struct, frozen=True, gc=False):
    """The latest call of an id in its session.

    ``call`` is kept until the call ends. ``since`` is the number of completions that had started in
    its session when it ended. ``message_id`` is the message that holds it, ``position`` where that
    message was or will be stored; ``answered`` is true if its result is there. ``start_mark`` is
    set for a delegation that was seen running: the number of lost links and of assigned ids at its
    start. ``announced`` is true if its sub-session was announced.
    """

    stage: CallStage
    call: StoredCall | None = None
    since: int = 0
    message_id: str = ""
    position: int = 0
    answered: bool = False
    start_mark: tuple[int, int] | None = None
    announced: bool = False


# The identity of a delegation: the id, name and request of its call (§8 S2).
DelegationKey: TypeAlias = tuple[str, str, str]


class Delegation(msgspec.Struct, frozen=True, gc=False):
    """The delegations with the same id, name and request.

    ``unfolded`` counts those that a server list unfolded; ``announced`` counts those announced,
    live or from a list. ``live`` is set if one was seen from start to end: the half-open range of
    its messages' numbers.
    """

    unfolded: int = 0
    announced: int = 0
    live: tuple[int, int] | None = None


_NO_CALLS: Recent[str, KnownCall] = Recent(SEEN_LIMIT)
_NO_DELEGATIONS: Recent[DelegationKey, Delegation] = Recent(SEEN_LIMIT)


class SessionDraft(msgspec.Struct, kw_only=True, eq=False):
    """A session's record, except its open message, while a transaction changes it.

    ``exists`` is false for a session without an id and without messages (L2). ``target`` is the
    position in ``messages`` of the message that receives tools (§8 T4), or -1.

    The turn starts with the last ``user_turn_start`` (§8 S1). ``turn_from`` is the position of its
    first message and ``user_message_from`` that of the user's message, or -1. ``has_events`` is
    true if an event of its stream arrived, ``has_user_message`` if a user's message did; both count
    only after the server's list, if there was one. ``is_running`` is true while the latest
    interaction runs.

    For the server's lists: ``users`` counts the user's messages in the last list, ``turns`` the
    turns that completed since. A list that arrives during a turn takes effect at the end of the
    turn. Until then ``loaded`` counts its messages (otherwise -1), ``loaded_target`` is the
    ``target`` among them, ``loaded_users`` counts its user's messages, and ``loaded_whole`` is true
    if it contains that turn.
    """

    id: str
    name: str | None = None
    metadata: Mapping[str, Any] = EMPTY
    vendor: str = "none"
    agent: AgentConfiguration | None = None
    parent_session_id: str | None = None
    user_session_id: str | None = None
    exists: bool = True
    messages: Log[Message] = msgspec.field(default_factory=cast("type[Log[Message]]", Log))
    waiting: Sequence[WaitingTool] = ()
    calls: Recent[str, KnownCall] = _NO_CALLS
    delegations: Recent[DelegationKey, Delegation] = _NO_DELEGATIONS
    completions: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    token_count: int = 0
    target: int = -1
    turn_from: int = -1
    user_message_from: int = -1
    has_events: bool = False
    has_user_message: bool = False
    is_running: bool = False
    users: int = 0
    turns: int = 0
    loaded: int = -1
    loaded_target: int = -1
    loaded_users: int = 0
    loaded_whole: bool = False
    touched: int = 0


class Record(SessionDraft, frozen=True, kw_only=True, eq=False):  # type: ignore[misc]
    """The frozen form, which a slice holds.

    Type checkers reject a frozen subclass of an unfrozen class. Here that is intended: the fields
    are declared once, and :func:`thaw` and :func:`freeze` convert between the two.
    """

    def __eq__(self, other: object) -> bool:
        """Compare everything except fields about time."""
        return equal_but(self, other, "touched")

    def __ne__(self, other: object) -> bool:
        """Negate ``==``."""
        return not self == other


def differs(draft: SessionDraft, record: Record) -> bool:
    """Whether a transaction changed the draft: every change replaces an object."""
    return any(map(is_not, astuple(draft), astuple(record)))
