"""Everything between the codec and the application: three lanes, one state, subscriptions.

::

    feed ──> codec ──> lanes ──> folds ──> queues ──> Subscription
    post ────────────────────┘           └─────> state ───> Watch

A frame is decoded by the task that fed it and put into every lane that it concerns, in one
go: either all of them take it or, while one is at its bound, none does yet.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload

import trio

from .._config import ClientConfig
from .._core._codec import Codec
from .._core._fast_decoder import DELTAS, Delta, Incoming
from .._core._leniency import Tolerated
from .._core._local_events import Malformed, Reading
from .._core._notifications import Notification
from .._core._shell_notifications import MemoryPressure
from .._core._state import Limits, SessionState
from .._exceptions import ClosedError, DecodeError
from .._handlers import lanes_of
from .._processor import Folds, malformed_lane
from ..events import AudioFrame, Lane, ServerEvent
from ._buffers import make_queue
from ._dispatcher import Command, Observer
from ._lane import LaneFull, LaneTask
from ._overflow import Coalesce, Overflow
from ._reader import Mailbox
from ._statistics import PipelineStatistics
from ._subscription import Subscription
from ._tolerated import log_tolerated
from ._watch import Changes, Watch

__all__ = ["Pipeline"]

T = TypeVar("T")
_RESOLUTION = 0.001


def _ignore(_event: Incoming) -> None:
    pass


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
        "_ended",
        "_folds",
        "_lanes",
        "_offers",
        "_read",
        "_started",
        "_token",
        "_tolerated",
    )

    def __init__(self, config: ClientConfig, *, clock: Callable[[], float]) -> None:
        self._read = Codec().read
        self._tolerated = Tolerated()
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
                coalesce=config.coalesce,
                above=tuple(self._lanes.values()),
                pressed=self._pressed,
                progress=self._changes.changed,
            )
        # By class of what concerns one lane only: that lane's offer.
        self._offers: dict[type[Incoming], Callable[[Incoming, str | bytes, float], bool]] = {}
        self._boxes: set[Mailbox] = set()
        self._abandoned: list[Mailbox] = []
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
        task that waits in :meth:`feed` gets ``ClosedError``. A second call does nothing.
        """
        if not self._closing:
            self._closing = True
            self._offers.clear()
            for lane in self._lanes.values():
                lane.close()

    def _end(self) -> None:
        self.close()
        self._ended = True
        for box in tuple(self._boxes):
            box.end()
        self._changes.end()

    # --- input ----------------------------------------------------------------------------

    def feed_nowait(
        self, frames: Iterable[str | bytes], saw: Callable[[Incoming], None] = _ignore
    ) -> None:
        """Take frames: text (``str``) or raw audio (``bytes``).

        ``saw`` is told each event that was taken, but of neighbouring deltas of one kind only
        the first, and nothing of what is malformed (the home lane of its type tells so).
        Raises ``trio.WouldBlock`` at a frame for which there is no room: one of the lanes
        that it concerns is at its bound. Then nothing is taken of it, and nothing after it is
        asked for; ``Block`` subscriptions that hold such a lane are freed. Raises
        :class:`~realtime_trio.ClosedError` after :meth:`close`.
        """
        # The fast path. Most frames are deltas that join the one before, and are not even
        # read. Nearly every other event goes to one lane, which is calm: one call puts it
        # there. What time it is is asked once for all frames that are at hand.
        read, offers, join = self._read, self._offers, self._lanes[Lane.TEXT].join
        at = self._arrival()
        event: Incoming | None
        told: type[Incoming] | None = None
        for frame in frames:
            event = join(frame, at) if type(frame) is str else None
            if event is None:
                try:
                    event = AudioFrame(data=frame) if type(frame) is bytes else read(frame)
                except DecodeError as exc:
                    event = Malformed(event_type=exc.event_type, error=str(exc))
                offer = offers.get(event.__class__)
                if offer is None or not offer(event, frame, at):
                    lanes = self._route(event)
                    self._squeeze(event, frame, lanes)
                    self._put(event, frame, lanes, at)
            if event.__class__ is not told:
                told = self._tell(event, saw)

    async def feed(
        self, frames: Iterable[str | bytes], saw: Callable[[Incoming], None] = _ignore
    ) -> None:
        """Take frames as :meth:`feed_nowait` does, waiting for room where there is none.

        A checkpoint only where it waits, and then for handlers alone, never for the
        application. Cancelled while it waits for one frame it has taken nothing of it, and
        asked for nothing after it.
        """
        rest = iter(frames)
        while True:
            try:
                self.feed_nowait(rest, saw)
            except LaneFull as full:
                await self._wait(full)
                self._tell(full.event, saw)
            else:
                return

    async def _wait(self, full: LaneFull) -> None:
        """Take the event for which there was no room, once there is."""
        event, frame, at = full.event, full.frame, self._at
        while True:
            await full.lane.room()
            lanes = self._route(event)
            try:
                self._squeeze(event, frame, lanes)
            except LaneFull as again:
                full = again
            else:
                self._put(event, frame, lanes, at)
                return

    def _tell(self, event: Incoming, saw: Callable[[Incoming], None]) -> type[Incoming] | None:
        """Show an event to the shell; gives the class of which it need not see the next."""
        if isinstance(event, Reading):
            log_tolerated(self._tolerated, event)
            event = event.event
        if not isinstance(event, Malformed):
            saw(event)
        return type(event) if isinstance(event, Delta) else None

    def _squeeze(self, event: Incoming, frame: str | bytes, lanes: tuple[LaneTask, ...]) -> None:
        """See whether lanes that are not calm take one event more; else ``trio.WouldBlock``."""
        size = len(frame)
        full = [lane for lane in lanes if lane.is_full(size)]
        for lane in full:
            lane.free()
        if full:
            raise LaneFull(full[0], event, frame)
        for lane in lanes:
            if lane.depth >= lane.calm_items or lane.bytes + size >= lane.calm_bytes:
                lane.press(size)

    def post(self, event: ServerEvent) -> None:
        """Take an event of the library's own. Never waits, also where a lane is at its bound.

        After :meth:`close` it does nothing: there is nobody left to tell.
        """
        if not self._closing:
            self._force(event, self._route(event))

    def set_user_session_id(self, session_id: str | None) -> None:
        """Say which session is the user's, in order with what the text lane holds."""
        self._command(Lane.TEXT, functools.partial(self._folds.set_user_session_id, session_id))

    def reset(self) -> None:
        """Drop in silence what is under way, each lane in order with what it holds."""
        for lane in self._lanes:
            self._command(lane, functools.partial(self._folds.reset, lane))

    def _route(self, event: Incoming) -> tuple[LaneTask, ...]:
        """The lanes of an event, home first."""
        if self._closing:
            msg = "this pipeline takes no more input: it was closed"
            raise ClosedError(msg)
        if isinstance(event, Malformed):
            return (self._lanes[malformed_lane(event.event_type)],)
        if isinstance(event, Reading):
            return tuple(self._lanes[lane] for lane in lanes_of(type(event.event)))
        known = DELTAS[type(event)] if isinstance(event, Delta) else type(event)
        lanes = tuple(self._lanes[lane] for lane in lanes_of(known))
        if len(lanes) == 1:
            self._offers[type(event)] = lanes[0].offer
        return lanes

    def _put(
        self, event: Incoming, frame: str | bytes, lanes: tuple[LaneTask, ...], at: float
    ) -> None:
        for lane in lanes:
            lane.put(event, frame, at)

    def _arrival(self) -> float:
        """The time, to the millisecond.

        A slice that is told a new time is a new slice: in a burst, a clock that is more
        exact would cost as much as the fold.
        """
        now = self._clock()
        if not 0.0 <= now - self._at < _RESOLUTION:
            self._at = now
        return self._at

    def _force(self, event: ServerEvent, lanes: tuple[LaneTask, ...]) -> None:
        for lane in lanes:
            if lane.is_full(0):
                lane.free()
            lane.press(0)
        self._put(event, b"", lanes, self._arrival())

    def _command(self, lane: Lane, run: Callable[[], tuple[Notification, ...] | None]) -> None:
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
        raised. Deltas that were merged come as one.

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
                each.handling.routes.attach(queue, classes)
        return Subscription(box, self._abandon)

    def watch(self, selector: Callable[[SessionState], T]) -> Watch[T]:
        """What ``selector`` makes of the state: the current value first, then changes."""
        return Watch(self._changes, selector)

    def observe(self, lane: Lane, callback: Observer) -> None:
        """Call back in a lane's task after each fold: the event, its notifications, the slice.

        Internal: before the subscribers hear of it, and what it raises ends the pipeline.
        """
        self._lanes[lane].handling.observers.append(callback)

    def handled_count(self, cls: type[ServerEvent], lane: Lane) -> int:
        """How many events of exactly this class a lane has handled."""
        return self._lanes[lane].handling.count(cls)

    async def handled(self, cls: type[ServerEvent], count: int) -> None:
        """Wait until every lane that an event class concerns has handled ``count`` in all.

        A checkpoint. Raises :class:`~realtime_trio.ClosedError` where the pipeline ends first.
        """
        lanes = [self._lanes[lane] for lane in lanes_of(cls)]
        await trio.lowlevel.checkpoint()
        while any(lane.handling.count(cls) < count for lane in lanes):
            if self._ended:
                msg = f"the client ended before {cls.__name__} number {count} was handled"
                raise ClosedError(msg)
            await self._changes.wait()

    def statistics(self) -> PipelineStatistics:
        """How each lane does, and all of them together."""
        control, audio, text = (self._lanes[lane].statistics() for lane in sorted(Lane))
        total = LaneTask.total(tuple(self._lanes.values()))
        return PipelineStatistics(control=control, audio=audio, text=text, total=total)

    # --- the lanes' calls -----------------------------------------------------------------

    def _pressed(self, lane: LaneTask, level: int) -> None:
        """A lane has passed a level, or has fallen back."""
        note = MemoryPressure(lane=lane.lane.name.lower(), level=level)
        self._command(Lane.CONTROL, lambda: (note,))

    def _detach(self, box: Mailbox) -> None:
        self._boxes.discard(box)
        for lane, queue in ((self._lanes[queue.lane.lane], queue) for queue in box.queues):
            lane.handling.routes.detach(queue)

    def _abandon(self, box: Mailbox) -> None:
        """A subscription was garbage collected: in any thread, at any point of any code."""
        self._abandoned.append(box)
        if self._token is not None:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._sweep)

    def _sweep(self) -> None:
        """Close what was abandoned."""
        while self._abandoned:
            self._abandoned.pop().close()
