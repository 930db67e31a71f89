"""The tables of a run as Markdown, for the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from . import _budget, _figures
from ._model import Answer, Run
from ._verdict import verdict

__all__ = ["markdown", "write"]


def write(text: str, path: Path) -> None:
    """Write a file, and create missing directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _table(heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"| {' | '.join('---' if i == 0 else '---:' for i in range(len(heads)))} |"
    for row in rows:
        yield f"| {' | '.join(map(_cell, row))} |"
    yield ""


def _answer(answer: Answer) -> Iterator[str]:
    yield f"### {answer.title}"
    yield ""
    rows = (_figures.row(answer, series) for series in answer.series)
    yield from _table(
        (answer.question, "median", "spread", "ratio"),
        ((row.name, row.median, row.spread, row.ratio) for row in rows),
    )
    for note in answer.notes:
        yield f"{note[:1].upper()}{note[1:]}."
        yield ""
    if answer.failure:
        yield f"This question was not answered: {answer.failure}"
        yield ""


def _lines(run: Run) -> Iterator[str]:
    mode = "quick" if run.quick else "full"
    where = ", ".join(f"{name} {value}" for name, value in run.machine.items())
    summary = verdict(run)
    if summary:
        yield summary
        yield ""
    yield f"A {mode} run of {run.when} ({where})."
    yield ""
    outcomes = list(_budget.judge(run))
    if outcomes:
        yield "### Budget"
        yield ""
        rows = map(_figures.budget, outcomes)
        yield from _table(
            ("what", "value", "95 % interval", "limit", ""),
            ((row.what, row.value, row.interval, row.limit, row.mark) for row in rows),
        )
    for line in _budget.missing(run):
        yield f"{line[:1].upper()}{line[1:]}."
        yield ""
    for answer in run.answers:
        yield from _answer(answer)


def markdown(run: Run) -> str:
    """Return the report: the budget first, then every question."""
    return "\n".join(_lines(run)).rstrip() + "\n"
