"""Synthetic speech: every word becomes a tone. PCM16, little-endian, mono, 16 kHz."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from functools import lru_cache
from zlib import crc32

__all__ = ["RATE", "duration", "frames", "level", "speech"]

RATE = 16_000
"""Samples per second, in both directions."""

_WORD, _GAP, _FADE = 0.12, 0.04, 0.01
_AMPLITUDE = 0.4


def speech(audio: bytes | str) -> bytes:
    """Return PCM16 unchanged, and text as tones."""
    if isinstance(audio, bytes):
        return audio
    return b"".join(_word(word) for word in audio.split())


@lru_cache(maxsize=256)
def _word(word: str) -> bytes:
    """Make a tone between 220 and 880 Hz with a fade at both ends, and a short silence."""
    pitch = 220.0 * 2.0 ** (crc32(word.encode()) % 25 / 12.0)
    count, fade = int(_WORD * RATE), int(_FADE * RATE)
    samples = [
        int(
            32767
            * _AMPLITUDE
            * min(1.0, index / fade, (count - index) / fade)
            * math.sin(2.0 * math.pi * pitch * index / RATE)
        )
        for index in range(count)
    ]
    return struct.pack(f"<{count}h", *samples) + bytes(2 * int(_GAP * RATE))


def frames(pcm: bytes, seconds: float) -> Iterator[bytes]:
    """Cut PCM into frames of ``seconds``; the last one may be shorter."""
    size = max(1, int(seconds * RATE)) * 2
    for index in range(0, len(pcm), size):
        yield pcm[index : index + size]


def duration(pcm: bytes) -> float:
    """Return the playback time in seconds."""
    return len(pcm) / (2 * RATE)


def level(pcm: bytes) -> float:
    """Return the root mean square of the samples; full scale is 1.0."""
    count = len(pcm) // 2
    if not count:
        return 0.0
    samples = struct.unpack_from(f"<{count}h", pcm)
    return math.sqrt(sum(sample * sample for sample in samples) / count) / 32768.0
