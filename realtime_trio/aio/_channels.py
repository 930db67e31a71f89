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
from .._lanes._subscription import news_of as subscription_news
from .._lanes._watch import Watch as NativeWatch
from .._lanes._watch import news_of as watch_news
from .._turns._channel import TurnChannel as NativeTurnChannel
from .._turns._channel import TurnChannelStatistics
from .._turns._channel import news_of as turnchannel_news
from ._channel import Channel
from ._door import Door, Mirror

__all__ = ["LaneView", "Subscription", "TurnChannel", "Watch"]


class Subscription(Channel[T], Generic[T]):
    """A stream of notifications and wire events, from the call that made it on.

    Made by ``subscribe``. Receive from it, iterate it, close it (``close``, ``aclose``,
    ``with``, ``async with``). One that is dropped without closing is noticed when it is
    garbage collected, and freed.

    Items come in each lane's order; where several lanes have something, control goes before
    audio and audio before text. A wire event comes before the notifications that it caused.

    It belongs to one task at a time: a second one that would have to wait gets
    :class:`~realtime_trio.BusyResourceError`. Nothing is lost when a receive is cancelled.

    How it ends: after :meth:`close`, with :class:`~realtime_trio.ClosedError` at once; when
    the client has ended, with :class:`~realtime_trio.EndOfChannel` after what it holds (an iteration simply
    stops); when it did not keep up, with :class:`~realtime_trio.LaggedError` after what it
    holds.
    """

    def __init__(self, door: Door, native: NativeSubscription[T]) -> None:
        super().__init__(door, native, subscription_news(native))
        self._inner = native

    def statistics(self) -> SubscriptionStatistics:
        """How much waits, and what the rule has merged and dropped."""
        return self._inner.statistics()


class Watch(Channel[T], Generic[T]):
    """What a selector makes of the state, each time that it differs; made by ``watch``.

    The first value is the current one. Values that came and went between two receives are
    not seen: the latest wins. The selector and ``==`` run in the receiving task, nowhere
    else, and what they raise comes out there. A value that ``==`` cannot tell from the last
    is not delivered again.

    ``receive`` is always a checkpoint; cancelling it loses nothing. It belongs to one task
    at a time: a second gets :class:`~realtime_trio.BusyResourceError`. When the client has ended, the last
    value is delivered if it is new, then the channel ends. It holds nothing that would have
    to be freed; closing it ends a task that waits, with :class:`~realtime_trio.ClosedError`.
    """

    def __init__(self, door: Door, native: NativeWatch[T]) -> None:
        super().__init__(door, native, watch_news(native), exclusive=True)
        self._inner = native


class TurnChannel(Channel[T], Generic[T]):
    """Items of one turn, in order; ends when the turn is over.

    Several tasks may read it: each item goes to one of them. Iterating is a checkpoint at
    least every 32 items, ``receive`` always is. Closing drops what waits.
    """

    def __init__(self, door: Door, native: NativeTurnChannel[T]) -> None:
        super().__init__(door, native, turnchannel_news(native))
        self._inner = native

    def statistics(self) -> TurnChannelStatistics:
        """How much waits."""
        return self._inner.statistics()


class LaneView(Mirror[NativeLaneView]):
    """One lane as the application sees it: ``client.text``, ``.control``, ``.audio``."""

    def subscribe(self, *, overflow: Overflow = Coalesce()) -> Subscription[Notification]:
        """Every notification of this lane from now on."""
        return Subscription(self._door, self._native.subscribe(overflow=overflow))

    def __aiter__(self) -> Subscription[Notification]:
        """Iterate a new subscription with the default rule."""
        return Subscription(self._door, self._native.__aiter__())

    def statistics(self) -> LaneStatistics:
        """How the lane does."""
        return self._native.statistics()
