"""Everything between the codec and the application: three lanes, one state, subscriptions.

::

    feed_frame ──> codec ──> lanes ──> folds ──> queues ──> Subscription
    post ────────────────────┘           └─────> state ───> Watch

A frame is decoded by the task that fed it and put into every lane that it concerns, in one
go: either all of them take it or, while one is at its bound, none does yet.
"""

from __future__ import annotations

import contextlib
import functools
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar, overload

import trio

from .._config import ClientConfig
from .._core._codec import Codec
from .._core._local import Malformed
from .._core._notifications import Notification
from .._core._shell_notifications import MemoryPressure
from .._core._state import AudioSlice, ControlSlice, Limits, SessionState
from .._core._values import evolve
from .._exceptions import ClosedError, DecodeError
from .._handlers import lanes_of, reset
from .._processor import Folds, malformed_lane
from ..events import AudioFrame, Lane, ServerEvent
from ._lanes import Command, LaneTask, Observer
from ._mailbox import Mailbox
from ._overflow import Coalesce, Overflow
from ._queues import make_queue
from ._statistics import LaneStatistics, PipelineStatistics
from ._subscription import Subscription
from ._watch import Changes, Watch

__all__ = ["Pipeline"]

T = TypeVar("T")
_RESOLUTION = 0.001


class _Full(trio.WouldBlock):
    """A lane is at its bound."""

    def __init__(self, lane: LaneTask, event: ServerEvent) -> None:
        super().__init__(f"the {lane.lane.name.lower()} lane is at its bound")
        self.lane, self.event = lane, event


