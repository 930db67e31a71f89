"""What the application holds: a receive channel with a buffer and a rule of its own."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar, cast

import trio
import trio.abc

from .._core._notifications import Notification
from ..events import Lane
from ._overflow import Coalesce, Overflow
from ._reader import SubscriptionReader
from ._statistics import LaneStatistics, PipelineStatistics, SubscriptionStatistics
from ._waiters import News

__all__ = ["LaneView", "Subscription", "news_of"]

T = TypeVar("T", covariant=True)
_SLICE = 31  # items that an iteration takes beside the one for which it let others run


class Subscription(trio.abc.ReceiveChannel[T], Generic[T]):
    """A stream of notifications and wire events, from the call that made it on.

    Made by ``subscribe``. Receive from it, iterate it, close it (``close``, ``aclose``,
    ``with``, ``async with``). One that is dropped without closing is noticed when it is
    garbage collected, and freed.

    Items come in each lane's order; where several lanes have something, control goes before
    audio and audio before text. A wire event comes before the notifications that it caused.

    It belongs to one task at a time: a second one that would have to wait gets
    ``trio.BusyResourceError``. Nothing is lost when a receive is cancelled.

    How it ends: after :meth:`close`, with :class:`~realtime_trio.ClosedError` at once; when
    the client has ended, with ``trio.EndOfChannel`` after what it holds (an iteration simply
    stops); when it did not keep up, with :class:`~realtime_trio.LaggedError` after what it
    holds.
    """

    __slots__ = ("__weakref__", "_credit", "_finalizer", "_only", "_reader")

    def __init__(
        self, reader: SubscriptionReader, abandon: Callable[[SubscriptionReader], None]
    ) -> None:
        self._reader = reader
        self._only: Any = reader.buffers[0] if len(reader.buffers) == 1 else None
        self._credit = 0
        self._finalizer = weakref.finalize(self, abandon, reader)
        self._finalizer.atexit = False

    # Receiving. ``receive`` is always a checkpoint. An iteration over items that are at hand
    # is not: a checkpoint costs more than all the rest of an event. It asks whether it was
    # cancelled at each item, and lets the other tasks run at each 32nd.

    async def receive(self) -> T:
        """The next item; waits for one. A checkpoint."""
        reader = self._reader
        if not reader.idle:
            await trio.lowlevel.checkpoint_if_cancelled()
            item: Any = reader.pop()
            await trio.lowlevel.cancel_shielded_checkpoint()
        else:
            await reader.wait()
            while reader.idle:  # another task may take what this one was woken for
                await reader.wait()
            item = reader.pop()
        self._credit = _SLICE
        return cast("T", item)

    def receive_nowait(self) -> T:
        """The next item. Raises ``trio.WouldBlock`` where there is none now."""
        return cast("T", self._reader.pop())

    def __aiter__(self) -> Subscription[T]:
        """The subscription itself."""
        return self

    async def __anext__(self) -> T:
        """The next item; stops where the client has ended."""
        if self._credit > 0:
            only = self._only
            if only is not None:
                if only.items:
                    self._credit -= 1
                    await trio.lowlevel.checkpoint_if_cancelled()
                    if only.probe is not None:
                        only.probe.take(only)
                    item: T = only.get()
                    return item
            elif any(buffer.items for buffer in self._reader.buffers):
                self._credit -= 1
                await trio.lowlevel.checkpoint_if_cancelled()
                return cast("T", self._reader.pop())
        try:
            return await self.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    # Ending.

    def close(self) -> None:
        """End now: what is held is forgotten, and a lane that waits for this goes on.

        A task that is receiving gets :class:`~realtime_trio.ClosedError`. A second call does
        nothing.
        """
        self._finalizer.detach()
        self._reader.close()

    async def aclose(self) -> None:
        """:meth:`close`, and a checkpoint."""
        self.close()
        await trio.lowlevel.checkpoint()

    def __enter__(self) -> Subscription[T]:
        """Plain ``with`` closes too."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def statistics(self) -> SubscriptionStatistics:
        """How much waits, and what the rule has merged and dropped."""
        buffers = self._reader.buffers
        return SubscriptionStatistics(
            depth=sum(len(buffer.items) for buffer in buffers),
            bytes=sum(buffer.bytes for buffer in buffers),
            high_water=max(max(buffer.high_water, len(buffer.items)) for buffer in buffers),
            merged=sum(buffer.merged for buffer in buffers),
            dropped=sum(buffer.dropped for buffer in buffers),
            blocking=any(buffer.blocking for buffer in buffers),
        )

    def __repr__(self) -> str:
        depth = sum(len(buffer.items) for buffer in self._reader.buffers)
        return f"<{type(self).__name__} with {depth} items waiting>"


def news_of(subscription: Subscription[object]) -> News:
    """Return what wakes a reader that is no task of trio; see :class:`Subscription`."""
    return subscription._reader  # pyright: ignore[reportPrivateUsage]


class _Lanes(Protocol):
    """What a view needs of the pipeline."""

    def subscribe(
        self, *, lane: Lane | None = None, overflow: Overflow = ...
    ) -> Subscription[Notification]: ...

    def statistics(self) -> PipelineStatistics: ...


class LaneView:
    """One lane as the application sees it: ``client.text``, ``.control``, ``.audio``."""

    __slots__ = ("_lane", "_pipeline")

    def __init__(self, pipeline: _Lanes, lane: Lane) -> None:
        self._pipeline = pipeline
        self._lane = lane

    def subscribe(
        self,
        *,
        overflow: Overflow = Coalesce(),  # noqa: B008  frozen
    ) -> Subscription[Notification]:
        """Every notification of this lane from now on."""
        return self._pipeline.subscribe(lane=self._lane, overflow=overflow)

    def __aiter__(self) -> Subscription[Notification]:
        """Iterate a new subscription with the default rule."""
        return self.subscribe()

    def statistics(self) -> LaneStatistics:
        """How the lane does."""
        statistics = self._pipeline.statistics()
        return statistics.lanes[self._lane]
