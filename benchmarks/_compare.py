"""Compare two runs."""

from __future__ import annotations

from typing import TypeAlias

from . import _stats
from ._model import Answer, Run, Series
from ._stats import Groups, Verdict

__all__ = ["Changes", "Verdict", "compare"]

# By question and series.
Changes: TypeAlias = dict[tuple[str, str], Verdict]


def _comparable(answer: Answer, series: Series) -> tuple[Groups, bool]:
    """Return the samples to compare, in units of the base if the series has one. A base is measured
    in the same rounds, so the load or the kind of the machine matters less.
    """
    relative = answer.relative(series)
    if relative is not None and _stats.flat(relative):
        return relative, True
    return series.samples, False


def compare(before: Run, after: Run) -> Changes:
    """Return the verdict on every series that both runs have."""
    changes: Changes = {}
    for answer in after.answers:
        known = before.answer(answer.question)
        for series in answer.series:
            old = known.find(series.name) if known is not None else None
            if known is None or old is None:
                continue
            then, then_relative = _comparable(known, old)
            now, now_relative = _comparable(answer, series)
            if then_relative is not now_relative:
                then, now = old.samples, series.samples
            if not _stats.flat(then) or not _stats.flat(now):
                continue
            lower = series.better == "lower"
            changes[answer.question, series.name] = _stats.verdict(then, now, lower_is_better=lower)
    return changes
