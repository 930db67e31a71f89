"""Runs that were never run."""

from __future__ import annotations

from benchmarks._model import Answer, Curve, Point, Run, Series

Samples = tuple[tuple[float, ...], ...]


def series(
    name: str,
    *values: float,
    base: str | None = None,
    unit: str = "us",
    better: str = "lower",
) -> Series:
    return Series(
        name=name,
        unit=unit,
        better="lower" if better == "lower" else "higher",
        base=base,
        samples=(values,),
    )


def answer(question: str, *found: Series, failure: str | None = None) -> Answer:
    curve = Curve(
        name="a <curve>", x_label="events", unit="ms", points=(Point(1, 2.0), Point(1000, 3.0))
    )
    return Answer(
        question=question,
        title=f"{question}: how fast?",
        series=found,
        curves=(curve,),
        notes=("as <it> is",),
        failure=failure,
    )


def run(*answers: Answer, when: str = "2026-01-01T12:00:00+00:00") -> Run:
    return Run(when=when, quick=True, machine={"python": "CPython"}, answers=answers)


def core(cost: float, *, loads: float = 2.0) -> Run:
    """A run in which the core costs so much."""
    rounds = 10
    base = [loads * (1 + 0.001 * i) for i in range(rounds)]
    return run(
        answer(
            "core",
            series("json.loads", *base),
            series("core", *(cost * (1 + 0.001 * i) for i in range(rounds)), base="json.loads"),
        )
    )
