"""The state: three slices that share nothing, each a fold of its own lane's events.

What changes with each delta is kept apart from what does not, so that a delta makes three
small values new (the open message, the table of open messages, the slice) and shares the
rest.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal

import attrs
import msgspec

from .._value import Value
from ..events import (
    AgentCatalogEntry,
    AgentConfiguration,
    Avatar,
    ChatSessionIndexEntry,
    Tool,
    ToolCall,
    User,
    Voice,
)
from ._audio_format import DEFAULT_FORMAT, AudioFormat
from ._input_unit import InputUnit
from ._messages import Message, OpenMessage
from ._records import EMPTY, SEEN_LIMIT, Record, WaitingTool, equal_but
from ._values import Compared, Log, Recent, evolve, unchecked_constructor

__all__ = [
    "ActiveTool",
    "AudioSlice",
    "Catalog",
    "Connection",
    "ControlSlice",
    "ConversationDraft",
    "ConversationRecord",
    "Counters",
    "Limits",
    "OpenSubsession",
    "Record",
    "Session",
    "SessionState",
    "TextSlice",
    "TurnRecord",
    "TurnState",
    "WaitingTool",
]


def _seen() -> Recent[Hashable, bool]:
    return Recent(SEEN_LIMIT)


# --- control ----------------------------------------------------------------------------


@attrs.frozen(slots=True, eq=False, repr=False)
class Connection(Value):
    """How the link stands, as the client itself knows it.

    ``status`` is "connecting" until the first link is proven, "connected", "reconnecting"
    from the loss of a link to the proof of the next, and "closed" at the end. ``attempt``
    counts the dials since it was last open. ``initialized`` is true once the server has told
    what a client needs and it has been the user's turn.
    """

    status: Literal["connecting", "connected", "reconnecting", "closed"] = "connecting"
    attempt: int = 0
    initialized: bool = False


@attrs.frozen(slots=True, eq=False, repr=False)
class Catalog(Value):
    """What the server offers, each list as the server's last event of its kind had it.

    ``user`` is who is logged in. ``voice_input_modes`` are the ways in which the server takes
    voice: "ptt", "vad", "realtime". A workspace is the server's own mapping.
    """

    user: User | None = None
    agents: tuple[AgentCatalogEntry, ...] = ()
    voices: tuple[Voice, ...] = ()
    avatars: tuple[Avatar, ...] = ()
    tools: tuple[Tool, ...] = ()
    workspaces: tuple[Mapping[str, Any], ...] = ()
    voice_input_modes: tuple[str, ...] = ()


@attrs.frozen(slots=True, eq=False, repr=False)
class TurnState(Value):
    """Whose turn it is, as the control lane knows it: ahead of the text.

    ``can_send_input`` is true from ``user_turn_start`` until an input is written or
    ``user_turn_end`` comes. It is true again where an input started no turn. It is false
    while the link is away.
    """

    can_send_input: bool = False


class ControlSlice(Compared, frozen=True, eq=False):
    """What the control lane owns.

    ``connection``, ``catalog`` and ``turn`` are records of their own. ``ui_session_id``,
    ``chat_session_id`` are the ids to dial with; ``deleted_session_id`` is that of the session
    that was current until it was deleted, as long as the server may yet go on in it.
    ``index`` is the list of the user's sessions as far as it is known, ``index_total`` how many
    the server has. ``agent`` is the current session's; ``voice`` what the server says that it
    speaks with, ``voice_requested`` the id of the one that the client asked for last.
    ``avatar_active``: an avatar speaks for the agent. ``listening``: the server hears the user.
    ``extra`` is what handlers of one's own keep. ``unit`` is the input whose turn has not been
    seen to begin; it, ``seen`` and ``now`` are the lane's own business.
    """

    connection: Connection = Connection()
    catalog: Catalog = Catalog()
    turn: TurnState = TurnState()
    ui_session_id: str | None = None
    chat_session_id: str | None = None
    deleted_session_id: str | None = None
    agent: AgentConfiguration | None = None
    index: tuple[ChatSessionIndexEntry, ...] = ()
    index_total: int = 0
    voice: Voice | None = None
    voice_requested: str | None = None
    avatar_active: bool = False
    listening: bool = False
    unit: InputUnit | None = None
    extra: Mapping[Any, Any] = EMPTY
    seen: Recent[Hashable, bool] = msgspec.field(default_factory=_seen)
    now: float = 0.0

    def __eq__(self, other: object) -> bool:
        """Compare what is known, not when it came to be."""
        return equal_but(self, other, "now")

    def with_extra(self, key: Hashable, value: Any) -> ControlSlice:
        """This slice with ``value`` under ``key`` in ``extra``."""
        return evolve(self, extra=MappingProxyType({**self.extra, key: value}))


# --- text -------------------------------------------------------------------------------


@attrs.frozen(slots=True, eq=False, repr=False)
class Limits(Value):
    """Bounds of what is kept (protocol.md §8 S4).

    ``max_sessions`` counts the current one, which always stays: 1 leaves no room for
    sub-sessions, whose every piece is then announced as a message and forgotten.
    """

    max_sessions: int = attrs.field(default=256, validator=attrs.validators.ge(1))
    max_messages: int = attrs.field(default=10_000, validator=attrs.validators.ge(1))


@attrs.frozen(slots=True, eq=False, repr=False)
class ActiveTool(Value):
    """A tool that is being chosen or runs."""

    session_id: str
    id: str
    tool_name: str
    status: Literal["preparing", "executing"]
    arguments: Mapping[str, Any]


active_tool = unchecked_constructor(ActiveTool)


@attrs.frozen(slots=True, eq=False, repr=False)
class OpenSubsession(Value):
    """A delegation that runs: who started it, and how deep it is nested."""

    session_id: str
    parent_session_id: str | None
    user_session_id: str | None
    sub_session_type: str
    sub_agent_type: str
    prime_agent_key: str
    sub_agent_key: str
    depth: int
    # Whose stack it stands on: its user session, also where the event did not say (§8 U4).
    stack: str = ""


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class Session(Value):
    """One session as it stands: what an application reads.

    ``messages`` are those that are complete, oldest first; ``open_message`` the one that is
    being streamed. ``waiting_tools`` have run and wait for a message to stand in.
    ``parent_session_id`` and ``user_session_id`` say who delegated to it, and for which
    session of the user. ``name``, ``metadata`` and ``agent`` are the server's last word.
    ``vendor`` is what the server said of its history's form: "anthropic", "openai" or "none".
    ``input_tokens`` and ``output_tokens`` are the sums of what its completions told,
    ``token_count`` what the server said when its list was loaded and what they told since. A
    list begins all three anew, unless it says 0 and is not empty.
    """

    id: str
    name: str | None
    metadata: Mapping[str, Any]
    vendor: str
    agent: AgentConfiguration | None
    parent_session_id: str | None
    user_session_id: str | None
    messages: Log[Message]
    open_message: OpenMessage | None
    waiting_tools: tuple[ToolCall, ...]
    input_tokens: int
    output_tokens: int
    token_count: int

    @property
    def is_sub_session(self) -> bool:
        """Whether an agent opened it to delegate."""
        return self.user_session_id is not None and self.user_session_id != self.id

    @classmethod
    def of(cls, record: Record, open_message: OpenMessage | None) -> Session:
        """The session of a record and its open message."""
        return cls(
            id=record.id,
            name=record.name,
            metadata=record.metadata,
            vendor=record.vendor,
            agent=record.agent,
            parent_session_id=record.parent_session_id,
            user_session_id=record.user_session_id,
            messages=record.messages,
            open_message=open_message,
            waiting_tools=tuple(waiting.call for waiting in record.waiting),
            input_tokens=record.input_tokens,
            output_tokens=record.output_tokens,
            token_count=record.token_count,
        )


@attrs.frozen(slots=True, eq=False)
class Sessions(Mapping[str, Session]):
    """The sessions by id, in the order of their arrival; each is put together when it is read."""

    _records: Mapping[str, Record]
    _open: Mapping[str, OpenMessage]

    def __getitem__(self, session_id: str) -> Session:
        """The session, or ``KeyError``."""
        return Session.of(self._records[session_id], self._open.get(session_id))

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def __eq__(self, other: object) -> bool:
        """Equal to any mapping of equal sessions."""
        if isinstance(other, Sessions):  # what two states share is not compared again
            return self._records == other._records and self._open == other._open
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]


class TurnRecord(msgspec.Struct, frozen=True):
    """What the text lane saw of one turn; the outcome of an ``ask`` is read from it.

    ``interactions`` are the sessions whose interaction has begun and not ended, ``prepared``
    tells that there was one. ``message`` is the user session's last assistant message.
    """

    number: int = 0
    began: bool = False
    cancelled: bool = False
    prepared: bool = False
    interactions: frozenset[str] = frozenset()
    stop_reason: str | None = None
    errors: tuple[str, ...] = ()
    message: Message | None = None


class ConversationDraft(msgspec.Struct, kw_only=True):
    """The part of the text slice that a delta does not touch, while a transaction changes it."""

    records: Mapping[str, Record] = EMPTY
    current_session_id: str | None = None
    user_session_id: str | None = None
    # The current session that was deleted, until it shows whether the server goes on in it; its
    # record, unless an event has brought that back; and whether it was the user's (§8 S3).
    deleted: str | None = None
    deleted_record: Record | None = None
    deleted_was_user: bool = False
    tools: Mapping[tuple[str, str], ActiveTool] = EMPTY
    subsessions: tuple[OpenSubsession, ...] = ()
    # None: no cancel is being carried out. Else the sessions whose deltas count again.
    fence: frozenset[str] | None = None
    # Whether the user's turn has ended since it last began, and how many links were lost. A link
    # is away until the next one has brought its session, or something of a turn.
    turn_ended: bool = False
    links_lost: int = 0
    away: bool = False
    turn: TurnRecord = TurnRecord()
    last_turn: TurnRecord | None = None
    next_id: int = 1
    late_deltas: int = 0
    limits: Limits = Limits()
    extra: Mapping[Any, Any] = EMPTY
    seen: Recent[Hashable, bool] = msgspec.field(default_factory=_seen)


class ConversationRecord(ConversationDraft, frozen=True, kw_only=True):  # type: ignore[misc]
    """The same, frozen: what a slice holds (see :class:`Record`)."""


class TextSlice(Compared, frozen=True, eq=False):
    """What the text lane owns: sessions, messages, tools, sub-sessions.

    Read it through its properties; ``rest`` and ``open`` are how it is kept. ``tick`` counts
    the lane's events; ``now`` is the time of the one that is being handled, in seconds since
    1970.
    """

    rest: ConversationRecord = msgspec.field(default_factory=ConversationRecord)
    open: Mapping[str, OpenMessage] = EMPTY
    tick: int = 0
    now: float = 0.0

    def __eq__(self, other: object) -> bool:
        """Compare what is known, not when it came to be."""
        return equal_but(self, other, "tick", "now")

    @property
    def sessions(self) -> Mapping[str, Session]:
        """The sessions by id, in the order of their arrival."""
        records = self.rest.records
        if "" in records and not (records[""].messages or "" in self.open):  # L2
            records = {session_id: each for session_id, each in records.items() if session_id}
        return Sessions(records, self.open)

    @property
    def current_session_id(self) -> str | None:
        """The session that the user is in."""
        return self.rest.current_session_id

    @property
    def user_session_id(self) -> str | None:
        """The session against which sub-sessions are told apart (§8 U3)."""
        return self.rest.user_session_id

    @property
    def active_tools(self) -> tuple[ActiveTool, ...]:
        """The tools that are being chosen or run."""
        return tuple(self.rest.tools.values())

    @property
    def subsessions(self) -> tuple[OpenSubsession, ...]:
        """The delegations that run, the outermost first."""
        return self.rest.subsessions

    @property
    def extra(self) -> Mapping[Any, Any]:
        """What handlers of one's own keep."""
        return self.rest.extra

    @property
    def seen(self) -> Recent[Hashable, bool]:
        """The ids of events that were applied (§8 D1)."""
        return self.rest.seen

    def with_extra(self, key: Hashable, value: Any) -> TextSlice:
        """This slice with ``value`` under ``key`` in ``extra``."""
        rest = evolve(self.rest, extra=MappingProxyType({**self.rest.extra, key: value}))
        return evolve(self, rest=rest)


