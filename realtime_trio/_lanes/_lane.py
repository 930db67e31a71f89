"""A lane: a queue of events, one task, one slice (design.md, "Lanes and slices").

The receive task puts events in and lets deltas join; the lane's task takes them out in
batches, folds each into the slice and gives what follows to the subscriptions (``_handling``).
All of a batch happens without a checkpoint in between, so nothing else runs meanwhile:
whatever is to be true for others is made true at a batch's end.

Rule 1. Nothing that an application does can make :meth:`put` wait or fail.
Rule 2. A lane begins a batch only while no lane above it is *ready*: has events and is not
        held. After it has given way eight times it takes one batch all the same.
Rule 3. A lane is *held* while an item does not fit a ``Block`` subscription of its own. It
        stands still then, its events wait, and the lanes below do not wait for it.
Rule 4. A lane at its bound frees the subscriptions that hold it, so that whoever waits for
        room waits for handlers alone.
Rule 5. A lane that drains is never held: what is left is bounded by the lane's bound.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import trio

from .._config import LaneBounds
from .._core._fast_decoder import Delta, Incoming
from .._handlers import LaneFold
from ..events import Lane
from ._buffers import Queue
from ._coalescing import HEAVY, Entry, Run
from ._dispatcher import Handling
from ._statistics import LaneStatistics, Rate, Sampler

__all__ = ["LaneFull", "LaneTask"]

GIVE_WAY = 8
LEVELS = (50, 80, 95)  # percent of a bound at which pressure is announced
RELIEF = 40  # percent below which it is taken back


class LaneFull(trio.WouldBlock):
    """A lane is at its bound, for this event and its frame."""

    def __init__(self, lane: LaneTask, event: Incoming, frame: str | bytes) -> None:
        super().__init__(f"the {lane.lane.name.lower()} lane is at its bound")
        self.lane, self.event, self.frame = lane, event, frame


class LaneTask:
    """One lane. ``above`` are the lanes that go first."""

    __slots__ = (
        "_above",
        "_ahead",
        "_apart",
        "_batch_size",
        "_burst",
        "_coalesced",
        "_hand",
        "_handling_times",
        "_high_water",
        "_holders",
        "_joins",
        "_level",
        "_pressed",
        "_progress",
        "_rate",
        "_receive",
        "_released",
        "_room",
        "_run",
        "_send",
        "_since",
        "_wait_times",
        "bounds",
        "bytes",
        "calm_bytes",
        "calm_items",
        "depth",
        "draining",
        "dropped",
        "fold",
        "handling",
        "lagged",
        "lane",
    )

    def __init__(
        self,
        fold: LaneFold[Any],
        bounds: LaneBounds,
        *,
        batch_size: int,
        coalesce: bool,
        above: Sequence[LaneTask],
        pressed: Callable[[LaneTask, int], None],
        progress: Callable[[], None],
    ) -> None:
        self.fold = fold
        self.lane: Lane = fold.lane
        self.bounds = bounds
        self.depth = self.bytes = 0  # what is put and not handled yet
        self.handling = Handling(fold, batch_size)
        self.dropped = self.lagged = 0
        self.draining = False
        self._batch_size = batch_size
        # Deltas live in the text lane. What is told apart is as much as that many events.
        self._joins = self.lane is Lane.TEXT
        self._apart = 0 if coalesce else batch_size
        self._above = above
        self._pressed = pressed
        self._progress = progress
        # Carries bursts of events. Until the lane's task takes the newest burst, put() goes
        # on adding to it: so sending is paid once a batch and not for each event. The channel
        # has no bound of its own. The lane's is in items and bytes, see is_full(), and an event
        # of the library's own (the link broke) is taken beyond it.
        self._send, self._receive = trio.open_memory_channel[list[Entry]](math.inf)
        self._burst: list[Entry] | None = None
        self._run: Run | None = None  # what its last entry stands for, if others may join it
        self._hand: list[Entry] = []  # taken out of the channel, the next one last
        self._holders: set[Queue] = set()
        self._released = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()
        self._level = 0
        self._alarm()
        self._high_water = self._coalesced = 0
        self._ahead = 0  # events up to the one whose waiting is timed, that one included
        self._since = 0.0
        self._wait_times, self._handling_times = Sampler(), Sampler()
        self._rate = Rate(time.perf_counter())

    # --- the receive task's side ----------------------------------------------------------

    def join(self, frame: str, at: float) -> Delta | None:
        """Take a frame if it can join the delta before it, and the lane is calm.

        Calm is neither full nor about to pass a level. Gives the delta that it joins.
        """
        run = self._run
        if run is None:
            return None
        depth, size = self.depth, len(frame)
        if depth < self.calm_items and self.bytes + size < self.calm_bytes and run.join(frame, at):
            self.depth = depth + 1
            self.bytes += size
            return run.first
        return None

    def offer(self, event: Incoming, frame: str | bytes, at: float) -> bool:
        """Take an event if the lane is calm; tells whether it was taken."""
        if self.depth >= self.calm_items or self.bytes + len(frame) >= self.calm_bytes:
            return False
        self.put(event, frame, at)
        return True

    def put(self, event: Incoming, frame: str | bytes, at: float) -> None:
        """Take an event, whatever there is already; see :meth:`press`."""
        size = len(frame)
        self.depth += 1
        self.bytes += size
        if self._run is not None:
            self._seal()
        burst = self._burst
        if burst is None or len(burst) >= self._batch_size:
            burst = self._begin_burst()
        burst.append((event, at, size, 1, None))
        if self._joins:
            self._run = Run.begin(event, frame, at, apart=self._apart)

    def _begin_burst(self) -> list[Entry]:
        if not self._ahead:
            self._ahead = self.depth
            self._since = time.perf_counter()
        burst = self._burst = []
        self._send.send_nowait(burst)
        return burst

    def _seal(self) -> None:
        """Nothing can join the last entry of the newest burst any more."""
        run, self._run = self._run, None
        if run is not None and len(run) > 1:
            assert self._burst is not None
            entry = self._burst[-1] = run.entry()
            if not self._apart:
                self._coalesced += entry[3] - 1

    def press(self, size: int) -> None:
        """Announce that one event more, of ``size`` bytes, passes a level.

        To be called ahead of :meth:`put` where ``depth`` has come to ``calm_items``, or
        ``bytes + size`` to ``calm_bytes``; short of both, the lane is not full either.
        """
        bounds = self.bounds
        reached = self._level
        for level in LEVELS:
            items, most = bounds.max_items * level / 100, bounds.max_bytes * level / 100
            if self.depth + 1 >= items or self.bytes + size >= most:
                reached = level
        if reached > self._level:
            self._level = reached
            self._alarm()
            self._pressed(self, reached)

    def is_full(self, size: int) -> bool:
        """Whether an event of ``size`` bytes has to wait. An empty lane takes any."""
        if self.depth >= self.bounds.max_items:
            return True
        return self.depth > 0 and self.bytes + size > self.bounds.max_bytes

    def free(self) -> None:
        """End the subscriptions that hold this lane: it is at its bound."""
        for queue in tuple(self._holders):
            self.lagged += 1
            queue.mailbox.lag(
                f"the {self.lane.name.lower()} lane reached its bound while this subscription "
                f"held it: {self.depth} events of {self.bytes} bytes wait"
            )

    async def room(self) -> None:
        """Wait until the lane has handled something, or something holds it."""
        await self._room.park()

    def close(self) -> None:
        """Nothing more will be put: what is there is handled, and the task ends."""
        self.draining = True
        self._seal()
        self._send.close()
        self._holders.clear()
        self._released.unpark_all()
        self._room.unpark_all()

    # --- subscriptions --------------------------------------------------------------------

    def hold(self, queue: Queue) -> None:
        """Stand still until ``queue`` has room (rule 3)."""
        if not self.draining:
            self._holders.add(queue)

    def release(self, queue: Queue) -> None:
        """``queue`` has room again or is gone."""
        if queue in self._holders:
            self._holders.remove(queue)
            if not self._holders:
                self._released.unpark_all()

    # --- the lane's own task --------------------------------------------------------------

    async def run(self) -> None:
        """Handle events until the lane is closed and empty."""
        while True:
            if not self.depth:
                try:
                    self._take(await self._receive.receive())
                except trio.EndOfChannel:
                    return
            await self._give_way()
            heavy = self._batch()
            if self._holders:
                self._room.unpark_all()
                await self._released.park()
            elif self.depth:
                await trio.lowlevel.checkpoint()
            if heavy:
                # Subscribers wake in the next round, in any order with this task. After
                # something large each that keeps up has emptied its queue before more comes.
                await trio.lowlevel.checkpoint()

    def _take(self, burst: list[Entry]) -> None:
        """Make a burst the hand; the next event begins another."""
        if burst is self._burst:
            self._seal()
            self._burst = None
        burst.reverse()
        self._hand = burst

    async def _give_way(self) -> None:
        """Let the lanes above go first while one has something and is not held (rule 2)."""
        for _ in range(GIVE_WAY):
            for lane in self._above:
                if lane.depth and not lane._holders:
                    break
            else:
                return
            await trio.lowlevel.checkpoint()

    def _batch(self) -> bool:
        """Handle a batch. Tells whether it was a large one."""
        if self.depth > self._high_water:
            self._high_water = self.depth
        if not self._hand:
            self._take(self._receive.receive_nowait())
        began = time.perf_counter()
        handled, size = self.handling.handle(self._hand, self._holders)
        self.depth -= handled
        self.bytes -= size
        now = time.perf_counter()
        self._handling_times.add((now - began) / handled)
        self._rate.mark(now, self.fold.handled)
        if self._ahead:
            if handled >= self._ahead:
                self._wait_times.add(began - self._since)
                self._ahead = 0
            else:
                self._ahead -= handled
        if self._level:
            self._relieve()
        if self._room:
            self._room.unpark_all()
        self._progress()
        return size > HEAVY

    # --- how full it is -------------------------------------------------------------------

    def _fill(self) -> float:
        """Percent of the bound."""
        return 100 * max(self.depth / self.bounds.max_items, self.bytes / self.bounds.max_bytes)

    def _alarm(self) -> None:
        """Set what makes the next level, or fills the lane."""
        share = min((level for level in LEVELS if level > self._level), default=100) / 100
        self.calm_items = self.bounds.max_items * share - 1
        self.calm_bytes = self.bounds.max_bytes * share

    def _relieve(self) -> None:
        if self._fill() < RELIEF:
            self._level = 0
            self._alarm()
            self._pressed(self, 0)

    @classmethod
    def total(cls, lanes: Sequence[LaneTask]) -> LaneStatistics:
        """All lanes together: an event that concerns several counts once."""
        each = [lane.statistics() for lane in lanes]
        first, *others = lanes
        summed = {
            name: sum(getattr(one, name) for one in each)
            for name in (field.name for field in attrs.fields(LaneStatistics))
            if name not in ("lane", "events", "waiting", "handling")
        }
        return LaneStatistics(
            lane=None,
            events=sum(lane.fold.events for lane in lanes),
            waiting=first._wait_times.timing(*(lane._wait_times for lane in others)),
            handling=first._handling_times.timing(*(lane._handling_times for lane in others)),
            **summed,
        )

    def statistics(self) -> LaneStatistics:
        """How the lane does."""
        fold = self.fold
        return LaneStatistics(
            lane=self.lane,
            events=fold.handled,
            rate=self._rate.of(time.perf_counter(), fold.handled),
            depth=self.depth,
            bytes=self.bytes,
            high_water=max(self._high_water, self.depth),
            max_items=self.bounds.max_items,
            max_bytes=self.bounds.max_bytes,
            waiting=self._wait_times.timing(),
            handling=self._handling_times.timing(),
            coalesced=self._coalesced,
            dropped=self.dropped,
            lagged=self.lagged,
            unknown=fold.unknown,
            malformed=fold.malformed,
            tolerated=fold.tolerated,
            duplicates=fold.duplicates,
            handler_errors=fold.handler_errors,
            subscriptions=len(self.handling.routes),
        )
