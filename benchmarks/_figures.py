"""Figures as text: the same in the terminal, in Markdown and in HTML."""

from __future__ import annotations

import attrs

from . import _stats
from ._budget import Outcome
from ._model import Answer, Series

__all__ = ["BudgetRow", "Row", "budget", "figure", "row"]


@attrs.frozen(slots=True)
class Row:
    """A line of a question's table."""

    name: str
    median: str
    spread: str
    ratio: str


@attrs.frozen(slots=True)
class BudgetRow:
    """A line of the budget's table."""

    what: str
    value: str
    interval: str
    limit: str
    mark: str


def figure(value: float, unit: str = "") -> str:
    """Format a value with three significant digits and its unit."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def row(answer: Answer, series: Series) -> Row:
    """Return a series as a line, with its ratio to its base."""
    relative = answer.relative(series)
    ratio = ""
    if relative is not None and _stats.flat(relative):
        ratio = f"{figure(_stats.median(relative))} x {series.base}"
    return Row(
        name=series.name,
        median=figure(series.median, series.unit),
        spread=_spread(series),
        ratio=ratio,
    )


def _spread(series: Series) -> str:
    """Format the spread; empty for a single sample, whose spread is unknown."""
    if len(_stats.flat(series.samples)) < 2:
        return ""
    return f"± {_stats.spread(series.samples):.0%}".replace("%", " %")


def budget(outcome: Outcome) -> BudgetRow:
    """Return a line of the budget with its result."""
    value, unit = outcome.value, outcome.line.unit
    return BudgetRow(
        what=outcome.line.what,
        value=figure(value.median, unit),
        interval=f"{figure(value.low)} to {figure(value.high)}",
        limit=outcome.limit,
        mark=("pass" if outcome.held else "FAIL") + ("" if outcome.sure else ", close"),
    )
