"""How long to wait before the next dial: exponential, with jitter, as a pure function."""

from __future__ import annotations

import attrs

from .._config import ClientConfig

__all__ = ["Backoff"]


@attrs.frozen(slots=True, kw_only=True)
class Backoff:
    """The pauses between dials, in seconds.

    The ceiling of the n-th pause is ``initial * factor ** (n - 1)``, never above ``maximum``.
    ``jitter`` is the share of it that chance may take away: with 1 (full jitter) a pause is
    anywhere from nothing to its ceiling, so a crowd that was cut off together is spread out.
    """

    initial: float
    factor: float
    maximum: float
    jitter: float

    @classmethod
    def of(cls, config: ClientConfig) -> Backoff:
        """The pauses that a configuration asks for."""
        return cls(
            initial=config.backoff_initial,
            factor=config.backoff_factor,
            maximum=config.backoff_max,
            jitter=config.backoff_jitter,
        )

    def ceiling(self, attempt: int) -> float:
        """The longest that the pause after ``attempt`` failed dials (from 1) may be."""
        try:
            grown = self.initial * self.factor ** (attempt - 1)
        except OverflowError:
            return self.maximum
        return min(self.maximum, grown)

    def delay(self, attempt: int, chance: float) -> float:
        """The pause after ``attempt`` failed dials; ``chance`` is drawn from [0, 1)."""
        return self.ceiling(attempt) * (1.0 - self.jitter * (1.0 - chance))
