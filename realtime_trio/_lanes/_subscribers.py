"""Who in a lane gets what: found once for each class, forgotten when a subscription changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from .._core._fast_decoder import DELTAS, Delta
from .._core._local_events import (
    LinkEvent,
    LinkLostEvent,
    Malformed,
    PlaybackEvent,
    SaidEvent,
    VoiceRequestedEvent,
)
from .._core._notifications import MessageAdded, MessageComplete, MessageUpdated, Notification
from .._handlers import lanes_of
from ..events import Lane, ServerEvent
from ._buffers import Queue

__all__ = ["Put", "Routes"]

# What is put is an event or a notification, or a delta where ``_with_event`` stands between.
Put: TypeAlias = Callable[[Any, int], None]

# The library's own: they travel through the lanes, but nobody can subscribe to them.
_LOCAL = frozenset(
    (LinkEvent, LinkLostEvent, SaidEvent, PlaybackEvent, VoiceRequestedEvent, Malformed)
)


class Routes:
    """The queues that a lane fills.

    ``found`` holds what :meth:`find` has answered, by class. ``narrow`` are those queues that
    may hold the lane.
    """

    __slots__ = ("_lane", "_queues", "found", "narrow")

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._queues: list[tuple[Queue, tuple[type, ...]]] = []
        self.found: dict[type, tuple[Put, ...]] = {}
        self.narrow: tuple[Queue, ...] = ()

    def __len__(self) -> int:
        return len(self._queues)

    def attach(self, queue: Queue, classes: tuple[type, ...]) -> None:
        """Deliver to ``queue`` from now on; without ``classes``, every notification."""
        self._queues.append((queue, classes or (Notification,)))
        self._changed()

    def detach(self, queue: Queue) -> None:
        """Deliver no more to ``queue``."""
        self._queues = [entry for entry in self._queues if entry[0] is not queue]
        self._changed()

    def _changed(self) -> None:
        self.found.clear()
        self.narrow = tuple(queue for queue, _ in self._queues if queue.holds)

    def of(self, cls: type[Any]) -> tuple[Put, ...]:
        """Who gets items of a class; looked for where that is not known yet."""
        route = self.found.get(cls)
        return self.find(cls) if route is None else route

    def find(self, cls: type[Any]) -> tuple[Put, ...]:
        """Look for who gets items of a class."""
        route: tuple[Put, ...] = ()
        if issubclass(cls, Delta):
            route = tuple(_with_event(put) for put in self.find(DELTAS[cls]))
        elif not self._is_foreign(cls):
            route = tuple(q.put for q, classes in self._queues if issubclass(cls, classes))
        if issubclass(cls, (MessageComplete, MessageAdded, MessageUpdated)):
            route = tuple(_with_text(put) for put in route)
        self.found[cls] = route
        return route

    def _is_foreign(self, cls: type) -> bool:
        """Whether an event's class is delivered by another lane, its home, or by none."""
        if not issubclass(cls, ServerEvent):
            return False
        return cls in _LOCAL or lanes_of(cls)[0] is not self._lane


def _with_event(put: Put) -> Put:
    """``put`` for a delta as it came: its event is made for who gets to see it."""

    def put_event(delta: Any, size: int) -> None:
        put(delta.event(), size)

    return put_event


def _with_text(put: Put) -> Put:
    """``put`` for a whole message, which is far more than the event that completed it."""

    def put_message(note: Any, size: int) -> None:
        content = note.message.content
        put(note, size + len(content) if isinstance(content, str) else size)

    return put_message
