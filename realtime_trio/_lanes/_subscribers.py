"""The subscribers of a lane: found once for each class, forgotten when a subscription changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, final

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

# The argument is an event or a notification, or a delta if ``_with_event`` is in between.
Put: TypeAlias = Callable[[Any, int], None]

# Local events pass through the lanes, but cannot be subscribed to.
_LOCAL = frozenset(
    {
        *(LinkEvent, LinkLostEvent, InputSentEvent, NoTurnEvent),
        *(EmitEvent, PlaybackEvent, VoiceRequestedEvent, Malformed),
    }
)


@final
class Subscribers:
    """The buffers that a lane fills.

    ``found`` caches the results of :meth:`find`, by class. ``all`` are the buffers,
    ``blocking`` those that may block the lane, ``streaming`` those that get
    ``message-streaming``.
    """

    __slots__ = ("_buffers", "_lane", "all", "blocking", "found", "streaming")

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._buffers: list[tuple[Buffer, tuple[type, ...]]] = []
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
        self.all = tuple(buffer for buffer, _ in self._buffers)
        self.blocking = tuple(buffer for buffer, _ in self._buffers if buffer.may_block)
        self.streaming = tuple(self._of(MessageStreaming))

    def of(self, cls: type[Any]) -> tuple[Put, ...]:
        """Return the subscribers of a class."""
        targets = self.found.get(cls)
        return self.find(cls) if targets is None else targets

    def find(self, cls: type[Any]) -> tuple[Put, ...]:
        """Look up the subscribers of a class."""
        targets: tuple[Put, ...] = ()
        if issubclass(cls, Delta):
            targets = tuple(_with_event(put) for put in self.find(DELTAS[cls]))
        elif not self._is_foreign(cls):
            targets = tuple(buffer.put for buffer in self._of(cls))
        if issubclass(cls, (MessageComplete, MessageAdded, MessageUpdated)):
            targets = tuple(_with_text(put) for put in targets)
        self.found[cls] = targets
        return targets

    def _of(self, cls: type) -> Iterator[Buffer]:
        return (buffer for buffer, classes in self._buffers if issubclass(cls, classes))

    def _is_foreign(self, cls: type) -> bool:
        """Whether an event's class is dispatched by another lane, its home, or by none."""
        if not issubclass(cls, ServerEvent):
            return False
        return cls in _LOCAL or lanes_of(cls)[0] is not self._lane


def _with_event(put: Put) -> Put:
    """Wrap ``put`` for decoded deltas: the event is created only for those who subscribe to it."""

    def put_event(delta: Any, size: int) -> None:
        put(delta.event(), size)

    return put_event


def _with_text(put: Put) -> Put:
    """Wrap ``put`` for a whole message, which is far larger than the event that completed it."""

    def put_message(note: Any, size: int) -> None:
        content = note.message.content
        put(note, size + len(content) if isinstance(content, str) else size)

    return put_message


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
