"""The state: three disjoint slices, each folded from the events of its lane.

Values that change with every delta are separate from the rest. A delta creates three small values
(the open message, the table of open messages, the slice) and shares everything else.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
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
from ._recency import SessionOrder
from ._records import EMPTY, SEEN_LIMIT, Record, WaitingTool, equal_but
from ._unchecked import unchecked_constructor
from ._values import Compared, Log, Recent, evolve

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


_NONE_SEEN: Recent[Hashable, bool] = Recent(SEEN_LIMIT)


# -- control -------------------------------------------------------------------------------


@attrs.frozen(slots=True, eq=False, repr=False)
class Connection(Value):
    """The status of the link, as known to the client.

    ``status`` is "connecting" until the first link is confirmed, then "connected"; "reconnecting"
    from the loss of a link until the next is confirmed; and "closed" at the end. ``attempt`` counts
    the dials since a link was last open. ``initialized`` is true once the server has sent its
    initial state and the user's first turn has begun.
    """

    status: Literal["connecting", "connected", "reconnecting", "closed"] = "connecting"
    attempt: int = 0
    initialized: bool = False


@attrs.frozen(slots=True, eq=False, repr=False)
class Catalog(Value):
    """What the server offers. Each list is from the last event of its kind.

    ``user`` is the logged-in user. ``voice_input_modes`` are the server's voice input modes: "ptt",
    "vad", "realtime". A workspace is a mapping in the server's format.
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
    """The turn, as known to the control lane, which is ahead of the text lane.

    ``can_send_input`` is true from ``user_turn_start`` until an input is written or
    ``user_turn_end`` is received. It is true again if an input started no turn. It is false without
    a link.
    """

    can_send_input: bool = False


class ControlSlice(Compared, frozen=True, eq=False):
    """The control lane's slice.

    ``connection``, ``catalog`` and ``turn`` are separate records. ``ui_session_id``,
    ``chat_session_id`` are the ids for the next dial. ``deleted_session_id`` is the id of a deleted
    current session, as long as the server may continue in it. ``index`` is the known part of the
    list of the user's sessions, an immutable sequence; ``index_total`` is the number the server
    has. ``agent`` is the current session's agent. ``voice`` is the agent's voice according to the
    server, ``voice_requested`` the id of the voice that the client requested last.
    ``avatar_active`` is true if an avatar speaks for the agent. ``listening`` is true if the server
    receives the user's audio. ``extra`` holds the state of custom handlers. ``unit`` is
    an input that has no turn yet. It, ``seen`` and ``now`` are internal.
    """

    connection: Connection = Connection()
    catalog: Catalog = Catalog()
    turn: TurnState = TurnState()
    ui_session_id: str | None = None
    chat_session_id: str | None = None
    deleted_session_id: str | None = None
    agent: AgentConfiguration | None = None
    index: Sequence[ChatSessionIndexEntry] = ()
    index_total: int = 0
    voice: Voice | None = None
    voice_requested: str | None = None
    avatar_active: bool = False
    listening: bool = False
    unit: InputUnit | None = None
    extra: Mapping[Any, Any] = EMPTY
    seen: Recent[Hashable, bool] = _NONE_SEEN
    now: float = 0.0

    def __eq__(self, other: object) -> bool:
        """Compare everything except fields about time."""
        return equal_but(self, other, "now")

    def with_extra(self, key: Hashable, value: Any) -> ControlSlice:
        """Return this slice with ``value`` under ``key`` in ``extra``."""
        return evolve(self, extra=MappingProxyType({**self.extra, key: value}))


# -- text ----------------------------------------------------------------------------------


@attrs.frozen(slots=True, eq=False, repr=False)
class Limits(Value):
    """Bounds of the state (protocol.md §8 S4).

    ``max_sessions`` includes the current session, which is never evicted. With 1 there is no room
    for sub-sessions: each of their parts is announced as a message and then discarded.
    """

    max_sessions: int = attrs.field(default=256, validator=attrs.validators.ge(1))
    max_messages: int = attrs.field(default=10_000, validator=attrs.validators.ge(1))


@attrs.frozen(slots=True, eq=False, repr=False)
class ActiveTool(Value):
    """A tool that is being selected or runs."""

    session_id: str
    id: str
    tool_name: str
    status: Literal["preparing", "executing"]
    arguments: Mapping[str, Any]


