"""Which of the agent's audio is played, and when it stops.

The audio lane may be behind the wire, so a stop and the frames that it concerns meet here:

Rule 1. A ``cancelled`` stops the playback when the control lane handles it, which overtakes.
Frames are not played before the audio lane has passed the same ``cancelled``.
Rule 2. A stop of the application's own does the same with a mark that it puts into the lane.
Rule 3. What passes is then still late if a turn runs: nothing is played until it is over
(``user_turn_start``), or another has begun (``user_turn_end``).

What is not played for one of these reasons counts as flushed.

Rule 4. Audio belongs to the answer of the last ``user_turn_end``: what comes behind the
``user_turn_start`` that ended its turn is still its own. A new link may have lost a
``user_turn_end``, so there an answer begins unless the turn of the last one runs still.
Rule 5. A turn is identified by the number of the ``user_turn_start`` that ends it, which every
lane counts for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, final

import trio

from .._core._fast_decoder import Incoming
from .._core._local_events import LinkEvent, PlaybackEvent
from .._core._notifications import AudioOutput, Notification
from .._core._shell_notifications import AudioFlushed
from .._core._spoken import SpokenAnswer
from .._core._state import AudioSlice
from ..events import CancelledEvent, UserTurnEndEvent, UserTurnStartEvent

if TYPE_CHECKING:
    from ..audio._jitter import PlaybackConfig
    from ..audio._playback import Playback
    from ..audio._sinks import AudioSink

__all__ = ["Playout"]


@final
class Playout:
    """Observes the control and the audio lane and feeds the playback, if there is one."""

    def __init__(self, post: Callable[[PlaybackEvent], None]) -> None:
        self.playback: Playback | None = None
        """The present playback, or the last one."""
        self._attached = False
        self._post = post
        self._cancels_ahead = 0  # in the control lane more than in the audio lane
        self._marks = 0
        self._late = False
        self._starts = 0
        self._answer = SpokenAnswer(number=1)
        self._answers: dict[int, SpokenAnswer] = {1: self._answer}
        self._waiting: list[tuple[int, Callable[[], None]]] = []
        self._actions: dict[type[Incoming], Callable[[Any, AudioSlice], None]] = {
            CancelledEvent: self._passed_cancelled,
            PlaybackEvent: self._passed_mark,
            UserTurnStartEvent: self._turn_started,
            UserTurnEndEvent: self._turn_ended,
            LinkEvent: self._link_changed,
        }

    # -- the application's side ------------------------------------------------------------

    def attach(self, sink: AudioSink, config: PlaybackConfig | None) -> Playback:
        """Play to this sink from now on. One at a time."""
        if self._attached:
            msg = "the agent's audio is being played already: leave that play_to block first"
            raise trio.BusyResourceError(msg)
        from ..audio._playback import Playback

        playback = Playback(sink, config, tell=self._tell, answer=self._answer)
        self._answer.played = True
        self.playback = playback
        self._attached = True
        return playback

    def detach(self) -> None:
        """Play no more."""
        playing = self._playing()
        assert playing is not None
        playing.close()
        self._attached = False

    def flush(self) -> AudioFlushed | None:
        """Throw away what waits to be played; what comes next is played."""
        playing = self._playing()
        return None if playing is None else playing.interrupt()

    def stop(self) -> AudioFlushed | None:
        """Stop the answer that is playing or coming in."""
        told = self.flush()
        self._marks += 1
        self._post(PlaybackEvent())
        return told

    def passed(self, number: int, then: Callable[[], None]) -> None:
        """Call ``then`` once the audio lane has handled that many ``user_turn_start``."""
        if self._starts >= number:
            then()
        else:
            self._waiting.append((number, then))

    def spoken(self, number: int) -> SpokenAnswer | None:
        """The answer of a turn, by its number; ``None`` where it had no voice or nothing plays."""
        answer = self._answers.get(number)
        return answer if answer is not None and answer.spoken and answer.played else None

    def forget(self, number: int) -> None:
        """Nobody will ask for the answers of turns up to this one any more."""
        for past in [known for known in self._answers if known <= number]:
            del self._answers[past]

    # -- the lanes' side -------------------------------------------------------------------

    def saw_control(
        self, event: Incoming, _notes: tuple[Notification, ...], _slice: object
    ) -> None:
        """Take part in one step of the control lane."""
        if type(event) is CancelledEvent:
            self._cancels_ahead += 1
            if self._cancels_ahead > 0:
                self.flush()

    def saw_audio(self, event: Incoming, notes: tuple[Notification, ...], slice_: object) -> None:
        """Take part in one step of the audio lane."""
        for note in notes:
            if type(note) is AudioOutput:
                self._take(note)
        action = self._actions.get(type(event))
        if action is not None:
            assert isinstance(slice_, AudioSlice)
            action(event, slice_)

    def _take(self, note: AudioOutput) -> None:
        playing = self._playing()
        if playing is None:
            if note.format is not None:
                self._answer.came(len(note.data), note.format)
            return
        if self._late or self._marks or self._cancels_ahead > 0:
            playing.discard(note.data, note.format)
        else:
            playing.feed(note.data, note.format)

    def _passed_cancelled(self, _event: CancelledEvent, slice_: AudioSlice) -> None:
        self._cancels_ahead -= 1
        if self._cancels_ahead < 0:  # the control lane has it still before it
            self.flush()
        self._late = not slice_.user_turn

    def _passed_mark(self, event: PlaybackEvent, slice_: AudioSlice) -> None:
        if event.note is None:
            self._marks -= 1
            self._late = not slice_.user_turn

    def _turn_started(self, _event: UserTurnStartEvent, _slice: AudioSlice) -> None:
        self._late = False
        self._starts += 1
        playing = self._playing()
        if playing is not None:
            playing.end_answer()
            playing.tell_discarded()
        due = [then for number, then in self._waiting if number <= self._starts]
        self._waiting = [each for each in self._waiting if each[0] > self._starts]
        for then in due:
            then()

    def _turn_ended(self, _event: UserTurnEndEvent, _slice: AudioSlice) -> None:
        self._late = False
        self._begin_answer()

    def _link_changed(self, event: LinkEvent, _slice: AudioSlice) -> None:
        if event.status == "connected" and self._answer.number <= self._starts:
            self._begin_answer()

    def _begin_answer(self) -> None:
        playing = self._playing()
        answer = SpokenAnswer(number=self._starts + 1, played=playing is not None)
        self._answer = self._answers[answer.number] = answer
        if playing is not None:
            playing.tell_discarded()
            playing.begin_turn(answer)

    def _playing(self) -> Playback | None:
        return self.playback if self._attached else None

    def _tell(self, note: Notification) -> None:
        self._post(PlaybackEvent(note=note))
