"""Where a subscription's two sides meet: its queues, the task that waits, and how it ended.

Lanes hold queues, queues hold their mailbox, and nobody on this side holds the
:class:`Subscription` itself: so one that the application has dropped is seen to be gone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import trio

from .._core._notifications import Notification
from .._exceptions import ClosedError, LaggedError
from ..events import ServerEvent

if TYPE_CHECKING:
    from ._buffers import Queue

__all__ = ["Item", "Mailbox"]

Item: TypeAlias = Notification | ServerEvent


class Mailbox:
    """The queues of one subscription, the task that waits for them, and how it ended."""

    __slots__ = ("closed", "detach", "ended", "lagged", "queues", "reader")

    def __init__(self, detach: Callable[[Mailbox], None]) -> None:
        self.queues: tuple[Queue, ...] = ()
        self.detach: Callable[[Mailbox], None] = detach
        self.reader: trio.lowlevel.Task | None = None
        self.closed: bool = False
        self.ended: bool = False
        self.lagged: str | None = None

    def wake(self) -> None:
        """Let the task that waits look again."""
        reader = self.reader
        if reader is not None:
            self.reader = None
            trio.lowlevel.reschedule(reader)

    def pop(self) -> Item:
        """The next item, lanes in the order of their priority.

        Raises ``trio.WouldBlock`` where there is none now, and the subscription's end where
        there will be none: closed at once, lagged and ended after what it still holds.
        """
        for queue in self.queues:
            if queue.items:
                return queue.get()
        if self.closed:
            msg = "this subscription was closed"
            raise ClosedError(msg)
        if self.lagged is not None:
            raise LaggedError(self.lagged)
        if self.ended:
            raise trio.EndOfChannel
        raise trio.WouldBlock

    async def wait(self) -> None:
        """Wait until there may be something new. One task at a time."""
        if self.reader is not None:
            msg = "another task is receiving from this subscription: give each task its own"
            raise trio.BusyResourceError(msg)
        self.reader = trio.lowlevel.current_task()

        def abort(_raise_cancel: object) -> trio.lowlevel.Abort:
            self.reader = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def lag(self, reason: str) -> None:
        """End for a subscriber that did not keep up; what is held is still delivered."""
        if self.lagged is None:
            self.lagged = reason
            self._leave()

    def end(self) -> None:
        """No more will come; what is held is still delivered."""
        if not self.ended:
            self.ended = True
            self._leave()

    def close(self) -> None:
        """End now and forget what is held."""
        if not self.closed:
            self.closed = True
            for queue in self.queues:
                queue.clear()
            self._leave()

    def _leave(self) -> None:
        self.detach(self)
        for queue in self.queues:
            queue.lane.release(queue)
        self.wake()
