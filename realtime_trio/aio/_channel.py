"""Read from a channel with a future that a callback sets, without a trio task."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Generic, Protocol, Self, TypeVar

import trio

from .._lanes._waiters import ChangeSignal
from ._door import Door

__all__ = ["Channel", "NativeChannel"]

T_co = TypeVar("T_co", covariant=True)

_SLICE: Final = 31
"""Items that an iteration takes between two points at which other tasks run."""


class NativeChannel(Protocol[T_co]):
    """The interface of a trio channel that is used here."""

    def receive_nowait(self) -> T_co:
        """Take a buffered item."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Channel(Generic[T_co]):
    """A channel to read from; each kind of channel is a subclass."""

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
        self._exclusive = exclusive
        self._waiting = False
        self._credit = 0

    async def receive(self) -> T_co:
        """Return the next item; wait for one if necessary. Other tasks can run.

        Raises :class:`~realtime_trio.EndOfChannel` at the end. A cancelled call takes nothing.
        """
        if self._exclusive and self._waiting:
            self._busy()
        await asyncio.sleep(0)
        return await self._next()

    def receive_nowait(self) -> T_co:
        """Return a buffered item, or raise :class:`~realtime_trio.WouldBlock`."""
        return self._source.receive_nowait()

    async def _next(self) -> T_co:
        while True:
            try:
                return self._source.receive_nowait()
            except trio.WouldBlock:
                await self._wait()
                self._credit = _SLICE

    async def _wait(self) -> None:
        self._door.check()
        if self._exclusive and self._waiting:
            self._busy()
        signal = self._signal
        future: asyncio.Future[None] = self._door.loop.create_future()

        def wake() -> None:
            if future.done():  # cancelled, but its task has not run yet
                signal.wake()
            else:
                future.set_result(None)

        signal.add_waiter(wake)
        self._waiting = True
        try:
            await future
        except BaseException:
            if future.cancelled():
                signal.discard_waiter(wake)
            else:  # woken as well: another reader may take the item
                signal.wake()
            raise
        finally:
            self._waiting = False

    def _busy(self) -> None:
        message = "another task is receiving from this channel: give each task its own"
        raise trio.BusyResourceError(message)

    def __aiter__(self) -> Self:
        """Iterate over the items; other tasks can run at least every 32 items."""
        return self

    async def __anext__(self) -> T_co:
        try:
            if self._credit > 0:
                self._credit -= 1
                try:
                    return self._source.receive_nowait()
                except trio.WouldBlock:
                    return await self._next()
            self._credit = _SLICE
            await asyncio.sleep(0)
            return await self._next()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    def close(self) -> None:
        """End now: buffered items are dropped. A second call does nothing."""
        self._source.close()

    async def aclose(self) -> None:
        """:meth:`close`; other tasks can run."""
        self.close()
        await asyncio.sleep(0)

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

    async def __aenter__(self) -> Self:
        """Leaving the block closes the channel."""
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
