"""Everything between the codec and the application: three lanes, one state, subscriptions.

::

    feed ──> codec ──> router ──> lanes ──> handlers ──> slices ──> buffers ──> Subscription
    post ─────────────────┘                                └─────> state ────> Watch

A frame is decoded once, by the task that feeds it. Everything right of the codec knows only events.
An event is put into all of its lanes together: all of them take it or, while one is at its bound,
none does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, final, overload

import attrs
import trio

from .._config import ClientConfig
from .._core._fast_decoder import Incoming
from .._core._notifications import Notification
from .._core._shell_notifications import MemoryPressure
from .._core._state import Limits, SessionState
from .._processor import Folds
from ..events import Lane, ServerEvent
from ._buffers import make_buffer
from ._coalescing import HEAVY
from ._custom_code import call_handler
from ._dispatcher import Command, Observer
from ._input_tap import InputLog, InputTap
from ._intake import LaneIntake, ignore
from ._lane import LaneTask
from ._lane_log import log_level
from ._marks import Marks
from ._meter import TimeRecorder
from ._overflow import Coalesce, Overflow, check_overflow
from ._reader import Item, SubscriptionReader
from ._readers import Readers
from ._router import Router
from ._statistics import LaneStatistics, PipelineStatistics, Sampler, Timing
from ._subscribers import check_classes
from ._subscription import Subscription
from ._tap_buffer import TapBuffer
from ._watch import Changes, Watch

__all__ = ["Pipeline"]

T = TypeVar("T")


def _total(lanes: Sequence[LaneTask], *, timed: bool) -> LaneStatistics:
    """Return the statistics of all lanes together: an event in several lanes counts once."""
    each = [lane.statistics(timed=False) for lane in lanes]
    summed = {
        name: sum(getattr(one, name) for one in each)
        for name in (field.name for field in attrs.fields(LaneStatistics))
        if name not in ("lane", "events", "waiting", "handling")
    }
    return LaneStatistics(
        lane=None,
        events=sum(lane.fold.events for lane in lanes),
        waiting=_timing([lane.wait_times for lane in lanes] if timed else []),
        handling=_timing([lane.handling_times for lane in lanes] if timed else []),
        **summed,
    )


def _timing(samplers: Sequence[Sampler]) -> Timing:
    """Return the timing of all samples together."""
    return samplers[0].timing(*samplers[1:]) if samplers else Timing()


@final
class Pipeline:
    """Three lanes and their subscriptions. One task feeds it, any number of tasks subscribe.

    ``clock`` returns seconds since 1970: the time at which events arrive. Events that are fed
    within one millisecond share theirs.
    """

    __slots__ = (
        "_changes",
        "_closing",
        "_lanes",
        "_lanes_left",
        "_readers",
        "_recorders",
        "_router",
        "_started",
        "folds",
        "intake",
        "marks",
    )

    def __init__(self, config: ClientConfig, *, clock: Callable[[], float]) -> None:
        limits = Limits(config.max_sessions, config.max_messages)
        self.folds: Folds = Folds(limits, call=call_handler)
        self._changes = Changes()
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
                on_end=self._lane_ended,
            )
        self._router = Router(self._lanes)
        self.intake: LaneIntake = LaneIntake(self._lanes.values(), self._router, clock)
        """The entry for a link; :meth:`feed` is the same for any other task."""
        self.marks: Marks = Marks(self._put_mark, lambda lane: self.folds.by_lane[lane].slice)
        """Marks: they show how much each lane has handled."""
        self._readers = Readers(self._lanes)
        self._recorders: tuple[TimeRecorder, ...] = ()
        self._started = self._closing = False
        self._lanes_left = len(self._lanes)

    def log_to(self, log: InputLog) -> Folds:
        """Pass every input to ``log`` from now on; return the folds of the input so far."""
        self.intake.tap = InputTap(log, self.intake.arrival)
        return self.folds

    def announce(self, note: Notification) -> None:
        """Emit a notification in the control lane that is not part of the conversation."""
        self._command(Lane.CONTROL, lambda: (note,))

    @property
    def drained(self) -> bool:
        """Whether the lanes have handled everything that was taken."""
        return not any(lane.backlog.entries for lane in self._lanes.values())

    # -- running ---------------------------------------------------------------------------

    def start(self, nursery: trio.Nursery) -> None:
        """Handle the input taken so far, and all later input, until :meth:`close`.

        A lane has a task in ``nursery`` while it needs one. Before that nursery ends, call
        :meth:`close` with ``now``.
        """
        self._check_new()
        self._started = True
        self._readers.start()
        for lane in self._lanes.values():
            lane.task.start(nursery, lane.run, f"{lane.lane.name.lower()} lane")
        for lane in self._lanes.values():
            # After a heavy step a lane's task waits for readers; there are none here.
            if lane.backlog.bytes <= HEAVY:
                lane.step_in_place()
            else:
                lane.wake()
            if self._closing:
                lane.task.activate()

    async def run(self) -> None:
        """Run the three lanes until :meth:`close` was called and all is handled, or cancelled."""
        self._check_new()
        async with trio.open_nursery() as nursery:
            try:
                self.start(nursery)
                await self.marks.ended()
            finally:
                self.close(now=True)

    def _check_new(self) -> None:
        if self._started:
            message = "this pipeline is running or has run: create a new one"
            raise RuntimeError(message)

    def close(self, *, now: bool = False) -> None:
        """Accept no more input. The lanes handle their backlog, then the subscriptions end.

        Nothing blocks a lane any longer: a ``Block`` subscription accepts all that is left. A
        task that waits in :meth:`feed` gets ``ClosedError``. With ``now``, the lanes handle nothing
        more, and the subscriptions end after what they hold. A second call does nothing.
        """
        if not self._closing:
            self._closing = self.intake.closed = True
            self._router.close()
            for lane in self._lanes.values():
                lane.close()
        if now:
            self._end()

    def _lane_ended(self) -> None:
        self._lanes_left -= 1
        if not self._lanes_left:
            self._end()

    def _end(self) -> None:
        for lane in self._lanes.values():
            lane.task.abandon()
        self._readers.end()
        self._changes.end()
        self.marks.end()

    # -- input -----------------------------------------------------------------------------

    def feed_nowait(
        self, frames: Iterable[str | bytes], observe: Callable[[Incoming], None] = ignore
    ) -> None:
        """Take frames: text (``str``) or raw audio (``bytes``).

        ``observe`` is called with each event right after it was routed, but only with the first of
        neighbouring deltas of one class, and not with a malformed event (the home lane of its type
        announces it). Raises ``trio.WouldBlock`` at a frame without room: one of its lanes is at
        its bound. Then it is not taken, and no later frame is read; ``Block`` subscriptions that
        block such a lane are evicted. Raises :class:`~realtime_trio.ClosedError` after
        :meth:`close`.
        """
        self.intake.feed_nowait(frames, observe)

    async def feed(
        self, frames: Iterable[str | bytes], observe: Callable[[Incoming], None] = ignore
    ) -> None:
        """Take frames as :meth:`feed_nowait` does, waiting for room if there is none.

        It is a checkpoint only if it waits, and it only waits for handlers, never for the
        application. If it is cancelled while it waits for a frame, it has not taken that frame or
        any later one. It handles the last batch itself while the lanes are idle.
        """
        await self.intake.feed(frames, observe)

    def post(self, event: ServerEvent) -> None:
        """Take a local event of the library. Never waits, even if a lane is at its bound.

        After :meth:`close` it does nothing: no subscriber is left.
        """
        if not self._closing:
            at = self._force(event, self._router.route(event))
            if self.intake.tap is not None:
                self.intake.tap.local_event(event, at)

    def set_user_session_id(self, session_id: str | None) -> None:
        """Set the user's session, in order with the entries of the text lane."""
        self._command(Lane.TEXT, functools.partial(self.folds.set_user_session_id, session_id))
        if self.intake.tap is not None and not self._closing:
            self.intake.tap.user_session_id(session_id)

    def reset(self) -> None:
        """Silently drop unfinished messages, each lane in order with its entries."""
        for lane in self._lanes:
            self._command(lane, functools.partial(self.folds.reset, lane))
        if self.intake.tap is not None and not self._closing:
            self.intake.tap.reset()

    def _force(self, event: ServerEvent, lanes: tuple[LaneTask, ...]) -> float:
        at = self.intake.arrival()
        for lane in lanes:
            if lane.is_full(0):
                lane.evict_blockers()
            lane.raise_level(0)
            lane.put(event, 0, at)
            self.intake.wake(lane.lane)
        return at

    def _command(self, lane: Lane, run: Callable[[], tuple[Notification, ...] | None]) -> None:
        if not self._closing:
            self._force(Command(run=run), (self._lanes[lane],))

    def _put_mark(self, lane: Lane, run: Callable[[], None]) -> None:
        """Append a mark to a lane, even beyond its bound: it takes almost no room."""
        if not self._closing:
            self._lanes[lane].put(Command(run=run), 0, self.intake.at)
            self.intake.wake(lane)

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
        """Subscribe to notifications and wire events of these classes and their subclasses.

        Without classes, all notifications; with ``lane``, those of one lane only. Starts with
        the call. A wire event is delivered once, by its home lane, before the notifications that
        it caused, and only if it had an effect: not a duplicate, a late delta, or one whose handler
        raised. Coalesced deltas are delivered as one.

        Raises ``TypeError`` for a class that is neither a notification nor a server event, and for
        an ``overflow`` that is not a rule. After the client has ended, the subscription ends
        immediately.
        """
        check_classes(classes)
        check_overflow(overflow)
        self._readers.close_abandoned()
        reader = SubscriptionReader(self._readers.detach, classes, overflow)
        chosen = [self._lanes[lane]] if lane is not None else list(self._lanes.values())
        reader.buffers = tuple(make_buffer(reader, each, overflow) for each in chosen)
        self._readers.add(reader)
        if not reader.ended:
            for each, buffer in zip(chosen, reader.buffers, strict=True):
                each.dispatcher.subscribers.attach(buffer, classes)
        return Subscription(reader, self._readers.abandon)

    def watch(self, selector: Callable[[SessionState], T]) -> Watch[T]:
        """Watch the result of ``selector`` on the state: the current value first, then changes."""
        if not callable(selector):
            message = (
                f"watch takes a function of the state, not {selector!r}: watch(lambda s: s.turn)"
            )
            raise TypeError(message)
        return Watch(self._changes, lambda: selector(self.folds.state), selector)

    def observe(self, lane: Lane, callback: Observer) -> None:
        """Call ``callback`` in a lane's task after each fold: event, notifications, slice.

        Internal: it runs before the subscribers get the items, and its errors end the pipeline.
        """
        self._lanes[lane].dispatcher.observers.append(callback)

    def tap(
        self, classes: tuple[type[Item], ...], take: Callable[[Item], None]
    ) -> Callable[[], None]:
        """Call ``take`` with each item of these classes when a lane dispatches it.

        It runs in the middle of a lane's step, so it must be quick and must not raise. Returns
        the function that ends it.
        """
        reader = SubscriptionReader(self._readers.detach, classes)
        reader.buffers = tuple(TapBuffer(reader, each, take) for each in self._lanes.values())
        self._readers.add(reader)
        if not reader.ended:
            for each, buffer in zip(self._lanes.values(), reader.buffers, strict=True):
                each.dispatcher.subscribers.attach(buffer, classes)
        return reader.close

    def measure(self, recorder: TimeRecorder) -> Callable[[], None]:
        """Report to ``recorder`` from now on how long events, items and custom handlers take.

        Returns a function that stops the reports.
        """
        self._meter((*self._recorders, recorder))
        return lambda: self._meter(tuple(each for each in self._recorders if each is not recorder))

    def _meter(self, recorders: tuple[TimeRecorder, ...]) -> None:
        self._recorders = recorders
        for lane in self._lanes.values():
            lane.meter.use_recorders(recorders)

    def statistics(self, *, timed: bool = True) -> PipelineStatistics:
        """Return the statistics of each lane, of all together, and of each subscription.

        Without ``timed`` they have no times, whose percentiles need sorting. In any thread.
        """
        lanes = tuple(self._lanes[lane] for lane in sorted(Lane))
        control, audio, text = (lane.statistics(timed=timed) for lane in lanes)
        return PipelineStatistics(
            control=control,
            audio=audio,
            text=text,
            total=_total(lanes, timed=timed),
            subscribers=self._readers.statistics(),
        )

    # -- called by lanes and subscriptions -------------------------------------------------

    def _announce_level(self, lane: LaneTask, level: int) -> None:
        """Announce that a lane has reached a level of its bound, or has fallen below it."""
        log_level(lane.lane, level)
        note = MemoryPressure(lane=lane.lane.name.lower(), level=level)
        self._command(Lane.CONTROL, lambda: (note,))
