"""A lane: a queue of entries, one slice, and the step that folds them (design.md, "Lanes").

The receive task puts decoded events in; neighbouring deltas coalesce there (``_coalescing``).
A step takes a batch out, folds it into the slice and dispatches what follows (``_dispatcher``).
A step has no checkpoint, so nothing else runs meanwhile: every invariant holds again at its end.
The lane's task makes the steps. While it is idle, the receive task may make one in its place
(:meth:`LaneTask.step_in_place`): the same code on the same entries in the same order.

Rule 1. Nothing that an application does makes :meth:`LaneTask.put` wait or fail.
Rule 2. A step begins only while no lane above has a *backlog*: entries, and nothing that
        blocks it. After the lane's task has yielded eight times it makes one step anyway.
Rule 3. A lane is *blocked* while an item does not fit one of its own ``Block`` subscriptions.
        Then its entries wait, and the lanes below do not wait for it.
Rule 4. A lane at its bound evicts the subscriptions that block it, so the receive task waits
        for handlers only.
Rule 5. A lane that drains is never blocked: what is left is bounded by the lane's bound.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, final

import trio

from .._config import LaneBounds
from .._core._fast_decoder import Incoming
from .._handlers import LaneFold, has_custom_handlers
from .._idle import TaskSlot, WaitingTasks
from ..events import Lane
from ._buffer import Buffer
from ._coalescing import HEAVY, MAX_RUN, DeltaCoalescer
from ._custom_code import SLOW, log_slow_step
from ._dispatcher import Dispatcher
from ._lane_log import DropLog
from ._meter import LaneMeter, metered
from ._statistics import LaneStatistics, Rate, Sampler, Timing

__all__ = ["LaneFull", "LaneTask"]

MAX_YIELDS: Final = 8
LEVELS: Final = (50, 80, 95)  # percent of a bound at which memory pressure is emitted
RELIEVED_BELOW: Final = 40  # percent below which the pressure ends


class LaneFull(trio.WouldBlock):
    """A lane has no room for this event of ``size`` bytes."""

    def __init__(self, lane: LaneTask, event: Incoming, size: int) -> None:
        super().__init__(f"the {lane.lane.name.lower()} lane is at its bound")
        self.lane, self.event, self.size = lane, event, size


@final
class LaneTask:
    """One lane. ``above`` are the lanes that go first.

    ``next_items`` and ``next_bytes`` are the fill at which the next level of memory pressure
    begins, or the lane is full: below both, :meth:`offer` takes every event.
    """

    __slots__ = (
        "_above",
        "_ahead",
        "_blockers",
        "_drop_log",
        "_dropped_before",
        "_high_water",
        "_level",
        "_on_end",
        "_on_level",
        "_on_step",
        "_rate",
        "_room",
        "_since",
        "backlog",
        "bounds",
        "dispatcher",
        "draining",
        "dropped",
        "fold",
        "handling_times",
        "lagged",
        "lane",
        "meter",
        "next_bytes",
        "next_items",
        "replaced",
        "task",
        "wait_times",
    )

    def __init__(
        self,
        fold: LaneFold[Any],
        bounds: LaneBounds,
        *,
        batch_size: int,
        coalesce: bool,
        above: Sequence[LaneTask],
        on_level: Callable[[LaneTask, int], None],
        on_step: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        self.fold = fold
        self.lane: Lane = fold.lane
        self.bounds = bounds
        self.dispatcher = Dispatcher(fold, batch_size=batch_size, coalesce=coalesce)
        self.dropped = self.lagged = self.replaced = 0
        """``replaced``: how many of the dropped items a newer one replaced (``Latest``)."""
        self._dropped_before = 0
        self._drop_log: DropLog | None = None  # most lanes never need one
        self.draining = False
        # Deltas emitted one by one are folded together if they fit a batch and arrived together.
        self.backlog = DeltaCoalescer(
            max_run=MAX_RUN if coalesce else batch_size, mixed_times=coalesce
        )
        self._above = above
        self._on_level, self._on_step, self._on_end = on_level, on_step, on_end
        self.task = TaskSlot()
        self._blockers: dict[Buffer, None] = {}
        self._room = WaitingTasks()
        self._level = self._high_water = 0
        self._set_next_level()
        self._ahead, self._since = 0, 0.0  # events up to the one that is timed, and its arrival
        self.wait_times, self.handling_times = Sampler(), Sampler()
        self._rate = Rate(time.perf_counter())
        self.meter = LaneMeter(self.lane, self.dispatcher.subscribers)

    # -- the receive task ------------------------------------------------------------------

    def offer(self, event: Incoming, size: int, at: float) -> bool:
        """Take an event if it stays below the next level; return whether it was taken."""
        backlog = self.backlog
        if backlog.depth >= self.next_items or backlog.bytes + size >= self.next_bytes:
            return False
        self.put(event, size, at)
        return True

    def extend(
        self, event: Incoming, size: int, at: float, more: Iterator[tuple[Incoming, int]]
    ) -> tuple[Incoming, int] | None:
        """Take events below the next level for as long as they continue the last one.

        ``event`` is the first of them, ``more`` yields the others, with their sizes. Returns the
        first event that was not taken, ``None`` if there is none.
        """
        return self.backlog.extend(
            event, size, at, more, max_depth=self.next_items, max_bytes=self.next_bytes
        )

    def put(self, event: Incoming, size: int, at: float) -> None:
        """Take an event even beyond the bound; see :meth:`raise_level`."""
        self.backlog.put(event, size, at)
        if not self._ahead:
            self._ahead = self.backlog.depth
            self._since = time.perf_counter()

    def raise_level(self, size: int) -> None:
        """Emit memory pressure if one more event, of ``size`` bytes, reaches a level.

        Call it before :meth:`put` if ``depth`` is at ``next_items``, or ``bytes + size``
        at ``next_bytes``; below both, the lane is not full either.
        """
        bounds = self.bounds
        reached = self._level
        for level in LEVELS:
            items, most = bounds.max_items * level / 100, bounds.max_bytes * level / 100
            if self.backlog.depth + 1 >= items or self.backlog.bytes + size >= most:
                reached = level
        if reached > self._level:
            self._level = reached
            self._set_next_level()
            self._on_level(self, reached)

    def is_full(self, size: int) -> bool:
        """Whether an event of ``size`` bytes has to wait. An empty lane takes any."""
        if self.backlog.depth >= self.bounds.max_items:
            return True
        return self.backlog.depth > 0 and self.backlog.bytes + size > self.bounds.max_bytes

    def evict_blockers(self) -> None:
        """End the subscriptions that block this lane: it is at its bound."""
        for buffer in tuple(self._blockers):
            self.lagged += 1
            buffer.reader.evict(
                f"the {self.lane.name.lower()} lane reached its bound while this subscription "
                f"blocked it: {self.backlog.depth} events of {self.backlog.bytes} bytes wait"
            )

    async def room(self) -> None:
        """Wait until the lane has handled an event, or is blocked."""
        await self._room.park()

    def wake(self) -> None:
        """Wake the lane's task to handle what was put."""
        if self.backlog.entries:
            self.task.activate()

    def step_in_place(self) -> None:
        """Make a step instead of the lane's task, if that is idle; else do nothing.

        Idle means that it waits for entries: all entries were put since then. The lane's task
        handles what the step leaves, and everything if the application has custom handlers
        in this lane: the receive task does not wait for those.
        """
        if self.backlog.entries and self.task.idle:
            if not (self._blockers or self._must_give_way or has_custom_handlers(self.lane)):
                self._step()
            if self.backlog.entries:
                self.task.activate()

    def is_free(self, size: int) -> bool:
        """Whether :meth:`handle_in_place` may handle an event of ``size`` bytes now."""
        for lane in self._above:
            if lane.backlog.entries and not lane._blockers:
                return False
        return not (
            self.backlog.entries
            or not self.task.idle
            or self._blockers
            or size >= self.next_bytes
            or has_custom_handlers(self.lane)
        )

    def handle_in_place(self, event: Incoming, size: int, at: float) -> None:
        """:meth:`put` and :meth:`step_in_place` in one, for an event in a free lane.

        Paced traffic takes this path.
        """
        began = time.perf_counter()
        self.dispatcher.handle(event, size, at)
        now = time.perf_counter()
        self.wait_times.add(0.0)
        self.handling_times.add(now - began)
        if now >= self._rate.due:
            self._rate.mark(now, self.fold.handled)
        if self.meter.recorders:
            self.meter.step(began, began, now, 1)
        if now - began > SLOW:
            log_slow_step(self.lane, began, now, 1)
        if self.dropped != self._dropped_before:
            self._log_dropped(now)
        self._on_step()

    def close(self) -> None:
        """Accept no more events: the rest is handled, then the task ends."""
        self.draining = True
        self._blockers.clear()
        self.task.activate()
        self.task.wake()
        self._room.unpark_all()

    # -- subscriptions ---------------------------------------------------------------------

    def block(self, buffer: Buffer) -> None:
        """Handle no more events until ``buffer`` has room (rule 3)."""
        if not self.draining:
            self._blockers[buffer] = None

    def unblock(self, buffer: Buffer) -> None:
        """Note that ``buffer`` has room again or is gone."""
        if buffer in self._blockers:
            del self._blockers[buffer]
            if not self._blockers and not self.task.idle:
                self.task.wake()

    # -- the steps of the lane -------------------------------------------------------------

    @property
    def _must_give_way(self) -> bool:
        """Whether a lane above goes first: it has entries that it could handle (rule 2)."""
        return any(lane.backlog.entries and not lane._blockers for lane in self._above)

    async def run(self) -> None:
        """Handle events until the lane is closed and empty, or does not need this task."""
        metered.set(self.meter)
        while True:
            if self._blockers:
                await self.task.sleep(idle=False)
            elif not self.backlog.entries:
                if self.draining:
                    if self.dropped:
                        self._log_dropped(math.inf)  # the drops that are not logged yet
                    self._on_end()
                    return
                # Most steps are made in place, unless custom code makes them slow.
                slow = has_custom_handlers(self.lane) or self.dispatcher.subscribers.blocking
                if not slow and self.task.leave():
                    return
                await self.task.sleep(idle=True)
            else:
                await self._yield_to_subscribers()
                await self._step_and_yield()

    async def _step_and_yield(self) -> None:
        heavy = self._step()
        if self._blockers:
            self._room.unpark_all()
        elif self.backlog.entries:
            await trio.lowlevel.checkpoint()
        if heavy:
            # Subscribers wake in the next round, in any order with this task. After a large
            # batch, each one that keeps up has emptied its buffer before more arrives.
            await trio.lowlevel.checkpoint()

    async def _yield_to_subscribers(self) -> None:
        """Wait for the lanes above (rule 2)."""
        for _ in range(MAX_YIELDS):
            if not self._must_give_way:
                return
            await trio.lowlevel.checkpoint()

    def _step(self) -> bool:
        """Handle a batch. Return whether it was a large one."""
        entries = self.backlog.entries
        if self.backlog.depth > self._high_water:
            self._high_water = self.backlog.depth
        last = entries[-1]
        began = time.perf_counter()
        handled, size = self.dispatcher.step(entries, self._blockers)
        if not entries or entries[-1] is not last:
            self.backlog.seal()
        self.backlog.depth -= handled
        self.backlog.bytes -= size
        now = time.perf_counter()
        self.handling_times.add((now - began) / handled)
        if now >= self._rate.due:
            self._rate.mark(now, self.fold.handled)
        if self.meter.recorders and 0 < self._ahead <= handled:
            self.meter.step(self._since, began, now, handled)
        if now - began > SLOW:
            log_slow_step(self.lane, began, now, handled)
        if self.dropped != self._dropped_before:
            self._log_dropped(now)
        if self._ahead:
            if handled >= self._ahead:
                self.wait_times.add(began - self._since)
                self._ahead = 0
            else:
                self._ahead -= handled
        if self._level:
            self._lower_level()
        if self._room:
            self._room.unpark_all()
        self._on_step()
        return size > HEAVY

    def _log_dropped(self, now: float) -> None:
        self._dropped_before = self.dropped
        if self._drop_log is None:
            self._drop_log = DropLog(self.lane)
        self._drop_log.note(self.dropped, self.replaced, now)

    # -- statistics ------------------------------------------------------------------------

    def _fill(self) -> float:
        """Percent of the bound."""
        return 100 * max(
            self.backlog.depth / self.bounds.max_items, self.backlog.bytes / self.bounds.max_bytes
        )

    def _set_next_level(self) -> None:
        share = min((level for level in LEVELS if level > self._level), default=100) / 100
        self.next_items = self.bounds.max_items * share - 1
        self.next_bytes = self.bounds.max_bytes * share

    def _lower_level(self) -> None:
        if self._fill() < RELIEVED_BELOW:
            self._level = 0
            self._set_next_level()
            self._on_level(self, 0)

    def statistics(self, *, timed: bool = True) -> LaneStatistics:
        """Return the statistics of the lane; the percentiles of its times need a sort."""
        fold = self.fold
        return LaneStatistics(
            lane=self.lane,
            events=fold.handled,
            rate=self._rate.of(time.perf_counter(), fold.handled),
            depth=self.backlog.depth,
            bytes=self.backlog.bytes,
            high_water=max(self._high_water, self.backlog.depth, 1 if fold.handled else 0),
            max_items=self.bounds.max_items,
            max_bytes=self.bounds.max_bytes,
            waiting=self.wait_times.timing() if timed else Timing(),
            handling=self.handling_times.timing() if timed else Timing(),
            coalesced=self.dispatcher.coalesced,
            dropped=self.dropped,
            lagged=self.lagged,
            unknown=fold.unknown,
            malformed=fold.malformed,
            tolerated=fold.tolerated,
            duplicates=fold.duplicates,
            handler_errors=fold.handler_errors,
            subscriptions=len(self.dispatcher.subscribers),
        )
