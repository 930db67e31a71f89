"""The entry to the lanes: decode a frame, route it and, if the lanes are idle, handle it.

One task at a time feeds. A frame that arrives alone, as in paced traffic, is handled here directly
while its lane is idle and empty. Frames that arrive together are put into their lanes first, so
that neighbouring deltas coalesce.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import final

from .._core._codec import Codec
from .._core._fast_decoder import DELTAS, Delta, Incoming
from .._core._local_events import Malformed, Reading
from .._exceptions import ClosedError
from ..events import Lane
from ._input_tap import InputTap
from ._lane import LaneFull, LaneTask
from ._lane_log import FaultLog
from ._router import Router

__all__ = ["LaneIntake", "ignore"]

_RESOLUTION = 0.001
_NO_MORE: Iterator[tuple[Incoming, int]] = iter(())


def ignore(_event: Incoming) -> None:
    """Observe nothing."""


@final
class LaneIntake:
    """Feeds the lanes; ``lanes`` by their number, ``clock`` as for the pipeline."""

    __slots__ = (
        "_clock",
        "_codec",
        "_faults",
        "_lanes",
        "_router",
        "_taking",
        "_text",
        "_unsettled",
        "at",
        "closed",
        "tap",
    )

    def __init__(
        self, lanes: Iterable[LaneTask], router: Router, clock: Callable[[], float]
    ) -> None:
        self._codec = Codec()
        self._faults = FaultLog()
        self._lanes = tuple(lanes)
        self._text = next(lane for lane in self._lanes if lane.lane is Lane.TEXT)
        self._router = router
        self._clock = clock
        self.at: float = float("-inf")
        """The time of the last input."""
        self._taking = False  # between the first frame of a take and the steps at its end
        self._unsettled: tuple[LaneFull, Callable[[Incoming], None]] | None = None
        self.closed: bool = False
        """Whether no more input is taken."""
        self.tap: InputTap | None = None
        """Records the input for a log, in the order of the lanes."""

    def feed_nowait(
        self, frames: Iterable[str | bytes], observe: Callable[[Incoming], None]
    ) -> None:
        """Put frames into their lanes, and wake those; raises ``LaneFull``."""
        try:
            self._take(frames, observe)
        finally:
            for lane in self._lanes:
                lane.wake()

    async def feed(
        self, frames: Iterable[str | bytes], observe: Callable[[Incoming], None] = ignore
    ) -> None:
        """Take frames, waiting for room if there is none; see :meth:`Pipeline.feed`."""
        rest = iter(frames)
        while not self.take(rest, observe):
            await self.settle()

    def take(
        self, frames: Iterable[str | bytes], observe: Callable[[Incoming], None] = ignore
    ) -> bool:
        """Take frames, and handle them while the lanes have no backlog; ``False`` if one is full.

        Then the frame without room is kept for :meth:`settle`, the next call, and no later frame is
        read.
        """
        tap, full = self.tap, False
        self._taking = True
        if tap is not None:
            frames = tap.reading(frames)
        try:
            self._take(frames, observe)
        except LaneFull as exc:
            self._unsettled = exc, observe
            full = True
        finally:
            if tap is not None:
                tap.batch_ends(refused=full)
            self._step_in_place()
        return not full

    def take_one(self, frame: str | bytes, observe: Callable[[Incoming], None] = ignore) -> bool:
        """Take one frame, as :meth:`take` does for several; the usual case in paced traffic."""
        event, size, at = self._codec.read_one(frame), len(frame), self.arrival()
        tap = self.tap
        if event.__class__ in DELTAS and self._text.is_free(size):
            if tap is not None:  # the log gets it before anything can follow from it
                tap.one_taken(at, frame)
            self._text.handle_in_place(event, size, at)
            observe(event)  # for a delta it only notes the arrival
            return True
        self._taking = True
        try:
            lane = self._router.only.get(event.__class__)
            if lane is None or not self._lanes[lane].offer(event, size, at):
                self._route(event, size, at)
            if tap is not None:
                tap.one_taken(at, frame)
            self._observe(event, observe)
        except LaneFull as exc:
            self._unsettled = exc, observe
            if tap is not None:
                tap.hold(frame)
            return False
        finally:
            self._step_in_place()
        return True

    def wake(self, lane: Lane) -> None:
        """Wake a lane for an entry that is no frame.

        The observer of a frame puts such entries, and the steps at the end of a take handle them
        too: a task that a lane would need for them costs far more than they do.
        """
        if not self._taking:
            self._lanes[lane].wake()

    def _step_in_place(self) -> None:
        for lane in self._lanes:
            if lane.backlog.entries:
                lane.step_in_place()
        self._taking = False
        for lane in self._lanes:
            if lane.backlog.entries:  # put by a step of a lane below
                lane.wake()

    async def settle(self) -> None:
        """Wait for room for the frame that :meth:`take` kept. If cancelled, the frame is lost."""
        assert self._unsettled is not None
        (full, observe), self._unsettled = self._unsettled, None
        await self._wait(full)
        self._observe(full.event, observe)
        self._step_in_place()

    def _take(self, frames: Iterable[str | bytes], observe: Callable[[Incoming], None]) -> None:
        # The fast path. Most frames are deltas that continue the previous one: their lane takes
        # them together. Nearly every other event goes to one lane, which has room: one lookup finds
        # it. The clock is read once for all frames.
        self._check_open()
        events, lanes, router = self._codec.read_all(frames), self._lanes, self._router
        extend = self._text.extend
        at = self.arrival()
        if self.tap is not None:
            self.tap.at = at
        observed: type[Incoming] | None = None
        for event, size in events:
            if event.__class__ is observed:
                following = extend(event, size, at, events)
                if following is None:
                    break
                event, size = following
            elif event.__class__ in DELTAS and extend(event, size, at, _NO_MORE) is None:
                observed = self._observe(event, observe)
                continue
            lane = router.only.get(event.__class__)
            if lane is None or not lanes[lane].offer(event, size, at):
                self._route(event, size, at)
            if event.__class__ is not observed:
                observed = self._observe(event, observe)

    async def _wait(self, full: LaneFull) -> None:
        """Take the event without room, as soon as there is room."""
        while True:
            if full.lane.is_full(full.size):  # the steps at the end of the take may have made room
                await full.lane.room()
            at = self.at
            try:
                self._route(full.event, full.size, at)
            except LaneFull as again:
                full = again
            else:
                break
        if self.tap is not None:
            self.tap.held_was_taken(at)

    def _observe(
        self, event: Incoming, observe: Callable[[Incoming], None]
    ) -> type[Incoming] | None:
        """Pass an event to the observer; return the class whose next event it can skip."""
        if isinstance(event, Reading):
            self._faults.tolerated(event)
            event = event.event
        if isinstance(event, Malformed):
            self._faults.malformed(event)
        else:
            observe(event)
        return type(event) if isinstance(event, Delta) else None

    def _route(self, event: Incoming, size: int, at: float) -> None:
        """Put an event into all of its lanes, or raise :class:`LaneFull` and put it into none."""
        self._check_open()
        lanes = self._router.route(event)
        full = [lane for lane in lanes if lane.is_full(size)]
        for lane in full:
            lane.evict_blockers()
        if full:
            raise LaneFull(full[0], event, size)
        for lane in lanes:
            if (
                lane.backlog.depth >= lane.next_items
                or lane.backlog.bytes + size >= lane.next_bytes
            ):
                lane.raise_level(size)
        for lane in lanes:
            lane.put(event, size, at)

    def _check_open(self) -> None:
        if self.closed:
            message = "this pipeline is closed: it takes no more input"
            raise ClosedError(message)

    def arrival(self) -> float:
        """The time, to the millisecond.

        A slice with a new time is a new slice: in a burst, a more precise clock would cost as much
        as the fold.
        """
        now = self._clock()
        if not 0.0 <= now - self.at < _RESOLUTION:
            self.at = now
        return self.at
