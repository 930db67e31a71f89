"""Measure, and print a table; ``--quick`` takes fewer rounds, ``--json FILE`` keeps the figures."""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .bench_core import growth_subjects, subjects


def sample(work: Callable[[], None]) -> float:
    """Seconds of this process's CPU that one run takes."""
    gc.collect()
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(works: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Take the subjects in turns, after one round that warms up."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            seconds = sample(work)
            if number:
                taken[name].append(seconds)
    return taken


def report(rounds: int) -> list[tuple[str, float, float]]:
    """Name, microseconds an event and ratio to the first of its group."""
    events, works = subjects()
    rows = _rows(measure(works, rounds), dict.fromkeys(works, events))
    growth = growth_subjects()
    taken = measure({name: work for name, (_, work) in growth.items()}, rounds)
    return rows + _rows(taken, {name: count for name, (count, _) in growth.items()})


def _rows(taken: dict[str, list[float]], events: dict[str, int]) -> list[tuple[str, float, float]]:
    cost = {name: statistics.median(each) / events[name] * 1e6 for name, each in taken.items()}
    first = next(iter(cost.values()))
    return [(name, each, each / first) for name, each in cost.items()]


def main() -> None:
    """Run the suite."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rounds instead of nine")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    options = parser.parse_args()
    rows = report(3 if options.quick else 9)
    table = Table("what", "µs an event", "ratio")
    for name, cost, ratio in rows:
        table.add_row(name, f"{cost:.2f}", f"{ratio:.2f}")
    Console().print(table)
    if options.json is not None:
        figures = [{"what": name, "us": cost, "ratio": ratio} for name, cost, ratio in rows]
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
