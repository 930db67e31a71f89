"""The statistics: what the figures of the suite rest on."""

from __future__ import annotations

import random

import pytest

from benchmarks import _stats


def noisy(middle: float, *, seed: int, spread: float = 0.03) -> list[list[float]]:
    """Two processes with ten samples each."""
    rng = random.Random(seed)
    return [[rng.gauss(middle, middle * spread) for _ in range(10)] for _ in range(2)]


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 1), (0.25, 1), (0.26, 2), (0.5, 2), (0.99, 4), (1.0, 4)]
)
def test_a_percentile_is_a_value_that_was_measured(share: float, value: float) -> None:
    assert _stats.percentile([3, 1, 4, 2], share) == value


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="nothing"):
        _stats.percentile([], 0.5)


def test_the_spread_is_half_the_distance_of_the_quartiles() -> None:
    assert _stats.spread([[8, 9, 10, 11], [12, 13]]) == pytest.approx((12 - 9) / 2 / 10.5)
    assert _stats.spread([[5.0]]) == 0
    assert _stats.spread([[0.0, 0.0, 0.0]]) == 0


def test_ratios_are_taken_round_by_round() -> None:
    # The second round was slow for both: nothing of that is left.
    assert _stats.ratios([[2, 20], [3]], [[1, 10], [1]]) == [[2, 2], [3]]
    assert _stats.ratios([[2, 20]], [[0, 10]]) == [[2]]


def test_an_estimate_holds_its_median_and_is_the_same_again() -> None:
    groups = noisy(10, seed=1)
    found = _stats.estimate(groups)
    assert found.low <= found.median <= found.high
    assert found == _stats.estimate(groups)
    assert found.high - found.low < 1


def test_what_differs_from_process_to_process_is_doubt() -> None:
    alike = _stats.estimate([[10.0, 10.1], [10.0, 10.1], [10.0, 10.1]])
    apart = _stats.estimate([[9.0, 9.1], [10.0, 10.1], [11.0, 11.1]])
    assert apart.high - apart.low > 5 * (alike.high - alike.low)


@pytest.mark.parametrize(
    ("before", "after", "lower_is_better", "kind"),
    [
        (10, 8, True, "faster"),
        (10, 12, True, "slower"),
        (10, 12, False, "faster"),
        (10, 8, False, "slower"),
    ],
)
def test_a_verdict_knows_the_direction(
    before: float, after: float, lower_is_better: bool, kind: str
) -> None:
    old, new = noisy(before, seed=2), noisy(after, seed=3)
    found = _stats.verdict(old, new, lower_is_better=lower_is_better)
    assert found.kind == kind
    assert found.confidence > 0.95


def alike(value: float, processes: int) -> list[list[float]]:
    return [[value] * 10] * processes


def test_a_difference_that_is_none_is_the_same_however_sure_it_is() -> None:
    found = _stats.verdict(alike(100, 500), alike(101, 500))
    assert (found.kind, found.confidence) == ("same", 1.0)


def test_what_two_processes_agree_in_may_be_luck_and_what_twenty_do_is_none() -> None:
    few = _stats.verdict(alike(100, 2), alike(93, 2))
    many = _stats.verdict(alike(100, 20), alike(93, 20))
    assert (few.kind, many.kind) == ("same", "faster")
    assert few.confidence < 0.5


def test_noise_that_hides_everything_is_said_to_do_so() -> None:
    old, new = noisy(10, seed=4, spread=0.6), noisy(10.5, seed=5, spread=0.6)
    found = _stats.verdict(old, new)
    assert found.kind == "same"
    assert found.confidence < 0.7
    assert "sure" in str(found)


def test_a_verdict_reads_well() -> None:
    faster = _stats.Verdict("faster", 0.879, 1.0)
    assert str(faster) == "12 % faster (99 % sure)"
    assert str(_stats.Verdict("same", 1.01, 0.5)) == "same (50 % sure)"
