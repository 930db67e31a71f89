"""A subscription's buffers: one for each of its lanes, filled by the lane.

Two tasks meet here and neither waits for the other: the lane calls ``put``, which accepts the
item immediately under any overflow rule, and the subscriber's task calls ``get`` while
``items`` is not empty. Each rule is a subclass. A buffer never raises, never calls the
application, and never drops an item without counting it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, final

from .._core._audio_format import DEFAULT_FORMAT
from .._core._constructors import streaming
from .._core._notifications import AudioOutput, MessageStreaming
from .._core._shell_notifications import AudioGap, Lagged
from .._idle import EMPTY
from ._buffer import Buffer, BufferedLane
from ._coalescing import Run, StreamingCoalescer
from ._overflow import MAX_BYTES, MAX_ITEMS, Block, Coalesce, DropOldest, Overflow
from ._reader import Item, SubscriptionReader

__all__ = ["make_buffer"]


@final
class CoalesceBuffer(Buffer):
    """Coalesces the deltas of one message; beyond its bound the subscription is evicted."""

    __slots__ = ("_coalescer", "_max_items")

    def __init__(self, reader: SubscriptionReader, lane: BufferedLane, rule: Coalesce) -> None:
        super().__init__(reader, lane)
        self._max_items = rule.max_items
        self._coalescer = StreamingCoalescer()

    def _make_queue(self) -> deque[Any]:
        self._coalescer.entries = super()._make_queue()
        self._coalescer.sizes = self.sizes
        return self.items

    def put(self, item: Item, size: int) -> None:
        """Add an item, or evict the subscription."""
        items = self.items
        if items is EMPTY:
            items = self._make_queue()
        coalescer = self._coalescer
        if type(item) is MessageStreaming:
            run = coalescer.run_of(item) if items else None
            if run is not None:
                self._extend(run, item.delta)
                return
            coalescer.begin(item)
        else:
            coalescer.seal()
        if len(items) >= self._max_items or (self.bytes + size > MAX_BYTES and self.over(size)):
            self._evict()
            return
        items.append(item)
        self.sizes.append(size)
        self.bytes += size
        if size > self.largest:
            self.largest = size
        if self.reader.waiting is not None:
            self.reader.wake()

    def _extend(self, run: Run[Item], text: str) -> None:
        size = len(text)
        if self.bytes + size > MAX_BYTES and self.over(size):
            self._evict()
            return
        run.append(text, size)
        if run.size > self.largest:
            self.largest = run.size
        self.bytes += size
        self.merged += 1

    def _evict(self) -> None:
        self._coalescer.seal()
        self.lane.lagged += 1
        self.reader.evict(
            f"the subscriber did not keep up: {len(self.items)} items of {self.bytes} bytes wait "
            f"(bounds: {self._max_items} items, {MAX_BYTES} bytes)"
        )

    def get(self) -> Item:
        """Remove and return the next item; a run becomes one item."""
        items = self.items
        if len(items) > self.high_water:
            self.high_water = len(items)
        entry: Item | Run[Item] = items.popleft()
        size = self.sizes.popleft()
        if not items:
            self.largest = 0
        if not isinstance(entry, Run):
            self.bytes -= size
            return entry
        first = entry.entry
        assert isinstance(first, MessageStreaming)
        self.bytes -= entry.size
        return streaming(first.session_id, first.message_id, first.role, entry.text())

    def clear(self) -> None:
        """Drop every item."""
        super().clear()
        self._coalescer.seal()


@final
class BlockBuffer(Buffer):
    """Blocks its lane while an item does not fit.

    Items of one event that do not fit wait in ``_spill``, like the item of a blocked
    ``send`` on a memory channel.
    """

    may_block = True
    __slots__ = ("_max_items", "_spill")

    def __init__(self, reader: SubscriptionReader, lane: BufferedLane, rule: Block) -> None:
        super().__init__(reader, lane)
        self._max_items = rule.max_items
        self._spill: deque[tuple[Item, int]] = EMPTY

    def put(self, item: Item, size: int) -> None:
        """Add an item, and block the lane if it does not fit."""
        items = self.items
        if items is EMPTY:
            items = self._make_queue()
        if self._spill or (
            len(items) >= self._max_items or (self.bytes + size > MAX_BYTES and self.over(size))
        ):
            if not self._spill:
                self._spill = deque()
            self._spill.append((item, size))
            self.lane.block(self)
            return
        items.append(item)
        self.sizes.append(size)
        self.bytes += size
        if size > self.largest:
            self.largest = size
        if self.reader.waiting is not None:
            self.reader.wake()

    def put_all(self, items: Sequence[Item], size: int) -> None:
        """Add items of ``size`` bytes each, all at once if they fit."""
        count = len(items)
        if not 1 < count <= self.room(count * size):
            super().put_all(items, size)
            return
        if self.items is EMPTY:
            self._make_queue()
        self.items.extend(items)
        self.sizes.extend([size] * count)
        self.bytes += count * size
        if size > self.largest:
            self.largest = size
        if self.reader.waiting is not None:
            self.reader.wake()

    def get(self) -> Item:
        """Remove and return the next item, and unblock the lane if there is room again."""
        items = self.items
        if len(items) > self.high_water:
            self.high_water = len(items)
        item: Item = items.popleft()
        self.bytes -= self.sizes.popleft()
        if not items:
            self.largest = 0
        if self._spill:
            self._settle()
        return item

    def _settle(self) -> None:
        """Move only what fits now, and touch nothing else: one event may have spilt thousands."""
        spill = self._spill
        while spill and len(self.items) < self._max_items:
            size = spill[0][1]
            if self.bytes + size > MAX_BYTES and self.over(size):
                return
            super().put(*spill.popleft())
        if not spill:
            self.lane.unblock(self)

    def room(self, size: int) -> int:
        """Return how many items of ``size`` bytes in total fit before the lane is blocked."""
        if self._spill or self.bytes + size > MAX_BYTES:
            return 1
        return self._max_items - len(self.items)

    @property
    def blocking(self) -> bool:
        """Whether the lane waits for room in this buffer."""
        return bool(self._spill)

    def clear(self) -> None:
        """Drop every item."""
        self._spill = EMPTY
        super().clear()


@final
class DropOldestBuffer(Buffer):
    """Drops from the front; the gap is delivered before the item that follows it."""

    __slots__ = ("_gap", "_gap_bytes", "_gap_frames", "_length", "_max_items", "_max_length")

    def __init__(self, reader: SubscriptionReader, lane: BufferedLane, rule: DropOldest) -> None:
        super().__init__(reader, lane)
        self._max_items = rule.max_items or MAX_ITEMS
        self._max_length = _whole(rule.seconds) if rule.seconds is not None else None
        self._length = 0
        self._gap = self._gap_frames = self._gap_bytes = 0

    def put(self, item: Item, size: int) -> None:
        """Add an item and drop the oldest ones beyond the bound."""
        self._length += _length(item)
        super().put(item, size)
        while len(self.items) > 1 and self._full():
            self._drop()

    def _full(self) -> bool:
        if self._max_length is not None and self._length > self._max_length:
            return True
        return len(self.items) > self._max_items or (self.bytes > MAX_BYTES and self.over(0))

    def _drop(self) -> None:
        item: Item = self.items.popleft()
        self.bytes -= self.sizes.popleft()
        self._length -= _length(item)
        self._gap += 1
        self.dropped += 1
        self.lane.dropped += 1
        if isinstance(item, AudioOutput):
            self._gap_frames += 1
            self._gap_bytes += len(item.data)

    def get(self) -> Item:
        """Return the gap, or the next item."""
        if self._gap:
            gap, self._gap = self._gap, 0
            return Lagged(count=gap)
        if self._gap_frames:
            gone = AudioGap(frames=self._gap_frames, bytes=self._gap_bytes)
            self._gap_frames = self._gap_bytes = 0
            return gone
        item = super().get()
        self._length -= _length(item)
        return item

    def clear(self) -> None:
        """Drop every item, and the gap before them."""
        super().clear()
        self._length = self._gap = self._gap_frames = self._gap_bytes = 0


@final
class LatestBuffer(Buffer):
    """Holds one item."""

    __slots__ = ()

    def put(self, item: Item, size: int) -> None:
        """Replace the buffered item."""
        if self.items:
            self.clear()
            self.dropped += 1
            self.lane.dropped += 1
            self.lane.replaced += 1
        super().put(item, size)


def _whole(seconds: float) -> int:
    """Return microseconds: whole numbers, so that sums of lengths stay exact."""
    return round(seconds * 1_000_000)


def _length(item: Item) -> int:
    """Return how long an item plays; without its own format, in the protocol's default."""
    if not isinstance(item, AudioOutput):
        return 0
    return _whole((item.format or DEFAULT_FORMAT).seconds_of(len(item.data)))


def make_buffer(reader: SubscriptionReader, lane: BufferedLane, rule: Overflow) -> Buffer:
    """Create the buffer of an overflow rule."""
    if isinstance(rule, Coalesce):
        return CoalesceBuffer(reader, lane, rule)
    if isinstance(rule, Block):
        return BlockBuffer(reader, lane, rule)
    if isinstance(rule, DropOldest):
        return DropOldestBuffer(reader, lane, rule)
    return LatestBuffer(reader, lane)
