"""Which answer the bytes in a buffer belong to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio._core._spoken import SpokenAnswer
from realtime_trio.audio import DEFAULT_FORMAT
from realtime_trio.audio._owners import Owners

SECOND = 32_000


def test_bytes_are_played_and_lost_in_order() -> None:
    first, second = SpokenAnswer(), SpokenAnswer()
    owners = Owners(DEFAULT_FORMAT)
    owners.push(first, SECOND)
    owners.push(second, SECOND)
    owners.push(second, SECOND)
    owners.play(SECOND // 2)
    owners.play(SECOND)
    assert (first.heard_ms, second.heard_ms) == (1000, 500)
    assert owners.drop_oldest(SECOND) == [(second, SECOND)]
    assert owners.drop_oldest(SECOND) == [(second, SECOND // 2)]
    assert owners.drop_oldest(SECOND) == []


def test_a_device_returns_the_last_bytes_that_it_took() -> None:
    first, second = SpokenAnswer(), SpokenAnswer()
    owners = Owners(DEFAULT_FORMAT)
    owners.push(first, 640)
    owners.push(second, 640)
    owners.play(640, ramp=160, keep=1440)
    owners.play(640, keep=1440)
    assert owners.queued_ms(first, 1440) == owners.queued_ms(second, 1440) == 20
    assert owners.queued_ms(first, 800) == 0
    assert owners.return_unplayed(1120) == 960  # 160 of these were a ramp
    assert first.heard_ms == pytest.approx(10)
    assert second.heard_ms == 0
    assert owners.drop_oldest(2000) == [(first, 320), (second, 640)]
    assert owners.return_unplayed(1000) == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50)), max_size=60))
def test_every_byte_has_one_owner(steps: list[tuple[int, int]]) -> None:
    answers = [SpokenAnswer()]
    owners = Owners(DEFAULT_FORMAT)
    pushed = waiting = played = lost = 0
    for kind, size in steps:
        if kind == 0:
            answers.append(SpokenAnswer())
        elif kind == 1 and size:
            owners.push(answers[-1], size)
            answers[-1].add_received(size, DEFAULT_FORMAT)
            pushed += size
            waiting += size
        elif kind == 2:
            taken = min(size, waiting)
            owners.play(taken, keep=25)
            back = owners.return_unplayed(min(taken, 25))
            assert back == min(taken, 25)
            played += taken - back
            waiting += back - taken
        else:
            gone = sum(count for _, count in owners.drop_oldest(size))
            assert gone == min(size, waiting)
            lost += gone
            waiting -= gone
        heard = sum(answer.heard_ms for answer in answers)
        assert heard == pytest.approx(1000 * DEFAULT_FORMAT.seconds_of(played))
    assert pushed == played + lost + waiting
    unheard = sum(answer.unheard_ms for answer in answers)
    assert unheard == pytest.approx(1000 * DEFAULT_FORMAT.seconds_of(pushed - played))
