"""The router: the lanes of an event, looked up once for each class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, final

from .._core._fast_decoder import DELTAS, Delta, Incoming
from .._core._local_events import Malformed, Reading
from .._handlers import lanes_of
from .._processor import malformed_lane
from ..events import Lane
from ._lane import LaneTask

__all__ = ["Offer", "Router"]

# A lane's ``offer``: takes an event, its size in bytes and its time; returns whether it took it.
Offer: TypeAlias = Callable[..., bool]


@final
class Router:
    """The table from events to lanes.

    ``offers`` is the fast path: for classes that go to one lane only, the offer of that lane.
    All other classes take :meth:`route`, which fills the table.
    """

    __slots__ = ("_lanes", "offers")

    def __init__(self, lanes: Mapping[Lane, LaneTask]) -> None:
        self._lanes = lanes
        self.offers: dict[type[Incoming], Offer] = {}

    def route(self, event: Incoming) -> tuple[LaneTask, ...]:
        """The lanes of an event, its home first."""
        if isinstance(event, Malformed):
            return (self._lanes[malformed_lane(event.event_type)],)
        if isinstance(event, Reading):
            return tuple(self._lanes[lane] for lane in lanes_of(type(event.event)))
        cls = DELTAS[type(event)] if isinstance(event, Delta) else type(event)
        lanes = tuple(self._lanes[lane] for lane in lanes_of(cls))
        if len(lanes) == 1:
            self.offers[type(event)] = lanes[0].offer
        return lanes
