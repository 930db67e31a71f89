"""The subscription: a receive channel with its own buffer and overflow rule."""

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
from ._waiters import ChangeSignal

__all__ = ["LaneView", "Subscription", "signal_of"]

T = TypeVar("T", covariant=True)
_SLICE = 31  # items that an iteration takes between two checkpoints


class Subscription(trio.abc.ReceiveChannel[T], Generic[T]):
    """A stream of notifications and wire events, starting with the call that made it.

    Made by ``subscribe``. Receive from it, iterate it, close it (``close``, ``aclose``,
    ``with``, ``async with``). One that is dropped without closing is freed when it is
    garbage collected.

    Items are delivered in each lane's order; if several lanes have items, control goes before
    audio and audio before text. A wire event precedes the notifications that it caused.

    It belongs to one task at a time: a second one that would have to wait gets
    ``trio.BusyResourceError``. Nothing is lost when a receive is cancelled.

    How it ends: after :meth:`close`, with :class:`~realtime_trio.ClosedError` immediately; when
    the client has ended, with ``trio.EndOfChannel`` after the buffered items (an iteration simply
    stops); if it did not keep up, with :class:`~realtime_trio.LaggedError` after the buffered
    items.
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

    # Receiving. ``receive`` is always a checkpoint. An iteration over buffered items is not: a
    # checkpoint costs more than everything else about an event. It checks for cancellation at
    # each item, and lets the other tasks run at each 32nd.

    async def receive(self) -> T:
        """Take the next item; wait for one. A checkpoint."""
        item = await self._reader.receive()
        self._credit = _SLICE
        return cast("T", item)

    def receive_nowait(self) -> T:
        """Take the next item. Raises ``trio.WouldBlock`` if there is none now."""
        return cast("T", self._reader.pop())

    def __aiter__(self) -> Subscription[T]:
        """Return the subscription itself."""
        return self

    async def __anext__(self) -> T:
        """Take the next item; stop when the client has ended."""
        reader = self._reader
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
            elif any(buffer.items for buffer in reader.buffers):
                self._credit -= 1
                await trio.lowlevel.checkpoint_if_cancelled()
                return cast("T", reader.pop())
        try:
            received = await reader.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None
        self._credit = _SLICE
        return cast("T", received)

    # Closing.

    def close(self) -> None:
        """End now: buffered items are dropped, and a lane that waits for this continues.

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
        """Return how much waits, and how much the rule has merged and dropped."""
        return self._reader.statistics()

    def __repr__(self) -> str:
        depth = sum(len(buffer.items) for buffer in self._reader.buffers)
        return f"<{type(self).__name__} with {depth} items waiting>"


def signal_of(subscription: Subscription[object]) -> ChangeSignal:
    """Return the object that wakes a reader that is not a trio task; see :class:`Subscription`."""
    return subscription._reader  # pyright: ignore[reportPrivateUsage]


class _Lanes(Protocol):
    """The part of the pipeline that a view uses."""

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
        """Subscribe to every notification of this lane, from now on."""
        return self._pipeline.subscribe(lane=self._lane, overflow=overflow)

    def __aiter__(self) -> Subscription[Notification]:
        """Iterate a new subscription with the default rule."""
        return self.subscribe()

    def statistics(self) -> LaneStatistics:
        """Return the statistics of the lane."""
        statistics = self._pipeline.statistics()
        return statistics.lanes[self._lane]
