"""The parts of a run: values that can be stored as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, TypeAlias

import attrs
import cattrs

from . import _stats
from ._stats import Groups

__all__ = ["Answer", "Better", "Curve", "Point", "Run", "Series", "load", "save"]

Better: TypeAlias = Literal["lower", "higher"]


@attrs.frozen(slots=True, kw_only=True)
class Series:
    """The samples of one subject, a list for each process.

    ``base`` names the series of the same question to which it is compared.
    """

    name: str
    unit: str
    better: Better = "lower"
    base: str | None = None
    samples: tuple[tuple[float, ...], ...] = ()

    @property
    def median(self) -> float:
        """The median of all samples."""
        return _stats.median(self.samples)


@attrs.frozen(slots=True)
class Point:
    """A point of a curve."""

    x: float
    y: float


@attrs.frozen(slots=True, kw_only=True)
class Curve:
    """A line of a plot: ``unit`` over ``x_label``."""

    name: str
    x_label: str
    unit: str
    points: tuple[Point, ...]


@attrs.frozen(slots=True, kw_only=True)
class Answer:
    """The result of one question. ``failure`` describes a process that did not finish."""

    question: str
    title: str
    series: tuple[Series, ...] = ()
    curves: tuple[Curve, ...] = ()
    notes: tuple[str, ...] = ()
    failure: str | None = None
    seconds: float = 0.0

    def find(self, name: str) -> Series | None:
        """Return the series of that name, if it was measured."""
        return next((series for series in self.series if series.name == name), None)

    def relative(self, series: Series) -> Groups | None:
        """Return a series in units of its base, round by round; ``None`` without a base."""
        base = self.find(series.base) if series.base is not None else None
        return None if base is None else _stats.ratios(series.samples, base.samples)


@attrs.frozen(slots=True, kw_only=True)
class Run:
    """A run of the suite. ``machine`` describes Python, the processor and versions."""

    when: str
    quick: bool
    machine: dict[str, str]
    answers: tuple[Answer, ...]

    def answer(self, question: str) -> Answer | None:
        """Return the answer to a question, if it was asked."""
        return next((answer for answer in self.answers if answer.question == question), None)


_converter = cattrs.Converter()


def save(run: Run, path: Path) -> None:
    """Write a run as JSON."""
    raw: Any = _converter.unstructure(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> Run:
    """Read a run. Raises ``ValueError`` for another kind of file."""
    try:
        return _converter.structure(json.loads(path.read_text(encoding="utf-8")), Run)
    except (cattrs.BaseValidationError, ValueError, TypeError, KeyError, AttributeError) as exc:
        message = f"{path} is not a run of this suite"
        raise ValueError(message) from exc


def to_json(answer: Answer) -> str:
    """Encode an answer as one line, from a worker to the suite."""
    return json.dumps(_converter.unstructure(answer))


def from_json(line: str) -> Answer:
    """Decode the answer of a worker."""
    return _converter.structure(json.loads(line), Answer)
