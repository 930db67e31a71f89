"""Read from a channel: one call to trio's thread fetches all buffered items, without a task."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Final, Generic, Protocol, Self, TypeVar, final

import trio

from .._doors._trio_call import CLOSED
from .._exceptions import ClosedError
from .._lanes._waiters import ChangeSignal
from ._door import Door, check_thread
from ._portal import ThreadWait

__all__ = ["Channel", "NativeChannel"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_BATCH: Final = 64
"""The most items that one call fetches."""


class NativeChannel(Protocol[T_co]):
    """The interface of a trio channel that is used here."""

    def receive_nowait(self) -> T_co:
        """Take a buffered item."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


@final
class _Fetch(Generic[T]):
    """One call to trio's thread: it waits for an item, and takes all buffered ones."""

    def __init__(self, door: Door, source: NativeChannel[T], signal: ChangeSignal) -> None:
        self.items: deque[T] = deque()
        self.error: BaseException | None = None
        self._door = door
        self._source = source
        self._signal = signal
        self._wait = ThreadWait()
        self._over = False

    def run(self) -> None:
        """Fetch. Raises a ``KeyboardInterrupt`` that arrives meanwhile."""
        portal = self._door.portal
        portal.submit(self._try)
        interrupt = portal.wait(self._wait, self._hurry)
        if interrupt is not None:
            raise interrupt

    def _hurry(self) -> None:
        with suppress(ClosedError):
            self._door.portal.submit(self._give_up)

    def _try(self) -> None:
        if self._over:
            return
        source, items = self._source, self.items
        try:
            while len(items) < _BATCH:
                items.append(source.receive_nowait())
        except trio.WouldBlock:
            if not items:
                self._signal.add_waiter(self._again)
                return
        except BaseException as exc:
            if not items:  # otherwise the next call raises it again
                self.error = exc
        self._finish()

    def _again(self) -> None:
        self._door.portal.submit(self._try)

    def _give_up(self) -> None:
        self._signal.discard_waiter(self._again)
        self._finish()

    def _finish(self) -> None:
        self._over = True
        self._wait.finish()


class Channel(Generic[T_co]):
    """A channel to read from; each kind of channel is a subclass.

    Any number of threads may read one: each item goes to one of them.
    """

    def __init__(
        self,
        door: Door,
        source: NativeChannel[T_co],
        signal: ChangeSignal,
        *,
        exclusive: bool = False,
    ) -> None:
        self._door = door
        self._source = source
        self._signal = signal
        self._latest = exclusive
        self._batch: deque[T_co] = deque()
        self._reading = threading.Lock()

    def receive(self) -> T_co:
        """Return the next item; wait for one if necessary.

        Raises :class:`~realtime_trio.EndOfChannel` at the end.
        """
        with self._reading:
            if not self._batch:
                self._fetch()
            return self._batch.popleft()

    def receive_nowait(self) -> T_co:
        """Return a buffered item, or raise :class:`~realtime_trio.WouldBlock`."""
        if not self._reading.acquire(blocking=False):
            raise trio.WouldBlock  # another thread waits for the next one
        try:
            return self._batch.popleft() if self._batch else self._now()
        finally:
            self._reading.release()

    def _now(self) -> T_co:
        return self._door.plain(self._source.receive_nowait)

    def _fetch(self) -> None:
        check_thread()
        fetch = _Fetch(self._door, self._source, self._signal)
        try:
            fetch.run()
        except ClosedError:  # trio has ended, but the channel still holds its items
            self._batch.append(self._source.receive_nowait())
            return
        finally:  # also if it was interrupted: nothing is lost
            self._batch.extend(fetch.items)
        if fetch.error is not None:
            raise fetch.error
        if not fetch.items:
            raise ClosedError(CLOSED)

    def __iter__(self) -> Self:
        """Iterate over the items."""
        return self

    def __next__(self) -> T_co:
        try:
            return self.receive()
        except trio.EndOfChannel:
            raise StopIteration from None

    def close(self) -> None:
        """End now: buffered items are dropped. A second call does nothing."""
        self._door.plain(self._source.close)
        self._batch.clear()

    def __enter__(self) -> Self:
        """Leaving the block closes the channel."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
