"""How much of one spoken answer came, and how much of it was heard."""

from __future__ import annotations

import attrs

from ._audio_format import AudioFormat

__all__ = ["SpokenAnswer"]


@attrs.define(slots=True, eq=False)
class SpokenAnswer:
    """The counts of one answer, which may outlive the sink that it is played to.

    ``played`` tells whether any sink took part. Sizes are kept by format, because what came and
    the sinks may differ in it.
    """

    played: bool = False
    _came: dict[AudioFormat, int] = attrs.field(factory=dict[AudioFormat, int], init=False)
    _heard: dict[AudioFormat, int] = attrs.field(factory=dict[AudioFormat, int], init=False)

    def came(self, size: int, format: AudioFormat) -> None:
        """Count bytes that the server sent."""
        self._came[format] = self._came.get(format, 0) + size

    def heard(self, size: int, format: AudioFormat) -> None:
        """Count bytes that a sink was given; negative for those that it gave back."""
        self._heard[format] = self._heard.get(format, 0) + size

    @property
    def spoken(self) -> bool:
        """Whether any audio of it came."""
        return bool(self._came)

    @property
    def heard_ms(self) -> float:
        """Milliseconds that were heard."""
        return _ms(self._heard)

    @property
    def unheard_ms(self) -> float:
        """Milliseconds that came and were not heard."""
        return max(0.0, _ms(self._came) - _ms(self._heard))


def _ms(sizes: dict[AudioFormat, int]) -> float:
    return sum((1000 * format.seconds_of(size) for format, size in sizes.items()), 0.0)