class Pipeline:
    """Three lanes and what they feed. One task feeds it, any number subscribe.

    ``clock`` gives seconds since 1970: the events' time of arrival. Events that are fed
    within one millisecond share theirs.
    """

    __slots__ = (
        "_abandoned",
        "_at",
        "_boxes",
        "_changes",
        "_clock",
        "_closing",
        "_decode_text",
        "_ended",
        "_folds",
        "_lanes",
        "_routes",
        "_started",
        "_token",
    )

    def __init__(self, config: ClientConfig, *, clock: Callable[[], float]) -> None:
        self._decode_text = Codec().decode_text
        self._folds = Folds(Limits(config.max_sessions, config.max_messages))
        self._clock = clock
        self._at = float("-inf")
        self._changes = Changes(lambda: self._folds.state)
        self._lanes: dict[Lane, LaneTask] = {}
        bounds = {Lane.CONTROL: config.control, Lane.AUDIO: config.audio, Lane.TEXT: config.text}
        for lane in sorted(Lane):
            self._lanes[lane] = LaneTask(
                self._folds.by_lane[lane],
                bounds[lane],
                batch_size=config.batch_size,
                coalesce=config.coalesce and lane is Lane.TEXT,
                above=tuple(self._lanes.values()),
                pressed=self._pressed,
                progress=self._changes.changed,
            )
        self._routes: dict[type[ServerEvent], tuple[LaneTask, ...]] = {}
        self._boxes: set[Mailbox] = set()
        self._abandoned: deque[Mailbox] = deque()
        self._token: trio.lowlevel.TrioToken | None = None
        self._started = self._closing = self._ended = False

    # --- running --------------------------------------------------------------------------

    async def run(self) -> None:
        """Run the three lanes until :meth:`close` was called and all is handled, or cancelled.

        However it ends, every subscription ends with it, after what it holds.
        """
        if self._started:
            msg = "this pipeline runs already, or has run: make a new one"
            raise RuntimeError(msg)
        self._started = True
        self._token = trio.lowlevel.current_trio_token()
        try:
            async with trio.open_nursery() as nursery:
                for lane in self._lanes.values():
                    nursery.start_soon(lane.run, name=f"{lane.lane.name.lower()} lane")
        finally:
            self._end()

    def close(self) -> None:
        """No more input. The lanes handle what they hold, then the subscriptions end.

        Nothing holds a lane any longer: a ``Block`` subscription takes all that is left. A
        task that waits in :meth:`feed_frame` gets ``ClosedError``. A second call does nothing.
        """
        if not self._closing:
            self._closing = True
            self._routes.clear()
            for lane in self._lanes.values():
                lane.close()

    def _end(self) -> None:
        self.close()
        self._ended = True
        for box in tuple(self._boxes):
            box.end()
        self._changes.end()

    # --- input ----------------------------------------------------------------------------

    def feed_frame_nowait(self, frame: str | bytes) -> ServerEvent | None:
        """Take a frame: text (``str``) or raw audio (``bytes``).

        Gives the event, or ``None`` where the frame is malformed (the home lane of its type
        tells so). Raises ``trio.WouldBlock`` where a lane that the event concerns is at its
        bound, and then has taken nothing; ``Block`` subscriptions that hold such a lane are
        freed first. Raises :class:`~realtime_trio.ClosedError` after :meth:`close`.
        """
        # The fast path; feed_frame is the same with a wait in it. Most events go to one lane,
        # and where that is calm two comparisons stand for all the bounds.
        event: ServerEvent
        if type(frame) is bytes:
            event = AudioFrame(data=frame)
        else:
            try:
                event = self._decode_text(frame)
            except DecodeError as exc:
                event = Malformed(event_type=exc.event_type, error=str(exc))
        size = len(frame)
        lanes = self._routes.get(type(event)) or self._route(event)
        lane = lanes[0]
        if len(lanes) > 1 or (
            lane.depth >= lane.calm_items or lane.bytes + size >= lane.calm_bytes
        ):
            self._squeeze(event, size, lanes)
            return self._put(event, size, lanes)
        now = self._clock()
        if not 0.0 <= now - self._at < _RESOLUTION:
            self._at = now
        lane.put(event, self._at, size)
        return event if type(event) is not Malformed else None

    async def feed_frame(self, frame: str | bytes) -> ServerEvent | None:
        """Take a frame as :meth:`feed_frame_nowait` does, waiting for room where there is none.

        A checkpoint only where it waits, and then for handlers alone, never for the
        application. Cancelled while it waits it has taken nothing.
        """
        try:
            return self.feed_frame_nowait(frame)
        except _Full as full:
            event, lane = full.event, full.lane
        size = len(frame)
        while True:
            await lane.room()
            lanes = self._route(event)
            try:
                self._squeeze(event, size, lanes)
            except _Full as full:
                lane = full.lane
            else:
                return self._put(event, size, lanes)

    def _squeeze(self, event: ServerEvent, size: int, lanes: tuple[LaneTask, ...]) -> None:
        """See whether lanes that are not calm take one event more; else ``trio.WouldBlock``."""
        full = [lane for lane in lanes if lane.is_full(size)]
        for lane in full:
            lane.free()
        if full:
            raise _Full(full[0], event)
        for lane in lanes:
            if lane.depth >= lane.calm_items or lane.bytes + size >= lane.calm_bytes:
                lane.press(size)

    def post(self, event: ServerEvent) -> None:
        """Take an event of the library's own. Never waits, also where a lane is at its bound.

        After :meth:`close` it does nothing: there is nobody left to tell.
        """
        if not self._closing:
            self._force(event, self._routes.get(type(event)) or self._route(event))

    def set_user_session_id(self, session_id: str | None) -> None:
        """Say which session is the user's, in order with what the text lane holds."""

        def run() -> tuple[Notification, ...]:
            self._folds.set_user_session_id(session_id)
            return ()

        self._command(Lane.TEXT, run)

    def reset(self) -> None:
        """Drop in silence what is under way, each lane in order with what it holds."""
        for lane in self._lanes:
            self._command(lane, functools.partial(self._reset, lane))

    def _reset(self, lane: Lane) -> tuple[Notification, ...]:
        folds = self._folds
        if lane is Lane.TEXT:
            folds.text.slice = reset(folds.text.slice)
        elif lane is Lane.CONTROL:
            folds.control.slice = evolve(folds.control.slice, seen=ControlSlice().seen)
        else:
            folds.audio.slice = evolve(folds.audio.slice, seen=AudioSlice().seen, carry=b"")
        return ()

    def _route(self, event: ServerEvent) -> tuple[LaneTask, ...]:
        """The lanes of an event, home first; kept by class but for what has no row."""
        if self._closing:
            msg = "this pipeline takes no more input: it was closed"
            raise ClosedError(msg)
        if isinstance(event, Malformed):
            return (self._lanes[malformed_lane(event.event_type)],)
        cls = type(event)
        lanes = self._routes[cls] = tuple(self._lanes[lane] for lane in lanes_of(cls))
        return lanes

    def _put(
        self, event: ServerEvent, size: int, lanes: tuple[LaneTask, ...]
    ) -> ServerEvent | None:
        """Put an event into its lanes, with its time of arrival to the millisecond.

        A slice that is told a new time is a new slice: in a burst, a clock that is more
        exact would cost as much as the fold.
        """
        now = self._clock()
        if not 0.0 <= now - self._at < _RESOLUTION:
            self._at = now
        at = self._at
        for lane in lanes:
            lane.put(event, at, size)
        return event if type(event) is not Malformed else None

    def _force(self, event: ServerEvent, lanes: tuple[LaneTask, ...]) -> None:
        for lane in lanes:
            if lane.is_full(0):
                lane.free()
            lane.press(0)
        self._put(event, 0, lanes)

    def _command(self, lane: Lane, run: Callable[[], tuple[Notification, ...]]) -> None:
        if not self._closing:
            self._force(Command(run=run), (self._lanes[lane],))

    # --- output ---------------------------------------------------------------------------

    @property
    def state(self) -> SessionState:
        """A snapshot: consistent within each slice, not across slices."""
        return self._folds.state

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
        raised. Deltas that the lane folded as one come as one.

        Raises ``TypeError`` for what is neither a class of notifications nor of events that
        servers send. After the end the subscription is at its end, too.
        """
        for cls in classes:
            if not issubclass(cls, (Notification, ServerEvent)):
                msg = f"subscribe to notifications and server events: {cls.__name__} is neither"
                raise TypeError(msg)
        self._sweep()
        box = Mailbox(self._detach)
        chosen = [self._lanes[lane]] if lane is not None else list(self._lanes.values())
        box.queues = tuple(make_queue(box, each, overflow) for each in chosen)
        if self._ended:
            box.ended = True
        else:
            self._boxes.add(box)
            for each, queue in zip(chosen, box.queues, strict=True):
                each.routes.attach(queue, classes)
        return Subscription(box, self._abandon)

    def watch(self, selector: Callable[[SessionState], T]) -> Watch[T]:
        """What ``selector`` makes of the state: the current value first, then changes."""
        return Watch(self._changes, selector)

    def observe(self, lane: Lane, callback: Observer) -> None:
        """Call back in a lane's task after each fold: the event, its notifications, the slice.

        Internal: before the subscribers hear of it, and what it raises ends the pipeline.
        """
        self._lanes[lane].observers.append(callback)

    def handled_count(self, cls: type[ServerEvent], lane: Lane) -> int:
        """How many events of exactly this class a lane has handled."""
        return self._lanes[lane].counts[cls]

    async def handled(self, cls: type[ServerEvent], count: int) -> None:
        """Wait until every lane that an event class concerns has handled ``count`` in all.

        A checkpoint. Raises :class:`~realtime_trio.ClosedError` where the pipeline ends first.
        """
        lanes = [self._lanes[lane] for lane in lanes_of(cls)]
        await trio.lowlevel.checkpoint()
        while any(lane.counts[cls] < count for lane in lanes):
            if self._ended:
                msg = f"the client ended before {cls.__name__} number {count} was handled"
                raise ClosedError(msg)
            await self._changes.wait()

    def statistics(self) -> PipelineStatistics:
        """How each lane does, and all of them together."""
        control, audio, text = (self._lanes[lane].statistics() for lane in sorted(Lane))
        return PipelineStatistics(control=control, audio=audio, text=text, total=self._total())

    def _total(self) -> LaneStatistics:
        return LaneTask.total(tuple(self._lanes.values()))

    # --- the lanes' calls -----------------------------------------------------------------

    def _pressed(self, lane: LaneTask, level: int) -> None:
        """A lane has passed a level, or has fallen back."""
        note = MemoryPressure(lane=lane.lane.name.lower(), level=level)
        self._command(Lane.CONTROL, lambda: (note,))

    def _detach(self, box: Mailbox) -> None:
        self._boxes.discard(box)
        for lane, queue in ((self._lanes[queue.lane.lane], queue) for queue in box.queues):
            lane.routes.detach(queue)

    def _abandon(self, box: Mailbox) -> None:
        """A subscription was garbage collected: in any thread, at any point of any code."""
        self._abandoned.append(box)
        if self._token is not None:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._sweep)

    def _sweep(self) -> None:
        """Close what was abandoned."""
        while self._abandoned:
            self._abandoned.popleft().close()
