"""Log records of the lanes: faults of servers, and losses of subscribers.

A record names types, places and numbers, never the content of an event.
"""

from __future__ import annotations

import logging
from typing import Final, final

from .._core._leniency import Tolerated
from .._core._local_events import Malformed, Reading
from .._throttle import Throttle
from ..events import REGISTRY, Lane

__all__ = ["DropLog", "FaultLog", "log_evicted", "log_level"]

_logger: Final = logging.getLogger("realtime_trio.lanes")

_PAUSE: Final = 10.0
"""Seconds between two records about continuing drops."""

_ALMOST_FULL: Final = 95


@final
class FaultLog:
    """Logs faults in events of the server (protocol.md §2 L3, §8 M8): each place once."""

    __slots__ = ("_malformed", "_tolerated")

    def __init__(self) -> None:
        self._tolerated = Tolerated()
        self._malformed: tuple[str | None, ...] = ()

    def tolerated(self, reading: Reading) -> None:
        """Log that an event was accepted without a value that could not be read."""
        for event_type, path in self._tolerated.add(reading):
            _logger.warning("ignored an ill-typed value in %s at %s", event_type, path)

    def malformed(self, event: Malformed) -> None:
        """Log an event that could not be read at all."""
        kind = event.event_type
        if kind is not None and REGISTRY.server_row(kind) is None:
            kind = None  # untrusted text of the server
        if kind not in self._malformed:
            self._malformed += (kind,)
            _logger.warning("ignored %s: it could not be read", kind or "a frame without a type")


@final
class DropLog:
    """Logs the drops of one lane's subscriptions; one record in ten seconds."""

    __slots__ = ("_lane", "_logged", "_replaced", "_throttle")

    def __init__(self, lane: Lane) -> None:
        self._lane = lane.name.lower()
        self._logged = self._replaced = 0
        self._throttle = Throttle(_PAUSE)

    def note(self, dropped: int, replaced: int, now: float) -> None:
        """Log the new part of ``dropped`` items in total, ``replaced`` of them by newer ones.

        ``Latest`` is meant to drop nearly everything, so that is only logged at DEBUG.
        """
        lost = dropped - replaced
        if lost > self._logged and self._throttle.count("lost", now):
            count, self._logged = lost - self._logged, lost
            _logger.warning("dropped %d items of the %s lane (DropOldest)", count, self._lane)
        if replaced > self._replaced and self._throttle.count("replaced", now):
            count, self._replaced = replaced - self._replaced, replaced
            _logger.debug("replaced %d items of the %s lane (Latest)", count, self._lane)


def log_evicted(classes: tuple[type, ...], reason: str) -> None:
    """Log that a subscription was evicted."""
    wanted = ", ".join(cls.__name__ for cls in classes) or "all notifications"
    _logger.warning("evicted a subscription to %s: %s", wanted, reason)


def log_level(lane: Lane, level: int) -> None:
    """Log that a lane has reached a level of its bound, in percent; 0 when it has drained."""
    name = lane.name.lower()
    if level:
        severity = logging.WARNING if level >= _ALMOST_FULL else logging.INFO
        _logger.log(severity, "the %s lane is %d %% full", name, level)
    else:
        _logger.info("the %s lane has drained", name)
