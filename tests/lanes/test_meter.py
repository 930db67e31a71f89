"""Which times of a lane are told: a sample now and then, and sooner only what is longer."""

from __future__ import annotations

from realtime_trio import Lane
from realtime_trio._lanes._meter import LONG, LaneMeter
from realtime_trio._lanes._subscribers import Subscribers


class Told:
    """A recorder that keeps the latencies."""

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.latencies: list[float] = []

    def latency(self, lane: Lane, seconds: float) -> None:
        self.latencies.append(round(seconds, 6))

    def delivery(self, lane: Lane, seconds: float) -> None:
        """Not of interest here."""

    def handling(self, lane: Lane, seconds: float) -> None:
        """Not of interest here."""

    def handler(self, name: str, seconds: float) -> None:
        """Not of interest here."""


def _meter(*recorders: Told) -> LaneMeter:
    meter = LaneMeter(Lane.TEXT, Subscribers(Lane.TEXT))
    meter.use_recorders(recorders)
    return meter


def _step(meter: LaneMeter, ended: float, latency: float) -> None:
    meter.step(ended - latency, ended, ended, 1)


def test_one_sample_in_an_interval() -> None:
    """Those between two samples are not told."""
    told = Told(1.0)
    meter = _meter(told)
    for ended in (10.0, 10.2, 10.9, 11.0, 11.1):
        _step(meter, ended, 0.001)
    assert len(told.latencies) == 2


def test_a_longer_time_is_told_at_once() -> None:
    """If it is long at all, and longer than the last that was told."""
    told = Told(1.0)
    meter = _meter(told)
    for ended, latency in ((10.0, 0.001), (10.1, LONG), (10.2, 0.02), (10.3, 0.02), (10.4, 0.03)):
        _step(meter, ended, latency)
    assert told.latencies == [0.001, 0.02, 0.03]


def test_the_most_eager_recorder_sets_the_pace() -> None:
    """And no recorder at all is told nothing."""
    eager, lazy = Told(0.1), Told(10.0)
    meter = _meter(eager, lazy)
    _step(meter, 10.0, 0.001)
    _step(meter, 10.2, 0.001)
    assert len(eager.latencies) == len(lazy.latencies) == 2
    meter.use_recorders(())
    _step(meter, 20.0, 0.001)
    assert len(eager.latencies) == 2
