"""The jitter buffer: audio arrives when the network likes and leaves when the device wants it.

Sans-IO: times come in as arguments, in seconds of any one clock. The buffer is

* *idle* while no answer is under way: the device gets nothing;
* *filling* from the first chunk on, until ``target`` seconds are there behind that chunk, or
  as long has passed, or the answer is complete: one that is shorter is played too;
* *playing* until it runs dry. If more of the same answer comes after that it was an
  underrun: the device had silence meanwhile, and the buffer fills again.

``target`` follows how late chunks come: three times their smoothed mean lateness (smoothed
as the jitter of RFC 3550 §6.4.1 is), at least the gap of the last underrun, within bounds.

What goes in comes out, sample by sample, but for what is dropped or flushed and counted.
Only the fades change samples: a few milliseconds where sound joins silence, so that no join
clicks. Where it breaks off without warning a ramp from the last sample to zero is added.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

import attrs

from .._core._audio_format import AudioFormat
from ._pcm import fade, gain, ramp, samples_of

__all__ = ["JitterBuffer", "PlaybackConfig", "PlaybackCounts"]

_CHUNK = 0.1
"""Seconds of the longest chunk that a sender makes in real time; a longer one is a part of more."""


@attrs.frozen(slots=True, kw_only=True)
class PlaybackConfig:
    """How audio is played; times in seconds.

    ``block`` is what the sink gets at a time. ``min_target`` and ``max_target`` bound how
    much is gathered before playing. ``max_buffered`` bounds the buffer: the oldest is dropped
    beyond it. ``fade`` is the length of a fade, 0 for none. ``volume`` is a factor; what
    would be too loud is held at full scale.
    """

    block: float = attrs.field(default=0.02, validator=attrs.validators.ge(0.001))
    min_target: float = attrs.field(default=0.04, validator=attrs.validators.ge(0.0))
    max_target: float = attrs.field(default=0.4, validator=attrs.validators.ge(0.0))
    max_buffered: float = attrs.field(default=120.0, validator=attrs.validators.gt(0.0))
    fade: float = attrs.field(default=0.005, validator=attrs.validators.ge(0.0))
    volume: float = attrs.field(default=1.0, validator=attrs.validators.ge(0.0))

    def __attrs_post_init__(self) -> None:
        if not self.min_target <= self.max_target < self.max_buffered:
            msg = "expected min_target <= max_target < max_buffered"
            raise ValueError(msg)


@attrs.define(slots=True)
class PlaybackCounts:
    """Bytes since the beginning: ``received = played + dropped + flushed + buffered``.

    ``ramps`` are bytes that were made up where sound broke off. ``underruns`` and
    ``overruns`` count how often the buffer ran dry or over; ``concealed`` is the silence of
    the underruns in seconds.
    """

    received: int = 0
    played: int = 0
    dropped: int = 0
    flushed: int = 0
    ramps: int = 0
    underruns: int = 0
    overruns: int = 0
    concealed: float = 0.0


class JitterBuffer:
    """One stream of audio between its arrival and a device, in the device's format."""

    def __init__(self, format: AudioFormat, config: PlaybackConfig | None = None) -> None:
        self.format = format
        self.config: PlaybackConfig = config if config is not None else PlaybackConfig()
        self.counts: PlaybackCounts = PlaybackCounts()
        self.state: Literal["idle", "filling", "playing"] = "idle"
        self.target: float = self.config.min_target
        self.volume: float = self.config.volume
        self._chunks: deque[bytes] = deque()
        self._offset = 0  # what is gone of the first chunk
        self._size = 0
        self._filling_since = 0.0
        self._first = 0
        self._dry_since: float | None = None
        self._last_arrival: float | None = None
        self._last_length = 0.0
        self._lateness = 0.0
        self._ended = False
        self._fade_in = True
        self._last_frame: bytes = b""  # what sounds at the end of the last block; empty: nothing

    @property
    def buffered(self) -> int:
        """Bytes that wait to be played."""
        return self._size

    @property
    def ready_at(self) -> float:
        """When :meth:`pull` will give something though nothing more comes; infinite: never."""
        if self.state == "playing":
            return 0.0
        if self.state == "idle" or not self._size:
            return float("inf")
        return 0.0 if self._ended else self._filling_since + self.target

    def push(self, data: bytes, now: float) -> int:
        """Take whole frames that have arrived. Gives the number of bytes that had to go."""
        if not data:
            return 0
        self._measure(len(data), now)
        self._ended = False
        if self.state != "playing" and not self._size:
            self.state, self._filling_since = "filling", now
            self._first = min(len(data), self.format.bytes_of(_CHUNK))
        self.counts.received += len(data)
        self._chunks.append(data)
        self._size += len(data)
        return self._drop(self._size - self.format.bytes_of(self.config.max_buffered))

    def end(self) -> None:
        """The answer is complete: what follows is another one."""
        self._ended = True
        self._last_arrival = self._dry_since = None
        if self.state == "filling" and not self._size:
            self.state = "idle"

    def flush(self) -> int:
        """Throw away what waits; gives its size in bytes. The next sample begins anew."""
        size = self._size
        self._forget(size)
        self.counts.flushed += size
        self.state, self._ended, self._fade_in = "idle", False, True
        self._last_arrival = self._dry_since = None
        self._last_frame = b""
        return size

    def pull(self, now: float) -> bytes:
        """The next block for the device, a shorter one before a silence; empty: nothing now."""
        if self.state == "filling" and self._full_enough(now):
            self.state = "playing"
            self._resume(now)
        if self.state != "playing":
            return b""
        want = self.format.bytes_of(self.config.block)
        left = self._size - want
        block = self._take(min(want, self._size))
        if left > 0 or (left == 0 and not self._ended):
            return self._shape(block, out=False)
        self.state = "idle" if self._ended else "filling"
        if not self._ended:
            self._dry_since = now + self.format.seconds_of(len(block))
        return self._shape(block, out=True) if block else self._broken_off()

    def _full_enough(self, now: float) -> bool:
        if not self._size:
            return False
        # A chunk is played while the next one is made: it is no reserve.
        enough = self._size - self._first >= self.format.bytes_of(self.target)
        return enough or now >= self.ready_at

    def _resume(self, now: float) -> None:
        """Sound begins: was it an underrun?"""
        if self._dry_since is not None:
            self.counts.underruns += 1
            self.counts.concealed += max(0.0, now - self._dry_since)
            self._dry_since = None

    def _measure(self, size: int, now: float) -> None:
        """Follow how late chunks come after the end of the one before."""
        if self._last_arrival is not None:
            late = max(0.0, now - self._last_arrival - self._last_length)
            # A longer one is a pause of the speaker and says nothing about the network.
            if late <= self.config.max_target:
                self._lateness += (late - self._lateness) / 16
                if self._dry_since is not None:
                    self._lateness = max(self._lateness, late / 3)
                bounded = max(self.config.min_target, 3 * self._lateness)
                self.target = min(self.config.max_target, bounded)
        self._last_arrival, self._last_length = now, self.format.seconds_of(size)

    def _take(self, size: int) -> bytes:
        block = self._forget(size)
        self.counts.played += size
        return block

    def _forget(self, size: int) -> bytes:
        """Take the oldest ``size`` bytes out; there must be as many."""
        parts: list[bytes] = []
        self._size -= size
        while size:
            chunk = self._chunks[0]
            end = self._offset + size
            part = chunk[self._offset : end]
            parts.append(part)
            size -= len(part)
            if end >= len(chunk):
                self._chunks.popleft()
                self._offset = 0
            else:
                self._offset = end
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _drop(self, surplus: int) -> int:
        """Let the oldest go, in whole frames."""
        if surplus <= 0:
            return 0
        step = self.format.frame_bytes
        gone = -(-surplus // step) * step
        self._forget(gone)
        self.counts.dropped += gone
        self.counts.overruns += 1
        self._fade_in = True
        return gone

    def _shape(self, block: bytes, *, out: bool) -> bytes:
        """Volume, and fades where the sound joins silence."""
        block = gain(block, self.volume)
        channels = self.format.channels
        length = min(len(block), self.format.bytes_of(self.config.fade))
        if length and self._fade_in:
            block = fade(block[:length], 0.0, 1.0, channels) + block[length:]
        if length and out:
            block = block[:-length] + fade(block[-length:], 1.0, 0.0, channels)
        self._fade_in = out
        self._last_frame = b"" if out else block[-self.format.frame_bytes :]
        return block

    def _broken_off(self) -> bytes:
        """Nothing came in time behind a block that had not been faded out."""
        last, self._last_frame = self._last_frame, b""
        frames = self.format.bytes_of(self.config.fade) // self.format.frame_bytes
        self._fade_in = True
        if not frames or not any(last):
            return b""
        block = ramp(samples_of(last), frames)
        self.counts.ramps += len(block)
        return block
