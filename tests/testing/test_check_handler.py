"""``check_handler`` finds handlers that depend on more than their events."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import realtime_trio as rt
from realtime_trio.events import REGISTRY
from realtime_trio.testing import check_handler


@rt.event("chart", lanes=rt.Lane.TEXT)
class ChartEvent(rt.SessionEvent):
    """An event that only these tests use."""

    series: list[float]


REGISTRY.remove(REGISTRY.row_of(ChartEvent))

Slice = rt.TextSlice
Handled = tuple[rt.TextSlice, tuple[rt.Notification, ...]]


def kept(slice_: Slice, value: Any) -> Handled:
    return slice_.with_extra("charts", value), ()


def pure(slice_: Slice, event: ChartEvent) -> Handled:
    return kept(slice_, (*slice_.extra.get("charts", ()), tuple(event.series)))


def crowded(slice_: Slice, _event: ChartEvent, _more: int) -> Handled:
    return kept(slice_, 1)


COUNT = itertools.count()
KEPT: list[Any] = []


def counting(slice_: Slice, _event: ChartEvent) -> Handled:
    return kept(slice_, next(COUNT))


def mutating(slice_: Slice, event: ChartEvent) -> Handled:
    charts = slice_.extra.get("charts", [])
    charts.append(1)
    return kept(slice_, charts)


def hoarding(slice_: Slice, _event: ChartEvent) -> Handled:
    return kept(slice_, object())


def silent(slice_: Slice, _event: ChartEvent) -> Any:
    return slice_


def test_a_pure_handler_passes() -> None:
    check_handler(pure)
    check_handler(pure, ChartEvent(series=[1.0]), ChartEvent(series=[]))


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (counting, "counting returns another result"),
        (mutating, "mutating changes its arguments"),
        (hoarding, "cannot store a value that hoarding keeps in extra: a value of object"),
        (silent, r"silent must return \(TextSlice, tuple of notifications\)"),
    ],
)
def test_finds_an_impure_handler(handler: Any, reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        check_handler(handler, ChartEvent(series=[1.0]), ChartEvent(series=[2.0]))


def test_finds_a_handler_that_keeps_state_elsewhere() -> None:
    def remembering(slice_: Slice, event: ChartEvent) -> Handled:
        if event not in KEPT:
            KEPT.append(event)
        return kept(slice_, len(KEPT))

    with pytest.raises(AssertionError, match="when it handles chart again"):
        check_handler(remembering, ChartEvent(series=[1.0]), ChartEvent(series=[2.0]))


@pytest.mark.parametrize("handler", [crowded, lambda slice_, event: (slice_, ())])
def test_a_handler_without_annotations_is_refused(handler: Any) -> None:
    with pytest.raises(TypeError, match="annotate the handler"):
        check_handler(handler)
