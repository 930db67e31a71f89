"""What audio is made of."""

from __future__ import annotations

from typing import Literal

import attrs

__all__ = ["DEFAULT_FORMAT", "AudioFormat", "playback_format"]


_RATES = range(4_000, 384_001)


@attrs.frozen(slots=True)
class AudioFormat:
    """How samples are written: ``rate`` in samples a second, interleaved ``channels``.

    The protocol's default is PCM16, 16 bit signed little-endian, mono at 16 kHz (protocol.md §1).
    """

    rate: int = attrs.field(default=16_000, validator=attrs.validators.gt(0))
    channels: int = attrs.field(default=1, validator=attrs.validators.gt(0))
    encoding: Literal["pcm16"] = "pcm16"

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return 2 * self.channels

    def bytes_of(self, seconds: float) -> int:
        """Bytes that ``seconds`` of this format take, in whole frames."""
        return round(seconds * self.rate) * self.frame_bytes

    def seconds_of(self, size: int) -> float:
        """Seconds that ``size`` bytes of this format last."""
        return size / (self.rate * self.frame_bytes)


DEFAULT_FORMAT = AudioFormat()


def playback_format(output_format: str) -> AudioFormat | None:
    """The format behind a voice's ``output_format``; ``None`` where nothing is to be played.

    ``pcm16`` may carry its rate (``pcm16_24000``); ``special`` (the avatar speaks), ``none``
    and what nobody knows mean no playback (protocol.md §6).
    """
    if output_format == "pcm16":
        return DEFAULT_FORMAT
    name, _, rate = output_format.partition("_")
    known = name == "pcm16" and rate.isascii() and rate.isdecimal() and len(rate) <= 6
    return AudioFormat(int(rate)) if known and int(rate) in _RATES else None
