"""A subscription's side of a lane: one queue a lane, filled by the lane's task.

Two tasks meet here and neither waits for the other: the lane's task calls ``put``, which
takes the item at once whatever the rule, and the subscriber's task calls ``get`` while
``items`` is not empty. A rule is a subclass. What it may not do is raise, call the
application, or forget an item without counting it.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from .._core._audio import DEFAULT_FORMAT
from .._core._notifications import (
    AudioGap,
    AudioOutput,
    Lagged,
    MessageStreaming,
    streaming,
)
from ..events import Lane
from ._mailbox import Item, Mailbox
from ._overflow import MAX_BYTES, MAX_ITEMS, Block, Coalesce, DropOldest, Overflow

__all__ = ["Holder", "Queue", "make_queue"]

_BLOCK = 256


class Holder(Protocol):
    """What a queue needs to know of its lane."""

    lane: Lane
    dropped: int
    lagged: int

    def hold(self, queue: Queue) -> None:
        """Handle nothing more until the queue has room."""

    def release(self, queue: Queue) -> None:
        """The queue has room again, or is gone."""


class Queue:
    """What one lane has for one subscription. This base keeps everything, without a bound."""

    __slots__ = ("bytes", "dropped", "high_water", "items", "lane", "largest", "mailbox", "merged")

    def __init__(self, mailbox: Mailbox, lane: Holder) -> None:
        self.mailbox = mailbox
        self.lane = lane
        self.items: deque[tuple[Item, int]] = deque()
        self.bytes: int = 0
        self.largest = 0
        self.merged = self.dropped = self.high_water = 0

    def put(self, item: Item, size: int) -> None:
        """Take an item that stands for ``size`` bytes. Called by the lane's task only."""
        self.items.append((item, size))
        self.bytes += size
        if size > self.largest:
            self.largest = size
        if self.mailbox.reader is not None:
            self.mailbox.wake()

    def get(self) -> Item:
        """Give the next item. ``items`` must not be empty."""
        items = self.items
        if len(items) > self.high_water:
            self.high_water = len(items)
        item, size = items.popleft()
        self.bytes -= size
        if not items:
            self.largest = 0
        return item

    @property
    def blocking(self) -> bool:
        """Whether the lane waits for room here."""
        return False

    def clear(self) -> None:
        """Forget every item."""
        self.items.clear()
        self.bytes = self.largest = 0

    def over(self, size: int) -> bool:
        """Whether ``size`` bytes more would be too much, the largest item not counted."""
        return self.bytes + size - max(size, self.largest) > MAX_BYTES


class CoalesceQueue(Queue):
    """Merges neighbouring deltas of one message; past its bound the subscription ends.

    What the last delta says lies in ``_pieces`` as long as others may join it, and is joined
    when it is received or when something else comes after it. An entry of size -1 stands for
    a run: the next text of ``_runs``, or the pieces. 256 pieces at a time become one, so that
    a piece of one character does not go on taking the memory of an object of its own; each
    character is copied three times in all.
    """

    __slots__ = ("_blocks", "_max_items", "_pieces", "_runs", "_tail", "_tail_size")

    def __init__(self, mailbox: Mailbox, lane: Holder, rule: Coalesce) -> None:
        super().__init__(mailbox, lane)
        self._max_items = rule.max_items
        # The message whose delta came last, if nothing came after it and it is still here.
        self._tail: str | None = None
        self._tail_size = 0
        self._pieces: list[str] = []
        self._blocks: list[str] = []
        self._runs: deque[tuple[str, int]] = deque()

    def put(self, item: Item, size: int) -> None:
        """Take an item, or lag. Nine of ten join the one before, which is the fast path.

        A message's id is its own in all sessions, so it alone tells what belongs together.
        """
        if type(item) is MessageStreaming:
            if item.message_id == self._tail:
                delta = item.delta
                size = len(delta)
                if self.bytes + size > MAX_BYTES and self.over(size):
                    self._lag()
                    return
                self.bytes += size
                self._tail_size += size
                self.merged += 1
                pieces = self._pieces
                pieces.append(delta)
                if len(pieces) >= _BLOCK:
                    self._blocks.append("".join(pieces))
                    pieces.clear()
                return
            self._seal()
            tail: str | None = item.message_id
        else:
            self._seal()
            tail = None
        items = self.items
        if len(items) >= self._max_items or (self.bytes + size > MAX_BYTES and self.over(size)):
            self._lag()
            return
        self._tail = tail
        self._tail_size = size
        items.append((item, size))
        self.bytes += size
        if size > self.largest:
            self.largest = size
        if self.mailbox.reader is not None:
            self.mailbox.wake()

    def _seal(self) -> None:
        """Nothing can join the last delta any more."""
        if self._pieces or self._blocks:
            first, _ = self.items[-1]
            self.items[-1] = (first, -1)
            self._runs.append((self._take_run(), self._tail_size))
            self.largest = max(self.largest, self._tail_size)
        self._tail = None
        self._tail_size = 0

    def _take_run(self) -> str:
        """What joined the last delta."""
        run = "".join([*self._blocks, *self._pieces])
        self._blocks.clear()
        self._pieces.clear()
        return run

    def over(self, size: int) -> bool:
        """Whether ``size`` bytes more would be too much, the run that grows counted as one."""
        self.largest = max(self.largest, self._tail_size)
        return super().over(size)

    def _lag(self) -> None:
        self._seal()
        self.lane.lagged += 1
        self.mailbox.lag(
            f"the subscriber did not keep up: {len(self.items)} items of {self.bytes} bytes wait "
            f"(bounds: {self._max_items} items, {MAX_BYTES} bytes)"
        )

    def get(self) -> Item:
        """Give the next item, a run as one."""
        items = self.items
        if len(items) > self.high_water:
            self.high_water = len(items)
        if len(items) == 1:
            self._seal()
        item, size = items.popleft()
        if not items:
            self.largest = 0
        if size >= 0:
            self.bytes -= size
            return item
        run, size = self._runs.popleft()
        self.bytes -= size
        assert isinstance(item, MessageStreaming)
        return streaming(item.session_id, item.message_id, item.role, item.delta + run)

    def clear(self) -> None:
        """Forget every item."""
        super().clear()
        self._take_run()
        self._runs.clear()
        self._tail = None
        self._tail_size = 0


