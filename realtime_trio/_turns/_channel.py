"""The channel of a turn: it buffers from the start and loses nothing.

It is bounded: unread items are kept up to 16 MiB per channel. Beyond that the channel fails and
its reader gets an error; the outcome of the turn still holds the whole message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Generic, Self, TypeVar, cast, final

import attrs
import trio

from .._exceptions import ClosedError, LaggedError
from .._lanes._waiters import ChangeSignal, Waiters

__all__ = ["TurnChannel", "TurnChannelStatistics", "signal_of", "weight"]

T = TypeVar("T")

MAX_HELD: Final = 16 * 1024 * 1024
ITEM_COST: Final = 64
_RUN: Final = 32


def weight(value: object) -> int:
    """Estimate the bytes that a JSON value takes: its text, and a fixed cost for each part."""
    total = 0
    left = [value]
    while left:
        part = left.pop()
        total += ITEM_COST
        if isinstance(part, str):
            total += len(part)
        elif isinstance(part, Mapping):
            left += (*cast("Mapping[str, object]", part), *part.values())
        elif isinstance(part, (list, tuple)):
            left += cast("Sequence[object]", part)
    return total


@attrs.frozen(slots=True)
class TurnChannelStatistics:
    """``depth`` items wait; ``max_depth`` is the highest depth so far."""

    depth: int
    max_depth: int


@final
class TurnChannel(trio.abc.ReceiveChannel[T], Generic[T]):
    """The items of one turn, in order; it ends when the turn is over.

    Several tasks may read it: each item goes to one of them. Iterating is a checkpoint at
    least every 32 items, ``receive`` always is. Closing drops the buffered items.
    """

    def __init__(self) -> None:
        self._items: deque[tuple[T, int]] = deque()
        self._held = 0
        self._max_depth = 0
        self._run = 0
        self._over = False
        self._closed = False
        self._lagged = False
        self._arrivals = Waiters()

    def put(self, item: T, size: int = 0) -> None:
        """Add an item of about ``size`` bytes. Only the turn calls this."""
        if self._over or self._closed or self._lagged:
            return
        self._held += size + ITEM_COST
        if self._held > MAX_HELD:
            self._lagged = True
            self._items.clear()
            self._arrivals.wake_all()
            return
        self._items.append((item, size + ITEM_COST))
        self._max_depth = max(self._max_depth, len(self._items))
        self._arrivals.wake()

    def finish(self) -> None:
        """End the channel after the buffered items. Only the turn calls this."""
        self._over = True
        self._arrivals.wake_all()

    def receive_nowait(self) -> T:
        """Take a buffered item, or raise ``trio.WouldBlock``.

        Raises ``trio.EndOfChannel`` after the last item of the turn, and
        :class:`~realtime_trio.LaggedError` if too many unread items had piled up.
        """
        if self._closed:
            message = "this channel was closed"
            raise ClosedError(message)
        if self._lagged:
            message = "the reader of this channel did not keep up: more than 16 MiB of items wait"
            raise LaggedError(message)
        if self._items:
            item, cost = self._items.popleft()
            self._held -= cost
            return item
        if self._over:
            raise trio.EndOfChannel
        raise trio.WouldBlock

    async def receive(self) -> T:
        """Wait for the next item and return it. A cancelled call takes none."""
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            item = self.receive_nowait()
        except trio.WouldBlock:
            return await self._wait()
        await trio.lowlevel.cancel_shielded_checkpoint()
        return item

    async def _wait(self) -> T:
        while True:
            await self._arrivals.park()
            try:
                return self.receive_nowait()
            except trio.WouldBlock:
                continue

    async def __anext__(self) -> T:
        """Take the next item; yield to other tasks at least every 32 items."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self._run += 1
        try:
            if self._run >= _RUN:
                self._run = 0
                return await self.receive()
            try:
                return self.receive_nowait()
            except trio.WouldBlock:
                self._run = 0
                return await self._wait()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    def close(self) -> None:
        """Drop the buffered items; further reads raise :class:`~realtime_trio.ClosedError`."""
        self._closed = True
        self._items.clear()
        self._held = 0
        self._arrivals.wake_all()

    async def aclose(self) -> None:
        """:meth:`close` and a checkpoint."""
        self.close()
        await trio.lowlevel.checkpoint()

    def statistics(self) -> TurnChannelStatistics:
        """Return the current and the highest depth."""
        return TurnChannelStatistics(len(self._items), self._max_depth)

    def __enter__(self) -> Self:
        """Return the channel itself; leaving the block closes it."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def signal_of(channel: TurnChannel[T]) -> ChangeSignal:
    """Return the object that wakes a reader that is not a trio task; see :class:`TurnChannel`."""
    return channel._arrivals  # pyright: ignore[reportPrivateUsage]
