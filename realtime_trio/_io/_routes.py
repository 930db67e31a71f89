"""Who in a lane gets what: found once for each class, forgotten when a subscription changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from .._core._local import (
    LinkEvent,
    Malformed,
    PlaybackEvent,
    SaidEvent,
    VoiceRequestedEvent,
)
from .._core._notifications import MessageAdded, MessageComplete, MessageUpdated, Notification
from .._handlers import lanes_of
from ..events import Lane, ServerEvent
from ._mailbox import Item
from ._queues import Queue

__all__ = ["Put", "Routes"]

Put: TypeAlias = Callable[[Item, int], None]

# The library's own: they travel through the lanes, but nobody can subscribe to them.
_LOCAL = frozenset((LinkEvent, SaidEvent, PlaybackEvent, VoiceRequestedEvent, Malformed))


class Routes:
    """The queues that a lane fills. ``found`` holds what :meth:`find` has answered, by class."""

    __slots__ = ("_lane", "_queues", "found")

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._queues: list[tuple[Queue, tuple[type, ...]]] = []
        self.found: dict[type, tuple[Put, ...]] = {}

    def __len__(self) -> int:
        return len(self._queues)

    def attach(self, queue: Queue, classes: tuple[type, ...]) -> None:
        """Deliver to ``queue`` from now on; without ``classes``, every notification."""
        self._queues.append((queue, classes or (Notification,)))
        self.found.clear()

    def detach(self, queue: Queue) -> None:
        """Deliver no more to ``queue``."""
        self._queues = [entry for entry in self._queues if entry[0] is not queue]
        self.found.clear()

    def find(self, cls: type) -> tuple[Put, ...]:
        """Who gets items of a class."""
        route: tuple[Put, ...] = ()
        if not self._is_foreign(cls):
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


def _with_text(put: Put) -> Put:
    """``put`` for a whole message, which is far more than the event that completed it."""

    def put_message(note: Any, size: int) -> None:
        content = note.message.content
        put(note, size + len(content) if isinstance(content, str) else size)

    return put_message
