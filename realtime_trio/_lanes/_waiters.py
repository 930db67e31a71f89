"""Waiters for one object: trio tasks, and callables for other event loops."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol, final

import trio

__all__ = ["ChangeSignal", "Waiters"]


class ChangeSignal(Protocol):
    """Wakes a reader in another event loop when there may be something new."""

    def add_waiter(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` once, at the next change; it must not block or raise.

        Raises ``trio.BusyResourceError`` if only one reader may wait.
        """
        ...

    def discard_waiter(self, wake: Callable[[], None]) -> None:
        """Cancel :meth:`add_waiter`."""
        ...

    def wake(self) -> None:
        """Wake one waiter, in place of a reader that was woken but does not read."""
        ...


@final
class Waiters:
    """Any number of waiting readers; each is woken once, in order."""

    __slots__ = ("_wakes",)

    def __init__(self) -> None:
        self._wakes: dict[Callable[[], None], None] = {}

    def add_waiter(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` once, at the next change."""
        self._wakes[wake] = None

    def discard_waiter(self, wake: Callable[[], None]) -> None:
        """Cancel :meth:`add_waiter`."""
        self._wakes.pop(wake, None)

    def wake(self) -> None:
        """Wake the first waiter."""
        if self._wakes:
            first = next(iter(self._wakes))
            del self._wakes[first]
            first()

    def wake_all(self) -> None:
        """Wake all waiters."""
        if self._wakes:
            wakes, self._wakes = self._wakes, {}
            for wake in wakes:
                wake()

    async def park(self) -> None:
        """Wait in the current task until it is woken."""
        wake = partial(trio.lowlevel.reschedule, trio.lowlevel.current_task())
        self._wakes[wake] = None

        def abort(_raise_cancel: object) -> trio.lowlevel.Abort:
            self.discard_waiter(wake)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)
