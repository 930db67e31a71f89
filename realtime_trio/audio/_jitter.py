"""The jitter buffer: audio arrives when the network likes and leaves when the device wants it.

Sans-IO: times come in as arguments, in seconds of any one clock. The buffer is

* *idle* while nothing is there: the device gets nothing;
* *filling* from the first sample on, until ``target`` seconds are there or as long has
  passed: an answer shorter than that is played too;
* *playing* until it runs dry. If that is not the end of the answer it is an underrun: the
  device gets silence, and the buffer fills again.

``target`` follows the lateness of the chunks: three times its smoothed mean (RFC 3550 §6.4.1
smooths in the same way), within the bounds of the configuration. Joins are faded, so that
none of them clicks.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

import attrs

from .._core._audio import AudioFormat
from ._pcm import fade, gain, silence

__all__ = ["JitterBuffer", "PlaybackConfig", "PlaybackCounts"]


@attrs.frozen(slots=True, kw_only=True)
class PlaybackConfig:
    """How audio is played; times in seconds.

    ``block`` is what the sink gets at a time. ``min_target`` and ``max_target`` bound the
    adaptive target; ``max_buffered`` bounds the buffer, the oldest is dropped beyond it.
    """

    block: float = attrs.field(default=0.02, validator=attrs.validators.gt(0.0))
    min_target: float = 0.04
    max_target: float = 0.4
    max_buffered: float = 120.0
    fade: float = attrs.field(default=0.005, validator=attrs.validators.ge(0.0))
    volume: float = attrs.field(default=1.0, validator=attrs.validators.ge(0.0))


@attrs.define(slots=True)
class PlaybackCounts:
    """Bytes and events since the beginning: ``received = played + dropped + flushed + buffered``."""

    received: int = 0
    played: int = 0
    dropped: int = 0
    flushed: int = 0
    concealed: int = 0
    underruns: int = 0
    overruns: int = 0


class JitterBuffer:
    """One stream of audio between its arrival and a device, in the device's format."""

    def __init__(self, format: AudioFormat, config: PlaybackConfig | None = None) -> None:
        self.format = format
        self.config = config if config is not None else PlaybackConfig()
        self.counts = PlaybackCounts()
        self.state: Literal["idle", "filling", "playing"] = "idle"
        self.target = self.config.min_target
        self.volume = self.config.volume
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._filling_since = 0.0
        self._last_arrival: float | None = None
        self._last_length = 0.0
        self._lateness = 0.0
        self._ended = False
        self._fade_in = False

    @property
    def buffered(self) -> int:
        """Bytes that wait to be played."""
        return self._size

    def push(self, data: bytes, now: float) -> int:
        """Take whole frames that have arrived. Gives the number of bytes that had to go."""
        if not data:
            return 0
        self._measure(len(data), now)
        self._ended = False
        self.counts.received += len(data)
        self._chunks.append(data)
        self._size += len(data)
        if self.state == "idle":
            self.state, self._filling_since, self._fade_in = "filling", now, True
        return self._drop(self._size - self.format.bytes_of(self.config.max_buffered))

    def end(self) -> None:
        """The answer is complete: when the buffer runs dry it is no underrun."""
        self._ended = True

    def flush(self) -> int:
        """Throw away what waits; gives its size in bytes. The next sample begins anew."""
        size = self._size
        self._chunks.clear()
        self._size = 0
        self.counts.flushed += size
        self.state, self._ended, self._last_arrival = "idle", False, None
        return size

    def pull(self, now: float) -> bytes:
        """The next block for the device; empty while there is nothing to play."""
        if self.state == "filling" and self._full_enough(now):
            self.state = "playing"
        if self.state != "playing":
            return b""
        want = self.format.bytes_of(self.config.block)
        block = self._take(want)
        if len(block) == want:
            return self._shape(block, out=False)
        done = self._ended
        self.state = "idle" if done else "filling"
        self._filling_since = now
        block = self._shape(block, out=True)
        self._fade_in = True
        if done:
            return block
        self.counts.underruns += 1
        gap = (want - len(block)) // self.format.frame_bytes
        self.counts.concealed += gap * self.format.frame_bytes
        return block + silence(gap, self.format.channels)

    def _full_enough(self, now: float) -> bool:
        if self._ended or self.format.seconds_of(self._size) >= self.target:
            return self._size > 0 or self._ended
        return self._size > 0 and now - self._filling_since >= self.target

    def _measure(self, size: int, now: float) -> None:
        """Follow how late chunks come after the end of the one before."""
        if self._last_arrival is not None:
            late = max(0.0, now - self._last_arrival - self._last_length)
            # A pause between two answers says nothing about the network.
            if late <= self.config.max_target:
                self._lateness += (late - self._lateness) / 16
                bounded = max(self.config.min_target, 3 * self._lateness)
                self.target = min(self.config.max_target, bounded)
        self._last_arrival, self._last_length = now, self.format.seconds_of(size)

    def _take(self, want: int) -> bytes:
        parts: list[bytes] = []
        while want and self._chunks:
            chunk = self._chunks.popleft()
            if len(chunk) > want:
                self._chunks.appendleft(chunk[want:])
                chunk = chunk[:want]
            parts.append(chunk)
            want -= len(chunk)
        block = b"".join(parts)
        self._size -= len(block)
        self.counts.played += len(block)
        return block

    def _drop(self, surplus: int) -> int:
        """Let the oldest go, in whole frames."""
        if surplus <= 0:
            return 0
        step = self.format.frame_bytes
        gone = len(self._take(-(-surplus // step) * step))
        self.counts.played -= gone
        self.counts.dropped += gone
        self.counts.overruns += 1
        self._fade_in = True
        return gone

    def _shape(self, block: bytes, *, out: bool) -> bytes:
        """Volume, and fades where the sound joins silence."""
        block = gain(block, self.volume)
        length = min(len(block), self.format.bytes_of(self.config.fade))
        if not length:
            return block
        if self._fade_in:
            self._fade_in = False
            block = fade(block[:length], 0.0, 1.0) + block[length:]
        if out:
            block = block[:-length] + fade(block[-length:], 1.0, 0.0)
        return block
