"""The place of a lane's task: empty until it is needed, then where it waits.

While every step of a lane is made in the receive task, the lane has no task: an idle client is
smaller by three of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import trio

__all__ = ["TaskSlot"]


@final
class TaskSlot:
    """One task that waits, or that can be started.

    ``idle`` is true while it waits for something to do, whether or not there is a task yet.
    """

    __slots__ = ("_sleeper", "_spawn", "idle")

    def __init__(self) -> None:
        self.idle: bool = False
        self._spawn: Callable[[], None] | None = None
        self._sleeper: trio.lowlevel.Task | None = None

    def start(self, spawn: Callable[[], None]) -> None:
        """Be idle without a task: the first :meth:`activate` calls ``spawn``, which starts one."""
        self._spawn, self.idle = spawn, True

    def abandon(self) -> None:
        """Start no task any more."""
        if self._spawn is not None:
            self._spawn, self.idle = None, False

    def activate(self) -> None:
        """End the idleness; without it, do nothing."""
        if self.idle:
            self.idle = False
            if self._spawn is None:
                self.wake()
            else:
                spawn, self._spawn = self._spawn, None
                spawn()

    def wake(self) -> None:
        """Wake the task if it waits, for whatever."""
        if self._sleeper is not None:
            task, self._sleeper = self._sleeper, None
            trio.lowlevel.reschedule(task)

    async def sleep(self, *, idle: bool) -> None:
        """Wait in the present task until it is woken."""

        def abort(_raise_cancel: object) -> trio.lowlevel.Abort:
            self._sleeper, self.idle = None, False
            return trio.lowlevel.Abort.SUCCEEDED

        self.idle = idle
        self._sleeper = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(abort)
