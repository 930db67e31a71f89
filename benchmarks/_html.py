"""The report: one HTML file that contains everything, including the plots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from . import _budget, _compare, _figures, _plots
from ._model import Answer, Run

__all__ = ["page"]

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #2d3748; background: #fff;
       max-width: 66rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; }
h2 { font-size: 1.15rem; margin-top: 2.6rem; padding-top: .6rem; border-top: 1px solid #e2e8f0; }
p.where, p.note { color: #718096; font-size: .88rem; }
table { border-collapse: collapse; margin: .8rem 0; width: 100%; }
th, td { text-align: right; padding: .25rem .7rem; border-bottom: 1px solid #edf2f7;
         font-variant-numeric: tabular-nums; }
th { font-weight: 600; font-size: .85rem; color: #718096; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.pass, .faster { color: #2f855a; } .fail, .slower, .failed { color: #c53030; font-weight: 600; }
.same, .new, .unknown { color: #a0aec0; }
.since { white-space: nowrap; }
svg.plot { width: 100%; height: auto; margin: .4rem 0 1rem; }
nav a { margin-right: .7rem; color: #2b6cb0; text-decoration: none; white-space: nowrap; }
td:nth-child(2), td:nth-child(3) { white-space: nowrap; }
"""


def _row(cells: Iterable[str], tag: str = "td") -> str:
    return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    return f"<table>{_row(heads, 'th')}{''.join(_row(row) for row in rows)}</table>"


def _budget_part(run: Run) -> Iterator[str]:
    outcomes = list(_budget.judge(run))
    if not outcomes:
        return
    held = sum(outcome.held for outcome in outcomes)
    yield f'<h2 id="budget">Budget: {held} of {len(outcomes)} lines hold</h2>'
    plot = _plots.budget(run)
    if plot:
        yield plot
    rows = []
    for outcome in outcomes:
        row = _figures.budget(outcome)
        mark = f'<span class="{"pass" if outcome.held else "fail"}">{row.mark}</span>'
        rows.append([*map(escape, (row.what, row.value, row.interval, row.limit)), mark])
    yield _table(("what", "value", "95 % interval", "limit", ""), rows)
    for line in _budget.missing(run):
        yield f'<p class="note">{escape(line)}</p>'


def _answer_part(answer: Answer, changes: _compare.Changes) -> Iterator[str]:
    yield f'<h2 id="{escape(answer.question)}">{escape(answer.title)}</h2>'
    if answer.failure:
        yield f'<p class="failed">This question was not answered: {escape(answer.failure)}</p>'
    yield from _plots.curves(answer)
    yield from _plots.bars(answer)
    heads = [escape(answer.question), "median", "spread", "ratio"]
    rows = []
    for series in answer.series:
        row = _figures.row(answer, series)
        cells = [escape(cell) for cell in (row.name, row.median, row.spread, row.ratio)]
        if changes:
            cells.append(_change(changes.get((answer.question, series.name))))
        rows.append(cells)
    yield _table([*heads, "since then"] if changes else heads, rows)
    for note in answer.notes:
        yield f'<p class="note">{escape(note)}</p>'


def _change(verdict: _compare.Verdict | None) -> str:
    if verdict is None:
        return '<span class="new">new</span>'
    return f'<span class="since {verdict.kind}">{escape(str(verdict))}</span>'


def _parts(run: Run, before: Run | None) -> Iterator[str]:
    mode = "quick" if run.quick else "full"
    where = ", ".join(f"{escape(k)} {escape(v)}" for k, v in run.machine.items())
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>realtime_trio benchmarks</title><style>{_STYLE}</style></head><body>"
    yield "<h1>realtime_trio: benchmarks</h1>"
    yield f'<p class="where">A {mode} run of {escape(run.when)}. {where}.</p>'
    yield (
        "<p>Medians; the spread is half the distance between the quartiles. What is compared "
        "was measured in turns within one process, so the ratios say more than the figures: "
        "machines differ and are noisy. Grey bars are what the others are read against.</p>"
    )
    links = (f'<a href="#{escape(a.question)}">{escape(a.question)}</a>' for a in run.answers)
    yield f"<nav>{' '.join(links)}</nav>"
    if before is not None:
        yield f'<p class="where">Compared with the run of {escape(before.when)}.</p>'
    changes = _compare.compare(before, run) if before is not None else {}
    yield from _budget_part(run)
    for answer in run.answers:
        yield from _answer_part(answer, changes)
    yield "</body></html>\n"


def page(run: Run, before: Run | None = None) -> str:
    """Return the whole report as HTML."""
    return "\n".join(_parts(run, before))
