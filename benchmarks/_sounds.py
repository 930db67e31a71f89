"""Speech and noise from a seed: the same samples everywhere."""

from __future__ import annotations

import math
from typing import TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray

__all__ = ["NOISES", "RATE", "Track", "noise", "pcm", "switched", "track"]

RATE = 16_000
Samples: TypeAlias = NDArray[np.float64]

NOISES = ("white", "pink", "brown", "fan", "hum of 50 Hz", "hum of 60 Hz", "DC")
# The first three formants of vowels in Hz, as in Peterson and Barney 1952, men.
_VOWELS = (
    (730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480),
    (570, 840, 2410), (660, 1720, 2410), (490, 1350, 1690),
)  # fmt: skip
_BANDWIDTHS = (80, 110, 160)


def _at(samples: Samples, dbfs: float, *, power: float | None = None) -> Samples:
    """Scale sound to a level, measured over all of it unless ``power`` is given."""
    mean = float(np.mean(samples**2)) if power is None else power
    factor = 32_768 * 10 ** (dbfs / 20) / math.sqrt(mean)
    return samples * factor


def pcm(samples: Samples) -> bytes:
    """Convert to PCM16."""
    return np.clip(np.rint(samples), -32_768, 32_767).astype("<i2").tobytes()


def noise(kind: str, seconds: float, dbfs: float, seed: int) -> Samples:
    """Make steady noise. Hum has harmonics; a fan has hum with some beating."""
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE)
    time = np.arange(count) / RATE
    if kind == "DC":
        made = 1 + 0.02 * rng.standard_normal(count)
    elif kind.startswith("hum"):
        turn = 2 * np.pi * int(kind.split()[2]) * time
        harmonics = [np.sin(turn * k + rng.uniform(0, 6)) / k for k in range(1, 12)]
        made = np.sum(harmonics, axis=0) + 0.01 * rng.standard_normal(count)
    elif kind == "fan":
        beating = 1 + 0.1 * np.sin(2 * np.pi * 0.7 * time)
        made = _coloured(rng, count, 1) * beating + 0.3 * np.sin(2 * np.pi * 120 * time)
    else:
        made = _coloured(rng, count, {"white": 0, "pink": 1, "brown": 2}[kind])
    return _at(made, dbfs)


def switched(seconds: float, seed: int) -> Samples:
    """Make a quiet room with a fan that is switched every ten seconds: no steady noise."""
    fan = noise("fan", seconds, -40, seed)
    on = np.arange(len(fan)) // (10 * RATE) % 2
    return fan * on + noise("pink", seconds, -65, seed + 1)


def _coloured(rng: np.random.Generator, count: int, slope: int) -> Samples:
    """Make noise whose power falls with this power of the frequency, at a fixed RMS."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequencies = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 20.0)
    made = np.fft.irfft(spectrum * frequencies ** (-slope / 2), count)
    return made / np.std(made)


@attrs.frozen(slots=True)
class Track:
    """Utterances with pauses between them; when each begins and ends, in seconds."""

    samples: Samples
    marks: tuple[tuple[float, float], ...]


def track(count: int, dbfs: float, seed: int) -> Track:
    """Make ``count`` utterances; the level is that of the speech alone."""
    rng = np.random.default_rng(seed)
    parts: list[Samples] = [np.zeros(int(1.5 * RATE))]
    marks: list[tuple[float, float]] = []
    place = len(parts[0])
    for _ in range(count):
        said = _utterance(rng)
        frames = np.mean(said[: len(said) // 320 * 320].reshape(-1, 320) ** 2, axis=1)
        spoken = frames[frames > frames.max() / 1_000]
        parts += [_at(said, dbfs, power=float(spoken.mean()))]
        marks.append((place / RATE, (place + len(said)) / RATE))
        parts.append(np.zeros(int(rng.uniform(1.2, 2.0) * RATE)))
        place += len(parts[-2]) + len(parts[-1])
    return Track(np.concatenate(parts), tuple(marks))


def _utterance(rng: np.random.Generator) -> Samples:
    """Make two to six syllables: a hiss, a stop or nothing, then a vowel that glides to another."""
    pitch = rng.uniform(85, 230)
    parts: list[Samples] = []
    for _ in range(int(rng.integers(2, 7))):
        before = int(rng.integers(0, 3))
        if before == 0:
            hiss = np.diff(rng.standard_normal(int(rng.uniform(0.05, 0.11) * RATE)), n=2)
            parts.append(hiss / np.std(hiss) * rng.uniform(0.08, 0.3) * np.hanning(len(hiss)))
        elif before == 1:
            parts.append(np.zeros(int(rng.uniform(0.03, 0.08) * RATE)))
        parts.append(_vowel(rng, pitch))
    return np.concatenate(parts)


def _vowel(rng: np.random.Generator, pitch: float) -> Samples:
    """Make the harmonics of a voice, weighted by the formants."""
    count = int(rng.uniform(0.09, 0.24) * RATE)
    time = np.arange(count) / count
    fundamental = pitch * (1 + rng.uniform(-0.15, 0.15) + rng.uniform(-0.15, 0.1) * time)
    phase = 2 * np.pi * np.cumsum(fundamental) / RATE
    glide = np.clip(2 * time - 0.5, 0, 1)
    first, second = (_VOWELS[int(rng.integers(len(_VOWELS)))] for _ in range(2))
    made = np.zeros(count)
    for harmonic in range(1, int(4_500 / pitch) + 1):
        strength = np.zeros(count)
        for number, width in enumerate(_BANDWIDTHS):
            formant = first[number] + (second[number] - first[number]) * glide
            apart = (fundamental * harmonic - formant) / (width / 2)
            strength += 2.0**-number / np.sqrt(1 + apart**2)
        made += strength / np.sqrt(harmonic) * np.sin(harmonic * phase)
    envelope = np.minimum(1, np.minimum(time / 0.12, (1 - time) / 0.25))
    return made / np.std(made) * envelope * rng.uniform(0.5, 1)
