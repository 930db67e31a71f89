"""The output in the terminal: progress, figures, the budget, changes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from . import _budget, _compare, _figures
from ._model import Answer, Run

__all__ = ["Shown", "progress", "show"]

_WIDE = 120


class Shown:
    """The progress of a run, one step for each question."""

    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars = bars
        self._task = task

    def asks(self, name: str, process: int, count: int) -> None:
        """Show that a process starts to measure."""
        self._bars.update(self._task, description=f"{name} ({process + 1} of {count})")

    def answered(self, answer: Answer) -> None:
        """Show that a question is done."""
        said = "failed" if answer.failure else "done"
        self._bars.console.print(f"{answer.question}: {said} in {answer.seconds:.0f} s")
        self._bars.advance(self._task)


@contextmanager
def progress(questions: int) -> Generator[Shown, None, None]:
    """Show the progress of a run on standard error, so that a pipe gets only the tables."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield Shown(bars, bars.add_task("starting", total=questions))


def _console() -> Console:
    """Return the console; in a pipe or a file it is wide enough for every figure."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDE)


def show(run: Run, before: Run | None, console: Console | None = None) -> None:
    """Print a run, with the changes since ``before``."""
    console = console or _console()
    console.print(f"\n{_what(run)}")
    if before is not None:
        console.print(f"compared with the {_what(before)}")
    changes = _compare.compare(before, run) if before is not None else {}
    for answer in run.answers:
        console.print(_answer(answer, changes))
        for note in answer.notes:
            console.print(f"  {note}", style="dim")
        if answer.failure:
            console.print(Text(f"  failed: {answer.failure}", style="bold red"))
    outcomes = list(_budget.judge(run))
    if outcomes:
        console.print(_judged(outcomes))
    for line in _budget.missing(run):
        console.print(f"  {line}", style="dim")


def _what(run: Run) -> str:
    """Describe a run: compare two runs that differ in this with care."""
    known = ("python", "processor", "load")
    where = ", ".join(f"{name} {run.machine[name]}" for name in known if name in run.machine)
    return f"{'quick' if run.quick else 'full'} run of {run.when}: {where}"


def _answer(answer: Answer, changes: _compare.Changes) -> Table:
    table = Table(title=Text(answer.title, justify="left"), title_justify="left", box=None)
    table.add_column(answer.question, min_width=34)
    for name in ("median", "spread", "ratio"):
        table.add_column(name, justify="right")
    if changes:
        table.add_column("since then")
    for series in answer.series:
        row = _figures.row(answer, series)
        cells = [Text(row.name), Text(row.median), Text(row.spread, style="dim"), Text(row.ratio)]
        if changes:
            verdict = changes.get((answer.question, series.name))
            cells.append(_verdict(verdict))
        table.add_row(*cells)
    return table


def _verdict(change: _compare.Verdict | None) -> Text:
    if change is None:
        return Text("new", style="dim")
    return Text(str(change), style={"faster": "green", "slower": "red"}.get(change.kind, "dim"))


def _judged(outcomes: list[_budget.Outcome]) -> Table:
    table = Table(title=Text("Budget", justify="left"), title_justify="left", box=None)
    table.add_column("what", min_width=34)
    for name in ("value", "95 % interval", "limit"):
        table.add_column(name, justify="right")
    table.add_column("")
    for outcome in outcomes:
        row = _figures.budget(outcome)
        mark = Text(row.mark, style="green" if outcome.held else "bold red")
        table.add_row(row.what, row.value, Text(row.interval, style="dim"), row.limit, mark)
    return table
