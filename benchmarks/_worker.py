"""Answer one question in one process, and write the answer to a file."""

from __future__ import annotations

import time
from pathlib import Path

import attrs

from . import _model, _questions
from ._kit import Kit

__all__ = ["work"]


def work(name: str, *, quick: bool, process: int, out: Path) -> None:
    """Measure and write the answer. A failure ends the process with a traceback."""
    question = _questions.find(name)
    kit = Kit(quick=quick, process=process)
    began = time.perf_counter()
    question.measure(kit)
    answer = kit.answer(name, question.title)
    answer = attrs.evolve(answer, seconds=time.perf_counter() - began)
    out.write_text(_model.to_json(answer), encoding="utf-8")
