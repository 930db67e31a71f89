"""The base of a subscription's buffers, and what it needs of its lane."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from .._idle import EMPTY
from ..events import Lane
from ._delivery_probe import DeliveryProbe
from ._overflow import MAX_BYTES
from ._reader import Item, SubscriptionReader

__all__ = ["Buffer", "BufferedLane"]


class BufferedLane(Protocol):
    """The part of a lane that a buffer uses."""

    lane: Lane
    dropped: int
    replaced: int
    lagged: int

    def block(self, buffer: Buffer) -> None:
        """Handle no more events until the buffer has room."""

    def unblock(self, buffer: Buffer) -> None:
        """Note that the buffer has room again or is gone."""


class Buffer:
    """The items of one lane for one subscription. This base class keeps everything, unbounded.

    ``may_block`` tells whether a buffer of this kind may block its lane.
    """

    may_block: ClassVar[bool] = False
    __slots__ = (
        "bytes",
        "dropped",
        "high_water",
        "items",
        "lane",
        "largest",
        "merged",
        "probe",
        "reader",
        "sizes",
    )

    def __init__(self, reader: SubscriptionReader, lane: BufferedLane) -> None:
        self.reader = reader
        self.lane = lane
        self.items: deque[Any] = EMPTY
        """The items; a subclass may add entries that only its ``get`` understands."""
        self.sizes: deque[int] = EMPTY
        """Their sizes, in a queue of their own: pairs would keep the garbage collector busy."""
        self.bytes: int = 0
        self.largest = 0
        self.merged = self.dropped = self.high_water = 0
        self.probe: DeliveryProbe | None = None

    def _make_queue(self) -> deque[Any]:
        """Make the queues, which an idle subscription does without."""
        self.items, self.sizes = deque(), deque()
        return self.items

    def put(self, item: Item, size: int) -> None:
        """Add an item that counts ``size`` bytes. Called by the lane only."""
        items = self.items
        if items is EMPTY:
            items = self._make_queue()
        items.append(item)
        self.sizes.append(size)
        self.bytes += size
        if size > self.largest:
            self.largest = size
        if self.reader.waiting is not None:
            self.reader.wake()

    def put_all(self, items: Sequence[Item], size: int) -> None:
        """Add items of ``size`` bytes each."""
        for item in items:
            self.put(item, size)

    def get(self) -> Item:
        """Remove and return the next item. ``items`` must not be empty."""
        items = self.items
        if len(items) > self.high_water:
            self.high_water = len(items)
        item: Item = items.popleft()
        self.bytes -= self.sizes.popleft()
        if not items:
            self.largest = 0
        return item

    def room(self, size: int) -> int:
        """Return how many items of ``size`` bytes in total fit before the lane is blocked.

        1 if that depends on the item. For buffers that may block.
        """
        raise NotImplementedError

    @property
    def blocking(self) -> bool:
        """Whether the lane waits for room in this buffer."""
        return False

    def clear(self) -> None:
        """Drop every item."""
        self.items.clear()
        self.sizes.clear()
        self.bytes = self.largest = 0

    def over(self, size: int) -> bool:
        """Whether ``size`` more bytes exceed the bound, not counting the largest item."""
        return self.bytes + size - max(size, self.largest) > MAX_BYTES
