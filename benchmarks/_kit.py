"""The tools of a benchmark: interleaved rounds, single samples, curves."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias, TypeVar

from ._model import Answer, Better, Curve, Point, Series

__all__ = ["Kit", "Subject", "each"]

_T = TypeVar("_T")

SCALES = {"us": 1e6, "ms": 1e3}
# A function to time. If it returns a number, it has timed itself, in seconds.
Subject: TypeAlias = Callable[[], float | None]


def each(work: Callable[[_T], object], items: Iterable[_T]) -> Subject:
    """Call a function for every item."""
    items = tuple(items)

    def run() -> None:
        for item in items:
            work(item)

    return run


class Kit:
    """Collects what one process measures. ``process`` counts the processes of a question."""

    def __init__(self, *, quick: bool, process: int = 0) -> None:
        self.quick = quick
        self.process = process
        self._series: dict[str, Series] = {}
        self._curves: dict[str, list[Point]] = {}
        self._axes: dict[str, tuple[str, str]] = {}
        self._notes: list[str] = []

    def pick(self, quick: int, full: int) -> int:
        """Return a size: the small one in quick mode."""
        return quick if self.quick else full

    def rounds(
        self,
        subjects: Mapping[str, Subject],
        *,
        ops: int,
        base: str | None = None,
        rounds: int | None = None,
        unit: str = "us",
        clock: Callable[[], float] = time.process_time,
    ) -> None:
        """Time subjects against each other: the time of each of ``ops`` operations.

        After a warm-up round, each round times every subject once, in an order that rotates. The
        clock counts the CPU time of this process, which a busy machine disturbs least; pass
        ``time.perf_counter`` if waiting counts.
        """
        count = rounds or self.pick(3, 7)
        names = list(subjects)
        for name in names:
            subjects[name]()
        samples: dict[str, list[float]] = {name: [] for name in names}
        for round_ in range(count):
            turn = (round_ + self.process) % len(names)
            for name in (*names[turn:], *names[:turn]):
                samples[name].append(_timed(subjects[name], clock) / ops * SCALES[unit])
        for name in names:
            for value in samples[name]:
                self.sample(name, value, unit, base=base if name != base else None)

    def sample(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        better: Better = "lower",
        base: str | None = None,
    ) -> None:
        """Add one sample to a series. The n-th belongs to the n-th of its base."""
        known = self._series.get(name)
        earlier = known.samples[0] if known is not None else ()
        self._series[name] = Series(
            name=name, unit=unit, better=better, base=base, samples=((*earlier, value),)
        )

    def samples(self, name: str) -> tuple[float, ...]:
        """Return the samples of a series so far."""
        return self._series[name].samples[0]

    def point(self, curve: str, x: float, y: float, *, x_label: str, unit: str) -> None:
        """Add a point to a curve."""
        self._axes[curve] = (x_label, unit)
        self._curves.setdefault(curve, []).append(Point(x, y))

    def note(self, text: str) -> None:
        """Add a note for readers of the figures."""
        if text not in self._notes:
            self._notes.append(text)

    def answer(self, question: str, title: str) -> Answer:
        """Return what was measured."""
        curves = [
            Curve(name=name, x_label=self._axes[name][0], unit=self._axes[name][1], points=tuple(p))
            for name, p in self._curves.items()
        ]
        return Answer(
            question=question,
            title=title,
            series=tuple(self._series.values()),
            curves=tuple(curves),
            notes=tuple(self._notes),
        )


def _timed(subject: Subject, clock: Callable[[], float]) -> float:
    """Return the seconds of one call, after a garbage collection."""
    gc.collect()
    began = clock()
    own = subject()
    return clock() - began if own is None else own
