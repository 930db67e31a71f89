"""One question and its answer: five channels and an outcome.

A turn is followed in two places. The writer task and the receive task know at once that its
input was written, refused or killed, and which ``user_turn_start`` will end it: they count.
The text lane, which may be far behind, counts the same events as it handles them, feeds the
channels and decides. So nothing overtakes the turn's own tail, and the tail of the turn
before it does not leak into it.
"""

from __future__ import annotations

from typing import TypeAlias, final

import trio

from .._core._messages import ASSISTANT, THOUGHT
from .._core._notifications import (
    Media,
    MediaAdded,
    MessageStreaming,
    Notification,
    SubsessionEnded,
    SubsessionStarted,
    ToolNotification,
)
from .._core._state import AudioSlice, ControlSlice, TextSlice
from .._exceptions import TurnError
from ..events import (
    ErrorEvent,
    MessageEvent,
    ServerEvent,
    SessionEvent,
    UserTurnStartEvent,
)
from ._gate import TurnGate
from ._outcome import Outcome, TurnFailed, TurnLost, outcome_of
from ._pieces import Pieces
from ._receipt import Receipt

__all__ = ["Turn", "TurnBook"]

Slice: TypeAlias = ControlSlice | TextSlice | AudioSlice


@final
class Turn:
    """A turn that ``client.ask`` has begun.

    Its channels buffer from the start: ``text`` and ``thoughts`` give the pieces (``str``)
    of the user's own session, ``tools`` :class:`~realtime_trio.ToolNotification`, ``media``
    :class:`~realtime_trio.Media`, ``subsessions`` the beginnings and ends of delegations.
    They end when the turn is over.
    """

    def __init__(self) -> None:
        self.text: Pieces[str] = Pieces()
        self.thoughts: Pieces[str] = Pieces()
        self.tools: Pieces[ToolNotification] = Pieces()
        self.media: Pieces[Media] = Pieces()
        self.subsessions: Pieces[SubsessionStarted | SubsessionEnded] = Pieces()
        self.receipt: Receipt | None = None
        self._ends_at: int | None = None
        self._refused_at: int | None = None
        self._missed = False
        self._ended_at: int | None = None
        self._outcome: Outcome | None = None
        self._decided = trio.Event()

    @property
    def outcome(self) -> Outcome:
        """How the turn ended.

        Raises :class:`~realtime_trio.TurnError` while it is not over: leave the ``async
        with`` block, or ``await turn.wait()``.
        """
        if self._outcome is None:
            message = "the turn is not over yet: leave its block, or await turn.wait()"
            raise TurnError(message)
        return self._outcome

    @property
    def over(self) -> bool:
        """Whether the outcome is known."""
        return self._outcome is not None

    async def wait(self) -> Outcome:
        """Wait for the outcome. Any number of tasks may; cancelling changes nothing."""
        await self._decided.wait()
        return self.outcome

    @property
    def asked(self) -> bool:
        """Whether the input has been handed to the network."""
        return self._ends_at is not None

    @property
    def ends_at(self) -> int | None:
        """Which ``user_turn_start`` of the client's life ends it; ``None`` before it is asked."""
        return self._ends_at

    @property
    def ended_at(self) -> int | None:
        """Which ``user_turn_start`` did end it; ``None`` where none did."""
        return self._ended_at

    def _picked(self, starts: int) -> None:
        self._ends_at = starts + 1

    def _decide(self, outcome: Outcome) -> None:
        if self._outcome is not None:
            return
        self._outcome = outcome
        for pieces in (self.text, self.thoughts, self.tools, self.media, self.subsessions):
            pieces.finish()
        self._decided.set()


