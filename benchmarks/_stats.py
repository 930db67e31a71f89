"""Medians, spread, and how sure one may be: small statistics over samples of a few processes.

Samples come in groups, one for each process, because a process has a luck of its own (where
its memory lies, in which order its dictionaries are). So resampling picks processes first and
then samples in them: what differs from process to process counts as doubt.
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
# A difference below this share is none: no harness on a shared machine can tell it.
NOTHING = 0.02
# How far the same code usually comes out from one process to the next: where its memory lies, what
# else the machine did in those seconds. Few processes do not show it, so it is taken for granted.
LUCK = 0.05
# Samples below which there is nothing to be drawn from.
FEWEST = 3
# Two runs are said to be the same where the true ratio lies within this share of 1.
SAME = 0.05


def flat(groups: Groups) -> list[float]:
    """Every sample, whichever process it is from."""
    return [sample for group in groups for sample in group]


def median(groups: Groups) -> float:
    """The middle of all samples."""
    return statistics.median(flat(groups))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` (0 to 1) of the values do not exceed."""
    if not values:
        message = "a percentile of nothing"
        raise ValueError(message)
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(groups: Groups) -> float:
    """Half the interquartile range as a share of the median: how far samples usually lie off."""
    values = flat(groups)
    middle = statistics.median(values)
    if len(values) < 2 or middle == 0:
        return 0.0
    return (percentile(values, 0.75) - percentile(values, 0.25)) / 2 / abs(middle)


def ratios(values: Groups, base: Groups) -> list[list[float]]:
    """Each sample over the one of ``base`` of the same round: what slowed both is gone."""
    return [
        [value / other for value, other in zip(mine, theirs, strict=False) if other]
        for mine, theirs in zip(values, base, strict=False)
    ]


@attrs.frozen(slots=True)
class Estimate:
    """A median, and the interval in which the true one lies with 95 % confidence."""

    median: float
    low: float
    high: float


def _resampled(groups: Groups, rng: random.Random) -> float:
    """The median of samples drawn anew: processes first, then samples in each."""
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
    """The median with its interval; the same samples give the same interval."""
    medians = _medians(groups, seed=1)
    return Estimate(median(groups), percentile(medians, 0.025), percentile(medians, 0.975))


@attrs.frozen(slots=True)
class Verdict:
    """What a comparison came to. ``ratio`` is new over old, ``confidence`` from 0 to 1."""

    kind: Literal["faster", "slower", "same", "unknown"]
    ratio: float
    confidence: float

    def __str__(self) -> str:
        """In words: ``12 % faster (99 % sure)``."""
        if self.kind == "unknown":
            return "too few samples"
        # A thousand resamplings do not tell more than that.
        sure = f"({min(self.confidence, 0.99):.0%} sure)".replace("%", " %")
        if self.kind == "same":
            return f"same {sure}"
        return f"{abs(self.ratio - 1):.0%} {self.kind} {sure}".replace("%", " %", 1)


def _drawn_ratios(old: Groups, new: Groups) -> list[float]:
    """What the ratio may be as well: both runs drawn anew, and each given its luck."""
    processes = [sum(1 for group in groups if group) for groups in (old, new)]
    luck = LUCK * math.sqrt(sum(1 / count for count in processes))
    rng = random.Random(4)
    pairs = zip(_medians(new, seed=2), _medians(old, seed=3), strict=True)
    return [after / before * math.exp(rng.gauss(0, luck)) for after, before in pairs if before]


def verdict(old: Groups, new: Groups, *, lower_is_better: bool = True) -> Verdict:
    """Compare two runs of one subject.

    Faster or slower where nineteen of twenty resamplings agree and the difference is worth
    its name; the confidence is the share of resamplings on that side. Else the same, and the
    confidence is the share that lies within 5 %: a low one says that more samples are needed.
    Of fewer than three samples nothing is known, nor of what was nothing before.
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
