"""Levels of an audio frame in frequency bands. Sans-IO, in plain Python.

A Haar wavelet splits the signal repeatedly into an upper half (the differences of adjacent samples)
and a lower half (their sums). That takes a few passes over a frame, each half as long as the
previous one. With this split, mains hum leaks into high bands, so a high-pass filter first removes
it, and any DC offset.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from operator import add, mul, sub
from typing import Final

from .._core._audio_format import AudioFormat
from ._pcm import FULL_SCALE, MIN_DBFS, samples_of

__all__ = ["Bands", "HighPass", "together"]

_CUT: Final = 200.0
"""Cut-off frequency in Hz: speech below it also shows in the bands above."""

_LOWEST: Final = 500.0
"""Approximate upper limit of the lowest band, in Hz."""

_FILTERED: Final = 8_000
"""Maximum sample rate of the filter in Hz; the filter is the most expensive step."""

_BUTTERWORTH: Final = (0.541196, 1.306563)
"""The Q factors of the two sections of a fourth-order Butterworth filter."""

_REFERENCE: Final = 20 * math.log10(FULL_SCALE)


class HighPass:
    """A fourth-order Butterworth high-pass filter; it keeps its state between calls."""

    def __init__(self, rate: float, cut: float = _CUT) -> None:
        self._first, self._second = (_coefficients(cut / rate, q) for q in _BUTTERWORTH)
        self._state = (0.0, 0.0, 0.0, 0.0)

    def __call__(self, samples: Iterable[float]) -> list[float]:
        """Filter samples."""
        b0, b1, a1, a2 = self._first
        d0, d1, c1, c2 = self._second
        u1, u2, v1, v2 = self._state
        out: list[float] = []
        append = out.append
        for sample in samples:
            middle = b0 * sample + u1
            u1 = b1 * sample - a1 * middle + u2
            u2 = b0 * sample - a2 * middle
            end = d0 * middle + v1
            v1 = d1 * middle - c1 * end + v2
            v2 = d0 * middle - c2 * end
            append(end)
        self._state = (u1, u2, v1, v2)
        return out


def _coefficients(frequency: float, q: float) -> tuple[float, float, float, float]:
    """Return second-order high-pass coefficients (bilinear transform): b0 = b2, b1, a1, a2."""
    angle = 2 * math.pi * frequency
    alpha, cosine = math.sin(angle) / (2 * q), math.cos(angle)
    scale = 1 / (1 + alpha)
    b0 = (1 + cosine) / 2 * scale
    return b0, -2 * b0, -2 * cosine * scale, (1 - alpha) * scale


class Bands:
    """Splits the frames of one stream into bands. Channels are mixed."""

    def __init__(self, format: AudioFormat) -> None:
        self._channels = format.channels
        self._halvings = max(1, round(math.log2(format.rate / (2 * _LOWEST))))
        self._filtered_at = max(0, math.ceil(math.log2(format.rate / _FILTERED)))
        self._filter = HighPass(format.rate / 2**self._filtered_at)
        self.count: int = self._halvings + 1
        """The number of bands."""

    def __call__(self, frame: bytes) -> list[float]:
        """Return the level of each band in dBFS, highest band first."""
        left: Sequence[float] = self._mixed(samples_of(frame))
        count = len(left)
        powers: list[float] = []
        for number in range(self._halvings):
            if number == self._filtered_at:
                left = self._filter(left)
            even, odd = left[::2], left[1::2]
            upper = list(map(sub, even, odd))
            left = list(map(add, even, odd))
            powers.append(sum(map(mul, upper, upper)) / 2 ** (number + 1) / count)
        powers.append(sum(map(mul, left, left)) / 2**self._halvings / count)
        return [_dbfs(power) for power in powers]

    def _mixed(self, samples: array[int]) -> Sequence[float]:
        channels = self._channels
        if channels == 1:
            return samples
        each = zip(*(samples[number::channels] for number in range(channels)), strict=True)
        return [sum(values) / channels for values in each]


def _dbfs(power: float) -> float:
    return max(MIN_DBFS, 10 * math.log10(power) - _REFERENCE) if power > 0 else MIN_DBFS


def together(levels: Iterable[float]) -> float:
    """Return the combined level of several bands in dBFS."""
    return 10 * math.log10(sum(10 ** (level / 10) for level in levels))
