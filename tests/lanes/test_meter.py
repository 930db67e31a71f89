"""Which times a lane reports: a sample per interval, and longer times immediately."""

from __future__ import annotations

from realtime_trio import Lane
from realtime_trio._lanes._meter import LONG, LaneMeter
from realtime_trio._lanes._subscribers import Subscribers


class Recorded:
    """A recorder that keeps the latencies."""

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.latencies: list[float] = []

    def latency(self, lane: Lane, seconds: float) -> None:
        self.latencies.append(round(seconds, 6))

    def delivery(self, lane: Lane, seconds: float) -> None:
        """Not needed here."""

    def handling(self, lane: Lane, seconds: float) -> None:
        """Not needed here."""

    def handler(self, name: str, seconds: float) -> None:
        """Not needed here."""


def _meter(*recorders: Recorded) -> LaneMeter:
    meter = LaneMeter(Lane.TEXT, Subscribers(Lane.TEXT))
    meter.use_recorders(recorders)
    return meter


def _step(meter: LaneMeter, ended: float, latency: float) -> None:
    meter.step(ended - latency, ended, ended, 1)


def test_one_sample_in_an_interval() -> None:
    """Times between two samples are not recorded."""
    told = Recorded(1.0)
    meter = _meter(told)
    for ended in (10.0, 10.2, 10.9, 11.0, 11.1):
        _step(meter, ended, 0.001)
    assert len(told.latencies) == 2


def test_a_longer_time_is_recorded_immediately() -> None:
    """If it is long, and longer than the last recorded time."""
    told = Recorded(1.0)
    meter = _meter(told)
    for ended, latency in ((10.0, 0.001), (10.1, LONG), (10.2, 0.02), (10.3, 0.02), (10.4, 0.03)):
        _step(meter, ended, latency)
    assert told.latencies == [0.001, 0.02, 0.03]


def test_the_shortest_interval_of_the_recorders_applies() -> None:
    """Without a recorder, nothing is recorded."""
    eager, lazy = Recorded(0.1), Recorded(10.0)
    meter = _meter(eager, lazy)
    _step(meter, 10.0, 0.001)
    _step(meter, 10.2, 0.001)
    assert len(eager.latencies) == len(lazy.latencies) == 2
    meter.use_recorders(())
    _step(meter, 20.0, 0.001)
    assert len(eager.latencies) == 2
