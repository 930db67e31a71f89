"""Play answers in order, from the network's pace to a sink's.

The shell passes received audio to :meth:`Playback.feed`, which never blocks. The task of
:meth:`Playback.run` reads the jitter buffer block by block and writes to the sink. Only the buffer
is between the two, so emptying it stops playback after the current block.

Rule 1. Every byte fed is counted in exactly one of played, dropped, flushed and buffered.
Rule 2. Feeding and interrupting take effect immediately and cannot fail, whatever the sink does.
Rule 3. Every byte counts for its own answer, even if the end of one answer is still playing when
the next arrives.
Rule 4. A sink without a clock gets blocks at fixed intervals counted from the first block, so an
hour of blocks takes an hour.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from .._core._audio_format import AudioFormat
from .._core._notifications import Notification
from .._core._shell_notifications import AudioFlushed, AudioGap
from .._core._spoken import SpokenAnswer
from .._exceptions import RealtimeError
from ._jitter import JitterBuffer, PlaybackConfig
from ._owners import Owners
from ._pcm import Level, level
from ._resample import Resampler
from ._sinks import AudioSink, ClockedSink

__all__ = ["Playback", "PlaybackStatistics"]

_STALL = 0.2
"""Seconds of lateness of a sink up to which playback catches up."""

_NEVER = float("-inf")


@attrs.frozen(slots=True, kw_only=True)
class PlaybackStatistics:
    """Playback statistics: sizes in bytes of the sink's format, times in seconds.

    ``received = played + dropped + flushed + buffered``. ``dropped`` is the audio lost to a full
    buffer, ``flushed`` the audio discarded by an interruption. ``position`` is the duration heard
    since playback started. ``heard_ms`` is the heard part of the latest answer; it is 0 while the
    previous answer is still playing. ``ramps`` counts bytes generated to prevent clicks,
    ``skipped`` the frames of voices without playback. ``underruns`` and ``overruns`` count how
    often the buffer was empty or full. ``concealed`` is the silence of the underruns. ``target`` is
    the amount buffered before playback starts.
    """

    state: str
    buffered: int
    buffered_ms: float
    received: int
    played: int
    dropped: int
    flushed: int
    position: float
    heard_ms: float
    ramps: int
    skipped: int
    underruns: int
    overruns: int
    concealed: float
    target: float


class Playback:
    """Plays to one sink while :meth:`run` runs. ``emit`` receives gaps and flushes.

    With ``answer``, the owner determines the answer of the audio, here and with :meth:`begin_turn`.
    Without it, :meth:`end_answer` and :meth:`interrupt` start another answer.
    """

    def __init__(
        self,
        sink: AudioSink,
        config: PlaybackConfig | None = None,
        *,
        emit: Callable[[Notification], None] = lambda note: None,
        answer: SpokenAnswer | None = None,
    ) -> None:
        self.format: AudioFormat = sink.format
        """The format of the sink."""
        self.interruption: AudioFlushed | None = None
        """The last interruption of an answer; ``None`` once another answer has started."""
        self._sink = sink
        self._clocked = sink if isinstance(sink, ClockedSink) else None
        self._emit = emit
        self._buffer = JitterBuffer(sink.format, config)
        self._resampler: Resampler | None = None
        self._changed = trio.lowlevel.ParkingLot()
        self._rest = trio.lowlevel.ParkingLot()
        self._resting = True
        self._owners = Owners(sink.format)
        self._answer = SpokenAnswer() if answer is None else answer
        self._finds_answers = answer is None
        self._ended = True
        self._gap_pieces = self._gap_bytes = 0
        self._skipped = 0
        self._discarded = 0
        self._last_block = b""
        self._failure: RealtimeError | None = None

    # -- input -----------------------------------------------------------------------------

    def feed(self, data: bytes, format: AudioFormat | None) -> None:
        """Add received whole frames; ``None`` stands for a frame without playback.

        Never blocks. Above the buffer's limit, the oldest audio is dropped.
        """
        if format is None:
            self._skipped += 1
            return
        self._begin()
        self._answer.add_received(len(data), format)
        try:
            data = self._convert(data, format)
        except RealtimeError as exc:  # the extra is missing: run() raises it
            self._failure = exc
            data = b""
        self._push(data)

    def end_answer(self) -> None:
        """Mark the answer as complete: buffered audio is played without waiting for more."""
        if not self._ended:
            self._ended = True
            self._push_tail()
            self._buffer.end()
            self._changed.unpark_all()

    def interrupt(self) -> AudioFlushed | None:
        """Stop after the current block and discard buffered audio.

        It emits the discarded audio of each answer, and returns the total; ``None`` if the buffer
        was empty.
        """
        self._resampler = None
        self._last_block = b""
        size = self._buffer.flush()
        if self._clocked is not None:
            # The device did not play it, so it does not count as played.
            back = self._owners.return_unplayed(self._clocked.flush())
            self._buffer.counts.played -= back
            self._buffer.counts.flushed += back
            size += back
        self._ended = True
        return self._flushed(size)

    def discard(self, data: bytes, format: AudioFormat | None) -> None:
        """Count audio of an interrupted answer as flushed."""
        if format is not None:
            frames = len(data) // format.frame_bytes
            size = round(frames * self.format.rate / format.rate) * self.format.frame_bytes
            self._buffer.counts.received += size
            self._buffer.counts.flushed += size
            self._answer.add_received(len(data), format)
            self._discarded += size
            told = self.interruption
            if told is not None:
                unheard = told.unheard_ms + self._ms(size)
                total = told.bytes + size
                self.interruption = attrs.evolve(told, bytes=total, unheard_ms=unheard)

    def emit_discarded(self) -> None:
        """End the interrupted answer: emit the audio that arrived after the interruption."""
        size, self._discarded = self._discarded, 0
        if size:
            self._emit(self._unheard(self._answer, size))

    def begin_turn(self, answer: SpokenAnswer | None = None) -> None:
        """Start another answer; the previous one is complete."""
        self.end_answer()
        self.interruption = None
        self._answer = SpokenAnswer() if answer is None else answer

    def _begin(self) -> None:
        if self._ended:
            self._ended = False
            self.interruption = None
            if self._finds_answers:
                self._answer = SpokenAnswer()

    def _convert(self, data: bytes, format: AudioFormat) -> bytes:
        resampler = self._resampler
        if resampler is None or resampler.source != format:
            self._push_tail()
            resampler = self._resampler = Resampler(format, self.format)
        return resampler(data)

    def _push_tail(self) -> None:
        """Push the resampler's remaining output."""
        if self._resampler is not None:
            self._push(self._resampler.flush())

    def _push(self, data: bytes) -> None:
        if data:
            self._owners.push(self._answer, len(data))
        gone = self._buffer.push(data, trio.current_time())
        if gone:
            self._owners.drop_oldest(gone)
            self._gap_pieces += 1
            self._gap_bytes += gone
        self._resting = False
        self._changed.unpark_all()

    # -- output ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Play until cancelled. Errors of the sink propagate."""
        due = _NEVER
        while True:
            if self._failure is not None:
                raise self._failure
            if self._clocked is not None:
                await self._clocked.ready()
            block = self._pull()
            if self._gap_bytes:
                self._emit_gap()
            if not block:
                await self._wait_for_more()
                due = _NEVER
                continue
            self._last_block = block
            if self._clocked is not None:
                self._clocked.write_nowait(block)
                continue
            now = trio.current_time()
            await self._sink.write(block)
            # Slightly late: keep the deadlines. Very late, or after silence: restart them.
            due = (due if now - due < _STALL else now) + self.format.seconds_of(len(block))
            await trio.sleep_until(due)

    def _pull(self) -> bytes:
        """Return the next block, counted for its answers."""
        before = self._buffer.counts.played
        block = self._buffer.pull(trio.current_time())
        if block:
            sent = self._buffer.counts.played - before
            keep = 0 if self._clocked is None else self._queued() + len(block)
            self._owners.play(sent, ramp=len(block) - sent, keep=keep)
        return block

    async def _wait_for_more(self) -> None:
        self._last_block = b""
        if not self._buffer.buffered:
            self._resting = True
            self._rest.unpark_all()
        with trio.move_on_at(self._buffer.ready_at):
            await self._changed.park()

    async def drained(self) -> None:
        """Wait until all received audio has been played or discarded.

        An unfinished answer can receive more audio afterwards. A checkpoint; any number of tasks
        may wait.
        """
        await trio.lowlevel.checkpoint()
        while not self._resting:
            await self._rest.park()
        if self._clocked is not None:
            await self._clocked.drained()

    def close(self) -> None:
        """Stop playback; buffered audio counts as flushed."""
        self.interrupt()
        self._resting = True
        self._rest.unpark_all()

    # -- reporting -------------------------------------------------------------------------

    @property
    def volume(self) -> float:
        """A factor for every sample; results are clipped at full scale."""
        return self._buffer.volume

    @volume.setter
    def volume(self, factor: float) -> None:
        if not 0.0 <= factor < float("inf"):
            message = f"volume must be 0 or more, not {factor!r}"
            raise ValueError(message)
        self._buffer.volume = factor

    @property
    def level(self) -> Level:
        """The level of the current block."""
        return level(self._last_block)

    @property
    def playing(self) -> bool:
        """Whether audio is playing or buffered."""
        return not self._resting or self._queued() > 0

    def statistics(self) -> PlaybackStatistics:
        """Return the current statistics."""
        buffer, counts = self._buffer, self._buffer.counts
        queued = self._queued()
        return PlaybackStatistics(
            state=buffer.state,
            buffered=buffer.buffered + queued,
            buffered_ms=self._ms(buffer.buffered + queued),
            received=counts.received,
            played=counts.played - queued,
            dropped=counts.dropped,
            flushed=counts.flushed,
            position=self.format.seconds_of(counts.played - queued),
            heard_ms=self._answer.heard_ms - self._owners.queued_ms(self._answer, queued),
            ramps=counts.ramps,
            skipped=self._skipped,
            underruns=counts.underruns,
            overruns=counts.overruns,
            concealed=counts.concealed,
            target=buffer.target,
        )

    def _queued(self) -> int:
        return 0 if self._clocked is None else self._clocked.queued

    def _ms(self, size: int) -> float:
        return 1000 * self.format.seconds_of(size)

    def _unheard(self, answer: SpokenAnswer, size: int) -> AudioFlushed:
        heard = answer.heard_ms
        return AudioFlushed(bytes=size, heard_ms=heard, unheard_ms=self._ms(size))

    def _flushed(self, size: int) -> AudioFlushed | None:
        lost = self._owners.drop_oldest(size)
        if self.interruption is None:
            self.interruption = self._unheard(self._answer, dict(lost).get(self._answer, 0))
        notes = [self._unheard(answer, count) for answer, count in lost]
        for note in notes:
            self._emit(note)
        if not notes:
            return None
        heard = sum(note.heard_ms for note in notes)
        return AudioFlushed(bytes=size, heard_ms=heard, unheard_ms=self._ms(size))

    def _emit_gap(self) -> None:
        gap = AudioGap(frames=self._gap_pieces, bytes=self._gap_bytes)
        self._gap_pieces = self._gap_bytes = 0
        self._emit(gap)
