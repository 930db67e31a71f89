"""The turn gate: when a command may leave without killing an answer (protocol.md §7).

A server drops the turn that it is working on, without an end of any kind, when almost any
command arrives. So commands wait for the user's turn. Only the receive task and the writer
task move the gate, because the lanes may be far behind.

Rule 1: it closes when a ``text_input`` is about to be written, or ``user_turn_end`` comes.
Rule 2: it opens on ``user_turn_start``, on an ``error`` that comes between a ``text_input``
and any ``user_turn_end`` (the input was refused), and when something that was written all
the same has killed the turn.
Rule 3: a new link begins closed, since only the server knows whether a turn is running.
"""

from __future__ import annotations

import enum
from typing import Final, final

import trio

from .._core._fast_decoder import DELTAS, Incoming
from ..events import (
    REGISTRY,
    ChatSessionChangedEvent,
    ChatSessionDeletedEvent,
    ClientWantsCancelEvent,
    CompletionEvent,
    DeleteChatSessionEvent,
    Direction,
    ErrorEvent,
    Event,
    InteractionEvent,
    MessageEvent,
    PingEvent,
    PongEvent,
    ResumeChatSessionEvent,
    TextDeltaEvent,
    TextInputEvent,
    ThoughtDeltaEvent,
    ToolCallEvent,
    ToolSelectDeltaEvent,
    UserTurnEndEvent,
    UserTurnStartEvent,
)

__all__ = ["STREAM", "Change", "Phase", "TurnGate"]


class Phase(enum.Enum):
    """Whose turn it is, as far as the shell knows."""

    UNKNOWN = "unknown"
    """A new link has not told yet."""

    USER = "user"
    """Input is accepted: the gate is open."""

    AGENT = "agent"
    """An input is being worked on."""


class Change(enum.Enum):
    """What an event did to the gate."""

    OPENED = "opened"
    REFUSED = "refused"
    """Opened by an error: the input that was written last came to nothing."""


_HARMLESS: Final = (PingEvent, PongEvent, ClientWantsCancelEvent)
# What only a turn that is running sends: on a new link it tells that one is.
STREAM: Final[frozenset[type[Incoming]]] = frozenset(
    {
        *DELTAS,
        TextDeltaEvent,
        ThoughtDeltaEvent,
        CompletionEvent,
        InteractionEvent,
        MessageEvent,
        ToolSelectDeltaEvent,
        ToolCallEvent,
    }
)


@final
class TurnGate:
    """Follows what is written and what comes in, in that order, and says what may leave.

    ``signs`` grows with every sign of a turn's life: events other than ping and pong, and
    inputs written. ``session_id`` is the current session.
    """

    __slots__ = (
        "_closed",
        "_deleted",
        "_openings",
        "_unanswered",
        "phase",
        "session_id",
        "signs",
        "streamed",
    )

    def __init__(self) -> None:
        self.phase: Phase = Phase.UNKNOWN
        self.signs: int = 0
        self.session_id: str | None = None
        self._closed = False
        self._openings = trio.lowlevel.ParkingLot()
        self._deleted: str | None = None  # the server may go on in it (protocol.md §8 S3)
        self.streamed: bool = False
        """Whether this link has brought anything of a turn."""
        self._unanswered = False

    @property
    def open(self) -> bool:
        """Whether commands may leave."""
        return self.phase is Phase.USER

    async def opened(self) -> None:
        """Wait until the gate is open, or closed for good. A checkpoint only if it waits."""
        while not self.open and not self._closed:
            await self._openings.park()

    def close(self) -> None:
        """Let nobody wait for an opening that does not come any more."""
        self._closed = True
        self._openings.unpark_all()

    def _open(self) -> None:
        self.phase = Phase.USER
        self._unanswered = False
        self._openings.unpark_all()

    def allows(self, event: Event, *, force: bool) -> bool:
        """Whether this event may leave now."""
        return self.phase is Phase.USER or force or self._harmless(event)

    def may_pass(self, event: Event, *, force: bool) -> bool:
        """Whether this event could ever leave through the closed gate."""
        return force or isinstance(event, (*_HARMLESS, ResumeChatSessionEvent))

    def _harmless(self, event: Event) -> bool:
        if isinstance(event, ResumeChatSessionEvent):
            return event.session_id == self.session_id
        return isinstance(event, _HARMLESS)

    def writing(self, event: Event) -> bool:
        """Note that an event is about to be written; tell whether it kills a running turn."""
        kills = self.phase is Phase.AGENT and not self._harmless(event)
        if kills:
            self._open()
        if isinstance(event, TextInputEvent):
            self.phase = Phase.AGENT
            self.signs += 1
            self._unanswered = True
        return kills

    def link_opened(self) -> None:
        """Begin with a new link."""
        self.phase = Phase.UNKNOWN
        self.streamed = False
        self._unanswered = False

    def received(self, event: Incoming) -> Change | None:
        """Note an event that was received."""
        cls = type(event)
        if cls is PongEvent or cls is PingEvent:
            return None
        if cls in STREAM:
            self.received_stream()
            return None
        self.signs += 1
        if cls is UserTurnStartEvent:
            return self._start()
        if cls is UserTurnEndEvent:
            self.phase = Phase.AGENT
            self._unanswered = False
            self.session_id, self._deleted = self.session_id or self._deleted, None
            return None
        return self._other(event)

    def received_stream(self) -> None:
        """Note an event of :data:`STREAM`."""
        self.signs += 1
        self.streamed = True
        if self.phase is Phase.UNKNOWN:
            self.phase = Phase.AGENT

    def _start(self) -> Change:
        self._open()
        return Change.OPENED

    def _other(self, event: Incoming) -> Change | None:
        if isinstance(event, ErrorEvent):
            if self._unanswered and not _names_another(event):
                self._open()
                return Change.REFUSED
        elif isinstance(event, ChatSessionChangedEvent):
            if event.chat_session is not None:
                self.session_id, self._deleted = event.chat_session.session_id, None
        elif (
            isinstance(event, (ChatSessionDeletedEvent, DeleteChatSessionEvent))
            and self.session_id is not None
            and (not event.session_id or event.session_id == self.session_id)
        ):
            self.session_id, self._deleted = None, self.session_id
        return None


def _names_another(error: ErrorEvent) -> bool:
    """Whether an error says that it answers a command other than an input."""
    if error.source is None or error.source == TextInputEvent.type:
        return False
    row = REGISTRY.client_row(error.source)
    return row is not None and Direction.CLIENT in row.direction
