"""The turn gate: when a command may leave without killing an answer (protocol.md §7).

A server drops the running turn, without any closing event, when almost any command arrives. So
commands wait for the user's turn. Only the receive task and the writer task move the gate,
because the lanes may lag far behind.

Rule 1: it closes when a ``text_input`` is about to be written or ``user_turn_end`` is received.
Rule 2: it opens on ``user_turn_start``, when an input is known to be refused or to begin no
turn, and when a forced command has killed the turn. While an input waits for its verdict
(``_core/_input_unit``), only that verdict opens it.
Rule 3: a new link starts closed, since only the server knows whether a turn is running.

Pings are counted as they are written; the n-th pong of a link answers its n-th ping.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Final, final

from .._core._fast_decoder import DELTAS, Incoming
from .._core._input_unit import InputSign, InputStage, InputUnit
from .._idle import WaitingTasks
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

__all__ = ["STREAM", "GateChange", "Phase", "TurnGate"]


class Phase(enum.Enum):
    """Whose turn it is, as far as the client knows."""

    UNKNOWN = "unknown"
    """A new link: not known yet."""

    USER = "user"
    """Input is accepted: the gate is open."""

    ASKED = "asked"
    """An input was written and has no verdict yet."""

    AGENT = "agent"
    """The server is working on an input."""


class GateChange(enum.Enum):
    """What an event changes about the turn."""

    HEARD = "heard"
    """The server has reached the input: earlier events belong to an earlier input."""

    BEGUN = "begun"
    """The turn of the input began."""

    OPENED = "opened"
    """The turn is over: the gate is open."""

    REFUSED = "refused"
    """The gate is open: the last input written was refused."""


_HARMLESS: Final = (PingEvent, PongEvent, ClientWantsCancelEvent)
# Events that only a running turn sends: on a new link they show that one is running.
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


def _nothing() -> None:
    """Do nothing."""


_AGENT: Final = Phase.AGENT  # a name in the class of an enumeration is slow to look up


@final
class TurnGate:
    """Follows sent and received events, in that order, and decides what may leave.

    ``signs`` grows with every sign of life of a turn: events other than ping and pong, and
    inputs written. ``session_id`` is the current session. ``inputs`` counts the inputs
    written. ``unit`` is the input that waits for its verdict. ``error`` is the server's
    error for the last refused input. ``on_grace`` is called when an input enters its grace period.
    """

    __slots__ = (
        "_closed",
        "_deleted",
        "_openings",
        "_stages",
        "_unanswered",
        "error",
        "inputs",
        "on_grace",
        "phase",
        "session_id",
        "signs",
        "streamed",
        "unit",
    )

    def __init__(self) -> None:
        self.phase: Phase = Phase.UNKNOWN
        self.signs: int = 0
        self.inputs: int = 0
        self.unit: InputUnit | None = None
        self.error: str = ""
        self.on_grace: Callable[[], None] = _nothing
        self.session_id: str | None = None
        self._closed = False
        self._openings = WaitingTasks()
        self._stages = WaitingTasks()
        self._deleted: str | None = None  # the server may continue in it (protocol.md §8 S3)
        self.streamed: bool = False
        """Whether this link has received anything of a turn."""
        self._unanswered = 0  # pings of this link

    @property
    def open(self) -> bool:
        """Whether commands may leave."""
        return self.phase is Phase.USER

    async def opened(self) -> None:
        """Wait until the gate is open, or permanently closed. A checkpoint only if it waits."""
        while not self.open and not self._closed:
            await self._openings.park()

    def close(self) -> None:
        """Wake all waiters: the gate will not open again."""
        self._closed = True
        self._openings.unpark_all()

    def _open(self) -> None:
        self.phase = Phase.USER
        self._follow(None)
        self._openings.unpark_all()

    # -- the input that waits for its verdict ----------------------------------------------

    @property
    def ahead(self) -> int:
        """Pongs that arrive before those of the input that waits for its verdict."""
        return 0 if self.unit is None else self.unit.ahead

    @property
    def in_grace(self) -> bool:
        """Whether only the end of the grace period can show that the input began no turn."""
        return self.unit is not None and self.unit.stage is InputStage.GRACE

    @property
    def cancellable(self) -> bool:
        """Whether a cancel confirmed now has cancelled the running turn.

        It has not if the server has reached an input whose turn has not begun.
        """
        return self.unit is None or self.unit.stage is InputStage.SENT or self.unit.begun

    async def grace_ended(self) -> None:
        """Wait until the input in its grace period leaves it."""
        number = self.inputs
        while self.in_grace and self.inputs == number:
            await self._stages.park()

    def no_turn(self) -> None:
        """Open the gate: the grace period is over, and the input began no turn."""
        self._open()

    def _follow(self, unit: InputUnit | None) -> None:
        entered = not self.in_grace
        self.unit = unit
        self._stages.unpark_all()
        if entered and self.in_grace:
            self.on_grace()

    def _sign(self, sign: InputSign) -> GateChange | None:
        """Handle a sign of the input that waits for its verdict."""
        before = self.unit
        if before is None:
            return None
        unit = before.after(sign)
        self._follow(unit)
        if unit.stage is InputStage.ENDED:
            self._open()
            return GateChange.OPENED
        if unit.stage is InputStage.REFUSED:
            self._open()
            return GateChange.REFUSED
        if unit.stage is InputStage.RUNS:
            self.phase = Phase.AGENT
            self._follow(None)
        if unit.begun and not before.begun:
            return GateChange.BEGUN
        heard = before.stage is InputStage.SENT and unit.stage is InputStage.ASKED
        return GateChange.HEARD if heard else None

    # -- sending ---------------------------------------------------------------------------

    def allows(self, event: Event, *, force: bool) -> bool:
        """Whether this event may leave now."""
        return self.open or force or self._harmless(event)

    def may_pass(self, event: Event, *, force: bool) -> bool:
        """Whether this event could ever leave through the closed gate."""
        return force or isinstance(event, (*_HARMLESS, ResumeChatSessionEvent))

    def _harmless(self, event: Event) -> bool:
        if isinstance(event, ResumeChatSessionEvent):
            return event.session_id == self.session_id
        return isinstance(event, _HARMLESS)

    def writing(self, event: Event) -> bool:
        """Note that an event is about to be written; return whether it kills a running turn.

        An input is written between two pings.
        """
        kills = self.phase in (Phase.ASKED, Phase.AGENT) and not self._harmless(event)
        if kills:
            self._open()
        if isinstance(event, PingEvent):
            self._unanswered += 1
        elif isinstance(event, TextInputEvent):
            self.phase = Phase.ASKED
            self.signs += 1
            self.inputs += 1
            self.error = ""
            self._follow(InputUnit(ahead=self._unanswered))
            self._unanswered += 2
        return kills

    def input_sent(self, ahead: int) -> None:
        """Note that an input was written elsewhere, behind ``ahead`` unanswered pings."""
        self.phase = Phase.ASKED
        self._follow(InputUnit(ahead=ahead))
        self._unanswered = ahead + 2

    # -- receiving -------------------------------------------------------------------------

    def link_opened(self) -> None:
        """Start on a new link; the first ping asks the server for proof that it is alive."""
        self.link_lost()
        self._unanswered = 1

    def link_lost(self) -> None:
        """Note that the link is lost: an open verdict will not arrive."""
        self.phase = Phase.UNKNOWN
        self.streamed = False
        self._unanswered = 0
        self._follow(None)

    def received(self, event: Incoming) -> GateChange | None:
        """Handle a received event; return the change, if any."""
        cls = type(event)
        if cls is PongEvent:
            return self._pong()
        if cls is PingEvent:
            return None
        if cls in STREAM:
            return self.received_stream()
        self.signs += 1
        if cls is UserTurnStartEvent:
            return self._start()
        if cls is UserTurnEndEvent:
            self.session_id, self._deleted = self.session_id or self._deleted, None
            if self.phase is Phase.ASKED:
                return self._sign(InputSign.TURN_END)
            self.phase = Phase.AGENT
            return None
        return self._other(event)

    def received_stream(self) -> GateChange | None:
        """Handle an event of :data:`STREAM`."""
        self.signs += 1
        self.streamed = True
        if self.phase is _AGENT:  # the most frequent case
            return None
        if self.phase is Phase.UNKNOWN:
            self.phase = Phase.AGENT
        return self._sign(InputSign.STREAM)

    def _pong(self) -> GateChange | None:
        if not self._unanswered:
            return None  # it answers no ping
        self._unanswered -= 1
        return self._sign(InputSign.PONG)

    def _start(self) -> GateChange | None:
        if self.phase is Phase.ASKED:
            return self._sign(InputSign.TURN_START)
        self._open()
        return GateChange.OPENED

    def _other(self, event: Incoming) -> GateChange | None:
        if isinstance(event, ErrorEvent):
            if self.unit is not None and not _names_another(event):
                if self.unit.stage in (InputStage.ASKED, InputStage.GRACE):
                    self.error = event.message
                return self._sign(InputSign.ERROR)
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
