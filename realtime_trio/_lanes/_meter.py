"""What measures a lane from outside: how long events wait, and how long handlers take.

While nobody measures, a lane pays for one look at an empty tuple per step. Else times are
sampled as in ``_statistics``: one waiting event of a lane, and one item of each subscription,
at a time; handling once a batch, as the batch's mean. In a flood one sample in an interval is
enough, and more only if they are longer than it and long at all. Custom handlers are timed at
each call.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, Protocol, final

from ..events import Lane
from ._delivery_probe import DeliveryProbe
from ._subscribers import Subscribers

__all__ = ["LaneMeter", "TimeRecorder", "metered"]


class TimeRecorder(Protocol):
    """What is told the times, in seconds. Called in the middle of a step: must not raise."""

    @property
    def interval(self) -> float:
        """Seconds between two samples of one lane."""
        raise NotImplementedError

    def latency(self, lane: Lane, seconds: float) -> None:
        """An event was handled so long after it was received."""

    def delivery(self, lane: Lane, seconds: float) -> None:
        """A subscriber received an item so long after its event was received."""

    def handling(self, lane: Lane, seconds: float) -> None:
        """An event was folded and dispatched in this time."""

    def handler(self, name: str, seconds: float) -> None:
        """A custom handler ran for so long."""


LONG: Final = 0.01
"""Seconds: a sample at least this long is told before its time, unless the last was longer."""

metered: ContextVar[LaneMeter | None] = ContextVar("metered", default=None)
"""The meter of the lane whose task this is: only a lane's task calls custom handlers."""


@final
class LaneMeter:
    """The times of one lane, told to ``recorders``: nothing is timed while there are none."""

    __slots__ = ("_interval", "_lane", "_longest", "_next", "_subscribers", "recorders")

    def __init__(self, lane: Lane, subscribers: Subscribers) -> None:
        self._lane = lane
        self._subscribers = subscribers
        self._next = self._longest = self._interval = 0.0
        self.recorders: tuple[TimeRecorder, ...] = ()

    def tell(self, recorders: tuple[TimeRecorder, ...]) -> None:
        """Tell these from now on, as often as the most eager of them asks for."""
        self.recorders = recorders
        self._interval = min((each.interval for each in recorders), default=0.0)
        self._next = 0.0

    def step(self, received: float, began: float, ended: float, handled: int) -> None:
        """A step that began then handled so many events, the timed one received then."""
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
        """A custom handler ran for so long."""
        for recorder in self.recorders:
            recorder.handler(name, seconds)

    def _delivered(self, seconds: float) -> None:
        for recorder in self.recorders:
            recorder.delivery(self._lane, seconds)
