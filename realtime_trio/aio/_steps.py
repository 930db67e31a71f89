"""The steps of a trio run on the loop of its host."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, TypeAlias, final

__all__ = ["Steps"]

Step: TypeAlias = Callable[[], object]

_ROW: Final = 8
"""Maximum steps in a row: one round of the loop costs about as much as a step."""
_LONGEST: Final = 0.001
"""Seconds after which no further step begins in a row."""


@final
class Steps:
    """Schedules steps on a loop, and takes some of them in a row.

    Each step may schedule the next one. Other tasks of the loop run between two rows. After the
    loop was closed, nothing runs there, and :meth:`take_late` takes the remaining steps.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: deque[Step] = deque()
        self._arriving: set[Step] = set()  # from other threads, not scheduled on the loop yet
        self._late: SimpleQueue[Step] = SimpleQueue()
        self._taking = False

    def soon(self, step: Step) -> None:
        """Schedule a step, from the loop's thread."""
        self._due.append(step)
        if not self._taking:
            self._call_soon()

    def soon_threadsafe(self, step: Step) -> None:
        """Schedule a step, from any thread."""

        def arrive() -> None:
            if arrive in self._arriving:
                self._arriving.discard(arrive)
                self._due.append(step)
                self._take()

        self._arriving.add(arrive)
        try:
            self._loop.call_soon_threadsafe(arrive)
        except RuntimeError:  # the loop is closed
            self._late.put(arrive)

    def take_late(self, *, until: Callable[[], bool], seconds: float) -> None:
        """Take steps here until a condition holds, after the loop was closed.

        Raises ``TimeoutError`` if that takes longer than ``seconds``.
        """
        deadline = time.monotonic() + seconds
        for arrive in tuple(self._arriving):
            arrive()
        self._take()
        while not until():
            try:
                self._late.get(timeout=max(0.0, deadline - time.monotonic()))()
            except Empty:
                raise TimeoutError from None

    def _call_soon(self) -> None:
        try:
            self._loop.call_soon(self._take)
        except RuntimeError:  # the loop is closed
            self._late.put(self._take)

    def _take(self) -> None:
        due = self._due
        began = time.perf_counter()
        self._taking = True
        try:
            for _ in range(_ROW):
                if not due:
                    return
                due.popleft()()
                if time.perf_counter() - began > _LONGEST:
                    return
        finally:  # also when Ctrl-C arrives between two steps
            self._taking = False
            if due:
                self._call_soon()
