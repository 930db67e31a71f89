"""Histograms of times that are cheap to fill."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from typing import Final, final

from ..events import Lane
from ._measures import DELIVERY, HANDLER, HANDLING, LATENCY, Measure

__all__ = ["BOUNDS", "ClientTimes", "TimeHistogram"]

BOUNDS: Final = tuple(
    factor * 10.0**power for power in range(-6, 1) for factor in (1.0, 2.5, 5.0)
)  # 1 microsecond to 5 seconds


@final
class TimeHistogram:
    """Counts of seconds by bucket, and their sum."""

    __slots__ = ("_counts", "_sum")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """Count one time."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self._sum += seconds

    def merge(self, other: TimeHistogram) -> None:
        """Add the counts of another histogram."""
        self._counts = [mine + its for mine, its in zip(self._counts, other._counts, strict=True)]
        self._sum += other._sum

    @property
    def sum(self) -> float:
        """The number of all times."""
        return self._sum

    def cumulative(self) -> list[int]:
        """The number of times up to each bound, and the total."""
        return list(accumulate(self._counts))


@final
class ClientTimes:
    """The histograms of one client, or of several that were merged; a ``TimeRecorder``."""

    def __init__(self) -> None:
        lanes = len(Lane)
        self._latency = [TimeHistogram() for _ in range(lanes)]
        self._delivery = [TimeHistogram() for _ in range(lanes)]
        self._handling = [TimeHistogram() for _ in range(lanes)]
        self._handlers: dict[str, TimeHistogram] = {}

    @property
    def interval(self) -> float:
        """Seconds between two samples of one lane."""
        return 0.001

    def latency(self, lane: Lane, seconds: float) -> None:
        """Record the seconds from receiving an event until it was handled."""
        self._latency[lane].add(seconds)

    def delivery(self, lane: Lane, seconds: float) -> None:
        """Record the seconds from receiving an event until a subscriber took its item."""
        self._delivery[lane].add(seconds)

    def handling(self, lane: Lane, seconds: float) -> None:
        """Record the seconds in which an event was folded and dispatched."""
        self._handling[lane].add(seconds)

    def handler(self, name: str, seconds: float) -> None:
        """Record the seconds that a custom handler ran."""
        self._handler(name).add(seconds)

    def _handler(self, name: str) -> TimeHistogram:
        return self._handlers.setdefault(name, TimeHistogram())

    def merge(self, other: ClientTimes) -> None:
        """Add the times of another client."""
        for mine, its in (
            (self._latency, other._latency),
            (self._delivery, other._delivery),
            (self._handling, other._handling),
        ):
            for one, another in zip(mine, its, strict=True):
                one.merge(another)
        for name, histogram in other._handlers.copy().items():
            self._handler(name).merge(histogram)

    def each(self) -> Iterator[tuple[Measure, str, TimeHistogram]]:
        """Yield every histogram with its metric and the value of its attribute."""
        for measure, histograms in (
            (LATENCY, self._latency),
            (DELIVERY, self._delivery),
            (HANDLING, self._handling),
        ):
            for lane in sorted(Lane):
                yield measure, lane.name.lower(), histograms[lane]
        for name, histogram in self._handlers.items():
            yield HANDLER, name, histogram
