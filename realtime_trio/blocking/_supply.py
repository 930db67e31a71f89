"""The trio side of a channel that another thread reads.

A thread that is woken has to get the interpreter lock from trio's thread. That is expensive while
trio has work: it gives the lock up for a moment at each system call, which wakes the other thread
for nothing. So items are collected while each pass of trio's loop brings some, and after several
items the loop, which has more to do, pauses until the woken thread runs.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeAlias, TypeVar, final

import trio

from .._lanes._waiters import ChangeSignal
from ._thread_wait import ThreadWait

__all__ = ["Fetch", "NativeChannel", "Passes", "Supply"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_BATCH: Final = 64
"""The most items that one fetch takes."""
_LONGEST: Final = 0.001
"""Seconds that trio pauses at most until a woken thread runs."""

_Step: TypeAlias = Callable[[], bool]


class NativeChannel(Protocol[T_co]):
    """The interface of a trio channel that is used here."""

    def receive_nowait(self) -> T_co:
        """Take a buffered item."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


@final
class Passes:
    """Calls functions in the next pass of trio's loop, from a task that exists already."""

    def __init__(self) -> None:
        self._due: list[_Step] = []
        self._idle = trio.lowlevel.ParkingLot()

    def soon(self, step: _Step) -> None:
        """Call ``step`` in the next pass, and again in each one after that while it returns true.

        In trio's thread.
        """
        self._due.append(step)
        self._idle.unpark_all()

    async def run(self) -> None:
        """Call them until the run ends."""
        while True:
            if self._due:
                await trio.lowlevel.checkpoint()
            else:
                await self._idle.park()
            due, self._due = self._due, []
            self._due += [step for step in due if step()]


@final
class Fetch(Generic[T]):
    """Adds items to ``items`` for a thread that waits; ``error`` is what came instead."""

    def __init__(self, source: NativeChannel[T], items: deque[T]) -> None:
        self.items: deque[T] = items
        self.error: BaseException | None = None
        self.over = False
        """Whether trio adds nothing more."""
        self.wait = ThreadWait()
        self._source = source
        self._running = threading.Lock()
        self._running.acquire()

    def take(self) -> bool:
        """Take what there is, up to the bound; return whether that was all."""
        items, receive_nowait = self.items, self._source.receive_nowait
        try:
            while len(items) < _BATCH:
                items.append(receive_nowait())
        except trio.WouldBlock:
            return True
        except BaseException as exc:
            if not items:  # otherwise the next fetch raises it again
                self.error = exc
        return False

    def finish(self) -> None:
        """Wake the thread. Several items are a flood: it gets the interpreter lock first."""
        self.over = True
        self.wait.finish()
        if len(self.items) > 1:
            self._running.acquire(timeout=_LONGEST)

    def run(self, wait: Callable[[ThreadWait], BaseException | None]) -> None:
        """Wait for the items, in the thread. Raises an interrupt that arrives meanwhile."""
        interrupt = wait(self.wait)
        self._running.release()
        if interrupt is not None:
            raise interrupt


@final
class Supply(Generic[T]):
    """Fills the fetches of one channel, one at a time.

    It stays registered as the waiter of the channel while the thread uses what it got. So a thread
    that comes back before there is anything new waits without a call to trio. Without a fetch it
    does not refer to the channel, which can then be garbage collected.
    """

    def __init__(self, passes: Passes, signal: ChangeSignal) -> None:
        self._passes = passes
        self._signal = signal
        self._fetch: Fetch[T] | None = None
        self._armed = False

    # -- in the thread that reads ----------------------------------------------------------

    def request(self, fetch: Fetch[T]) -> bool:
        """Have a fetch filled; return whether trio must call :meth:`begin` for that."""
        self._fetch = fetch
        return not self._armed  # if it was woken in between, both call it

    # -- in trio's thread ------------------------------------------------------------------

    def begin(self) -> None:
        """Fill the fetch now, if there are items."""
        if self._step():
            self._passes.soon(self._step)

    def give_up(self, fetch: Fetch[T]) -> None:
        """End a fetch whose thread was interrupted."""
        if not fetch.over:
            self._end(fetch)

    def _wake(self) -> None:
        self._armed = False
        if self._fetch is None:
            self._signal.wake()
        else:
            self._passes.soon(self._step)

    def _step(self) -> bool:
        """Take items; return whether to do so again in the next pass."""
        fetch = self._fetch
        if fetch is None:
            return False
        before = len(fetch.items)
        if not fetch.take():
            self._end(fetch)
            return False
        if len(fetch.items) > before:
            return True
        if not self._armed:
            self._armed = True
            self._signal.add_waiter(self._wake)
        if before:
            self._end(fetch)
        return False

    def _end(self, fetch: Fetch[T]) -> None:
        self._fetch = None
        fetch.finish()
