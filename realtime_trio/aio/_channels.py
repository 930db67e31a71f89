"""Subscriptions, watches, and the channels of a turn.

Written by tools/doors.py: change the native classes instead.
"""

from __future__ import annotations

from typing import Generic

from .._core._notifications import Notification
from .._lanes._overflow import Coalesce, Overflow
from .._lanes._statistics import LaneStatistics, SubscriptionStatistics
from .._lanes._subscription import LaneView as NativeLaneView
from .._lanes._subscription import Subscription as NativeSubscription
from .._lanes._subscription import T
from .._lanes._subscription import signal_of as subscription_signal
from .._lanes._watch import Watch as NativeWatch
from .._lanes._watch import signal_of as watch_signal
from .._turns._channel import TurnChannel as NativeTurnChannel
from .._turns._channel import TurnChannelStatistics
from .._turns._channel import signal_of as turnchannel_signal
from ._channel import Channel
from ._door import Door, Mirror

__all__ = ["LaneView", "Subscription", "TurnChannel", "Watch"]


class Subscription(Channel[T], Generic[T]):
    """A stream of notifications and wire events, starting with the call that made it.

    Made by ``subscribe``. Receive from it, iterate it, close it (``close``, ``aclose``,
    ``with``, ``async with``). One that is dropped without closing is freed when it is
    garbage collected.

    Items are delivered in each lane's order; if several lanes have items, control goes before
    audio and audio before text. A wire event precedes the notifications that it caused.

    It belongs to one task at a time: a second one that would have to wait gets
    :class:`~realtime_trio.BusyResourceError`. Nothing is lost when a receive is cancelled.

    How it ends: after :meth:`close`, with :class:`~realtime_trio.ClosedError` immediately; when the
    client has ended, with :class:`~realtime_trio.EndOfChannel` after the buffered items (an
    iteration simply stops); if it did not keep up, with :class:`~realtime_trio.LaggedError` after
    the buffered items.
    """

    def __init__(self, door: Door, native: NativeSubscription[T]) -> None:
        super().__init__(door, native, subscription_signal(native))
        self._inner = native

    def statistics(self) -> SubscriptionStatistics:
        """Return how much waits, and how much the rule has merged and dropped."""
        return self._inner.statistics()


class Watch(Channel[T], Generic[T]):
    """A value, each time it differs; made by ``watch`` from a selector on the state.

    The first value is the current one. Values that were replaced between two receives are
    not delivered: the latest wins. The selector and ``==`` run in the receiving task only,
    and their errors are raised there. A value that equals the last one is not delivered again.

    ``receive`` is always a checkpoint; cancelling it loses nothing. It belongs to one task at a
    time: a second gets :class:`~realtime_trio.BusyResourceError`. When the client has ended, the
    last value is delivered if it is new, then the channel ends. It holds no resources; closing it
    ends a waiting task with :class:`~realtime_trio.ClosedError`.
    """

    def __init__(self, door: Door, native: NativeWatch[T]) -> None:
        super().__init__(door, native, watch_signal(native), exclusive=True)
        self._inner = native


class TurnChannel(Channel[T], Generic[T]):
    """The items of one turn, in order; it ends when the turn is over.

    Several tasks may read it: each item goes to one of them. Iterating is a checkpoint at
    least every 32 items, ``receive`` always is. Closing drops the buffered items.
    """

    def __init__(self, door: Door, native: NativeTurnChannel[T]) -> None:
        super().__init__(door, native, turnchannel_signal(native))
        self._inner = native

    def statistics(self) -> TurnChannelStatistics:
        """Return the current and the highest depth."""
        return self._inner.statistics()


class LaneView(Mirror[NativeLaneView]):
    """One lane as the application sees it: ``client.text``, ``.control``, ``.audio``."""

    def subscribe(self, *, overflow: Overflow = Coalesce()) -> Subscription[Notification]:
        """Subscribe to every notification of this lane, from now on."""
        return Subscription(self._door, self._native.subscribe(overflow=overflow))

    def __aiter__(self) -> Subscription[Notification]:
        """Iterate a new subscription with the default rule."""
        return Subscription(self._door, self._native.__aiter__())

    def statistics(self) -> LaneStatistics:
        """Return the statistics of the lane."""
        return self._native.statistics()
