"""Parts that are only created when needed, so that an idle client is small.

A service keeps thousands of clients open, and most of them wait most of the time. A trio task takes
more than a kilobyte, a wait queue or an empty ``deque`` more than half of one.
"""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, final

import trio

__all__ = ["EMPTY", "TaskSlot", "WaitingTasks"]

EMPTY: Final[deque[Any]] = deque(maxlen=0)
"""The shared empty queue. Never append to it: create a queue first."""


@final
class WaitingTasks:
    """Waiting tasks: a ``trio.lowlevel.ParkingLot`` that is created for the first of them."""

    __slots__ = ("_lot",)

    def __init__(self) -> None:
        self._lot: trio.lowlevel.ParkingLot | None = None

    def __bool__(self) -> bool:
        """Whether a task waits."""
        return bool(self._lot)

    def park(self) -> Awaitable[None]:
        """Wait until :meth:`unpark_all` is called; a checkpoint. Cancelling it changes nothing."""
        if self._lot is None:
            self._lot = trio.lowlevel.ParkingLot()
        return self._lot.park()

    def unpark_all(self) -> None:
        """Wake all waiting tasks."""
        if self._lot is not None:
            self._lot.unpark_all()


@final
class TaskSlot:
    """The place of one task: empty until the task is needed, then where the task waits.

    ``idle`` is true while it waits for something to do, whether or not there is a task.
    """

    __slots__ = ("_context", "_name", "_nursery", "_sleeper", "_work", "idle")

    _context: contextvars.Context
    _name: str
    _work: Callable[[], Awaitable[None]]

    def __init__(self) -> None:
        self.idle: bool = False
        self._nursery: trio.Nursery | None = None
        self._sleeper: trio.lowlevel.Task | None = None

    def start(self, nursery: trio.Nursery, work: Callable[[], Awaitable[None]], name: str) -> None:
        """Be idle without a task: :meth:`activate` starts one in ``nursery``, to do ``work``.

        The caller of ``activate`` may run in another context: the task gets a copy of the context
        of this call.
        """
        self._nursery, self._work, self._name = nursery, work, name
        self._context = contextvars.copy_context()
        self.idle = True

    def abandon(self) -> None:
        """Do not start a task any more: the nursery is about to end."""
        self._nursery = None
        if self._sleeper is None:
            self.idle = False

    def activate(self) -> None:
        """End the idleness; without it, do nothing."""
        if not self.idle:
            return
        self.idle = False
        if self._sleeper is not None:
            self.wake()
        elif self._nursery is not None:
            self._context.run(partial(self._nursery.start_soon, self._work, name=self._name))

    def wake(self) -> None:
        """Wake the task if it waits, whatever it waits for."""
        if self._sleeper is not None:
            task, self._sleeper = self._sleeper, None
            trio.lowlevel.reschedule(task)

    def leave(self) -> bool:
        """Be idle without a task again; the calling task ends if the result is true.

        It is false if nothing could start another task: then the task stays.
        """
        self.idle = self._nursery is not None
        return self.idle

    async def sleep(self, *, idle: bool) -> None:
        """Wait in the current task until it is woken."""

        def abort(_raise_cancel: object) -> trio.lowlevel.Abort:
            self._sleeper, self.idle = None, False
            return trio.lowlevel.Abort.SUCCEEDED

        self.idle = idle
        self._sleeper = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(abort)
