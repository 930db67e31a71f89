"""Draw the tables of a Markdown report: ``python -m benchmarks.report_pictures REPORT DIRECTORY``.

The report is the only input, so that the pictures of the documentation show exactly the numbers
of its tables. Each picture ends with a comment that identifies those numbers.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from . import _plots
from ._model import Answer, Series

__all__ = [
    "QUESTIONS",
    "Table",
    "answer_of",
    "digest_of",
    "draw",
    "main",
    "share_of",
    "tables",
]

QUESTIONS = (
    "core",
    "lanes",
    "socket",
    "latency",
    "growth",
    "fleet",
    "peers_parsing",
    "peers_pipecat",
    "peers_socket",
)
"""The tables to draw, in addition to the budget."""

_BUDGET = "what"  # the head of the first column of the budget
_NUMBER = re.compile(r"-?[\d,]+(?:\.\d+)?")
_DIGEST = re.compile(r"<!-- data ([0-9a-f]{64}) -->")
_XML = '<?xml version="1.0" encoding="utf-8"?>\n'


@attrs.frozen(slots=True)
class Table:
    """A table of the report. ``name`` is the head of its first column."""

    title: str
    name: str
    rows: tuple[tuple[str, ...], ...]

    @property
    def digest(self) -> str:
        """Identify the numbers."""
        return hashlib.sha256(repr((self.title, self.name, self.rows)).encode()).hexdigest()


def tables(report: str) -> Iterator[Table]:
    """Read the tables of a report."""
    for section in re.split(r"^### ", report, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        lines = [line for line in body.splitlines() if line.startswith("| ")]
        if lines:
            heads, _, *rows = [_cells(line) for line in lines]
            yield Table(title, heads[0], tuple(rows))


def _cells(line: str) -> tuple[str, ...]:
    inner = line.removeprefix("|").removesuffix("|")
    return tuple(cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner))


def _number(text: str) -> float:
    found = _NUMBER.search(text)
    if found is None:
        message = f"expected a number in the report, not {text!r}"
        raise ValueError(message)
    return float(found[0].replace(",", ""))


def answer_of(table: Table) -> Answer:
    """Return a table as the answer to its question."""
    return Answer(
        question=table.name,
        title=table.title,
        series=tuple(_series(*row) for row in table.rows),
    )


def _series(name: str, median: str, spread: str, ratio: str) -> Series:
    """Return samples with this median and these quartiles; nothing else of them is drawn."""
    value = _number(median)
    half = value * _number(spread) / 100 if spread else 0.0
    low, high = max(0.0, value - half), value + half
    samples = (low, low, value, high, high)
    _, _, unit = median.partition(" ")
    _, _, base = ratio.partition(" x ")
    return Series(name=name, unit=unit, base=base or None, samples=(samples,))


def share_of(what: str, value: str, _: str, limit: str, mark: str) -> _plots.Share:
    """Return a row of the budget as the used share of its limit."""
    used = _number(value) / _number(limit)
    if limit.startswith("at least"):
        used = 1 / used
    return _plots.Share(what, used, mark.startswith("pass"), f"{value} ({limit})")


def _drawn(table: Table) -> list[str]:
    if table.name == _BUDGET:
        return [shown for shown in [_plots.shares([share_of(*row) for row in table.rows])] if shown]
    answer = answer_of(table)
    units = Counter(series.unit for series in answer.series)
    # A picture of one bar would compare nothing.
    compared = tuple(series for series in answer.series if units[series.unit] > 1)
    return _plots.bars(attrs.evolve(answer, series=compared))


def digest_of(picture: str) -> str:
    """Read which numbers a picture shows. Raises ``ValueError`` for another file."""
    found = _DIGEST.search(picture)
    if found is None:
        message = "expected a picture of a benchmark report"
        raise ValueError(message)
    return found[1]


def draw(report: str) -> Iterator[tuple[str, str]]:
    """Draw a report. Return the name and the text of each file.

    Raises ``ValueError`` for a text that is not a report.
    """
    found = [table for table in tables(report) if table.name in {_BUDGET, *QUESTIONS}]
    if not found:
        message = "expected a report with tables, as --markdown writes it"
        raise ValueError(message)
    for table in found:
        name = "budget" if table.name == _BUDGET else table.name
        for number, shown in enumerate(_drawn(table)):
            suffix = f"-{number + 1}" if number else ""
            yield f"{name}{suffix}.svg", f"{_XML}{shown.rstrip()}\n<!-- data {table.digest} -->\n"


def main(argv: Sequence[str]) -> None:
    """Draw the report at the first path into the directory at the second."""
    report, directory = map(Path, argv)
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in draw(report.read_text(encoding="utf-8")):
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
