"""The subscribers of a lane: found once for each class, forgotten when a subscription changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias, final

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

__all__ = ["Put", "Subscribers", "check_classes"]

# ``Buffer.put``, ``Buffer.put_event`` for a decoded delta, or ``Buffer.put_message`` for a message.
Put: TypeAlias = Callable[[Any, int], None]

# Local events pass through the lanes, but cannot be subscribed to.
_LOCAL = frozenset(
    {
        *(LinkEvent, LinkLostEvent, InputSentEvent, NoTurnEvent),
        *(EmitEvent, PlaybackEvent, VoiceRequestedEvent, Malformed),
    }
)


# By lane and class: the class to which applications subscribe, and the method of a buffer that
# takes an instance. ``None`` for events that are dispatched by another lane, or by none. All
# clients share the tables.
_Target: TypeAlias = tuple[type[Any], str] | None
_TARGETS: Final[dict[Lane, dict[type, _Target]]] = {lane: {} for lane in Lane}


def _target_of(lane: Lane, cls: type[Any]) -> _Target:
    if issubclass(cls, Notification):
        whole = issubclass(cls, (MessageComplete, MessageAdded, MessageUpdated))
        return cls, "put_message" if whole else "put"
    method = "put"
    if issubclass(cls, Delta):
        cls, method = DELTAS[cls], "put_event"
    if issubclass(cls, ServerEvent) and (cls in _LOCAL or lanes_of(cls)[0] is not lane):
        return None
    return cls, method


@final
class Subscribers:
    """The buffers that a lane fills.

    ``found`` caches the results of :meth:`find`, by class. ``all`` are the buffers,
    ``blocking`` those that may block the lane, ``streaming`` those that get
    ``message-streaming``.
    """

    __slots__ = ("_buffers", "_distinct", "_lane", "all", "blocking", "found", "streaming")

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._buffers: list[tuple[Buffer, tuple[type, ...]]] = []
        self._distinct: dict[tuple[Put, ...], tuple[Put, ...]] = {}
        self.found: dict[type, tuple[Put, ...]] = {}
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
        self.found.clear()
        self._distinct.clear()
        self.all = tuple(buffer for buffer, _ in self._buffers)
        self.blocking = tuple(buffer for buffer, _ in self._buffers if buffer.may_block)
        self.streaming = tuple(self._of(MessageStreaming))

    def of(self, cls: type[Any]) -> tuple[Put, ...]:
        """Return the subscribers of a class."""
        targets = self.found.get(cls)
        return self.find(cls) if targets is None else targets

    def find(self, cls: type[Any]) -> tuple[Put, ...]:
        """Look up the subscribers of a class. Classes with the same subscribers share a tuple."""
        known = _TARGETS[self._lane]
        target = known[cls] if cls in known else known.setdefault(cls, _target_of(self._lane, cls))
        targets: tuple[Put, ...] = ()
        if target is not None:
            subscribed, method = target
            targets = tuple([getattr(buffer, method) for buffer in self._of(subscribed)])
            targets = self._distinct.setdefault(targets, targets)
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
