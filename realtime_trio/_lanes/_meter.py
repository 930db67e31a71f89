"""Measure a lane from outside: how long events wait, and how long handlers take.

Without a recorder, a lane checks an empty tuple once per step. With one, times are sampled as in
``_statistics``: one waiting event of a lane and one item of each subscription at a time, and
handling once per batch, as the mean of the batch. In a flood there is one sample per interval, and
a further one only if it is long and the longest of the interval. Custom handlers are timed at each
call.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, Protocol, final

from ..events import Lane
from ._delivery_probe import DeliveryProbe
from ._subscribers import Subscribers

__all__ = ["LaneMeter", "TimeRecorder", "metered"]


class TimeRecorder(Protocol):
    """Receives times in seconds. Called in the middle of a step: must not raise."""

    @property
    def interval(self) -> float:
        """Seconds between two samples of one lane."""
        raise NotImplementedError

    def latency(self, lane: Lane, seconds: float) -> None:
        """Record the seconds from receiving an event until it was handled."""

    def delivery(self, lane: Lane, seconds: float) -> None:
        """Record the seconds from receiving an event until a subscriber took its item."""

    def handling(self, lane: Lane, seconds: float) -> None:
        """Record the seconds in which an event was folded and dispatched."""

    def handler(self, name: str, seconds: float) -> None:
        """Record the seconds that a custom handler ran."""


LONG: Final = 0.01
"""Seconds: a sample at least this long is reported early, unless the last one was longer."""

metered: ContextVar[LaneMeter | None] = ContextVar("metered", default=None)
"""The meter of the lane whose task this is: only a lane's task calls custom handlers."""


@final
class LaneMeter:
    """Reports the times of one lane to ``recorders``; measures nothing without any."""

    __slots__ = ("_interval", "_lane", "_longest", "_next", "_subscribers", "recorders")

    def __init__(self, lane: Lane, subscribers: Subscribers) -> None:
        self._lane = lane
        self._subscribers = subscribers
        self._next = self._longest = self._interval = 0.0
        self.recorders: tuple[TimeRecorder, ...] = ()

    def use_recorders(self, recorders: tuple[TimeRecorder, ...]) -> None:
        """Report to these from now on, at the shortest interval that they ask for."""
        self.recorders = recorders
        self._interval = min((each.interval for each in recorders), default=0.0)
        self._next = 0.0

    def step(self, received: float, began: float, ended: float, handled: int) -> None:
        """Record a step of ``handled`` events; the timed one was ``received`` then."""
        latency = ended - received
        if ended < self._next and latency <= self._longest:
            return
        self._next = ended + self._interval
        self._longest = max(latency, LONG)
        lane = self._lane
        for recorder in self.recorders:
            recorder.latency(lane, latency)
            recorder.handling(lane, (ended - began) / handled)
        for buffer in self._subscribers.all:
            if buffer.items and buffer.probe is None:
                buffer.probe = DeliveryProbe(self._delivered, buffer, received)

    def called(self, name: str, seconds: float) -> None:
        """Record the seconds that a custom handler ran."""
        for recorder in self.recorders:
            recorder.handler(name, seconds)

    def _delivered(self, seconds: float) -> None:
        for recorder in self.recorders:
            recorder.delivery(self._lane, seconds)
