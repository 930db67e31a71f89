"""Audio formats."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal

import attrs

__all__ = ["DEFAULT_FORMAT", "PLAIN_L16", "AudioFormat", "content_format", "playback_format"]


_RATES: Final = range(4_000, 384_001)
_CHANNELS: Final = range(1, 33)
_PCM16: Final = frozenset({"audio/l16", "audio/pcm"})
_LONGEST: Final = 1000
PLAIN_L16: Final = "audio/L16"
"""The content type of PCM16 in the voice's format (protocol.md §3)."""


@attrs.frozen(slots=True)
class AudioFormat:
    """The layout of samples: ``rate`` in samples per second and interleaved ``channels``.

    The protocol's default is PCM16: 16-bit signed little-endian, mono, 16 kHz (protocol.md §1).
    """

    rate: int = attrs.field(default=16_000, validator=attrs.validators.gt(0))
    channels: int = attrs.field(default=1, validator=attrs.validators.gt(0))
    encoding: Literal["pcm16"] = "pcm16"

    @property
    def frame_bytes(self) -> int:
        """The size in bytes of one sample for all channels."""
        return 2 * self.channels

    def bytes_of(self, seconds: float) -> int:
        """Return the size in bytes of ``seconds`` of audio, in whole frames."""
        return round(seconds * self.rate) * self.frame_bytes

    def seconds_of(self, size: int) -> float:
        """Return the duration in seconds of ``size`` bytes."""
        return size / (self.rate * self.frame_bytes)


DEFAULT_FORMAT = AudioFormat()


def playback_format(output_format: str) -> AudioFormat | None:
    """Return the format for a voice's ``output_format``, or ``None`` if there is no playback.

    ``pcm16`` may have a rate suffix (``pcm16_24000``). ``special`` (the avatar speaks), ``none``
    and unknown values mean no playback (protocol.md §6).
    """
    if output_format == "pcm16":
        return DEFAULT_FORMAT
    name, _, rate = output_format.partition("_")
    number = _number(rate, _RATES)
    return AudioFormat(number) if name == "pcm16" and number else None


def content_format(content_type: str, voice: AudioFormat) -> AudioFormat | None:
    """Return the format for a content type, or ``None`` if it is invalid or not PCM16.

    ``audio/L16`` and ``audio/pcm`` are PCM16. The parameters ``rate`` and ``channels``, in any case
    and order, override ``voice``. A rate without channels means one channel (RFC 3551 §4.5.11).
    Samples are little-endian, as everywhere in this protocol (protocol.md §1).
    """
    return _parsed(content_type, voice) if len(content_type) <= _LONGEST else None


@lru_cache(maxsize=64)
def _parsed(content_type: str, voice: AudioFormat) -> AudioFormat | None:
    media_type, *given = content_type.split(";")
    if media_type.strip().lower() not in _PCM16 and media_type.strip():
        return None
    parameters: dict[str, str] = {}
    for part in given:
        name, _, value = part.partition("=")
        parameters.setdefault(name.strip().lower(), value.strip().strip('"').strip().lower())
    if parameters.get("endianness", "little-endian") != "little-endian":
        return None
    rate: int | None = voice.rate
    channels: int | None = voice.channels
    if "rate" in parameters:
        rate, channels = _number(parameters["rate"], _RATES), 1
    if "channels" in parameters:
        channels = _number(parameters["channels"], _CHANNELS)
    return AudioFormat(rate, channels) if rate and channels else None


def _number(text: str, bounds: range) -> int | None:
    """Parse a number in plain digits, or return ``None`` if it is out of bounds."""
    known = text.isascii() and text.isdecimal() and len(text) <= 6
    return int(text) if known and int(text) in bounds else None
