"""What a turn hands out: a channel that buffers from the start and loses nothing.

Bounded: what nobody reads is kept up to 16 MiB a channel. Past that the channel gives
up, and its reader is told so; the outcome of the turn still holds the whole message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Generic, Self, TypeVar, cast, final

import attrs
import trio

from .._exceptions import ClosedError, LaggedError
from .._lanes._waiters import News, Waiters

__all__ = ["TurnChannel", "TurnChannelStatistics", "news_of", "weight"]

T = TypeVar("T")

MAX_HELD: Final = 16 * 1024 * 1024
ITEM_COST: Final = 64
_RUN: Final = 32


def weight(value: object) -> int:
    """About how many bytes a JSON value takes: its text, and a charge for each part of it."""
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
    """``depth`` items wait, ``max_depth`` was the most that ever did."""

    depth: int
    max_depth: int


@final
class TurnChannel(trio.abc.ReceiveChannel[T], Generic[T]):
    """Items of one turn, in order; ends when the turn is over.

    Several tasks may read it: each item goes to one of them. Iterating is a checkpoint at
    least every 32 items, ``receive`` always is. Closing drops what waits.
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
        """Add an item of about ``size`` bytes; for the turn only."""
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
        """Nothing more comes; for the turn only."""
        self._over = True
        self._arrivals.wake_all()

    def receive_nowait(self) -> T:
        """Take an item that is there, else raise ``trio.WouldBlock``.

        Raises ``trio.EndOfChannel`` after the last one of the turn,
        :class:`~realtime_trio.LaggedError` where too much had piled up.
        """
        if self._closed:
            message = "this channel was closed"
            raise ClosedError(message)
        if self._lagged:
            message = "nobody read these pieces of the turn in time: more than 16 MiB waited"
            raise LaggedError(message)
        if self._items:
            item, cost = self._items.popleft()
            self._held -= cost
            return item
        if self._over:
            raise trio.EndOfChannel
        raise trio.WouldBlock

    async def receive(self) -> T:
        """Take the next item, waiting for it; a cancelled call takes none."""
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
        """Take the next item; other tasks get their turn at least every 32."""
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
        """Drop what waits; reading raises :class:`~realtime_trio.ClosedError` from now on."""
        self._closed = True
        self._items.clear()
        self._held = 0
        self._arrivals.wake_all()

    async def aclose(self) -> None:
        """:meth:`close` and a checkpoint."""
        self.close()
        await trio.lowlevel.checkpoint()

    def statistics(self) -> TurnChannelStatistics:
        """How much waits."""
        return TurnChannelStatistics(len(self._items), self._max_depth)

    def __enter__(self) -> Self:
        """Give the channel itself; leaving the block closes it."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def news_of(channel: TurnChannel[T]) -> News:
    """Return what wakes a reader that is no task of trio; see :class:`TurnChannel`."""
    return channel._arrivals  # pyright: ignore[reportPrivateUsage]
