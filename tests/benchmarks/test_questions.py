"""Every question of the suite, asked for once with next to nothing to do."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest
import trio
import trio.testing

from benchmarks import _budget, _model, _questions, _recorded, _runner, _worker
from benchmarks._kit import Kit
from tests.source import ROOT

ORDINARY = _questions.names()
PEERS = sorted(set(_questions.names(peers=True)) - set(ORDINARY))
# What the questions measure at, cut down: whether they can be asked does not depend on it.
SMALL: dict[str, dict[str, Any]] = {
    "audio": {"COUNTS": (1, 2, 3)},
    "cancel_under_flood": {"EVENTS": 2_000, "FRAMES": 10},
    "growth": {"DELTAS": (2_100, 2_200, 2_300), "MESSAGES": (10, 20, 30)},
    "many": {"COUNTS": (1, 2, 3), "TURNS_IN_ALL": 3, "LATER_TURNS": 1},
    "memory": {"EVENTS": 5_000, "STEPS": 2},
    "paced": {"QUICK": (((2, 200), 1),), "SECONDS": 0},
    "startup": {"JUDGED": ("math", "json"), "OTHERS": ()},
}
# The names of series that the budget looks for are those of the real sizes.
RENAMED = {"growth", "many", "paced", "startup"}


PACED_BY = (
    "asyncio by hand",
    "trio-websocket, bare loop",
    "trio-websocket, client",
    "websockets, client",
)

# What these do at a pace needs no real time: all of it is in this process.
PACED = {"audio"}

_run = trio.run


def run_without_waiting(work: Any, *args: Any) -> Any:
    return _run(work, *args, clock=trio.testing.MockClock(autojump_threshold=0))


class TinyKit(Kit):
    """Whatever may be small is as small as can be."""

    def pick(self, quick: int, full: int) -> int:
        return 1


@pytest.fixture(name="small")
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SMALL.keys() & set(ORDINARY):
        module: ModuleType = import_module(f"benchmarks.bench_{name}")
        for constant, value in SMALL[name].items():
            monkeypatch.setattr(module, constant, value)


def asked(name: str) -> _model.Answer:
    question = _questions.find(name)
    kit = TinyKit(quick=True)
    question.measure(kit)
    return kit.answer(question.name, question.title)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ORDINARY)
def test_a_question_is_answered(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in PACED:
        monkeypatch.setattr(trio, "run", run_without_waiting)
    answer = asked(name)
    assert answer.series
    for series in answer.series:
        assert all(group for group in series.samples), series.name
        assert series.base is None or answer.find(series.base) is not None
    run = _model.Run(when="", quick=True, machine={}, answers=(answer,))
    if name not in RENAMED and not answer.notes:
        assert _budget.missing(run) == []


@pytest.mark.skipif(find_spec("openai") is not None, reason="the peers are installed")
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"openai|loguru|pipecat"):
        asked(name)


def test_a_question_that_cannot_be_asked_is_told_and_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "benchmarks.bench_fold", None)
    told: list[_model.Answer] = []
    _runner.run(["fold"], quick=True, progress=lambda *_: None, answered=told.append)
    (answer,) = told
    assert answer.failure is not None
    assert "bench_fold" in answer.failure


def test_the_series_of_the_real_sizes_are_those_that_the_budget_looks_for() -> None:
    growth, many, paced, startup = (
        import_module(f"benchmarks.bench_{name}") for name in sorted(RENAMED)
    )
    names = {
        *(f"delta at {size:,}" for size in growth.DELTAS),
        *(f"listed session at {size:,}" for size in growth.LISTED),
        *(f"tool call at {size:,}" for size in growth.CALLS),
        *(f"idle client at {count}" for count in many.COUNTS),
        *(f"event at {count}" for count in many.COUNTS),
        *(f"{name}, {n} x {rate}/s" for name in PACED_BY for (n, rate), _ in paced.QUICK),
        *(f"import {package}" for package in startup.JUDGED),
    }
    for line in _budget.LINES:
        if line.question in RENAMED:
            assert {line.top, line.bottom or line.top} <= names


def test_the_order_begins_with_what_is_judged_first_and_leaves_nothing_out() -> None:
    assert ORDINARY[:4] == ["decode", "fold", "core", "lanes"]
    assert all(not name.startswith("peers") for name in ORDINARY)
    files = {path.stem.removeprefix("bench_") for path in (ROOT / "benchmarks").glob("bench_*.py")}
    assert set(_questions.names(peers=True)) == files


def test_a_question_that_is_not_there() -> None:
    with pytest.raises(LookupError, match="no question 'nix'"):
        _questions.find("nix")


@pytest.mark.usefixtures("small")
def test_a_worker_writes_its_answer(tmp_path: Any) -> None:
    _worker.work("fold", quick=True, process=0, out=tmp_path / "a.json")
    answer = _model.from_json((tmp_path / "a.json").read_text())
    assert answer.question == "fold"
    assert answer.seconds > 0


def test_the_recordings_are_there_and_go_into_the_wheel() -> None:
    found = dict(_recorded.recordings())
    assert all(found["embedded server"])
    hook = (ROOT / "hatch_build.py").read_text()
    names = re.search(r"^_RECORDINGS = \((.*)\)$", hook, re.MULTILINE)
    assert names is not None
    assert re.findall(r'"(\w+)"', names[1]) == list(_recorded.EMBEDDED)


def test_starts_are_timed_with_bytecode_that_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    environment = import_module("benchmarks.bench_startup")._environment("/somewhere")
    assert environment["PYTHONPYCACHEPREFIX"] == "/somewhere"
    assert "PYTHONDONTWRITEBYTECODE" not in environment
