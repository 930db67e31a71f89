"""Count how much of a spoken answer was received and how much was heard."""

from __future__ import annotations

import attrs

from ._audio_format import AudioFormat

__all__ = ["SpokenAnswer"]


@attrs.define(slots=True, eq=False)
class SpokenAnswer:
    """The counts of one answer. They can outlive the sink that plays it.

    ``played`` is true if any sink played it. Sizes are kept per format, because the received format
    and those of the sinks can differ.
    """

    played: bool = False
    _received_bytes: dict[AudioFormat, int] = attrs.field(
        factory=dict[AudioFormat, int], init=False
    )
    _heard_bytes: dict[AudioFormat, int] = attrs.field(factory=dict[AudioFormat, int], init=False)

    def add_received(self, size: int, format: AudioFormat) -> None:
        """Count bytes received from the server."""
        self._received_bytes[format] = self._received_bytes.get(format, 0) + size

    def add_heard(self, size: int, format: AudioFormat) -> None:
        """Count bytes written to a sink; negative for bytes that it did not play."""
        self._heard_bytes[format] = self._heard_bytes.get(format, 0) + size

    @property
    def spoken(self) -> bool:
        """Whether any audio was received."""
        return bool(self._received_bytes)

    @property
    def heard_ms(self) -> float:
        """Duration in milliseconds of the audio that was heard."""
        return _ms(self._heard_bytes)

    @property
    def unheard_ms(self) -> float:
        """Duration in milliseconds of the audio that was received but not heard."""
        return max(0.0, _ms(self._received_bytes) - _ms(self._heard_bytes))


def _ms(sizes: dict[AudioFormat, int]) -> float:
    return sum((1000 * format.seconds_of(size) for format, size in sizes.items()), 0.0)
