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
    _came: dict[AudioFormat, int] = attrs.field(factory=dict[AudioFormat, int], init=False)
    _heard: dict[AudioFormat, int] = attrs.field(factory=dict[AudioFormat, int], init=False)

    def came(self, size: int, format: AudioFormat) -> None:
        """Count bytes received from the server."""
        self._came[format] = self._came.get(format, 0) + size

    def heard(self, size: int, format: AudioFormat) -> None:
        """Count bytes written to a sink; negative for bytes that it did not play."""
        self._heard[format] = self._heard.get(format, 0) + size

    @property
    def spoken(self) -> bool:
        """Whether any audio was received."""
        return bool(self._came)

    @property
    def heard_ms(self) -> float:
        """Duration in milliseconds of the audio that was heard."""
        return _ms(self._heard)

    @property
    def unheard_ms(self) -> float:
        """Duration in milliseconds of the audio that was received but not heard."""
        return max(0.0, _ms(self._came) - _ms(self._heard))


def _ms(sizes: dict[AudioFormat, int]) -> float:
    return sum((1000 * format.seconds_of(size) for format, size in sizes.items()), 0.0)
