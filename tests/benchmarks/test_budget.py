"""The budget: which side of a limit a run is on."""

from __future__ import annotations

import pytest

from benchmarks import _budget, _figures, _questions
from benchmarks._budget import Line

from .runs import answer, core, run, series


def judged(found: object) -> list[tuple[str, bool]]:
    assert isinstance(found, list)
    return [(outcome.line.what, outcome.held) for outcome in found]


@pytest.mark.parametrize(("cost", "held"), [(2.0, True), (2.19, True), (2.21, False), (9, False)])
def test_a_ratio_at_most(cost: float, held: bool) -> None:
    (outcome,) = _budget.judge(core(cost))
    assert outcome.held is held
    assert outcome.value.median == pytest.approx(cost / 2)
    assert outcome.limit == "at most 1.1 x"


def test_more_events_a_second_are_less_time_for_each() -> None:
    found = run(
        answer(
            "socket",
            series("trio-websocket, client", 40.0, 42.0),
            series("websockets, client", 10.0, 10.5),
        )
    )
    (outcome,) = _budget.judge(found)
    assert outcome.held
    assert outcome.value.median == pytest.approx(4)
    assert outcome.limit == "at least 3.5 x"


def test_a_figure_that_is_no_ratio() -> None:
    found = run(answer("many", series("idle client at 1000", 70.0, unit="KB")))
    (outcome,) = _budget.judge(found)
    assert not outcome.held
    row = _figures.budget(outcome)
    assert (row.value, row.limit, row.mark) == ("70.0 KB", "at most 40 KB", "FAIL")


def test_what_lies_on_both_sides_is_called_close() -> None:
    line = Line(question="q", what="w", top="t", at_most=2)
    wide = run(answer("cancel_under_flood", series("inbound", 1.0, 1.5, 1.9, 2.5, 9.0, unit="ms")))
    (outcome,) = _budget.judge(wide)
    assert outcome.held
    assert not outcome.sure
    assert _figures.budget(outcome).mark == "pass, close"
    assert line.allows(2)
    assert not line.allows(2.01)


def test_what_was_asked_and_not_measured_is_named() -> None:
    found = run(answer("startup", series("import trio", 100.0), failure="it fell over"))
    assert list(_budget.judge(found)) == []
    assert _budget.missing(found) == [
        "not measured (startup): import of realtime_trio over import of trio"
    ]
    assert _budget.missing(run()) == []


def test_every_line_has_its_question_and_one_limit() -> None:
    known = _questions.names(peers=True)
    for line in _budget.LINES:
        assert line.question in known
        assert (line.at_most is None) is not (line.at_least is None)
    assert len({line.what for line in _budget.LINES}) == len(_budget.LINES)
