"""What a run consists of: values that go to JSON and come back."""

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

    ``base`` names the series of the same question that it is read against.
    """

    name: str
    unit: str
    better: Better = "lower"
    base: str | None = None
    samples: tuple[tuple[float, ...], ...] = ()

    @property
    def median(self) -> float:
        """The middle of all samples."""
        return _stats.median(self.samples)


@attrs.frozen(slots=True)
class Point:
    """A point of a curve."""

    x: float
    y: float


@attrs.frozen(slots=True, kw_only=True)
class Curve:
    """A line to be drawn: ``unit`` over ``x_label``."""

    name: str
    x_label: str
    unit: str
    points: tuple[Point, ...]


@attrs.frozen(slots=True, kw_only=True)
class Answer:
    """What one question came to. ``failure`` tells of a process that did not finish."""

    question: str
    title: str
    series: tuple[Series, ...] = ()
    curves: tuple[Curve, ...] = ()
    notes: tuple[str, ...] = ()
    failure: str | None = None
    seconds: float = 0.0

    def find(self, name: str) -> Series | None:
        """The series of that name, if it was measured."""
        return next((series for series in self.series if series.name == name), None)

    def relative(self, series: Series) -> Groups | None:
        """A series in units of its base, round by round; ``None`` where it has none."""
        base = self.find(series.base) if series.base is not None else None
        return None if base is None else _stats.ratios(series.samples, base.samples)


@attrs.frozen(slots=True, kw_only=True)
class Run:
    """A run of the suite. ``machine`` says where: Python, processor, versions."""

    when: str
    quick: bool
    machine: dict[str, str]
    answers: tuple[Answer, ...]

    def answer(self, question: str) -> Answer | None:
        """The answer to a question, if it was asked."""
        return next((answer for answer in self.answers if answer.question == question), None)


_converter = cattrs.Converter()


def save(run: Run, path: Path) -> None:
    """Write a run as JSON."""
    raw: Any = _converter.unstructure(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> Run:
    """Read a run. Raises ``ValueError`` for a file that holds none."""
    try:
        return _converter.structure(json.loads(path.read_text(encoding="utf-8")), Run)
    except (cattrs.BaseValidationError, ValueError, TypeError, KeyError, AttributeError) as exc:
        message = f"{path} holds no run of this suite"
        raise ValueError(message) from exc


def to_json(answer: Answer) -> str:
    """An answer as one line, from a worker to the suite."""
    return json.dumps(_converter.unstructure(answer))


def from_json(line: str) -> Answer:
    """The answer that a worker wrote."""
    return _converter.structure(json.loads(line), Answer)
