"""Those who wait for news of one thing: tasks of trio, and callables for everything else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol, final

import trio

__all__ = ["News", "Waiters"]


class News(Protocol):
    """What tells a reader that it may find something new. The readers of other loops use it."""

    def add_waiter(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` once, at the next news; it must not block or raise.

        Raises ``trio.BusyResourceError`` where only one reader may wait.
        """
        ...

    def discard_waiter(self, wake: Callable[[], None]) -> None:
        """Do not call it after all."""
        ...

    def wake(self) -> None:
        """Wake one that waits: for a reader that was woken and does not read."""
        ...


@final
class Waiters:
    """Any number of readers that wait; each is woken once, the first one first."""

    __slots__ = ("_wakes",)

    def __init__(self) -> None:
        self._wakes: dict[Callable[[], None], None] = {}

    def add_waiter(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` once, at the next news."""
        self._wakes[wake] = None

    def discard_waiter(self, wake: Callable[[], None]) -> None:
        """Do not call it after all."""
        self._wakes.pop(wake, None)

    def wake(self) -> None:
        """Wake the first of those that wait."""
        if self._wakes:
            first = next(iter(self._wakes))
            del self._wakes[first]
            first()

    def wake_all(self) -> None:
        """Wake all that wait."""
        if self._wakes:
            wakes, self._wakes = self._wakes, {}
            for wake in wakes:
                wake()

    async def park(self) -> None:
        """Wait in the present task until it is woken."""
        wake = partial(trio.lowlevel.reschedule, trio.lowlevel.current_task())
        self._wakes[wake] = None

        def abort(_raise_cancel: object) -> trio.lowlevel.Abort:
            self.discard_waiter(wake)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)
