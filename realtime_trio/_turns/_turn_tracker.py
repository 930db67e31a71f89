"""Assign events to turns, and decide how each turn ends.

Two sides meet here. The writer task and the observer in the receive task know immediately that
an input is about to be written and that its turn ended, was refused or was killed. The lanes may
lag far behind, so each of these events gets a mark (see ``_lanes/_marks``):

- The channels get what the text lane handles between the mark of the first pong, which shows that
  the server reached the input, and the mark of the end. So nothing of the previous turn leaks
  into this one.
- The outcome is decided when every lane has passed the mark of the end. So it does not
  overtake anything that belongs to the turn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import final

from .._core._fast_decoder import Delta, Incoming
from .._core._messages import ASSISTANT, THOUGHT
from .._core._notifications import (
    MediaAdded,
    MessageStreaming,
    Notification,
    SubsessionEnded,
    SubsessionStarted,
    ToolNotification,
)
from .._core._spoken import SpokenAnswer
from .._core._state import TextSlice
from .._lanes._marks import Mark, Marks, Slice
from .._outbound._outbox import Outbox
from .._outbound._receipt import Receipt
from ..events import (
    ChatSessionChangedEvent,
    ErrorEvent,
    Lane,
    MessageEvent,
    SessionEvent,
    UserTurnStartEvent,
)
from ._channel import weight
from ._outcome import (
    Outcome,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnLost,
    outcome_of,
)
from ._turn_progress import TurnProgress

__all__ = ["TurnTracker"]

_VOID = TurnLost(reason="the link was lost before the server answered the input")
_KILLED = TurnFailed(reason="a command that was sent during the turn killed it")


@final
class TurnTracker:
    """Follows the turns that the application asked for.

    ``answer`` returns the spoken answer that the audio lane is handling, or the last one it ended.
    """

    def __init__(self, marks: Marks, answer: Callable[[], SpokenAnswer | None]) -> None:
        self._marks = marks
        self._answer = answer
        self._queued: dict[TurnProgress, Receipt] = {}
        self._running: TurnProgress | None = None  # written, and its end was not received yet
        self._fed: TurnProgress | None = None  # between its two marks in the text lane
        # Not decided yet: some lane has not passed the mark of the end.
        self._ending: dict[TurnProgress, Outcome | None] = {}

    # -- the writer and the observer -------------------------------------------------------

    def queued(self, turn: TurnProgress, receipt: Receipt) -> None:
        """Note that the input is queued."""
        self._queued[turn] = receipt

    def withdraw(self, outbox: Outbox) -> bool:
        """Withdraw the queued input whose turn is cancelled; return whether there was one."""
        for turn, receipt in tuple(self._queued.items()):
            if outbox.withdraw(receipt):
                self._forget(turn)
                turn.decide(TurnCancelled())
                return True
        return False

    def begin(self, turn: TurnProgress) -> None:
        """Note that the input is about to be written."""
        self._queued.pop(turn, None)
        turn.written = True
        self._running = turn

    def heard(self) -> None:
        """Note that the server reached the input: further events may belong to its turn."""
        turn = self._running
        if turn is not None:
            mark = self._marks.place(Lane.TEXT, Lane.AUDIO)
            mark.when_passed(Lane.TEXT, partial(self._text_begins, turn))
            mark.when_passed(Lane.AUDIO, partial(self._audio_begins, turn))

    def ended(self, mark: Mark) -> None:
        """Handle ``user_turn_start``; ``mark`` is directly behind it in every lane."""
        turn = self._end_at(mark, None)
        if turn is not None:
            mark.when_passed(Lane.TEXT, partial(self._text_over, turn))
            mark.when_passed(Lane.AUDIO, partial(self._audio_over, turn))

    def refused(self, error: str, mark: Mark) -> None:
        """Handle an ``error`` as the answer to the input; ``mark`` is directly behind it."""
        self._end_at(mark, TurnFailed(reason="the server refused the input", errors=(error,)))

    def not_begun(self, mark: Mark, *, cancelled: bool) -> None:
        """Note that the input began no turn; ``mark`` is directly behind the verdict."""
        turn = self._end_at(mark, None)
        if turn is not None:
            mark.when_passed(Lane.TEXT, partial(self._text_not_begun, turn, cancelled))

    def voided(self, mark: Mark) -> None:
        """Note that the link was lost before the verdict on the input."""
        self._end_at(mark, _VOID)

    def killed(self) -> None:
        """Note that a forced command killed the turn: its end will not arrive."""
        if self._running is not None:
            self._end_at(self._marks.place(), _KILLED)

    def link_lost(self) -> None:
        """Note that a part of the running turn may be missing from now on."""
        if self._running is not None:
            self._running.missed = True

    def lost(self, turn: TurnProgress, reason: str) -> None:
        """Settle a turn that receives nothing more."""
        self._forget(turn)
        turn.decide(TurnLost(reason=reason))

    def end(self, why: str) -> None:
        """Settle all turns: the client ended."""
        for turn, outcome in tuple(self._ending.items()):
            if turn.record is not None or outcome is not None:
                self._decide(turn)
        running = () if self._running is None else (self._running,)
        for turn in (*running, *self._queued, *self._ending):
            self.lost(turn, why)

    def _end_at(self, mark: Mark, outcome: Outcome | None) -> TurnProgress | None:
        """Decide the running turn, if there is one, when every lane has passed the mark."""
        turn, self._running = self._running, None
        if turn is not None:
            self._ending[turn] = outcome
            mark.when_done(partial(self._decide, turn))
        return turn

    def _decide(self, turn: TurnProgress) -> None:
        outcome = self._ending.get(turn)
        self._forget(turn)
        if outcome is not None:
            turn.decide(outcome)
        elif turn.record is not None:
            answer = turn.answer or self._answer()
            if answer is turn.earlier or not (answer and answer.spoken and answer.played):
                answer = None
            turn.decide(outcome_of(turn.record, missed=turn.missed, spoken=answer))

    def _forget(self, turn: TurnProgress) -> None:
        self._queued.pop(turn, None)
        self._ending.pop(turn, None)
        if self._running is turn:
            self._running = None
        if self._fed is turn:
            self._fed = None

    # -- the lanes -------------------------------------------------------------------------

    def observe(self, event: Incoming, notes: tuple[Notification, ...], slice_: Slice) -> None:
        """Observe one step of the text lane, after the fold."""
        turn = self._fed
        if turn is None or isinstance(event, (ChatSessionChangedEvent, ErrorEvent)):
            return
        assert isinstance(slice_, TextSlice)
        if type(event) is UserTurnStartEvent:
            # The end of a message may emit text held back until then (protocol.md §2 L4).
            notes = tuple(note for note in notes if isinstance(note, MessageStreaming))
        _feed(turn, event, notes, slice_)

    def _text_begins(self, turn: TurnProgress, slice_: Slice) -> None:
        assert isinstance(slice_, TextSlice)
        turn.earlier_errors = len(slice_.rest.turn.errors)
        if turn.outcome is None:
            self._fed = turn

    def _text_not_begun(self, turn: TurnProgress, cancelled: bool, slice_: Slice) -> None:
        assert isinstance(slice_, TextSlice)
        errors = slice_.rest.turn.errors[turn.earlier_errors :]
        self._ending[turn] = (
            TurnCancelled(errors=errors)
            if cancelled
            else TurnCompleted(message=None, errors=errors, began=False)
        )
        if self._fed is turn:
            self._fed = None

    def _audio_begins(self, turn: TurnProgress, _slice: Slice) -> None:
        turn.earlier = self._answer()

    def _text_over(self, turn: TurnProgress, slice_: Slice) -> None:
        assert isinstance(slice_, TextSlice)
        turn.record = slice_.rest.last_turn
        if self._fed is turn:
            self._fed = None

    def _audio_over(self, turn: TurnProgress, _slice: Slice) -> None:
        turn.answer = self._answer()


def _feed(
    turn: TurnProgress, event: Incoming, notes: tuple[Notification, ...], slice_: TextSlice
) -> None:
    """Put the notifications of one event into the channels."""
    for note in notes:
        match note:
            case MessageStreaming(session_id=session_id, delta=delta, role=role):
                if session_id == _users_session(event, slice_):
                    _feed_text(turn, role, delta)
            case ToolNotification():
                turn.tools.put(note, weight((note.id, note.tool_name, note.arguments)))
            case MediaAdded(media=media):
                turn.media.put(media, weight((media.content, media.url, media.name)))
            case SubsessionStarted() | SubsessionEnded():
                turn.subsessions.put(note, weight((note.session_id, note.parent_session_id)))
            case _:
                pass
    if isinstance(event, MessageEvent) and notes and _is_users(event, slice_):
        _feed_text(turn, event.role, event.content)


def _feed_text(turn: TurnProgress, role: str, text: str) -> None:
    if role == ASSISTANT:
        turn.text.put(text, len(text))
    elif role == THOUGHT:
        turn.thoughts.put(text, len(text))


def _users_session(event: Incoming, slice_: TextSlice) -> str | None:
    """Return the user's session (protocol.md §8 U3) according to an event and the state."""
    if not isinstance(event, (SessionEvent, Delta)):
        return slice_.user_session_id
    return event.user_session_id or slice_.user_session_id or event.session_id


def _is_users(event: MessageEvent, slice_: TextSlice) -> bool:
    """Whether an event belongs to that session; one that names no session does (§2 L2)."""
    return event.session_id in ("", _users_session(event, slice_))
