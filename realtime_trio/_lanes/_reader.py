"""The reading side of a subscription: its buffers, the waiting task, and how it ended.

Lanes know buffers, buffers know their reader, and nothing here knows the
:class:`Subscription` itself: so a dropped subscription is garbage collected.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, final

import trio

from .._core._notifications import Notification
from .._exceptions import ClosedError, LaggedError
from ..events import ServerEvent
from ._lane_log import log_evicted
from ._overflow import Overflow
from ._statistics import SubscriptionStatistics

if TYPE_CHECKING:
    from ._buffer import Buffer

__all__ = ["Item", "SubscriptionReader"]

Item: TypeAlias = Notification | ServerEvent


@final
class SubscriptionReader:
    """The buffers of one subscription, the task that waits for them, and how it ended."""

    __slots__ = (
        *("_classes", "_detach", "_overflow"),
        *("buffers", "closed", "ended", "lagged", "waiting"),
    )

    def __init__(
        self,
        detach: Callable[[SubscriptionReader], None],
        classes: tuple[type, ...] = (),
        overflow: Overflow | None = None,
    ) -> None:
        self.buffers: tuple[Buffer, ...] = ()
        self.waiting: Callable[[], None] | None = None
        """Wakes the task that waits for an item."""
        self.closed: bool = False
        self.ended: bool = False
        self.lagged: str | None = None
        self._detach = detach
        self._classes = classes
        self._overflow = overflow

    @property
    def is_subscription(self) -> bool:
        """Whether an application reads from it; a tap of the library has no rule."""
        return self._overflow is not None

    def statistics(self) -> SubscriptionStatistics:
        """Return its classes, its depth, and how many items its rule has merged and dropped."""
        buffers = self.buffers
        return SubscriptionStatistics(
            lanes=tuple(buffer.lane.lane for buffer in buffers),
            classes=tuple(cls.__name__ for cls in self._classes),
            overflow=repr(self._overflow),
            depth=sum(len(buffer.items) for buffer in buffers),
            bytes=sum(buffer.bytes for buffer in buffers),
            high_water=max(max(buffer.high_water, len(buffer.items)) for buffer in buffers),
            merged=sum(buffer.merged for buffer in buffers),
            dropped=sum(buffer.dropped for buffer in buffers),
            blocking=any(buffer.blocking for buffer in buffers),
        )

    def wake(self) -> None:
        """Make the waiting task check again."""
        wake = self.waiting
        if wake is not None:
            self.waiting = None
            wake()

    def add_waiter(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` once, when there may be a new item.

        Raises ``trio.BusyResourceError`` if another task waits.
        """
        if self.waiting is not None:
            message = "another task is receiving from this subscription: give each task its own"
            raise trio.BusyResourceError(message)
        self.waiting = wake

    def discard_waiter(self, wake: Callable[[], None]) -> None:
        """Cancel :meth:`add_waiter`."""
        if self.waiting is wake:
            self.waiting = None

    def _is_idle(self) -> bool:
        """Whether there is no item and no end to deliver."""
        for buffer in self.buffers:
            if buffer.items:
                return False
        return not (self.closed or self.ended or self.lagged is not None)

    def pop(self) -> Item:
        """Return the next item, lanes in the order of their priority.

        Raises ``trio.WouldBlock`` if there is none now. After the end it raises the reason:
        immediately if closed, after the buffered items if evicted or ended.
        """
        for buffer in self.buffers:
            if buffer.items:
                if buffer.probe is not None:
                    buffer.probe.take(buffer)
                return buffer.get()
        if self.closed:
            message = "this subscription was closed"
            raise ClosedError(message)
        if self.lagged is not None:
            raise LaggedError(self.lagged)
        if self.ended:
            raise trio.EndOfChannel
        raise trio.WouldBlock

    async def receive(self) -> Item:
        """:meth:`pop`, and wait for an item if there is none. A checkpoint; one task at a time."""
        if not self._is_idle():
            await trio.lowlevel.checkpoint_if_cancelled()
            item = self.pop()
            await trio.lowlevel.cancel_shielded_checkpoint()
            return item
        wake = partial(trio.lowlevel.reschedule, trio.lowlevel.current_task())
        while True:
            self.add_waiter(wake)
            await trio.lowlevel.wait_task_rescheduled(self._abort)
            try:
                return self.pop()
            except trio.WouldBlock:  # another task took the item for which this one was woken
                continue

    def _abort(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self.waiting = None
        return trio.lowlevel.Abort.SUCCEEDED

    def evict(self, reason: str) -> None:
        """End a subscription that did not keep up; buffered items are still delivered."""
        if self.lagged is None:
            self.lagged = reason
            log_evicted(self._classes, reason)
            self._leave()

    def end(self) -> None:
        """End the subscription; buffered items are still delivered."""
        if not self.ended:
            self.ended = True
            self._leave()

    def close(self) -> None:
        """End now and drop the buffered items."""
        if not self.closed:
            self.closed = True
            for buffer in self.buffers:
                buffer.clear()
            self._leave()

    def _leave(self) -> None:
        self._detach(self)
        for buffer in self.buffers:
            buffer.lane.unblock(buffer)
        self.wake()
