"""Statistics of the pipeline: frozen records, and the small instruments behind them.

Times are sampled, not measured for each event: reading the clock costs a twentieth of
an event. Waiting is measured for one event of a lane at a time, from its arrival until its
batch begins; handling once per batch, as the mean of the batch. Percentiles are those of the last
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

    ``events`` counts the events that the lane has handled, each merged delta separately; in the
    total, an event that goes to several lanes counts once. ``rate`` is events per second over the
    last five seconds or so. ``depth`` and ``bytes`` wait to be handled, ``high_water`` is the
    highest depth so far, ``max_items`` and ``max_bytes`` are the bounds. ``coalesced`` counts
    deltas that were merged into the previous one, ``dropped`` items that overflow rules dropped,
    ``lagged`` subscriptions that were evicted because they did not keep up. ``unknown``,
    ``malformed``, ``tolerated``, ``duplicates`` and ``handler_errors`` count events.
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
class SubscriptionStatistics(Value):
    """One subscription, all its lanes together.

    ``lanes`` and ``classes`` tell what it subscribes to, without classes every notification;
    ``overflow`` is its rule. ``depth`` items of ``bytes`` wait to be received; ``high_water`` is
    the highest depth so far of one lane's buffer. ``merged`` deltas were joined with the previous
    one, ``dropped`` items were dropped by the rule. ``blocking`` tells whether a lane waits for
    this subscription.
    """

    lanes: tuple[Lane, ...]
    classes: tuple[str, ...]
    overflow: str
    depth: int
    bytes: int
    high_water: int
    merged: int
    dropped: int
    blocking: bool


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class PipelineStatistics(Value):
    """The three lanes, all of them together, and the open subscriptions, the oldest first."""

    control: LaneStatistics
    audio: LaneStatistics
    text: LaneStatistics
    total: LaneStatistics
    subscribers: tuple[SubscriptionStatistics, ...] = ()

    @property
    def lanes(self) -> tuple[LaneStatistics, LaneStatistics, LaneStatistics]:
        """The three lanes in the order of their priority."""
        return self.control, self.audio, self.text


class Sampler:
    """Sampled seconds: the last 1024, and the longest of all.

    It grows with its samples: an idle client has six of these, and there may be a thousand
    clients.
    """

    __slots__ = ("_longest", "_oldest", "_recent")

    def __init__(self) -> None:
        self._recent: list[float] = []
        self._oldest = 0  # used when it is full
        self._longest = 0.0

    def add(self, seconds: float) -> None:
        """Add a sample."""
        if len(self._recent) < SAMPLES:
            self._recent.append(seconds)
        else:
            self._recent[self._oldest] = seconds
            self._oldest = (self._oldest + 1) % SAMPLES
        if seconds > self._longest:
            self._longest = seconds

    def timing(self, *others: Sampler) -> Timing:
        """Return the timing of these samples, combined with those of others."""
        samplers = (self, *others)
        samples = sorted(sample for each in samplers for sample in each._recent)
        if not samples:
            return Timing()
        last = len(samples) - 1
        longest = max(each._longest for each in samplers)
        return Timing(samples[last // 2], samples[last * 99 // 100], longest)


class Rate:
    """Events per second, from marks that are at least a second apart."""

    __slots__ = ("_marks", "due")

    def __init__(self, now: float) -> None:
        self._marks: list[tuple[float, int]] = [(now, 0)]
        self.due: float = now + 1.0
        """When the next mark is due."""

    def mark(self, now: float, count: int) -> None:
        """Note that ``count`` events had arrived by ``now``; before :attr:`due`, do nothing."""
        if now >= self.due:
            self._marks = [*self._marks[1 - _RATE_SPAN :], (now, count)]
            self.due = now + 1.0

    def of(self, now: float, count: int) -> float:
        """Return events per second since the oldest mark."""
        since, before = self._marks[0]
        return (count - before) / (now - since) if now > since else 0.0
