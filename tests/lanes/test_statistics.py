"""The samplers behind the statistics."""

from __future__ import annotations

import pytest

from realtime_trio._lanes._statistics import SAMPLES, Rate, Sampler, Timing


def test_without_samples_everything_is_zero() -> None:
    """It is not an error."""
    assert Sampler().timing() == Timing(0.0, 0.0, 0.0)


def test_percentiles_of_the_samples() -> None:
    """In any order."""
    sampler = Sampler()
    for value in (*range(50, 101), *range(50)):
        sampler.add(float(value))
    assert sampler.timing() == Timing(50.0, 99.0, 100.0)


def test_only_recent_samples_and_the_longest_are_kept() -> None:
    """Memory is bounded, and the maximum is kept."""
    sampler = Sampler()
    sampler.add(1000.0)
    for _ in range(5 * SAMPLES):
        sampler.add(1.0)
    assert sampler.timing() == Timing(1.0, 1.0, 1000.0)
    assert len(sampler._recent) == SAMPLES


def test_combined_samplers() -> None:
    """The result is as if one sampler had taken all samples."""
    one, two, none = Sampler(), Sampler(), Sampler()
    one.add(1.0)
    two.add(3.0)
    two.add(2.0)
    assert none.timing(one, two) == Timing(2.0, 2.0, 3.0)


def test_a_rate_covers_the_last_seconds() -> None:
    """An old burst does not count."""
    rate = Rate(0.0)
    assert rate.of(0.0, 0) == 0.0
    assert rate.of(2.0, 100) == 50.0
    rate.mark(0.5, 1000)  # too early for a new interval
    assert rate.of(1.0, 1000) == 1000.0
    for second in range(1, 20):
        rate.mark(float(second), 1000)
    assert rate.of(20.0, 1000) == 0.0
    assert rate.of(20.0, 1010) == pytest.approx(2.0)