# --- audio ------------------------------------------------------------------------------


class AudioSlice(Compared, frozen=True, eq=False):
    """What the audio lane owns: the format in force and counts of what came.

    ``format`` is that of the frames that come, ``None`` where the ``voice`` is not for
    playing. ``listening``: the server hears the user. ``user_turn``: it is the user's turn.
    ``frames`` and ``byte_count`` are what came since the client began, ``cancels`` how often
    the server cancelled. ``extra`` is what handlers of one's own keep. ``carry`` is the
    beginning of a sample of ``stream`` whose end has not come yet, ``halves`` are those of
    other streams. ``refused`` are the content types that were announced as not playable.
    These, ``seen`` and ``now`` are the lane's own business.
    """

    format: AudioFormat | None = DEFAULT_FORMAT
    voice: Voice | None = None
    listening: bool = False
    user_turn: bool = False
    frames: int = 0
    byte_count: int = 0
    cancels: int = 0
    carry: bytes = b""
    stream: Hashable = None
    halves: tuple[tuple[Hashable, bytes], ...] = ()
    refused: tuple[str, ...] = ()
    extra: Mapping[Any, Any] = EMPTY
    seen: Recent[Hashable, bool] = msgspec.field(default_factory=_seen)
    now: float = 0.0

    def __eq__(self, other: object) -> bool:
        """Compare what is known, not when it came to be."""
        return equal_but(self, other, "now")

    def with_extra(self, key: Hashable, value: Any) -> AudioSlice:
        """This slice with ``value`` under ``key`` in ``extra``."""
        return evolve(self, extra=MappingProxyType({**self.extra, key: value}))


