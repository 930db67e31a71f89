"""Plots of a run, as SVG text for a page."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from itertools import groupby
from textwrap import fill
from typing import Any, Generic, TypeVar

import attrs
import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from . import _budget, _stats
from ._figures import figure
from ._model import Answer, Curve, Run, Series

__all__ = ["Share", "bars", "budget", "curves", "shares"]

_T = TypeVar("_T")

_BLUE, _GREY, _GREEN, _RED, _INK = "#2b6cb0", "#b8c0cc", "#2f855a", "#c53030", "#2d3748"
_ON_WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
_WIDTH = 8.6  # inches
_STYLES = ("-", "--", "-.", ":")
_COLOURS = (_BLUE, "#dd6b20", _GREEN, "#805ad5", _RED, "#319795", "#718096", "#d69e2e")

mpl.rcParams.update(
    {
        "font.size": 9,
        "font.family": "sans-serif",
        "axes.edgecolor": _GREY,
        "axes.labelcolor": _INK,
        "text.color": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "svg.fonttype": "path",
        "svg.hashsalt": "realtime_trio",
    }
)


def _svg(drawn: Figure) -> str:
    """Return the drawing without its prologue; it scales with the page."""
    out = io.StringIO()
    drawn.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    return re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', 'class="plot"', text, count=1)


def _figure(height: float) -> Figure:
    """Return a figure. All have the same width, so that their text has the same size."""
    return Figure(figsize=(_WIDTH, height), layout="constrained")


def _bare(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _rows(axes: Any, names: Sequence[str]) -> None:
    """Name the bars, from the top. A large chart has no more room at its ends than a small one."""
    axes.set_yticks(list(range(len(names))), names)
    axes.set_ylim(len(names) - 0.4, -0.6)


def bars(answer: Answer) -> list[str]:
    """Draw the medians of a question, one picture per unit; whiskers span the quartiles. A unit
    with curves already has a picture.
    """
    drawn = {curve.unit for curve in answer.curves}
    measured = [s for s in answer.series if s.unit not in drawn and _stats.flat(s.samples)]
    units = [
        [series for series in measured if series.unit == unit]
        for unit in dict.fromkeys(series.unit for series in measured)
    ]
    return [_bars(group) for group in units]


def _bars(group: list[Series]) -> str:
    drawn = _figure(0.65 + 0.3 * len(group))
    axes = drawn.subplots()
    bases = {series.base for series in group}
    medians = [series.median for series in group]
    lows = [
        m - _stats.percentile(_stats.flat(s.samples), 0.25)
        for m, s in zip(medians, group, strict=True)
    ]
    highs = [
        _stats.percentile(_stats.flat(s.samples), 0.75) - m
        for m, s in zip(medians, group, strict=True)
    ]
    places = range(len(group))
    axes.barh(
        places,
        medians,
        height=0.62,
        color=[_GREY if series.name in bases else _BLUE for series in group],
        xerr=[[max(0.0, v) for v in lows], [max(0.0, v) for v in highs]],
        error_kw={"ecolor": _INK, "elinewidth": 0.8, "capsize": 2},
    )
    _rows(axes, [series.name for series in group])
    positive = [value for value in medians if value > 0]
    if positive and max(positive) / min(positive) > 50:
        axes.set_xscale("log")
    for place, median, high in zip(places, medians, highs, strict=True):
        axes.annotate(
            f" {figure(median)}",
            (median + max(0.0, high), place),
            va="center",
            xytext=(3, 0),
            textcoords="offset points",
        )
    axes.margins(x=0.12)
    axes.set_xlabel(group[0].unit)
    _plain(axes.xaxis)
    _bare(axes)
    return _svg(drawn)


def curves(answer: Answer) -> list[str]:
    """Draw the curves of a question, one picture per pair of axes."""
    ordered = sorted(answer.curves, key=_axes_of)
    return [_curves(list(group)) for _, group in groupby(ordered, key=_axes_of)]


def _axes_of(curve: Curve) -> tuple[str, str]:
    return curve.x_label, curve.unit


def _curves(group: list[Curve]) -> str:
    drawn = _figure(3.2)
    axes = drawn.subplots()
    colours, styles = _Cycle(_COLOURS), _Cycle(_STYLES)
    for curve in group:
        # "subject: aspect": a colour for each subject, a style for each aspect of them.
        subject, _, aspect = curve.name.partition(": ")
        axes.plot(
            [p.x for p in curve.points],
            [p.y for p in curve.points],
            marker="o",
            markersize=3.5,
            linewidth=1.6,
            color=colours.of(subject),
            linestyle=styles.of(aspect),
            label=curve.name,
        )
    _scale(axes, group)
    axes.set_xlabel(group[0].x_label)
    axes.set_ylabel(group[0].unit)
    axes.grid(color="#e2e8f0", linewidth=0.7)
    if len(group) > 1:
        drawn.legend(frameon=False, fontsize=8, loc="outside right center")
    else:
        axes.set_title(group[0].name, loc="left", fontsize=9)
    _bare(axes)
    return _svg(drawn)


class _Cycle(Generic[_T]):
    """Assigns the next value to each new name, and the same value to a known one."""

    def __init__(self, values: Sequence[_T]) -> None:
        self._values = values
        self._known: dict[str, _T] = {}

    def of(self, name: str) -> _T:
        following = self._values[len(self._known) % len(self._values)]
        return self._known.setdefault(name, following)


def _plain(axis: Any) -> None:
    """Show plain numbers: no powers, no offset."""
    axis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axis.set_minor_formatter(NullFormatter())


def _scale(axes: Any, group: list[Curve]) -> None:
    """Use a logarithmic axis if the values span decades, otherwise one from zero."""
    xs = [p.x for curve in group for p in curve.points]
    ys = [p.y for curve in group for p in curve.points]
    if min(xs) > 0 and max(xs) / min(xs) >= 100:
        axes.set_xscale("log")
    if min(ys) > 0 and max(ys) / min(ys) >= 30:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
    else:
        axes.set_ylim(bottom=0)
    _plain(axes.xaxis)
    _plain(axes.yaxis)


def budget(run: Run) -> str | None:
    """Draw the used share of each limit: bars left of the line are good."""
    return shares([_share(outcome) for outcome in _budget.judge(run)])


@attrs.frozen(slots=True)
class Share:
    """The used share of a limit: 1 is all of it. ``text`` shows the value and the limit."""

    what: str
    used: float
    held: bool
    text: str


def shares(lines: Sequence[Share]) -> str | None:
    """Draw the used share of each limit; ``None`` without a line."""
    if not lines:
        return None
    drawn = _figure(0.75 + 0.4 * len(lines))
    axes = drawn.subplots()
    places = range(len(lines))
    colours = [_GREEN if line.held else _RED for line in lines]
    axes.barh(places, [line.used for line in lines], height=0.62, color=colours)
    axes.axvline(1, color=_INK, linewidth=1)
    _rows(axes, [fill(line.what, 44) for line in lines])
    for place, line in zip(places, lines, strict=True):
        text = f" {line.text}"
        axes.annotate(text, (line.used, place), va="center", fontsize=8, bbox=_ON_WHITE)
    axes.set_xlim(0, max(1.6, *(line.used for line in lines)) * 1.35)
    axes.set_xlabel("share of the limit that is used")
    _bare(axes)
    return _svg(drawn)


def _share(outcome: _budget.Outcome) -> Share:
    line, value = outcome.line, outcome.value.median
    used = (line.at_least or math.nan) / value if line.at_most is None else value / line.at_most
    text = f"{figure(value, line.unit)} ({outcome.limit})"
    return Share(line.what, used, outcome.held, text)
