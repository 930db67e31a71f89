"""One answer after the other, from the network's pace to a sink's.

The shell gives audio to :meth:`Playback.feed` as it comes and never waits; the task of
:meth:`Playback.run` takes it out of the jitter buffer block by block and writes it to the
sink. Between the two there is nothing but the buffer, so stopping is emptying it: the sink
gets nothing after the block that it is playing.

Rule 1. Every byte that was fed is in exactly one of played, dropped, flushed and buffered.
Rule 2. Feeding and interrupting take effect at once and cannot fail, whatever the sink does.
Rule 3. Every byte counts for the answer that it belongs to, also when the end of one answer is
still playing while the next one comes.
Rule 4. A sink without a clock gets a block each block's length, counted from the first one,
so an hour of blocks takes an hour.
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
"""Seconds that a sink may be late before what it missed is no longer made good."""

_NEVER = float("-inf")


@attrs.frozen(slots=True, kw_only=True)
class PlaybackStatistics:
    """How playing goes: sizes in bytes of the sink's format, times in seconds.

    ``received = played + dropped + flushed + buffered``. ``dropped`` went because the buffer
    was full, ``flushed`` because somebody interrupted. ``position`` is how much has been
    heard since the playback began, ``heard_ms`` how much of the answer that came last; it is
    0 while the end of the answer before is still playing. ``ramps`` are
    bytes that were made up so that nothing clicks, ``skipped`` pieces whose voice is not for
    playing. ``underruns`` and ``overruns`` count how often the buffer ran dry or over,
    ``concealed`` is the silence of the underruns; ``target`` is what is gathered before
    playing.
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
    """Plays to one sink, from :meth:`run` on. ``tell`` hears of gaps and flushes.

    With ``answer`` its owner says which answer the audio belongs to, here and with
    :meth:`begin_turn`. Without it, what comes after :meth:`end_answer` or :meth:`interrupt` is
    another answer.
    """

    def __init__(
        self,
        sink: AudioSink,
        config: PlaybackConfig | None = None,
        *,
        tell: Callable[[Notification], None] = lambda note: None,
        answer: SpokenAnswer | None = None,
    ) -> None:
        self.format: AudioFormat = sink.format
        self.interruption: AudioFlushed | None = None
        """The last time that an answer was cut short; ``None`` once another one began."""
        self._sink = sink
        self._clocked = sink if isinstance(sink, ClockedSink) else None
        self._tell = tell
        self._buffer = JitterBuffer(sink.format, config)
        self._resampler: Resampler | None = None
        self._news = trio.lowlevel.ParkingLot()
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

    # --- what comes in --------------------------------------------------------------------

    def feed(self, data: bytes, format: AudioFormat | None) -> None:
        """Take whole frames as they arrive; ``None`` is what is not for playing.

        Never waits. Beyond the bound of the buffer the oldest goes.
        """
        if format is None:
            self._skipped += 1
            return
        self._begin()
        self._answer.came(len(data), format)
        try:
            data = self._convert(data, format)
        except RealtimeError as exc:  # no extra: the task that plays raises it, not who feeds
            self._failure = exc
            data = b""
        self._push(data)

    def end_answer(self) -> None:
        """The answer is complete: what is there is played, without waiting for more."""
        if not self._ended:
            self._ended = True
            self._push_tail()
            self._buffer.end()
            self._news.unpark_all()

    def interrupt(self) -> AudioFlushed | None:
        """Stop at the end of the block that is playing and throw away what waits.

        What was thrown away is told for each answer that it belonged to, and returned as one
        for all of them; ``None`` where nothing waited.
        """
        self._resampler = None
        self._last_block = b""
        size = self._buffer.flush()
        if self._clocked is not None:
            # The device has not heard it: it was not played after all.
            back = self._owners.give_back(self._clocked.flush())
            self._buffer.counts.played -= back
            self._buffer.counts.flushed += back
            size += back
        self._ended = True
        return self._flushed(size)

    def discard(self, data: bytes, format: AudioFormat | None) -> None:
        """Take audio of an answer that was interrupted: it is counted as flushed."""
        if format is not None:
            frames = len(data) // format.frame_bytes
            size = round(frames * self.format.rate / format.rate) * self.format.frame_bytes
            self._buffer.counts.received += size
            self._buffer.counts.flushed += size
            self._answer.came(len(data), format)
            self._discarded += size
            told = self.interruption
            if told is not None:
                unheard = told.unheard_ms + self._ms(size)
                total = told.bytes + size
                self.interruption = attrs.evolve(told, bytes=total, unheard_ms=unheard)

    def tell_discarded(self) -> None:
        """The answer that was interrupted is over: tell what came of it afterwards."""
        size, self._discarded = self._discarded, 0
        if size:
            self._tell(self._unheard(self._answer, size))

    def begin_turn(self, answer: SpokenAnswer | None = None) -> None:
        """Another answer begins; what came until now is complete."""
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
        """Get what the resampler holds back."""
        if self._resampler is not None:
            self._push(self._resampler.flush())

    def _push(self, data: bytes) -> None:
        if data:
            self._owners.push(self._answer, len(data))
        gone = self._buffer.push(data, trio.current_time())
        if gone:
            self._owners.lose(gone)
            self._gap_pieces += 1
            self._gap_bytes += gone
        self._resting = False
        self._news.unpark_all()

    # --- what goes out --------------------------------------------------------------------

    async def run(self) -> None:
        """Play until cancelled. Raises what the sink raises."""
        due = _NEVER
        while True:
            if self._failure is not None:
                raise self._failure
            if self._clocked is not None:
                await self._clocked.ready()
            block = self._pull()
            if self._gap_bytes:
                self._tell_gap()
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
            # Late by a little: the deadlines stay. By a lot, or after a silence: anew.
            due = (due if now - due < _STALL else now) + self.format.seconds_of(len(block))
            await trio.sleep_until(due)

    def _pull(self) -> bytes:
        """The next block, counted for the answers that it belongs to."""
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
            await self._news.park()

    async def drained(self) -> None:
        """Wait until all that came has been played, or thrown away.

        An answer that has not ended yet may bring more afterwards. A checkpoint; any number
        of tasks may wait.
        """
        await trio.lowlevel.checkpoint()
        while not self._resting:
            await self._rest.park()
        if self._clocked is not None:
            await self._clocked.drained()

    def close(self) -> None:
        """Nothing more is played: what is left counts as flushed."""
        self.interrupt()
        self._resting = True
        self._rest.unpark_all()

    # --- what it tells --------------------------------------------------------------------

    @property
    def volume(self) -> float:
        """A factor on every sample; what would be too loud is held at full scale."""
        return self._buffer.volume

    @volume.setter
    def volume(self, factor: float) -> None:
        if not 0.0 <= factor < float("inf"):
            msg = f"volume must be 0 or more, not {factor!r}"
            raise ValueError(msg)
        self._buffer.volume = factor

    @property
    def level(self) -> Level:
        """How loud the block is that is playing now."""
        return level(self._last_block)

    @property
    def playing(self) -> bool:
        """Whether there is sound, or some that waits."""
        return not self._resting or self._queued() > 0

    def statistics(self) -> PlaybackStatistics:
        """How it goes."""
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
        lost = self._owners.lose(size)
        if self.interruption is None:
            self.interruption = self._unheard(self._answer, dict(lost).get(self._answer, 0))
        notes = [self._unheard(answer, count) for answer, count in lost]
        for note in notes:
            self._tell(note)
        if not notes:
            return None
        heard = sum(note.heard_ms for note in notes)
        return AudioFlushed(bytes=size, heard_ms=heard, unheard_ms=self._ms(size))

    def _tell_gap(self) -> None:
        gap = AudioGap(frames=self._gap_pieces, bytes=self._gap_bytes)
        self._gap_pieces = self._gap_bytes = 0
        self._tell(gap)
