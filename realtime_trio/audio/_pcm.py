"""PCM16 samples: levels, gain, fades. Pure functions on little-endian bytes."""

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
    """Return the samples of PCM16 bytes. Raises ``ValueError`` if the last one is incomplete."""
    samples = array("h")
    samples.frombytes(data)
    if sys.byteorder == "big":  # pragma: no cover  big-endian machines
        samples.byteswap()
    return samples


def to_bytes(samples: array[int]) -> bytes:
    """Return samples as PCM16 bytes."""
    if sys.byteorder == "big":  # pragma: no cover
        samples = array("h", samples)
        samples.byteswap()
    return samples.tobytes()


def swapped(data: bytes) -> bytes:
    """Return samples in the other byte order."""
    samples = array("h", data)
    samples.byteswap()
    return samples.tobytes()


@attrs.define(slots=True, eq=False)
class Carry:
    """The incomplete frame at the end of a chunk, kept for the next chunk of the stream.

    Chunks of a stream can end anywhere. Called with each chunk in order, it returns the whole
    frames of ``frame_bytes`` bytes (2: samples of one channel) and keeps the rest. It belongs to
    one stream; :meth:`clear` starts another.
    """

    frame_bytes: int = attrs.field(default=2, validator=attrs.validators.ge(1))
    rest: bytes = attrs.field(default=b"", init=False)
    """The incomplete frame."""

    def __call__(self, data: bytes) -> bytes:
        """Return the whole frames of the kept bytes and this chunk."""
        if self.rest:
            data = self.rest + data
        over = len(data) % self.frame_bytes
        if not over:
            self.rest = b""
            return data
        self.rest = data[-over:]
        return data[:-over]

    def clear(self) -> None:
        """Discard the kept bytes."""
        self.rest = b""


@attrs.frozen(slots=True)
class Level:
    """The level of a chunk in dB relative to full scale: 0 is the maximum, -120 the floor."""

    rms_dbfs: float
    peak_dbfs: float


def _dbfs(value: float) -> float:
    return MIN_DBFS if value <= 0 else max(MIN_DBFS, 20 * math.log10(value / FULL_SCALE))


def level(data: bytes, carry: Carry | None = None) -> Level:
    """Return the level of a PCM16 chunk; the floor for an empty one.

    RMS is computed from the samples, so a full-scale sine has -3.01 dBFS. With ``carry``, shared by
    all chunks of a stream, half a sample at the end of a chunk counts with the next chunk; without,
    it is ignored.
    """
    samples = samples_of(data[: len(data) - len(data) % 2] if carry is None else carry(data))
    if not samples:
        return Level(MIN_DBFS, MIN_DBFS)
    rms = math.sqrt(sum(map(mul, samples, samples)) / len(samples))
    return Level(_dbfs(rms), _dbfs(max(max(samples), -min(samples))))


def _clip(value: float) -> int:
    return max(-FULL_SCALE, min(FULL_SCALE - 1, round(value)))


def gain(data: bytes, factor: float, carry: Carry | None = None) -> bytes:
    """Multiply samples by ``factor`` and clip them at full scale.

    With ``carry``, shared by all chunks of a stream, half a sample at the end of a chunk is
    returned with the next chunk, so the joined result does not depend on the chunks. Without, it
    stays at the end unchanged.
    """
    if carry is not None:
        data = carry(data)
    if factor == 1.0:
        return data
    whole = len(data) - len(data) % 2
    louder = [_clip(sample * factor) for sample in samples_of(data[:whole])]
    return to_bytes(array("h", louder)) + data[whole:]


def fade(data: bytes, start: float, end: float, channels: int = 1) -> bytes:
    """Apply a gain that changes linearly from ``start`` to ``end``."""
    samples = samples_of(data)
    if not samples:
        return data
    step = (end - start) * channels / len(samples)
    faded = [
        _clip(sample * (start + step * (i // channels + 1))) for i, sample in enumerate(samples)
    ]
    return to_bytes(array("h", faded))


def ramp(last: Sequence[int], frames: int) -> bytes:
    """Return ``frames`` frames from the frame ``last`` to silence, for abrupt stops."""
    down = [(frames - 1 - i) / frames for i in range(frames)]
    return to_bytes(array("h", [_clip(value * part) for part in down for value in last]))


def silence(frames: int, channels: int = 1) -> bytes:
    """Return ``frames`` frames of silence."""
    return bytes(2 * frames * channels)


def tone(frequency: float, frames: int, rate: int, amplitude: float = 0.5, first: int = 0) -> bytes:
    """Return ``frames`` samples of a sine of ``frequency`` Hz, from sample ``first`` on."""
    turn = 2 * math.pi * frequency / rate
    peak = amplitude * (FULL_SCALE - 1)
    wave = [_clip(peak * math.sin(turn * (first + i))) for i in range(frames)]
    return to_bytes(array("h", wave))
