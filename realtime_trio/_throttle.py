"""How often something that keeps happening is logged."""

from __future__ import annotations

from typing import Final, final

__all__ = ["Throttle"]

_MAX_KEYS: Final = 256


@final
class Throttle:
    """Lets one occurrence of a kind through at once, and then one in ``pause`` seconds.

    Those that are held back are counted, and reported with the next one that comes through.
    At most 256 kinds are known at a time; the oldest is forgotten first.
    """

    __slots__ = ("_kinds", "_pause")

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._kinds: dict[str, tuple[float, int]] = {}  # when the next may pass, and the count

    def count(self, kind: str, now: float, times: int = 1) -> int:
        """Count an occurrence at the time ``now``, in seconds.

        Gives how many there were since the last report, this one included, if it is time for
        a report; 0 if not.
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
