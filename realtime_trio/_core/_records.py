"""What the text lane keeps of one session: its messages, its tools, its place in the turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from operator import is_not
from types import MappingProxyType
from typing import Any, TypeAlias

import attrs
import msgspec
from msgspec.structs import astuple

from .._value import Value
from ..events import AgentConfiguration, ToolCall, ToolResult
from ._messages import Message
from ._values import Log, Recent, unchecked_constructor

__all__ = [
    "EMPTY",
    "SEEN_LIMIT",
    "CallStage",
    "Delegation",
    "DelegationKey",
    "KnownCall",
    "Record",
    "SessionDraft",
    "WaitingTool",
    "differs",
    "equal_but",
    "waiting_tool",
]

EMPTY: Mapping[Any, Any] = MappingProxyType({})
SEEN_LIMIT = 1024


def equal_but(one: msgspec.Struct, other: object, *but: str) -> bool:
    """Compare all fields but some: when something came to be known does not matter."""
    if type(one) is not type(other):
        return False
    names = (name for name in one.__struct_fields__ if name not in but)
    return all(getattr(one, name) == getattr(other, name) for name in names)


@attrs.frozen(slots=True, eq=False, repr=False)
class WaitingTool(Value):
    """A tool that has run and waits for a message of its session (§8 T4).

    The ids are those of the event that brought it, for a message that it may have to itself.
    """

    call: ToolCall
    result: ToolResult | None
    parent_session_id: str | None
    user_session_id: str | None


waiting_tool = unchecked_constructor(WaitingTool)


class CallStage(IntEnum):
    """How far a call has come. All from ``CLEARED`` on have ended (§8 T1).

    ``FORGOTTEN``: only its message is still known. ``LISTED``: only a history knows it.
    ``CLEARED``: its notification went with all others, so it may yet complete; ``REMOVED``:
    its notification was taken away, announced, and it completes no more. ``ENDED``: its end
    came.
    """

    FORGOTTEN = 0
    LISTED = 1
    PREPARING = 2
    EXECUTING = 3
    CLEARED = 4
    REMOVED = 5
    ENDED = 6


class KnownCall(msgspec.Struct, frozen=True):
    """The latest call of an id in its session.

    ``call`` is kept until its end came. ``since`` is how many completions had begun to run in
    its session when it ended, ``message_id`` the message that has it, ``answered`` whether a
    result stands there for it. ``begun`` is set for a delegation that was seen to run: the
    links lost and the ids given up to then. ``announced``: its sub-session was.
    """

    stage: CallStage
    call: ToolCall | None = None
    since: int = 0
    message_id: str = ""
    answered: bool = False
    begun: tuple[int, int] | None = None
    announced: bool = False


# What tells one delegation from another: the id, name and request of its call (§8 S2).
DelegationKey: TypeAlias = tuple[str, str, str]


class Delegation(msgspec.Struct, frozen=True):
    """What is known of the delegations with one id, name and request.

    ``unfolded`` is how many of them a list of the server unfolded, ``announced`` how many were
    announced, live or by a list. ``live`` is set where one was seen from its beginning to its
    end: its messages have numbers from the first up to, but not, the second.
    """

    unfolded: int = 0
    announced: int = 0
    live: tuple[int, int] | None = None


class SessionDraft(msgspec.Struct, kw_only=True, eq=False):
    """What is kept of one session, except the open message, while a transaction changes it.

    ``exists`` is false for a session without an id that no message has come for yet (L2).
    ``target`` is the position in ``messages`` of the one that takes tools (§8 T4), or -1.

    Of the turn, which began with the last ``user_turn_start`` (§8 S1): ``turn_from`` is the
    position of its first message and ``asked_from`` that of the user's, or -1; ``stirred``
    says that an event of its stream came, ``asked`` that a user's message did, after the
    server's list where one came. ``at_work``: the latest interaction began and has not ended.

    Of the server's lists: ``users`` is how many messages of the user's the last one held, and
    ``turns`` how many turns have ended well since. One that came while a turn ran decides at
    its end: ``loaded`` is then how many messages it brought, else -1; ``loaded_target`` the
    ``target`` among them, ``loaded_users`` its user's messages, and ``loaded_whole`` whether
    it holds that turn, too.
    """

    id: str
    name: str | None = None
    metadata: Mapping[str, Any] = EMPTY
    vendor: str = "none"
    agent: AgentConfiguration | None = None
    parent_session_id: str | None = None
    user_session_id: str | None = None
    exists: bool = True
    messages: Log[Message] = msgspec.field(default_factory=lambda: Log[Message]())
    waiting: Sequence[WaitingTool] = ()
    calls: Recent[str, KnownCall] = msgspec.field(
        default_factory=lambda: Recent[str, KnownCall](SEEN_LIMIT)
    )
    delegations: Recent[DelegationKey, Delegation] = msgspec.field(
        default_factory=lambda: Recent[DelegationKey, Delegation](SEEN_LIMIT)
    )
    completions: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    token_count: int = 0
    target: int = -1
    turn_from: int = -1
    asked_from: int = -1
    stirred: bool = False
    asked: bool = False
    at_work: bool = False
    users: int = 0
    turns: int = 0
    loaded: int = -1
    loaded_target: int = -1
    loaded_users: int = 0
    loaded_whole: bool = False
    touched: int = 0


class Record(SessionDraft, frozen=True, kw_only=True, eq=False):  # type: ignore[misc]
    """The same, frozen: what a slice holds.

    The checkers object to a frozen class below one that is not. Here that is the purpose: the
    fields stand in one place, and :func:`thaw` and :func:`freeze` go from one to the other.
    """

    def __eq__(self, other: object) -> bool:
        """Compare what is known, not when it became known."""
        return equal_but(self, other, "touched")

    def __ne__(self, other: object) -> bool:
        """Whether ``==`` says no."""
        return not self == other


def differs(draft: SessionDraft, record: Record) -> bool:
    """Whether a transaction changed the draft of a record: every change replaces an object."""
    return any(map(is_not, astuple(draft), astuple(record)))