active_tool = unchecked_constructor(ActiveTool)


@attrs.frozen(slots=True, eq=False, repr=False)
class OpenSubsession(Value):
    """A running delegation: its parent and its nesting depth."""

    session_id: str
    parent_session_id: str | None
    user_session_id: str | None
    sub_session_type: str
    sub_agent_type: str
    prime_agent_key: str
    sub_agent_key: str
    depth: int
    # The user session whose stack holds it, even if the event did not name it (§8 U4).
    stack: str = ""


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class Session(Value):
    """A snapshot of one session.

    ``messages`` are the complete messages, oldest first; ``open_message`` is the one being
    streamed. ``waiting_tools`` have completed and wait for a message. ``parent_session_id`` is the
    session that delegated to it, ``user_session_id`` the user's session behind it. ``name``,
    ``metadata`` and ``agent`` are the server's latest values. ``vendor`` is the format of its
    history according to the server: "anthropic", "openai" or "none". ``input_tokens`` and
    ``output_tokens`` are the sums over its completions. ``token_count`` is the server's count when
    its list was loaded, plus the completions since. A list resets all three, unless its count is 0
    and it is not empty.
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
        """Whether an agent created it for a delegation."""
        return self.user_session_id is not None and self.user_session_id != self.id

    @classmethod
    def of(cls, record: Record, open_message: OpenMessage | None) -> Session:
        """Create a session from a record and its open message."""
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
    """The sessions by id, in order of arrival. Each is created when it is read."""

    _records: Mapping[str, Record]
    _open: Mapping[str, OpenMessage]

    def __getitem__(self, session_id: str) -> Session:
        """Return the session, or raise ``KeyError``."""
        return Session.of(self._records[session_id], self._open.get(session_id))

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def __eq__(self, other: object) -> bool:
        """Equal to any mapping of equal sessions."""
        if isinstance(other, Sessions):  # values that two states share are not compared
            return self._records == other._records and self._open == other._open
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]


class TurnRecord(msgspec.Struct, frozen=True, gc=False):
    """The text lane's record of one turn; the outcome of an ``ask`` is derived from it.

    ``interactions`` are the sessions with a running interaction, ``prepared`` is true once one has
    started. ``message`` is the user session's last assistant message.
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
    """The part of the text slice that a delta does not touch, while a transaction changes it.

    ``order`` is the order of the ``records``, and finds the least recently used one.
    """

    records: Mapping[str, Record] = EMPTY
    order: SessionOrder = msgspec.field(default_factory=SessionOrder)
    current_session_id: str | None = None
    user_session_id: str | None = None
    # The deleted current session, until it is known whether the server continues in it; its record,
    # unless an event has restored it; and whether it was the user's (§8 S3).
    deleted: str | None = None
    deleted_record: Record | None = None
    deleted_was_user: bool = False
    tools: Mapping[tuple[str, str], ActiveTool] = EMPTY
    subsessions: tuple[OpenSubsession, ...] = ()
    # None: no cancel is in progress. Otherwise: the sessions whose deltas are accepted again.
    fence: frozenset[str] | None = None
    # Whether the user's turn has ended since it last started, and the number of lost links.
    # The link is away until the next one has brought the session or a part of a turn.
    turn_ended: bool = False
    links_lost: int = 0
    away: bool = False
    turn: TurnRecord = TurnRecord()
    last_turn: TurnRecord | None = None
    next_id: int = 1
    late_deltas: int = 0
    limits: Limits = Limits()
    extra: Mapping[Any, Any] = EMPTY
    seen: Recent[Hashable, bool] = _NONE_SEEN


class ConversationRecord(ConversationDraft, frozen=True, kw_only=True):  # type: ignore[misc]
    """The frozen form, which a slice holds (see :class:`Record`)."""


