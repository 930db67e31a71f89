"""Decide which part of the agent's audio is played, and when the playback stops.

The audio lane may lag behind the wire, so this module matches a stop to the frames it concerns:

Rule 1. A ``cancelled`` stops the playback when it is received; a stop of the application
does so immediately. Both place a mark in the audio lane: no frame before the mark is played.
Rule 2. After the mark, frames are still late if a turn runs: nothing is played until that turn
is over (``user_turn_start``) or another one has begun (``user_turn_end``).

Audio that is not played for one of these reasons counts as flushed.

Rule 3. Audio belongs to the answer of the last ``user_turn_end``. Audio after the
``user_turn_start`` that ended its turn still belongs to it. A new link may have lost a
``user_turn_end``, so an answer begins there unless the turn of the last one is still running.
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
from .._lanes._marks import Marks, Slice
from ..events import Lane, UserTurnEndEvent, UserTurnStartEvent

if TYPE_CHECKING:
    from ..audio._jitter import PlaybackConfig
    from ..audio._playback import Playback
    from ..audio._sinks import AudioSink

__all__ = ["PlaybackGate"]


@final
class PlaybackGate:
    """Observes the audio lane and feeds the playback, if there is one."""

    def __init__(self, post: Callable[[PlaybackEvent], None], marks: Marks) -> None:
        self.playback: Playback | None = None
        """The current playback, or the last one."""
        self._attached = False
        self._post = post
        self._marks = marks
        self._stops_ahead = 0  # stops whose marks the audio lane has not passed
        self._late = False
        self._answer = SpokenAnswer()
        self._answer_over = False  # its turn has ended
        self._ended: SpokenAnswer | None = None
        self._actions: dict[type[Incoming], Callable[[Any], None]] = {
            UserTurnStartEvent: self._turn_started,
            UserTurnEndEvent: self._turn_ended,
            LinkEvent: self._link_changed,
        }

    # -- the application -------------------------------------------------------------------

    def attach(self, sink: AudioSink, config: PlaybackConfig | None) -> Playback:
        """Play to this sink from now on. Only one sink at a time."""
        if self._attached:
            message = "the agent's audio is already played: leave the other play_to block first"
            raise trio.BusyResourceError(message)
        from ..audio._playback import Playback

        playback = Playback(sink, config, emit=self._emit, answer=self._answer)
        self._answer.played = True
        self.playback = playback
        self._attached = True
        return playback

    def detach(self) -> None:
        """Stop playing."""
        playing = self._playing()
        assert playing is not None
        playing.close()
        self._attached = False

    def flush(self) -> AudioFlushed | None:
        """Drop the audio that waits to be played; later audio is played."""
        playing = self._playing()
        return None if playing is None else playing.interrupt()

    def stop(self) -> AudioFlushed | None:
        """Stop the answer that is playing or arriving. Never waits."""
        flushed = self.flush()
        self._stops_ahead += 1
        self._marks.place(Lane.AUDIO).when_passed(Lane.AUDIO, self._passed_stop)
        return flushed

    def answer(self) -> SpokenAnswer | None:
        """Return the spoken answer of the turn that the audio lane handles now, otherwise of the
        last turn.

        ``None`` if that turn had none.
        """
        return self._ended if self._answer_over else self._answer

    # -- the lane --------------------------------------------------------------------------

    def observe(self, event: Incoming, notes: tuple[Notification, ...], _slice: object) -> None:
        """Observe one step of the audio lane, after the fold."""
        for note in notes:
            if type(note) is AudioOutput:
                self._take(note)
        action = self._actions.get(type(event))
        if action is not None:
            action(event)

    def _take(self, note: AudioOutput) -> None:
        playing = self._playing()
        if playing is None:
            if note.format is not None:
                self._answer.add_received(len(note.data), note.format)
            return
        if self._late or self._stops_ahead:
            playing.discard(note.data, note.format)
        else:
            playing.feed(note.data, note.format)

    def _passed_stop(self, slice_: Slice) -> None:
        assert isinstance(slice_, AudioSlice)
        self._stops_ahead -= 1
        self._late = not slice_.user_turn

    def _turn_started(self, _event: UserTurnStartEvent) -> None:
        self._late = False
        self._ended = None if self._answer_over else self._answer
        self._answer_over = True
        playing = self._playing()
        if playing is not None:
            playing.end_answer()
            playing.emit_discarded()

    def _turn_ended(self, _event: UserTurnEndEvent) -> None:
        self._late = False
        self._begin_answer()

    def _link_changed(self, event: LinkEvent) -> None:
        if event.status == "connected" and self._answer_over:
            self._begin_answer()

    def _begin_answer(self) -> None:
        playing = self._playing()
        self._answer = SpokenAnswer(played=playing is not None)
        self._answer_over = False
        if playing is not None:
            playing.emit_discarded()
            playing.begin_turn(self._answer)

    def _playing(self) -> Playback | None:
        return self.playback if self._attached else None

    def _emit(self, note: Notification) -> None:
        self._post(PlaybackEvent(note=note))
