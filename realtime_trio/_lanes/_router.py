"""The router: the lanes of an event, looked up once for each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

from .._core._fast_decoder import Incoming
from .._core._local_events import Malformed, Reading
from .._handlers import lanes_of
from .._processor import malformed_lane
from ..events import Lane
from ._lane import LaneTask

__all__ = ["Router"]

# The lane of each class that goes to one lane only. All routers share the table: with many clients,
# a table for each client would take time and memory for each.
_ONLY_LANES: dict[type[Incoming], int] = {}


@final
class Router:
    """The table from events to lanes.

    ``only`` is the fast path: the lane, as a number, of a class that goes to one lane only. All
    other classes take :meth:`route`, which fills the table.
    """

    __slots__ = ("_lanes", "only")

    def __init__(self, lanes: Mapping[Lane, LaneTask]) -> None:
        self._lanes = lanes
        self.only: Mapping[type[Incoming], int] = _ONLY_LANES

    def route(self, event: Incoming) -> tuple[LaneTask, ...]:
        """The lanes of an event, its home first."""
        if isinstance(event, Malformed):
            return (self._lanes[malformed_lane(event.event_type)],)
        if isinstance(event, Reading):
            return tuple(self._lanes[lane] for lane in lanes_of(type(event.event)))
        lanes = tuple(self._lanes[lane] for lane in lanes_of(type(event)))
        if len(lanes) == 1:
            _ONLY_LANES[type(event)] = lanes[0].lane.value
        return lanes

    def close(self) -> None:
        """End the fast path: from now on, it knows no class."""
        self.only = {}
