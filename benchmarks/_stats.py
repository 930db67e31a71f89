"""Medians, spread and confidence over the samples of a few processes. Samples are grouped by
process, because each process has its own random conditions, such as its memory layout and the order
of its dictionaries. So resampling picks processes first and then samples in them: differences
between processes add to the uncertainty.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from typing import Literal, TypeAlias

import attrs

__all__ = [
    "Estimate",
    "Groups",
    "Verdict",
    "estimate",
    "flat",
    "median",
    "percentile",
    "ratios",
    "spread",
    "verdict",
]

Groups: TypeAlias = Sequence[Sequence[float]]

RESAMPLES = 1000
# A difference below this share counts as none: a shared machine cannot resolve it.
NOTHING = 0.02
# The usual variation of the same code between processes, due to memory layout and other load. A few
# processes do not show it, so it is assumed.
LUCK = 0.05
# The minimum number of samples for resampling.
FEWEST = 3
# Two runs count as the same if the true ratio is within this share of 1.
SAME = 0.05


def flat(groups: Groups) -> list[float]:
    """Return every sample of all processes."""
    return [sample for group in groups for sample in group]


def median(groups: Groups) -> float:
    """Return the median of all samples."""
    return statistics.median(flat(groups))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` (0 to 1) of the values do not exceed."""
    if not values:
        message = "a percentile of nothing"
        raise ValueError(message)
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(groups: Groups) -> float:
    """Return half the interquartile range as a share of the median."""
    values = flat(groups)
    middle = statistics.median(values)
    if len(values) < 2 or middle == 0:
        return 0.0
    return (percentile(values, 0.75) - percentile(values, 0.25)) / 2 / abs(middle)


def ratios(values: Groups, base: Groups) -> list[list[float]]:
    """Return each sample over that of ``base`` in the same round: load on both cancels out."""
    return [
        [value / other for value, other in zip(mine, theirs, strict=False) if other]
        for mine, theirs in zip(values, base, strict=False)
    ]


@attrs.frozen(slots=True)
class Estimate:
    """A median, and its interval of 95 % confidence."""

    median: float
    low: float
    high: float


def _resampled(groups: Groups, rng: random.Random) -> float:
    """Return the median of resampled values: processes first, then samples in each."""
    drawn: list[float] = []
    for _ in groups:
        group = rng.choice(groups)
        drawn += rng.choices(group, k=len(group))
    return statistics.median(drawn)


def _medians(groups: Groups, seed: int) -> list[float]:
    rng = random.Random(seed)
    filled = [group for group in groups if group]
    return [_resampled(filled, rng) for _ in range(RESAMPLES)]


def estimate(groups: Groups) -> Estimate:
    """Return the median with its interval; the same samples give the same interval."""
    medians = _medians(groups, seed=1)
    return Estimate(median(groups), percentile(medians, 0.025), percentile(medians, 0.975))


@attrs.frozen(slots=True)
class Verdict:
    """The result of a comparison. ``ratio`` is new over old, ``confidence`` from 0 to 1."""

    kind: Literal["faster", "slower", "same", "unknown"]
    ratio: float
    confidence: float

    def __str__(self) -> str:
        """Format it: ``12 % faster (99 % sure)``."""
        if self.kind == "unknown":
            return "too few samples"
        # A thousand resamplings cannot show more than that.
        sure = f"({min(self.confidence, 0.99):.0%} sure)".replace("%", " %")
        if self.kind == "same":
            return f"same {sure}"
        return f"{abs(self.ratio - 1):.0%} {self.kind} {sure}".replace("%", " %", 1)


def _drawn_ratios(old: Groups, new: Groups) -> list[float]:
    """Return a possible ratio: both runs resampled, with the usual variation added."""
    processes = [sum(1 for group in groups if group) for groups in (old, new)]
    luck = LUCK * math.sqrt(sum(1 / count for count in processes))
    rng = random.Random(4)
    pairs = zip(_medians(new, seed=2), _medians(old, seed=3), strict=True)
    return [after / before * math.exp(rng.gauss(0, luck)) for after, before in pairs if before]


def verdict(old: Groups, new: Groups, *, lower_is_better: bool = True) -> Verdict:
    """Compare two runs of one subject. It is faster or slower if 19 of 20 resamplings agree and the
    difference is large enough; the confidence is the share of resamplings on that side. Otherwise
    it is the same, and the confidence is the share within 5 %: if that is low, more samples are
    needed. With fewer than three samples, or an old value of zero, the result is unknown.
    """
    if min(len(flat(old)), len(flat(new))) < FEWEST or not median(old):
        return Verdict("unknown", math.nan, 0.0)
    drawn = _drawn_ratios(old, new)
    ratio = median(new) / median(old)
    below = sum(1 for value in drawn if value < 1) / len(drawn)
    above = sum(1 for value in drawn if value > 1) / len(drawn)
    if max(below, above) >= 0.95 and abs(ratio - 1) > NOTHING:
        sank = below > above
        kind: Literal["faster", "slower"] = "faster" if sank is lower_is_better else "slower"
        return Verdict(kind, ratio, max(below, above))
    within = sum(1 for value in drawn if abs(value - 1) <= SAME) / len(drawn)
    return Verdict("same", ratio, within)
