"""Read from a channel: one wait for trio's thread fetches all buffered items, without a task."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Generic, Self, TypeVar

import trio

from .._doors._trio_call import CLOSED
from .._exceptions import ClosedError
from .._lanes._waiters import ChangeSignal
from ._door import Door, check_thread
from ._supply import Fetch, NativeChannel, Supply

__all__ = ["Channel", "NativeChannel"]

T_co = TypeVar("T_co", covariant=True)


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
        self._supply: Supply[T_co] = Supply(door.portal.passes, signal)
        # Of a watch, the latest value wins: one that arrives before the thread reads replaces it.
        self._batch: deque[T_co] = deque(maxlen=1 if exclusive else None)
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
        # Directly into the batch: an interrupt at any moment loses nothing.
        fetch = Fetch(self._source, self._batch)
        portal = self._door.portal
        try:
            if self._supply.request(fetch):
                portal.submit(self._supply.begin)
            fetch.run(partial(portal.wait, cancel=partial(self._hurry, fetch)))
        except ClosedError:
            pass  # trio has ended
        if fetch.error is not None:
            raise fetch.error
        if not self._batch:
            self._batch.append(self._afterwards())

    def _hurry(self, fetch: Fetch[T_co]) -> None:
        with suppress(ClosedError):
            self._door.portal.submit(partial(self._supply.give_up, fetch))

    def _afterwards(self) -> T_co:
        """Take an item after the end of trio: the channel still holds its items."""
        try:
            return self._source.receive_nowait()
        except trio.WouldBlock:
            raise ClosedError(CLOSED) from None

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
