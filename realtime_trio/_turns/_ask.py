"""One question and its answer: five channels and an outcome.

A turn is followed in two places. The writer task and the receive task know at once that its
input was written, refused or killed, and which ``user_turn_start`` will end it: they count.
The text lane, which may be far behind, counts the same events as it handles them, feeds the
channels and decides. So nothing overtakes the turn's own tail, and the tail of the turn
before it does not leak into it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeAlias, final

import attrs
import trio

from .._core._fast_decoder import Delta, Incoming
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
from .._core._spoken import SpokenAnswer
from .._core._state import AudioSlice, ControlSlice, TextSlice, TurnRecord
from .._exceptions import TurnError
from .._outbound._receipt import Receipt
from .._outbound._turn_gate import TurnGate
from ..events import (
    ChatSessionChangedEvent,
    ErrorEvent,
    MessageEvent,
    SessionEvent,
    UserTurnStartEvent,
)
from ._channel import Pieces, weight
from ._outcome import Outcome, TurnFailed, TurnLost, outcome_of
from ._resync import Repair

__all__ = ["Track", "Turn", "TurnBook"]

Subsession: TypeAlias = SubsessionStarted | SubsessionEnded
Slice: TypeAlias = ControlSlice | TextSlice | AudioSlice


@attrs.define(slots=True, eq=False)
class Track:
    """What the shell knows of one turn.

    ``ends_at`` is the number, in the client's life, of the ``user_turn_start`` that will end
    it, ``None`` before its input was handed to the network; ``ended_at`` of the one that did.
    ``refused_at`` is the number of the ``error`` that refused the input. ``missed`` tells
    that the link was lost while it ran.
    """

    text: Pieces[str] = attrs.field(factory=Pieces[str])
    thoughts: Pieces[str] = attrs.field(factory=Pieces[str])
    tools: Pieces[ToolNotification] = attrs.field(factory=Pieces[ToolNotification])
    media: Pieces[Media] = attrs.field(factory=Pieces[Media])
    subsessions: Pieces[Subsession] = attrs.field(factory=Pieces[Subsession])
    ends_at: int | None = None
    ended_at: int | None = None
    refused_at: int | None = None
    missed: bool = False
    outcome: Outcome | None = None
    decided: trio.Event = attrs.field(factory=trio.Event)

    def decide(self, outcome: Outcome) -> None:
        """Write down how it ended; only the first word counts."""
        if self.outcome is None:
            self.outcome = outcome
            for pieces in (self.text, self.thoughts, self.tools, self.media, self.subsessions):
                pieces.finish()
            self.decided.set()


@final
class Turn:
    """A turn that ``client.ask`` has begun.

    Its channels buffer from the start: ``text`` and ``thoughts`` give the pieces (``str``)
    of the user's own session, ``tools`` :class:`~realtime_trio.ToolNotification`, ``media``
    :class:`~realtime_trio.Media`, ``subsessions`` the beginnings and ends of delegations.
    They end when the turn is over.
    """

    def __init__(self, track: Track, receipt: Receipt) -> None:
        self.text: Pieces[str] = track.text
        self.thoughts: Pieces[str] = track.thoughts
        self.tools: Pieces[ToolNotification] = track.tools
        self.media: Pieces[Media] = track.media
        self.subsessions: Pieces[Subsession] = track.subsessions
        self.receipt = receipt
        """How far the input has come."""
        self._track = track

    @property
    def outcome(self) -> Outcome:
        """How the turn ended.

        Raises :class:`~realtime_trio.TurnError` while it is not over: leave the ``async
        with`` block, or ``await turn.wait()``.
        """
        if self._track.outcome is None:
            message = "the turn is not over yet: leave its block, or await turn.wait()"
            raise TurnError(message)
        return self._track.outcome

    async def wait(self) -> Outcome:
        """Wait for the outcome. Any number of tasks may; cancelling changes nothing."""
        await self._track.decided.wait()
        return self.outcome

    def __repr__(self) -> str:
        """Whether it is over, and how; never what was said."""
        outcome = self._track.outcome
        return f"<Turn: {'under way' if outcome is None else type(outcome).__name__}>"


class SpokenTurns(Protocol):
    """What the audio lane knows of the turns, which are told apart by their ``ends_at``."""

    def passed(self, number: int, then: Callable[[], None]) -> None:
        """Call ``then`` once the audio lane has passed the end of a turn."""
        ...

    def spoken(self, number: int) -> SpokenAnswer | None:
        """How much of a turn's answer was heard; ``None`` without voice or without a sink."""
        ...

    def forget(self, number: int) -> None:
        """Let go of the answers of turns up to this one."""
        ...


