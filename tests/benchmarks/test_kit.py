"""The harness: turns, warm-up, samples."""

from __future__ import annotations

import itertools

import pytest

from benchmarks._kit import Kit, each


def test_subjects_take_turns_after_a_warm_up() -> None:
    order: list[str] = []
    kit = Kit(quick=True)
    kit.rounds({name: each(order.append, name) for name in "abc"}, ops=1, rounds=3)
    assert "".join(order) == "abc" + "abc" + "bca" + "cab"


def test_the_order_differs_from_process_to_process() -> None:
    order: list[str] = []
    kit = Kit(quick=True, process=1)
    kit.rounds({name: each(order.append, name) for name in "ab"}, ops=1, rounds=1)
    assert "".join(order) == "ab" + "ba"


def test_a_sample_is_the_time_of_one_operation() -> None:
    ticks = itertools.count(0.0, 3.0)
    kit = Kit(quick=True)
    kit.rounds({"a": lambda: None}, ops=1000, rounds=2, clock=lambda: next(ticks))
    assert kit.samples("a") == pytest.approx((3000.0, 3000.0))  # microseconds


def test_a_subject_may_time_itself() -> None:
    kit = Kit(quick=True)
    kit.rounds({"a": lambda: 0.5, "b": lambda: 0.25}, ops=1, base="a", unit="ms", rounds=1)
    answer = kit.answer("q", "title")
    b = answer.find("b")
    assert b is not None
    assert answer.relative(b) == [[0.5]]
    assert [(s.name, s.base, s.unit, s.samples) for s in answer.series] == [
        ("a", None, "ms", ((500.0,),)),
        ("b", "a", "ms", ((250.0,),)),
    ]


def test_quick_is_smaller() -> None:
    assert Kit(quick=True).pick(1, 2) == 1
    assert Kit(quick=False).pick(1, 2) == 2


def test_notes_are_said_once_and_points_make_curves() -> None:
    kit = Kit(quick=True)
    for x in (1, 2):
        kit.note("mind this")
        kit.point("c", x, x * 2.0, x_label="events", unit="us")
    answer = kit.answer("q", "title")
    assert answer.notes == ("mind this",)
    (curve,) = answer.curves
    assert [(point.x, point.y) for point in curve.points] == [(1, 2.0), (2, 4.0)]
