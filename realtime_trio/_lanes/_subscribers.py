"""The subscribers of a lane: found once for each class, forgotten when a subscription changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, final

from .._core._fast_decoder import DELTAS, Delta
from .._core._local_events import (
    EmitEvent,
    InputSentEvent,
    LinkEvent,
    LinkLostEvent,
    Malformed,
    NoTurnEvent,
    PlaybackEvent,
    VoiceRequestedEvent,
)
from .._core._notifications import (
    MessageAdded,
    MessageComplete,
    MessageStreaming,
    MessageUpdated,
    Notification,
)
from .._handlers import lanes_of
from ..events import Lane, ServerEvent
from ._buffer import Buffer
from ._overflow import Block, Coalesce, DropOldest, Latest

__all__ = ["WHOLE", "Subscribers", "check_classes"]

WHOLE: Final = (MessageComplete, MessageAdded, MessageUpdated)

# Local events pass through the lanes, but cannot be subscribed to.
_LOCAL = frozenset(
    {
        *(LinkEvent, LinkLostEvent, InputSentEvent, NoTurnEvent),
        *(EmitEvent, PlaybackEvent, VoiceRequestedEvent, Malformed),
    }
)


# By lane and class: the class to which applications subscribe. ``None`` for events that are
# dispatched by another lane, or by none. All clients share the tables.
_SUBSCRIBED: Final[dict[Lane, dict[type, type[Any] | None]]] = {lane: {} for lane in Lane}
# What a lane finds that has never had a subscription. All lanes share it.
_NOBODY: Final[dict[type, tuple[Buffer, ...]]] = {}


def _subscribed_class(lane: Lane, cls: type[Any]) -> type[Any] | None:
    if issubclass(cls, Delta):
        cls = DELTAS[cls]
    if issubclass(cls, ServerEvent) and (cls in _LOCAL or lanes_of(cls)[0] is not lane):
        return None
    return cls


@final
class Subscribers:
    """The buffers that a lane fills.

    ``found`` caches the results of :meth:`find`, by class, except for whole messages, whose items
    count more bytes than their event. ``all`` are the buffers, ``blocking`` those that may block
    the lane, ``streaming`` those that get ``message-streaming``.
    """

    __slots__ = ("_buffers", "_lane", "all", "blocking", "found", "streaming")

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._buffers: list[tuple[Buffer, tuple[type, ...]]] = []
        self.found: dict[type, tuple[Buffer, ...]] = _NOBODY
        self.all: tuple[Buffer, ...] = ()
        self.blocking: tuple[Buffer, ...] = ()
        self.streaming: tuple[Buffer, ...] = ()

    def __len__(self) -> int:
        return len(self._buffers)

    def attach(self, buffer: Buffer, classes: tuple[type, ...]) -> None:
        """Dispatch to ``buffer`` from now on; without ``classes``, every notification."""
        self._buffers.append((buffer, classes or (Notification,)))
        self._changed()

    def detach(self, buffer: Buffer) -> None:
        """Stop dispatching to ``buffer``."""
        self._buffers = [entry for entry in self._buffers if entry[0] is not buffer]
        self._changed()

    def _changed(self) -> None:
        if self.found is _NOBODY:
            self.found = {}
        self.found.clear()
        self.all = tuple(buffer for buffer, _ in self._buffers)
        self.blocking = tuple(buffer for buffer, _ in self._buffers if buffer.may_block)
        self.streaming = tuple(self._of(MessageStreaming))

    def of(self, cls: type[Any]) -> tuple[Buffer, ...]:
        """Return the subscribers of a class."""
        targets = self.found.get(cls)
        return self.find(cls) if targets is None else targets

    def find(self, cls: type[Any]) -> tuple[Buffer, ...]:
        """Look up the subscribers of a class. Classes with the same subscribers share a tuple."""
        known = _SUBSCRIBED[self._lane]
        if cls not in known:
            known[cls] = _subscribed_class(self._lane, cls)
        subscribed = known[cls]
        targets = () if subscribed is None else tuple(self._of(subscribed))
        if not issubclass(cls, WHOLE):
            shared = (self.all, *self.found.values())
            targets = next((each for each in shared if each == targets), targets)
            self.found[cls] = targets
        return targets

    def _of(self, cls: type) -> Iterator[Buffer]:
        return (buffer for buffer, classes in self._buffers if issubclass(cls, classes))


def check_classes(classes: tuple[object, ...]) -> None:
    """Raise ``TypeError`` for anything but classes of notifications and of server events."""
    for cls in classes:
        if isinstance(cls, type) and issubclass(cls, (Notification, ServerEvent)):
            continue
        if isinstance(cls, (Coalesce, Block, DropOldest, Latest)):
            message = f"the rule is a keyword argument: subscribe(overflow={cls!r})"
        else:
            given = cls.__name__ if isinstance(cls, type) else repr(cls)
            message = (
                f"subscribe takes classes of notifications and server events, and {given} is "
                "neither: client.subscribe(rt.MessageComplete, rt.events.ErrorEvent)"
            )
        raise TypeError(message)