# --- all of it --------------------------------------------------------------------------


@attrs.frozen(slots=True, eq=False, repr=False)
class Counters(Value):
    """What came: each event is counted once, by its home lane.

    Of all ``events``, the ``unknown`` had a type without a row, the ``malformed`` could not
    be read, the ``duplicates`` had come before, and the ``handler_errors`` are those whose
    handler raised; none of these changed anything. ``late_deltas`` came after their turn was
    cancelled and were dropped. Of the ``tolerated`` a part could not be read and was left out
    (protocol.md §2 L3); the rest of each counted.
    """

    events: int = 0
    unknown: int = 0
    malformed: int = 0
    tolerated: int = 0
    duplicates: int = 0
    late_deltas: int = 0
    handler_errors: int = 0


@attrs.frozen(slots=True, eq=False, repr=False)
class SessionState(Value):
    """A snapshot of everything: immutable, cheap to keep, consistent within each slice.

    ``revision`` is the number of events that the slices have handled, an event that concerns
    two of them counted twice.
    """

    control: ControlSlice = attrs.field(factory=ControlSlice)
    text: TextSlice = attrs.field(factory=TextSlice)
    audio: AudioSlice = attrs.field(factory=AudioSlice)
    revision: int = 0
    counters: Counters = Counters()

    @property
    def sessions(self) -> Mapping[str, Session]:
        """The sessions by id, in the order of their arrival."""
        return self.text.sessions

    @property
    def current_session_id(self) -> str | None:
        """The session that the user is in."""
        return self.text.current_session_id

    @property
    def current_session(self) -> Session | None:
        """That session itself."""
        current = self.text.current_session_id
        return self.sessions.get(current) if current is not None else None

    @property
    def active_tools(self) -> tuple[ActiveTool, ...]:
        """The tools that are being chosen or run, of every session."""
        return self.text.active_tools

    @property
    def subsessions(self) -> tuple[OpenSubsession, ...]:
        """The delegations that run, the outermost first, each with who started it.

        Their messages are in :attr:`sessions`, where each session names its parent.
        """
        return self.text.subsessions

    @property
    def turn(self) -> TurnState:
        """Whose turn it is."""
        return self.control.turn

    @property
    def catalog(self) -> Catalog:
        """What the server offers."""
        return self.control.catalog
