"""How long to wait before the next dial: exponential, with jitter, as a pure function."""

from __future__ import annotations

import attrs

from .._config import ClientConfig

__all__ = ["Backoff"]


@attrs.frozen(slots=True, kw_only=True)
class Backoff:
    """The pauses between dials, in seconds.

    The ceiling of the n-th pause is ``initial * factor ** (n - 1)``, never above ``maximum``.
    ``jitter`` is the random share of a pause: with 1 (full jitter) a pause is anything from zero to
    its ceiling, so many clients that lose their links together do not dial together.
    """

    initial: float
    factor: float
    maximum: float
    jitter: float

    @classmethod
    def of(cls, config: ClientConfig) -> Backoff:
        """Return the pauses of a configuration."""
        return cls(
            initial=config.backoff_initial,
            factor=config.backoff_factor,
            maximum=config.backoff_max,
            jitter=config.backoff_jitter,
        )

    def ceiling(self, attempt: int) -> float:
        """Return the maximum of the pause after ``attempt`` failed dials (from 1)."""
        try:
            grown = self.initial * self.factor ** (attempt - 1)
        except OverflowError:
            return self.maximum
        return min(self.maximum, grown)

    def delay(self, attempt: int, chance: float) -> float:
        """Return the pause after ``attempt`` failed dials; ``chance`` is random in [0, 1)."""
        return self.ceiling(attempt) * (1.0 - self.jitter * (1.0 - chance))
