"""One report of a kind in a while, and none of the occurrences lost from the count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from realtime_trio._throttle import Throttle


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 30), st.integers(1, 5))))
def test_every_occurrence_is_in_one_report(steps: list[tuple[str, float, int]]) -> None:
    """Those that are held back are in the next report; two of a kind are ``pause`` apart."""
    throttle, now = Throttle(10), 0.0
    last: dict[str, float] = {}
    held = {"a": 0, "b": 0}
    for kind, pause, times in steps:
        now += pause
        held[kind] += times
        told = throttle.count(kind, now, times)
        if kind in last and now < last[kind] + 10:
            assert told == 0
        else:
            assert told == held[kind]
            last[kind], held[kind] = now, 0


def test_the_oldest_kind_is_forgotten() -> None:
    """What is known is bounded; a kind that is forgotten is reported as if it were new."""
    throttle = Throttle(10)
    assert all(throttle.count(str(number), 0.0) == 1 for number in range(257))
    assert throttle.count("256", 1.0) == 0
    assert throttle.count("0", 1.0) == 1
