"""What the pipeline tells of itself: frozen records, and the small instruments behind them.

Times are sampled, not measured for each event: a reading of the clock costs a twentieth of
an event. Waiting is measured for one event of a lane at a time, from its arrival until its
batch begins; handling once a batch, as the batch's mean. Percentiles are those of the last
1024 samples, the maximum is that of all.
"""

from __future__ import annotations

import attrs

from .._value import Value
from ..events import Lane

__all__ = [
    "LaneStatistics",
    "PipelineStatistics",
    "Rate",
    "Sampler",
    "SubscriptionStatistics",
    "Timing",
]

SAMPLES = 1024
_RATE_SPAN = 5


@attrs.frozen(slots=True, eq=False, repr=False)
class Timing(Value):
    """Seconds: the median, the 99th percentile and the longest; zero where nothing was timed."""

    p50: float = 0.0
    p99: float = 0.0
    max: float = 0.0


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class LaneStatistics(Value):
    """One lane, or all of them together (``lane`` is ``None``).

    ``events`` counts what the lane has handled, merged deltas each; in all, an event that
    concerns several lanes counts once. ``rate`` is events a second over the last five
    seconds or so. ``depth`` and ``bytes`` wait to be handled, ``high_water`` is the largest
    depth so far, ``max_items`` and ``max_bytes`` are the bounds. ``coalesced`` counts deltas
    that were merged into the one before, ``dropped`` items that subscriptions left out by
    their rule, ``lagged`` subscriptions that ended because they did not keep up.
    ``unknown``, ``malformed``, ``tolerated``, ``duplicates`` and ``handler_errors`` count events.
    """

    lane: Lane | None
    events: int
    rate: float
    depth: int
    bytes: int
    high_water: int
    max_items: int
    max_bytes: int
    waiting: Timing
    handling: Timing
    coalesced: int
    dropped: int
    lagged: int
    unknown: int
    malformed: int
    tolerated: int
    duplicates: int
    handler_errors: int
    subscriptions: int


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class PipelineStatistics(Value):
    """The three lanes, and all in one."""

    control: LaneStatistics
    audio: LaneStatistics
    text: LaneStatistics
    total: LaneStatistics

    @property
    def lanes(self) -> tuple[LaneStatistics, LaneStatistics, LaneStatistics]:
        """The three lanes in the order of their priority."""
        return self.control, self.audio, self.text


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class SubscriptionStatistics(Value):
    """One subscription, all its lanes together.

    ``depth`` items of ``bytes`` wait to be received; ``high_water`` is the largest depth so
    far of one lane's queue. ``merged`` deltas joined the one before, ``dropped`` items were
    left out by the rule. ``blocking`` tells whether a lane waits for this subscription now.
    """

    depth: int
    bytes: int
    high_water: int
    merged: int
    dropped: int
    blocking: bool


class Sampler:
    """Seconds, sampled: the last 1024, and the longest of all.

    It grows with its samples: an idle client has six of these, and there may be a thousand
    clients.
    """

    __slots__ = ("_longest", "_oldest", "_recent")

    def __init__(self) -> None:
        self._recent: list[float] = []
        self._oldest = 0  # once it is full
        self._longest = 0.0

    def add(self, seconds: float) -> None:
        """Take a sample."""
        if len(self._recent) < SAMPLES:
            self._recent.append(seconds)
        else:
            self._recent[self._oldest] = seconds
            self._oldest = (self._oldest + 1) % SAMPLES
        if seconds > self._longest:
            self._longest = seconds

    def timing(self, *others: Sampler) -> Timing:
        """What the samples say, with those of others thrown in."""
        samplers = (self, *others)
        samples = sorted(sample for each in samplers for sample in each._recent)
        if not samples:
            return Timing()
        last = len(samples) - 1
        longest = max(each._longest for each in samplers)
        return Timing(samples[last // 2], samples[last * 99 // 100], longest)


class Rate:
    """Events a second, from marks that are a second apart at least."""

    __slots__ = ("_marks",)

    def __init__(self, now: float) -> None:
        self._marks: list[tuple[float, int]] = [(now, 0)]

    def mark(self, now: float, count: int) -> None:
        """Note that ``count`` events had come by ``now``."""
        if now - self._marks[-1][0] >= 1.0:
            self._marks = [*self._marks[1 - _RATE_SPAN :], (now, count)]

    def of(self, now: float, count: int) -> float:
        """Events a second since the oldest mark."""
        since, before = self._marks[0]
        return (count - before) / (now - since) if now > since else 0.0