class TextSlice(Compared, frozen=True, eq=False):
    """The text lane's slice: sessions, messages, tools, sub-sessions.

    Read it through its properties; ``rest`` and ``open`` are internal. ``tick`` counts the lane's
    events. ``now`` is the time of the current event, in seconds since 1970.
    """

    rest: ConversationRecord = msgspec.field(default_factory=ConversationRecord)
    open: Mapping[str, OpenMessage] = EMPTY
    tick: int = 0
    now: float = 0.0

    def __eq__(self, other: object) -> bool:
        """Compare everything except fields about time."""
        return equal_but(self, other, "tick", "now")

    @property
    def sessions(self) -> Mapping[str, Session]:
        """The sessions by id, in order of arrival."""
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
        """The user's session; all others are sub-sessions (§8 U3)."""
        return self.rest.user_session_id

    @property
    def active_tools(self) -> tuple[ActiveTool, ...]:
        """The tools that are being selected or run."""
        return tuple(self.rest.tools.values())

    @property
    def subsessions(self) -> tuple[OpenSubsession, ...]:
        """The running delegations, outermost first."""
        return self.rest.subsessions

    @property
    def extra(self) -> Mapping[Any, Any]:
        """The state of custom handlers."""
        return self.rest.extra

    @property
    def seen(self) -> Recent[Hashable, bool]:
        """The ids of applied events (§8 D1)."""
        return self.rest.seen

    def with_extra(self, key: Hashable, value: Any) -> TextSlice:
        """Return this slice with ``value`` under ``key`` in ``extra``."""
        rest = evolve(self.rest, extra=MappingProxyType({**self.rest.extra, key: value}))
        return evolve(self, rest=rest)


# -- audio ---------------------------------------------------------------------------------


class AudioSlice(Compared, frozen=True, eq=False):
    """The audio lane's slice: the current format and counts of received audio.

    ``format`` is the format of received frames, or ``None`` if the ``voice`` has no playback.
    ``listening`` is true if the server receives the user's audio. ``user_turn`` is true during the
    user's turn. ``frames`` and ``byte_count`` count received audio since the client started,
    ``cancels`` the server's cancels. ``extra`` holds the state of custom handlers. ``carry`` is an
    incomplete sample of ``stream``; ``halves`` are those of other streams. ``refused`` holds the
    content types announced as not playable. These, ``seen`` and ``now`` are internal.
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
    seen: Recent[Hashable, bool] = _NONE_SEEN
    now: float = 0.0

    def __eq__(self, other: object) -> bool:
        """Compare everything except fields about time."""
        return equal_but(self, other, "now")

    def with_extra(self, key: Hashable, value: Any) -> AudioSlice:
        """Return this slice with ``value`` under ``key`` in ``extra``."""
        return evolve(self, extra=MappingProxyType({**self.extra, key: value}))


# -- all of it -----------------------------------------------------------------------------


@attrs.frozen(slots=True, eq=False, repr=False)
class Counters(Value):
    """Event counts. Each event is counted once, by its home lane.

    Of all ``events``, ``unknown`` had a type without a registry row, ``malformed`` could not be
    decoded, ``duplicates`` repeated an id, and for ``handler_errors`` the handler raised; none of
    these changed the state. ``late_deltas`` arrived after their turn was cancelled and were
    dropped. ``tolerated`` events had ill-typed parts that were skipped (protocol.md §2 L3); the
    rest of each was applied.
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
    """A snapshot of the state: immutable, cheap to keep, consistent within each slice.

    ``revision`` is the number of events handled by the slices. An event in two lanes counts twice.
    """

    control: ControlSlice = attrs.field(factory=ControlSlice)
    text: TextSlice = attrs.field(factory=TextSlice)
    audio: AudioSlice = attrs.field(factory=AudioSlice)
    revision: int = 0
    counters: Counters = Counters()

    @property
    def sessions(self) -> Mapping[str, Session]:
        """The sessions by id, in order of arrival."""
        return self.text.sessions

    @property
    def current_session_id(self) -> str | None:
        """The session that the user is in."""
        return self.text.current_session_id

    @property
    def current_session(self) -> Session | None:
        """The current session."""
        current = self.text.current_session_id
        return self.sessions.get(current) if current is not None else None

    @property
    def active_tools(self) -> tuple[ActiveTool, ...]:
        """The tools of all sessions that are being selected or run."""
        return self.text.active_tools

    @property
    def subsessions(self) -> tuple[OpenSubsession, ...]:
        """The running delegations, outermost first, each with its parent.

        Their messages are in :attr:`sessions`; each session names its parent.
        """
        return self.text.subsessions

    @property
    def turn(self) -> TurnState:
        """The current turn."""
        return self.control.turn

    @property
    def catalog(self) -> Catalog:
        """The server's offers."""
        return self.control.catalog
