"""Limit how often a repeated occurrence is logged."""

from __future__ import annotations

from typing import Final, final

__all__ = ["Throttle"]

_MAX_KEYS: Final = 256


@final
class Throttle:
    """Passes the first occurrence of a kind, and then one per ``pause`` seconds. The others are
    counted and reported with the next one that passes. At most 256 kinds are kept; the oldest is
    dropped first.
    """

    __slots__ = ("_kinds", "_pause")

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._kinds: dict[str, tuple[float, int]] = {}  # when the next one may pass, and the count

    def count(self, kind: str, now: float, times: int = 1) -> int:
        """Count an occurrence at the time ``now``, in seconds.

        Returns the number since the last report, including this one, if a report is due; otherwise
        0.
        """
        due, held = self._kinds.pop(kind, (now, 0))
        held += times
        if now < due:
            self._kinds[kind] = (due, held)
            return 0
        self._kinds[kind] = (now + self._pause, 0)
        if len(self._kinds) > _MAX_KEYS:
            del self._kinds[next(iter(self._kinds))]
        return held
