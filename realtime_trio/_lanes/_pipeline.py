"""Everything between the codec and the application: three lanes, one state, subscriptions.

::

    feed ──> codec ──> router ──> lanes ──> handlers ──> slices ──> buffers ──> Subscription
    post ─────────────────┘                                └─────> state ────> Watch

A frame is decoded once, by the task that feeds it. What is right of the codec knows events
only. An event is put into every lane that it concerns in one go: either all of them take it
or, while one is at its bound, none does yet.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, final, overload

import trio

from .._config import ClientConfig
from .._core._codec import Codec
from .._core._fast_decoder import DELTAS, Delta, Incoming
from .._core._local_events import Malformed, Reading
from .._core._notifications import Notification
from .._core._shell_notifications import MemoryPressure
from .._core._state import Limits, SessionState
from .._exceptions import ClosedError
from .._processor import Folds
from ..events import Lane, ServerEvent
from ._buffers import make_buffer
from ._custom_code import call_handler
from ._dispatcher import Command, Observer
from ._input_tap import InputLog, InputTap
from ._lane import LaneFull, LaneTask
from ._lane_log import FaultLog, log_level
from ._marks import Marks
from ._overflow import Coalesce, Overflow
from ._reader import SubscriptionReader
from ._readers import Readers
from ._router import Router
from ._statistics import PipelineStatistics
from ._subscription import Subscription
from ._watch import Changes, Watch

__all__ = ["Pipeline"]

T = TypeVar("T")
_RESOLUTION = 0.001
_NO_MORE: Iterator[tuple[Incoming, int]] = iter(())


def _ignore(_event: Incoming) -> None:
    pass


@final
class Pipeline:
    """Three lanes and what they feed. One task feeds it, any number subscribe.

    ``clock`` gives seconds since 1970: the time at which events arrive. Events that are fed
    within one millisecond share theirs.
    """

    __slots__ = (
        "_at",
        "_changes",
        "_clock",
        "_closing",
        "_codec",
        "_faults",
        "_input",
        "_lanes",
        "_readers",
        "_router",
        "_started",
        "folds",
        "marks",
    )

    def __init__(self, config: ClientConfig, *, clock: Callable[[], float]) -> None:
        self._codec = Codec()
        self._faults = FaultLog()
        limits = Limits(config.max_sessions, config.max_messages)
        self.folds: Folds = Folds(limits, call=call_handler)
        self._input: InputTap | None = None
        self._clock = clock
        self._at = float("-inf")
        self._changes = Changes(lambda: self.folds.state)
        self._lanes: dict[Lane, LaneTask] = {}
        bounds = {Lane.CONTROL: config.control, Lane.AUDIO: config.audio, Lane.TEXT: config.text}
        for lane in sorted(Lane):
            self._lanes[lane] = LaneTask(
                self.folds.by_lane[lane],
                bounds[lane],
                batch_size=config.batch_size,
                coalesce=config.coalesce,
                above=tuple(self._lanes.values()),
                on_level=self._announce_level,
                on_step=self._changes.changed,
            )
        self._router = Router(self._lanes)
        self.marks: Marks = Marks(self._put_mark, lambda lane: self.folds.by_lane[lane].slice)
        """How far the lanes have come."""
        self._readers = Readers(self._lanes)
        self._started = self._closing = False

    def log_to(self, log: InputLog) -> Folds:
        """Tell ``log`` of every input that comes by :meth:`feed`; gives the folds until now."""
        self._input = InputTap(log, lambda: self._at)
        return self.folds

    def announce(self, note: Notification) -> None:
        """Emit a notification in the control lane that is no part of the conversation."""
        self._command(Lane.CONTROL, lambda: (note,))

    @property
    def drained(self) -> bool:
        """Whether the lanes have handled everything that was taken."""
        return not any(lane.backlog.entries for lane in self._lanes.values())

    # -- running ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Run the three lanes until :meth:`close` was called and all is handled, or cancelled.

        However it ends, every subscription ends with it, after what it holds.
        """
        if self._started:
            message = "this pipeline runs already, or has run: make a new one"
            raise RuntimeError(message)
        self._started = True
        self._readers.start()
        try:
            async with trio.open_nursery() as nursery:
                for lane in self._lanes.values():
                    nursery.start_soon(lane.run, name=f"{lane.lane.name.lower()} lane")
        finally:
            self._end()

    def close(self) -> None:
        """No more input. The lanes handle what they hold, then the subscriptions end.

        Nothing blocks a lane any longer: a ``Block`` subscription takes all that is left. A
        task that waits in :meth:`feed` gets ``ClosedError``. A second call does nothing.
        """
        if not self._closing:
            self._closing = True
            self._router.offers.clear()
            for lane in self._lanes.values():
                lane.close()

    def _end(self) -> None:
        self.close()
        self._readers.end()
        self.marks.end()
        self._changes.end()

    # -- input -----------------------------------------------------------------------------

    def feed_nowait(
        self, frames: Iterable[str | bytes], observe: Callable[[Incoming], None] = _ignore
    ) -> None:
        """Take frames: text (``str``) or raw audio (``bytes``).

        ``observe`` is called with each event right after it was routed, but of neighbouring
        deltas of one class only with the first, and not with what is malformed (the home lane
        of its type announces that).

        Raises ``trio.WouldBlock`` at a frame for which there is no room: one of the lanes
        that it concerns is at its bound. Then nothing is taken of it, and no frame after it is
        read; ``Block`` subscriptions that block such a lane are evicted. Raises
        :class:`~realtime_trio.ClosedError` after :meth:`close`.
        """
        try:
            self._take(frames, observe)
        finally:
            for lane in self._lanes.values():
                lane.wake()

    async def feed(
        self, frames: Iterable[str | bytes], observe: Callable[[Incoming], None] = _ignore
    ) -> None:
        """Take frames as :meth:`feed_nowait` does, waiting for room if there is none.

        A checkpoint only when it waits, and then for handlers alone, never for the
        application. Cancelled while it waits for one frame, it has taken nothing of it and
        read nothing after it. It handles the last batch itself while the lanes are idle.
        """
        rest = iter(frames) if self._input is None else self._input.reading(frames)
        while True:
            full: LaneFull | None = None
            try:
                self._take(rest, observe)
            except LaneFull as exc:
                full = exc
            finally:
                if self._input is not None:
                    self._input.batch_ends(refused=full is not None)
                for lane in self._lanes.values():
                    lane.step_in_place()
            if full is None:
                return
            await self._wait(full)
            self._observe(full.event, observe)

    def _take(self, frames: Iterable[str | bytes], observe: Callable[[Incoming], None]) -> None:
        # The fast path. Most frames are deltas that continue the one before: their lane takes
        # them in one go. Nearly every other event goes to one lane, which has room: one lookup
        # finds it. The clock is read once for all frames.
        self._check_open()
        events, offers = self._codec.read_all(frames), self._router.offers
        extend = self._lanes[Lane.TEXT].extend
        at = self._arrival()
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
            offer = offers.get(event.__class__)
            if offer is None or not offer(event, size, at):
                self._route(event, size, at)
            if event.__class__ is not observed:
                observed = self._observe(event, observe)

    async def _wait(self, full: LaneFull) -> None:
        """Take the event for which there was no room, once there is."""
        while True:
            await full.lane.room()
            at = self._at
            try:
                self._route(full.event, full.size, at)
            except LaneFull as again:
                full = again
            else:
                break
        if self._input is not None:
            self._input.held_was_taken(at)

    def _observe(
        self, event: Incoming, observe: Callable[[Incoming], None]
    ) -> type[Incoming] | None:
        """Show an event to the shell; gives the class of which it need not see the next."""
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
        if self._closing:
            message = "this pipeline takes no more input: it was closed"
            raise ClosedError(message)

    def _arrival(self) -> float:
        """The time, to the millisecond.

        A slice that is given a new time is a new slice: in a burst, a clock that is more
        exact would cost as much as the fold.
        """
        now = self._clock()
        if not 0.0 <= now - self._at < _RESOLUTION:
            self._at = now
        return self._at

    def post(self, event: ServerEvent) -> None:
        """Take an event of the library's own. Never waits, even if a lane is at its bound.

        After :meth:`close` it does nothing: there is nobody left to hear of it.
        """
        if not self._closing:
            at = self._force(event, self._router.route(event))
            if self._input is not None:
                self._input.local_event(event, at)

    def set_user_session_id(self, session_id: str | None) -> None:
        """Say which session is the user's, in order with what the text lane holds."""
        self._command(Lane.TEXT, functools.partial(self.folds.set_user_session_id, session_id))
        if self._input is not None and not self._closing:
            self._input.user_session_id(session_id)

    def reset(self) -> None:
        """Drop silently what is under way, each lane in order with what it holds."""
        for lane in self._lanes:
            self._command(lane, functools.partial(self.folds.reset, lane))
        if self._input is not None and not self._closing:
            self._input.reset()

    def _force(self, event: ServerEvent, lanes: tuple[LaneTask, ...]) -> float:
        at = self._arrival()
        for lane in lanes:
            if lane.is_full(0):
                lane.evict_blockers()
            lane.raise_level(0)
            lane.put(event, 0, at)
            lane.wake()
        return at

    def _command(self, lane: Lane, run: Callable[[], tuple[Notification, ...] | None]) -> None:
        if not self._closing:
            self._force(Command(run=run), (self._lanes[lane],))

    def _put_mark(self, lane: Lane, run: Callable[[], None]) -> None:
        """Append a mark to a lane, also past its bound: it takes next to no room."""
        if not self._closing:
            self._lanes[lane].put(Command(run=run), 0, self._at)
            self._lanes[lane].wake()

    # -- output ----------------------------------------------------------------------------

    @property
    def state(self) -> SessionState:
        """A snapshot: consistent within each slice, not across slices."""
        return self.folds.state

    @overload
    def subscribe(
        self, *, lane: Lane | None = None, overflow: Overflow = ...
    ) -> Subscription[Notification]: ...
    @overload
    def subscribe(
        self, *classes: type[T], lane: Lane | None = None, overflow: Overflow = ...
    ) -> Subscription[T]: ...
    def subscribe(
        self,
        *classes: type[Any],
        lane: Lane | None = None,
        overflow: Overflow = Coalesce(),  # noqa: B008  frozen
    ) -> Subscription[Any]:
        """Hear notifications and wire events of these classes, their subclasses included.

        Without classes, all notifications; with ``lane``, those of one lane only. Starts with
        the call. A wire event comes once, from its home lane, ahead of the notifications that
        it caused, and only if it counted: not a duplicate, a late delta, or one whose handler
        raised. Deltas that were merged come as one.

        Raises ``TypeError`` for what is neither a class of notifications nor of events that
        servers send. After the end the subscription is at its end, too.
        """
        for cls in classes:
            if not issubclass(cls, (Notification, ServerEvent)):
                message = f"subscribe to notifications and server events: {cls.__name__} is neither"
                raise TypeError(message)
        self._readers.sweep()
        reader = SubscriptionReader(self._readers.detach, classes)
        chosen = [self._lanes[lane]] if lane is not None else list(self._lanes.values())
        reader.buffers = tuple(make_buffer(reader, each, overflow) for each in chosen)
        self._readers.add(reader)
        if not reader.ended:
            for each, buffer in zip(chosen, reader.buffers, strict=True):
                each.dispatcher.subscribers.attach(buffer, classes)
        return Subscription(reader, self._readers.abandon)

    def watch(self, selector: Callable[[SessionState], T]) -> Watch[T]:
        """What ``selector`` makes of the state: the current value first, then changes."""
        return Watch(self._changes, selector)

    def observe(self, lane: Lane, callback: Observer) -> None:
        """Internal: call back in a lane's task after each fold, before the subscribers."""
        self._lanes[lane].dispatcher.observers.append(callback)

    def statistics(self) -> PipelineStatistics:
        """How each lane does, and all of them together."""
        control, audio, text = (self._lanes[lane].statistics() for lane in sorted(Lane))
        total = LaneTask.total(tuple(self._lanes.values()))
        return PipelineStatistics(control=control, audio=audio, text=text, total=total)

    # -- called by the lanes and their subscriptions ---------------------------------------

    def _announce_level(self, lane: LaneTask, level: int) -> None:
        """A lane has reached a level of its bound, or has fallen back."""
        log_level(lane.lane, level)
        note = MemoryPressure(lane=lane.lane.name.lower(), level=level)
        self._command(Lane.CONTROL, lambda: (note,))
