"""How a thread waits for an action of trio."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import final

__all__ = ["ThreadWait"]


@final
class ThreadWait:
    """A wait of a thread for an action of trio."""

    __slots__ = ("_done", "_lock")

    def __init__(self) -> None:
        self._done = False
        self._lock = threading.Lock()
        self._lock.acquire()

    def finish(self) -> None:
        """End the wait."""
        self._done = True
        with suppress(RuntimeError):  # two threads may end it
            self._lock.release()

    def wait(self, cancel: Callable[[], None]) -> BaseException | None:
        """Wait to the end; return a ``KeyboardInterrupt`` that arrived meanwhile.

        On an interrupt ``cancel`` is called, to hurry trio. A second one ends the wait.
        """
        interrupt: BaseException | None = None
        while not self._done:
            try:
                self._lock.acquire()
            except BaseException as exc:
                if interrupt is not None:
                    raise
                interrupt = exc
                cancel()
        return interrupt