@final
class TurnBook:
    """Follows the turns that are asked for, from the shell's side and from the text lane's."""

    def __init__(self, gate: TurnGate, repair: Repair) -> None:
        self.voice: SpokenTurns | None = None
        self._repair = repair
        self._gate = gate
        self._turn: Track | None = None
        self._queued: set[Track] = set()
        self._deciding: dict[Track, Callable[[], None]] = {}
        self._starts = 0
        self._errors = 0

    # -- the shell's side ------------------------------------------------------------------

    def queued(self, turn: Track) -> None:
        """The input waits to be written."""
        self._queued.add(turn)

    def begin(self, turn: Track) -> None:
        """The input is about to be written: the next ``user_turn_start`` ends this turn."""
        self._queued.discard(turn)
        turn.ends_at = self._gate.starts + 1
        self._turn = turn

    def refused(self) -> None:
        """An error answered the input: fails the turn once the text lane has come that far."""
        if self._turn is not None:
            self._turn.refused_at = self._gate.errors
            self._judge_refusal(None)

    def killed(self) -> None:
        """A command that could not wait has killed the turn; no end of it will come."""
        self._fail(TurnFailed(reason="a command that was sent in the middle of it killed it"))

    def link_lost(self) -> None:
        """From now on something of the running turn may be missing."""
        turn = self._turn
        if turn is not None and turn.ends_at is not None and self._gate.starts < turn.ends_at:
            turn.missed = True

    def lost(self, turn: Track, reason: str) -> None:
        """Nothing more will be heard of this turn."""
        if self._turn is turn:
            self._turn = None
        self._queued.discard(turn)
        turn.decide(TurnLost(reason=reason))

    def end(self, why: str) -> None:
        """The client has ended: nothing more will be heard of any turn."""
        for decide in tuple(self._deciding.values()):
            decide()
        running = () if self._turn is None else (self._turn,)
        for turn in (*running, *self._queued):
            self.lost(turn, why)

    def _fail(self, outcome: TurnFailed) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.decide(outcome)

    # -- the text lane's side --------------------------------------------------------------

    def observe(self, event: Incoming, notes: tuple[Notification, ...], slice_: Slice) -> None:
        """Take part in one step of the text lane; called by its task after the fold."""
        turn = self._turn
        cls = type(event)
        if cls is UserTurnStartEvent:
            self._starts += 1
            if turn is not None and self._starts == turn.ends_at:
                assert isinstance(slice_, TextSlice)
                # The end of a message may tell what was held back of it (protocol.md §2 L4).
                last = tuple(note for note in notes if isinstance(note, MessageStreaming))
                _feed(turn, event, last, slice_)
                self._end_of(turn, slice_)
            if self.voice is not None:
                self.voice.passed(self._starts, partial(self.voice.forget, self._starts))
            self._repair.handled()
        elif cls is ChatSessionChangedEvent:
            self._repair.handled()
        elif cls is ErrorEvent:
            self._errors += 1
            self._judge_refusal(event)
        elif turn is not None and turn.ends_at is not None and self._starts >= turn.ends_at - 1:
            assert isinstance(slice_, TextSlice)
            _feed(turn, event, notes, slice_)

    def _end_of(self, turn: Track, slice_: Slice) -> None:
        assert isinstance(slice_, TextSlice)
        self._turn = None
        turn.ended_at = self._starts
        record = slice_.rest.last_turn
        assert record is not None
        if self.voice is None or not record.cancelled:
            turn.decide(outcome_of(record, missed=turn.missed))
        else:
            self._decide_cancelled(turn, record, self.voice)

    def _decide_cancelled(self, turn: Track, record: TurnRecord, voice: SpokenTurns) -> None:
        """Decide once the audio lane has counted all that the server sent of the answer."""
        number = self._starts

        def decide() -> None:
            self._deciding.pop(turn, None)
            turn.decide(outcome_of(record, missed=turn.missed, spoken=voice.spoken(number)))

        self._deciding[turn] = decide
        voice.passed(number, decide)

    def _judge_refusal(self, event: Incoming | None) -> None:
        turn = self._turn
        errors = (event.message,) if isinstance(event, ErrorEvent) else ()
        if turn is not None and turn.refused_at is not None and self._errors >= turn.refused_at:
            self._fail(TurnFailed(reason="the server refused the input", errors=errors))


def _feed(turn: Track, event: Incoming, notes: tuple[Notification, ...], slice_: TextSlice) -> None:
    """Hand out what one event brought."""
    for note in notes:
        match note:
            case MessageStreaming(session_id=session_id, delta=delta, role=role):
                if session_id == _users_session(event, slice_):
                    _say(turn, role, delta)
            case ToolNotification():
                turn.tools.put(note, weight((note.id, note.tool_name, note.arguments)))
            case MediaAdded(media=media):
                turn.media.put(media, weight((media.content, media.url, media.name)))
            case SubsessionStarted() | SubsessionEnded():
                turn.subsessions.put(note, weight((note.session_id, note.parent_session_id)))
            case _:
                pass
    if isinstance(event, MessageEvent) and notes and _is_users(event, slice_):
        _say(turn, event.role, event.content)


def _say(turn: Track, role: str, text: str) -> None:
    if role == ASSISTANT:
        turn.text.put(text, len(text))
    elif role == THOUGHT:
        turn.thoughts.put(text, len(text))


def _users_session(event: Incoming, slice_: TextSlice) -> str | None:
    """The session that the user sees (protocol.md §8 U3), by what an event and the state say."""
    if not isinstance(event, (SessionEvent, Delta)):
        return slice_.user_session_id
    return event.user_session_id or slice_.user_session_id or event.session_id


def _is_users(event: MessageEvent, slice_: TextSlice) -> bool:
    """Whether an event belongs to that session; one that names none does (§2 L2)."""
    return event.session_id in ("", _users_session(event, slice_))