@final
class TurnBook:
    """Follows the one turn that runs, from the shell's side and from the text lane's."""

    def __init__(self, gate: TurnGate) -> None:
        self._gate = gate
        self._turn: Turn | None = None
        self._queued: set[Turn] = set()
        self._starts = 0
        self._errors = 0

    # -- the shell's side ------------------------------------------------------------------

    def queued(self, turn: Turn) -> None:
        """The input waits to be written."""
        self._queued.add(turn)

    def begin(self, turn: Turn) -> None:
        """The input is about to be written: the next ``user_turn_start`` ends this turn."""
        self._queued.discard(turn)
        turn._picked(self._gate.starts)
        self._turn = turn

    def refused(self) -> None:
        """An error answered the input: fails the turn once the text lane has come that far."""
        turn = self._turn
        if turn is not None and not turn.over:
            turn._refused_at = self._gate.errors
            self._judge_refusal(turn, ())

    def killed(self) -> None:
        """A command that could not wait has killed the turn; no end of it will come."""
        self._fail(TurnFailed(reason="a command that was sent in the middle of it killed it"))

    def link_lost(self) -> None:
        """From now on something of the running turn may be missing."""
        turn = self._turn
        if turn is not None and turn.ends_at is not None and self._gate.starts < turn.ends_at:
            turn._missed = True

    def end(self, why: str) -> None:
        """The client has ended: nothing more will be heard of any turn."""
        if self._turn is not None:
            self._queued.add(self._turn)
        for turn in tuple(self._queued):
            self.lost(turn, why)

    def lost(self, turn: Turn, reason: str) -> None:
        """Nothing more will be heard of this turn."""
        if self._turn is turn:
            self._turn = None
        self._queued.discard(turn)
        turn._decide(TurnLost(reason=reason))

    def _fail(self, outcome: TurnFailed) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn._decide(outcome)

    # -- the text lane's side --------------------------------------------------------------

    def observe(
        self, event: ServerEvent, notes: tuple[Notification, ...], slice_: Slice
    ) -> None:
        """Take part in one step of the text lane; called by its task after the fold."""
        turn = self._turn
        cls = type(event)
        if cls is UserTurnStartEvent:
            self._starts += 1
            if turn is not None and self._starts == turn.ends_at:
                self._turn = None
                turn._ended_at = self._starts
                assert isinstance(slice_, TextSlice) and slice_.rest.last_turn is not None
                turn._decide(outcome_of(slice_.rest.last_turn, missed=turn._missed))
        elif cls is ErrorEvent:
            self._errors += 1
            if turn is not None:
                assert isinstance(event, ErrorEvent)
                self._judge_refusal(turn, (event.message,))
        elif turn is not None and turn.ends_at is not None and self._starts >= turn.ends_at - 1:
            assert isinstance(slice_, TextSlice)
            _feed(turn, event, notes, slice_)

    def _judge_refusal(self, turn: Turn, errors: tuple[str, ...]) -> None:
        if turn._refused_at is not None and self._errors >= turn._refused_at:
            self._fail(TurnFailed(reason="the server refused the input", errors=errors))


def _feed(
    turn: Turn, event: ServerEvent, notes: tuple[Notification, ...], slice_: TextSlice
) -> None:
    """Hand out what one event brought."""
    for note in notes:
        match note:
            case MessageStreaming(delta=delta, role=role):
                if _is_users(event, slice_):
                    _say(turn, role, delta)
            case ToolNotification():
                turn.tools.put(note)
            case MediaAdded(media=media):
                turn.media.put(media, len(media.content or ""))
            case SubsessionStarted() | SubsessionEnded():
                turn.subsessions.put(note)
            case _:
                pass
    if isinstance(event, MessageEvent) and notes and _is_users(event, slice_):
        _say(turn, event.role, event.content)


def _say(turn: Turn, role: str, text: str) -> None:
    if role == ASSISTANT:
        turn.text.put(text, len(text))
    elif role == THOUGHT:
        turn.thoughts.put(text, len(text))


def _is_users(event: ServerEvent, slice_: TextSlice) -> bool:
    """Whether an event belongs to the session that the user sees (protocol.md §8 U3)."""
    if not isinstance(event, SessionEvent):
        return False
    users = event.user_session_id or slice_.user_session_id
    return users is None or users == event.session_id
