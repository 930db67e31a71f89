"""PCM16 as numbers: levels, gain, fades. Pure functions over bytes of little-endian samples."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Sequence
from operator import mul

import attrs

__all__ = [
    "Carry",
    "Level",
    "fade",
    "gain",
    "level",
    "ramp",
    "samples_of",
    "silence",
    "swapped",
    "to_bytes",
    "tone",
]

FULL_SCALE = 32768
MIN_DBFS = -120.0


def samples_of(data: bytes) -> array[int]:
    """The samples of PCM16 bytes. Raises ``ValueError`` where the last one is not whole."""
    samples = array("h")
    samples.frombytes(data)
    if sys.byteorder == "big":  # pragma: no cover  no machine of ours is
        samples.byteswap()
    return samples


def to_bytes(samples: array[int]) -> bytes:
    """PCM16 bytes of samples."""
    if sys.byteorder == "big":  # pragma: no cover
        samples = array("h", samples)
        samples.byteswap()
    return samples.tobytes()


def swapped(data: bytes) -> bytes:
    """Samples in the other byte order."""
    samples = array("h", data)
    samples.byteswap()
    return samples.tobytes()


@attrs.define(slots=True, eq=False)
class Carry:
    """What one chunk of a stream leaves over for the next: the beginning of a frame.

    Chunks of a stream may end anywhere. Called with each of them in order, this gives the whole
    frames of ``frame_bytes`` bytes (2: samples of one channel) and keeps the rest. It belongs to
    one stream; :meth:`clear` begins another.
    """

    frame_bytes: int = attrs.field(default=2, validator=attrs.validators.ge(1))
    rest: bytes = attrs.field(default=b"", init=False)
    """The beginning of a frame whose end has not come yet."""

    def __call__(self, data: bytes) -> bytes:
        """The whole frames in what was left over and this chunk."""
        if self.rest:
            data = self.rest + data
        over = len(data) % self.frame_bytes
        if not over:
            self.rest = b""
            return data
        self.rest = data[-over:]
        return data[:-over]

    def clear(self) -> None:
        """Forget what is left over."""
        self.rest = b""


@attrs.frozen(slots=True)
class Level:
    """How loud a chunk is, in dB relative to full scale: 0 is the loudest, -120 the floor."""

    rms_dbfs: float
    peak_dbfs: float


def _dbfs(value: float) -> float:
    return MIN_DBFS if value <= 0 else max(MIN_DBFS, 20 * math.log10(value / FULL_SCALE))


def level(data: bytes, carry: Carry | None = None) -> Level:
    """The level of a chunk of PCM16; the floor for an empty one.

    RMS is that of the samples, so a full-scale sine has -3.01 dBFS. With ``carry``, one for all
    chunks of a stream, half a sample at the end of a chunk counts with the next; without, it is
    left out.
    """
    samples = samples_of(data[: len(data) - len(data) % 2] if carry is None else carry(data))
    if not samples:
        return Level(MIN_DBFS, MIN_DBFS)
    rms = math.sqrt(sum(map(mul, samples, samples)) / len(samples))
    return Level(_dbfs(rms), _dbfs(max(max(samples), -min(samples))))


def _clip(value: float) -> int:
    return max(-FULL_SCALE, min(FULL_SCALE - 1, round(value)))


def gain(data: bytes, factor: float, carry: Carry | None = None) -> bytes:
    """Samples times ``factor``; what would be too loud is held at full scale.

    With ``carry``, one for all chunks of a stream, half a sample at the end of a chunk comes with
    the next: the chunks, joined, are what the whole would have given. Without, it stays at the
    end as it is.
    """
    if carry is not None:
        data = carry(data)
    if factor == 1.0:
        return data
    whole = len(data) - len(data) % 2
    louder = [_clip(sample * factor) for sample in samples_of(data[:whole])]
    return to_bytes(array("h", louder)) + data[whole:]


def fade(data: bytes, start: float, end: float, channels: int = 1) -> bytes:
    """Frames with a gain that goes in a straight line from ``start`` to ``end``."""
    samples = samples_of(data)
    if not samples:
        return data
    step = (end - start) * channels / len(samples)
    faded = [
        _clip(sample * (start + step * (i // channels + 1))) for i, sample in enumerate(samples)
    ]
    return to_bytes(array("h", faded))


def ramp(last: Sequence[int], frames: int) -> bytes:
    """``frames`` frames from the frame ``last`` to silence: what is put where sound breaks off."""
    down = [(frames - 1 - i) / frames for i in range(frames)]
    return to_bytes(array("h", [_clip(value * part) for part in down for value in last]))


def silence(frames: int, channels: int = 1) -> bytes:
    """So many frames of silence."""
    return bytes(2 * frames * channels)


def tone(frequency: float, frames: int, rate: int, amplitude: float = 0.5, first: int = 0) -> bytes:
    """``frames`` samples of a sine of ``frequency`` Hz, from its sample number ``first`` on."""
    turn = 2 * math.pi * frequency / rate
    peak = amplitude * (FULL_SCALE - 1)
    wave = [_clip(peak * math.sin(turn * (first + i))) for i in range(frames)]
    return to_bytes(array("h", wave))