class BlockQueue(Queue):
    """Holds its lane while an item does not fit.

    The items of one event that do not fit lie in ``_spill``, as the item of a blocked
    ``send`` lies beside a memory channel.
    """

    __slots__ = ("_max_items", "_spill")

    def __init__(self, mailbox: Mailbox, lane: Holder, rule: Block) -> None:
        super().__init__(mailbox, lane)
        self._max_items = rule.max_items
        self._spill: deque[tuple[Item, int]] = deque()

    def put(self, item: Item, size: int) -> None:
        """Take an item, and hold the lane where it does not fit."""
        items = self.items
        if self._spill or (
            len(items) >= self._max_items or (self.bytes + size > MAX_BYTES and self.over(size))
        ):
            self._spill.append((item, size))
            self.lane.hold(self)
            return
        items.append((item, size))
        self.bytes += size
        if size > self.largest:
            self.largest = size
        if self.mailbox.reader is not None:
            self.mailbox.wake()

    def get(self) -> Item:
        """Give the next item, and let the lane go on where there is room again."""
        item = super().get()
        if self._spill:
            self._settle()
        return item

    def _settle(self) -> None:
        """Move what has room now."""
        waiting, self._spill = self._spill, deque()
        while waiting and not self._spill:
            self.put(*waiting.popleft())
        self._spill.extend(waiting)
        if not self._spill:
            self.lane.release(self)

    @property
    def blocking(self) -> bool:
        """Whether the lane waits for room here."""
        return bool(self._spill)

    def clear(self) -> None:
        """Forget every item."""
        self._spill.clear()
        super().clear()


class DropQueue(Queue):
    """Drops from the front; the gap is told before the item that comes after it."""

    __slots__ = ("_gap", "_gap_bytes", "_gap_frames", "_length", "_max_items", "_max_length")

    def __init__(self, mailbox: Mailbox, lane: Holder, rule: DropOldest) -> None:
        super().__init__(mailbox, lane)
        self._max_items = rule.max_items or MAX_ITEMS
        self._max_length = _whole(rule.seconds) if rule.seconds is not None else None
        self._length = 0
        self._gap = self._gap_frames = self._gap_bytes = 0

    def put(self, item: Item, size: int) -> None:
        """Take an item and drop what is too much."""
        self._length += _length(item)
        super().put(item, size)
        while len(self.items) > 1 and self._full():
            self._drop()

    def _full(self) -> bool:
        if self._max_length is not None and self._length > self._max_length:
            return True
        return len(self.items) > self._max_items or (self.bytes > MAX_BYTES and self.over(0))

    def _drop(self) -> None:
        item, size = self.items.popleft()
        self.bytes -= size
        self._length -= _length(item)
        self._gap += 1
        self.dropped += 1
        self.lane.dropped += 1
        if isinstance(item, AudioOutput):
            self._gap_frames += 1
            self._gap_bytes += len(item.data)

    def get(self) -> Item:
        """Give what is to be told of the gap, or the next item."""
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
        """Forget every item, and the gap before them."""
        super().clear()
        self._length = self._gap = self._gap_frames = self._gap_bytes = 0


class LatestQueue(Queue):
    """Holds one item."""

    __slots__ = ()

    def put(self, item: Item, size: int) -> None:
        """Take an item in the place of the one before."""
        if self.items:
            self.clear()
            self.dropped += 1
            self.lane.dropped += 1
        super().put(item, size)


def _whole(seconds: float) -> int:
    """Microseconds: whole numbers, so that sums of lengths stay exact."""
    return round(seconds * 1_000_000)


def _length(item: Item) -> int:
    """How long an item plays; without a format of its own, by the protocol's default."""
    if not isinstance(item, AudioOutput):
        return 0
    return _whole((item.format or DEFAULT_FORMAT).seconds_of(len(item.data)))


def make_queue(mailbox: Mailbox, lane: Holder, rule: Overflow) -> Queue:
    """The queue of a rule."""
    if isinstance(rule, Coalesce):
        return CoalesceQueue(mailbox, lane, rule)
    if isinstance(rule, Block):
        return BlockQueue(mailbox, lane, rule)
    if isinstance(rule, DropOldest):
        return DropQueue(mailbox, lane, rule)
    return LatestQueue(mailbox, lane)
