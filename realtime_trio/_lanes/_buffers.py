"""A subscription's side of a lane: one queue a lane, filled by the lane's task.

Two tasks meet here and neither waits for the other: the lane's task calls ``put``, which
takes the item at once whatever the rule, and the subscriber's task calls ``get`` while
``items`` is not empty. A rule is a subclass. What it may not do is raise, call the
application, or forget an item without counting it.
"""

from __future__ import annotations

from collections import deque
from typing import ClassVar, Protocol

from .._core._audio_format import DEFAULT_FORMAT
from .._core._notifications import AudioOutput, MessageStreaming
from .._core._shell_notifications import AudioGap, Lagged
from ..events import Lane
from ._overflow import MAX_BYTES, MAX_ITEMS, Block, Coalesce, DropOldest, Overflow
from ._reader import Item, Mailbox

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
    """What one lane has for one subscription. This base keeps everything, without a bound.

    ``holds`` tells whether a queue of this kind may hold its lane.
    """

    holds: ClassVar[bool] = False
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

    def room(self, size: int) -> int:
        """How many items, of together ``size`` bytes, can come before the lane is held.

        1 where that depends on the item. Meant for queues that hold.
        """
        raise NotImplementedError

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


class _Run:
    """Neighbouring deltas of one message, as pieces that are joined when they are received.

    256 pieces at a time become one block, so that a piece of one character does not go on
    taking the memory of an object of its own. Each character is copied twice in all.
    """

    __slots__ = ("_blocks", "_pieces", "size")

    def __init__(self, first: str, size: int) -> None:
        self._blocks: list[str] = []
        self._pieces = [first]
        self.size = size

    def append(self, delta: str) -> None:
        self._pieces.append(delta)
        self.size += len(delta)
        if len(self._pieces) >= _BLOCK:
            self._blocks.append("".join(self._pieces))
            self._pieces.clear()

    def join(self) -> str:
        return "".join([*self._blocks, *self._pieces])


class CoalesceQueue(Queue):
    """Merges neighbouring deltas of one message; past its bound the subscription ends.

    An entry of size -1 is the first delta of a run; its pieces are the next of ``_runs``.
    """

    __slots__ = ("_max_items", "_run", "_runs", "_tail")

    def __init__(self, mailbox: Mailbox, lane: Holder, rule: Coalesce) -> None:
        super().__init__(mailbox, lane)
        self._max_items = rule.max_items
        self._runs: deque[_Run] = deque()
        # The delta that came last, if nothing came after it and it is still here; and the
        # run that it began.
        self._tail: MessageStreaming | None = None
        self._run: _Run | None = None

    def put(self, item: Item, size: int) -> None:
        """Take an item, or lag."""
        items = self.items
        if type(item) is MessageStreaming:
            tail = self._tail
            if (
                tail is not None
                and tail.message_id == item.message_id
                and tail.session_id == item.session_id
                and tail.role == item.role
            ):
                delta = item.delta
                size = len(delta)
                if self.bytes + size <= MAX_BYTES or not self.over(size):
                    run = self._run
                    if run is None:
                        run = self._begin_run(tail)
                    run.append(delta)
                    if run.size > self.largest:
                        self.largest = run.size
                    self.bytes += size
                    self.merged += 1
                else:
                    self._lag()
                return
            self._tail = item
            self._run = None
        else:
            self._tail = None
        if len(items) >= self._max_items or (self.bytes + size > MAX_BYTES and self.over(size)):
            self._lag()
            return
        items.append((item, size))
        self.bytes += size
        if size > self.largest:
            self.largest = size
        if self.mailbox.reader is not None:
            self.mailbox.wake()

    def _begin_run(self, tail: MessageStreaming) -> _Run:
        """Make a run of the item that came last."""
        run = self._run = _Run(tail.delta, self.items[-1][1])
        self._runs.append(run)
        self.items[-1] = (tail, -1)
        return run

    def _lag(self) -> None:
        self._tail = None
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
        item, size = items.popleft()
        if not items:
            self.largest = 0
            self._tail = None
        if size >= 0:
            self.bytes -= size
            return item
        run = self._runs.popleft()
        self.bytes -= run.size
        assert isinstance(item, MessageStreaming)
        return MessageStreaming(
            session_id=item.session_id,
            message_id=item.message_id,
            role=item.role,
            delta=run.join(),
        )

    def clear(self) -> None:
        """Forget every item."""
        super().clear()
        self._runs.clear()
        self._tail = None


class BlockQueue(Queue):
    """Holds its lane while an item does not fit.

    The items of one event that do not fit lie in ``_spill``, as the item of a blocked
    ``send`` lies beside a memory channel.
    """

    holds = True
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
        items = self.items
        if len(items) > self.high_water:
            self.high_water = len(items)
        item, size = items.popleft()
        self.bytes -= size
        if not items:
            self.largest = 0
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

    def room(self, size: int) -> int:
        """How many items, of together ``size`` bytes, can come before the lane is held."""
        if self._spill or self.bytes + size > MAX_BYTES:
            return 1
        return self._max_items - len(self.items)

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
