"""The invariants of the lanes, over random events, schedules, batches and readers.

Each example runs the whole pipeline with its own seed for trio's order of tasks, and is compared
with a sequential fold of the same frames. Without the seed, every example would run in the same
order: trio hands its random generator to Hypothesis, which resets it. Each test therefore draws a
seed and finally asserts that the orders differed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias
from unittest.mock import patch

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from trio._core import _run

from realtime_trio._config import ClientConfig, LaneBounds
from realtime_trio._core._codec import Codec
from realtime_trio._core._local_events import Malformed
from realtime_trio._core._notifications import MessageStreaming, Notification, ProcessingFailed
from realtime_trio._core._shell_notifications import AudioGap, Lagged, MemoryPressure
from realtime_trio._core._state import Limits, SessionState
from realtime_trio._exceptions import DecodeError, LaggedError
from realtime_trio._handlers import handles, lanes_of
from realtime_trio._lanes import _lane
from realtime_trio._lanes._overflow import Block, Coalesce, DropOldest, Latest, Overflow
from realtime_trio._lanes._pipeline import Pipeline
from realtime_trio._lanes._subscription import Subscription
from realtime_trio._processor import Folds, malformed_lane
from realtime_trio.events import REGISTRY, AudioFrame, Lane, ServerEvent, event
from tests.handlers import talk
from tests.lanes.flow import Steps, merged, texts

# -- frames --------------------------------------------------------------------------------

SESSIONS = st.sampled_from(["main", "child", "other"])
WORDS = st.sampled_from(["", "a", "bc", "def ", "é\n", "x" * 200])
IDS = st.sampled_from(["1", "2", "3"])
VOICE = {"voice_id": "v", "vendor": "x", "description": "d", "output_format": "pcm16_24000"}

DELTAS = st.one_of(
    st.builds(talk.text, WORDS, SESSIONS),
    st.builds(lambda text, id: talk.text(text, id=id), WORDS, IDS),
    st.builds(talk.thought, WORDS, SESSIONS),
)
EVENTS = st.one_of(
    DELTAS,
    DELTAS,
    st.builds(talk.completion, st.booleans(), SESSIONS),
    st.builds(lambda on, s, id: talk.interaction(on, s, id=id), st.booleans(), SESSIONS, IDS),
    st.builds(lambda id, s: talk.select(talk.call(id), session=s), IDS, SESSIONS),
    st.builds(lambda id, s: talk.begin(talk.call(id), session=s), IDS, SESSIONS),
    st.builds(lambda id, s: talk.end(talk.call(id), session=s), IDS, SESSIONS),
    st.builds(talk.user, WORDS, SESSIONS),
    st.builds(talk.message, WORDS, SESSIONS),
    st.builds(talk.chat_session, SESSIONS),
    st.builds(talk.sub_started, SESSIONS),
    st.sampled_from(
        [
            {"type": "user_turn_start"},
            {"type": "user_turn_end"},
            {"type": "cancelled"},
            {"type": "error", "message": "no"},
            {"type": "server_listening"},
            {"type": "agent_voice_changed", "voice": VOICE},
            {"type": "voice_list", "voices": [VOICE], "id": "again"},
            {"type": "never_heard_of"},
            {"type": "text_delta", "session_id": 3},
            {"type": "bang"},
        ]
    ),
)
Frames: TypeAlias = list[str | bytes]
FRAMES: st.SearchStrategy[list[str | bytes]] = st.lists(
    st.one_of(
        EVENTS.map(json.dumps),
        EVENTS.map(json.dumps),
        st.binary(max_size=5),
        st.just("no JSON"),
    ),
    max_size=80,
)
BOUNDS = st.sampled_from([LaneBounds(), LaneBounds(max_items=12, max_bytes=4000)])


@attrs.frozen(kw_only=True)
class Run:
    """How an example is run: the choices that must not affect the result."""

    seed: int
    batch_size: int
    coalesce: bool
    bounds: LaneBounds
    pauses: int
    bursts: int
    in_place: bool

    @property
    def config(self) -> ClientConfig:
        """The configuration of the pipeline."""
        return ClientConfig(
            batch_size=self.batch_size,
            coalesce=self.coalesce,
            text=self.bounds,
            audio=self.bounds,
            control=self.bounds,
        )


RUNS = st.builds(
    Run,
    seed=st.integers(0, 2**32),
    batch_size=st.sampled_from([1, 2, 8, 32]),
    coalesce=st.booleans(),
    bounds=BOUNDS,
    pauses=st.integers(0, 2**32),
    bursts=st.integers(0, 2**32),
    in_place=st.booleans(),
)


class Body(Protocol):
    """What an example does with a pipeline that is not running yet."""

    async def __call__(self, pipeline: Pipeline, chance: random.Random) -> None:
        """Run the example."""


ORDERS: set[tuple[str, ...]] = set()
# The time advances per frame, because the schedule decides how often a clock is read.
NOW = [0.0]


@pytest.fixture
def orders() -> Iterator[None]:
    """The orders of tasks over all examples of a test; they must differ."""
    ORDERS.clear()
    yield
    assert len(ORDERS) > 20, "the schedules did not differ: was trio's generator seeded?"


@pytest.fixture
def bang() -> Iterator[None]:
    """Register a custom event whose handler raises."""

    @event("bang", lanes=Lane.TEXT)
    class BangEvent(ServerEvent):
        pass

    @handles(BangEvent)
    def raises(_slice: Any, _event: BangEvent) -> Any:
        raise ZeroDivisionError

    yield
    REGISTRY.remove(REGISTRY.row_of(BangEvent))


def _go(run: Run, body: Body) -> Pipeline:
    """Run an example with its seed; return the pipeline."""
    steps = Steps()

    async def main() -> Pipeline:
        _run._r.seed(run.seed)
        pipeline = Pipeline(run.config, clock=lambda: NOW[0])
        await body(pipeline, random.Random(run.pauses))
        return pipeline

    # The handler of ``bang`` is a custom one, so the receive task never waits for it.
    with patch.object(_lane, "has_custom_handlers", lambda _lane: not run.in_place):
        pipeline = trio.run(main, instruments=[steps])
    ORDERS.add(tuple(steps.names))
    return pipeline


async def _pause(chance: random.Random, most: int = 3) -> None:
    for _ in range(chance.randrange(most)):
        await trio.lowlevel.checkpoint()


def _bursts(frames: list[str | bytes], run: Run | None) -> Iterator[tuple[float, Frames]]:
    """Frames that arrive in one step, with their time."""
    sizes = random.Random(run.bursts) if run is not None else None
    fed = 0
    while fed < len(frames):
        size = sizes.choice([1, 1, 2, 7, 64]) if sizes is not None else 1
        yield float(fed), frames[fed : fed + size]
        fed += size


async def _feed(
    pipeline: Pipeline,
    frames: Frames,
    run: Run,
    chance: random.Random,
    look: Callable[[], None] = lambda: None,
) -> None:
    """Feed in bursts, as a receive task does."""
    for now, burst in _bursts(frames, run):
        if chance.random() < 0.3:
            await _pause(chance)
        NOW[0] = now
        if len(burst) == 1 and chance.random() < 0.7:  # one at a time
            if not pipeline.intake.take_one(burst[0]):
                await pipeline.intake.settle()
        else:
            await pipeline.feed(_looking(burst, look))
        look()
    pipeline.close()


def _looking(burst: Frames, look: Callable[[], None]) -> Iterator[str | bytes]:
    for each in burst:
        yield each
        look()


# -- the sequential fold -------------------------------------------------------------------


@attrs.frozen
class Plain:
    """The result of folding frames one after another."""

    state: SessionState
    notes: dict[Lane, list[Notification]]
    # The slice of each lane after each of its events, coalesced or not.
    prefixes: dict[Lane, list[Any]]


def _fold(frames: Frames, run: Run | None = None) -> Plain:
    folds, codec = Folds(Limits()), Codec()
    notes: dict[Lane, list[Notification]] = {lane: [] for lane in Lane}
    prefixes: dict[Lane, list[Any]] = {lane: [folds.by_lane[lane].slice] for lane in Lane}
    timed = [(now, each) for now, burst in _bursts(frames, run) for each in burst]
    for now, each in timed:
        lanes: tuple[Lane, ...]
        one: ServerEvent
        try:
            one = AudioFrame(data=each) if isinstance(each, bytes) else codec.decode_text(each)
            lanes = lanes_of(type(one))
        except DecodeError as exc:
            one = Malformed(event_type=exc.event_type, error=str(exc))
            lanes = (malformed_lane(exc.event_type),)
        for lane in lanes:
            notes[lane].extend(folds.by_lane[lane].step(one, now))
            prefixes[lane].append(folds.by_lane[lane].slice)
    return Plain(folds.state, notes, prefixes)


def _emitted(notes: list[Any]) -> list[Any]:
    """Return the received notifications, except those that depend on the schedule."""
    return [note for note in notes if not isinstance(note, MemoryPressure)]


# -- readers -------------------------------------------------------------------------------


class Reader:
    """A task that reads one lane at its own pace and keeps what it received."""

    def __init__(
        self, pipeline: Pipeline, lane: Lane, rule: Overflow, chance: random.Random
    ) -> None:
        self.lane, self.rule = lane, rule
        self.subscription: Subscription[Notification] = pipeline.subscribe(lane=lane, overflow=rule)
        self.heard: list[Any] = []
        self.lagged = False
        self._chance = random.Random(chance.random())
        self._pace = self._chance.choice([1, 2, 6])

    async def run(self) -> None:
        """Read to the end, in one of three ways."""
        way = self._chance.randrange(3)
        try:
            while True:
                await _pause(self._chance, self._pace)
                if way == 0:
                    self.heard.append(await self.subscription.receive())
                elif way == 1:
                    self.heard.append(await self.subscription.__anext__())
                else:
                    await self._with_timeouts()
        except (trio.EndOfChannel, StopAsyncIteration):
            pass
        except LaggedError:
            self.lagged = True

    async def _with_timeouts(self) -> None:
        """Cancel some receives: a cancelled receive loses nothing."""
        with trio.CancelScope() as scope:
            if self._chance.random() < 0.5:
                scope.cancel()
            self.heard.append(await self.subscription.receive())

    def check(self, plain: Plain, *, merge: bool) -> None:
        """Invariant 2: in order, without gaps or duplicates; drops are reported."""
        expected, heard = plain.notes[self.lane], _emitted(self.heard)
        if isinstance(self.rule, Block) and not merge and not self.lagged:
            assert heard == expected
        elif isinstance(self.rule, (Block, Coalesce)):
            assert _begins(heard, expected)
            assert self.lagged or merged(heard) == merged(expected)
        elif self.lane is not Lane.CONTROL:  # where memory pressure may be dropped, too
            self._check_lossy(heard, expected, merge=merge)

    def _check_lossy(self, heard: list[Any], expected: list[Any], *, merge: bool) -> None:
        """The number of dropped items is right, and the kept ones are in order."""
        kept = [note for note in heard if not isinstance(note, (Lagged, AudioGap))]
        dropped = self.subscription.statistics().dropped
        if isinstance(self.rule, DropOldest):
            assert dropped == sum(note.count for note in heard if isinstance(note, Lagged))
        if not merge:
            assert len(kept) + dropped == len(expected)
            assert kept[-1:] == expected[-1:]
            remaining = iter(expected)
            assert all(any(note == one for one in remaining) for note in kept)


def _begins(heard: list[Any], expected: list[Any]) -> bool:
    """Whether the received items are a prefix of ``expected``, however pieces were cut."""
    whole, wanted = merged(heard), merged(expected)
    if not whole:
        return True
    *before, last = whole
    count = len(before)
    if before != wanted[:count] or count >= len(wanted):
        return False
    if isinstance(last, MessageStreaming):
        [piece] = texts([wanted[count]])
        return piece.startswith(last.delta)
    return bool(last == wanted[count])


RULES: st.SearchStrategy[list[tuple[Lane, Overflow]]] = st.lists(
    st.tuples(
        st.sampled_from(list(Lane)),
        st.sampled_from(
            [Block(1), Block(3), Block(50), Coalesce(), DropOldest(1), DropOldest(4), Latest()]
        ),
    ),
    max_size=6,
)

EXAMPLES = settings(max_examples=150, deadline=None)


# -- the invariants ------------------------------------------------------------------------


@pytest.mark.usefixtures("orders", "bang")
def test_the_state_and_the_notifications_do_not_depend_on_the_schedule() -> None:
    """Invariants 1, 2, 6, 7: any order, batch and reader; bad events included."""

    @EXAMPLES
    @given(FRAMES, RUNS, RULES)
    def check(frames: list[str | bytes], run: Run, rules: list[tuple[Lane, Overflow]]) -> None:
        readers: list[Reader] = []

        async def body(pipeline: Pipeline, chance: random.Random) -> None:
            # Two that never read, with the two rules that never block.
            stuck = [pipeline.subscribe(overflow=rule) for rule in (Latest(), DropOldest(2))]
            readers.extend(Reader(pipeline, lane, rule, chance) for lane, rule in rules)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pipeline.run)
                for reader in readers:
                    nursery.start_soon(reader.run)
                await _feed(pipeline, frames, run, chance)
            del stuck

        pipeline = _go(run, body)
        plain = _fold(frames, run)
        assert pipeline.state == plain.state
        for reader in readers:
            reader.check(plain, merge=run.coalesce)

    check()


@pytest.mark.usefixtures("orders", "bang")
def test_every_buffer_keeps_its_bound() -> None:
    """Invariant 4: with any reader; losses are reported."""

    @EXAMPLES
    @given(FRAMES, RUNS, RULES)
    def check(frames: list[str | bytes], run: Run, rules: list[tuple[Lane, Overflow]]) -> None:
        async def body(pipeline: Pipeline, chance: random.Random) -> None:
            never = [
                (pipeline.subscribe(lane=lane, overflow=rule), rule)
                for lane, rule in [*rules, (Lane.TEXT, Block(2)), (Lane.TEXT, Coalesce(3))]
            ]

            def look() -> None:
                for lane in pipeline.statistics().lanes:
                    # Memory pressure is taken beyond the bound.
                    assert lane.depth <= lane.max_items + 12 * (lane.lane is Lane.CONTROL)
                    assert lane.bytes <= lane.max_bytes + 300
                for subscription, rule in never:
                    most = 1 if isinstance(rule, Latest) else rule.max_items
                    assert most is not None
                    assert subscription.statistics().depth <= most

            async with trio.open_nursery() as nursery:
                nursery.start_soon(pipeline.run)
                await _feed(pipeline, frames, run, chance, look)
            assert pipeline.state == _fold(frames, run).state

        _go(run, body)

    check()


@pytest.mark.usefixtures("orders", "bang")
def test_cancelled_at_any_point_no_event_is_half_folded() -> None:
    """Invariant 8: it returns, subscriptions end, every slice is that of a prefix."""

    @EXAMPLES
    @given(FRAMES, RUNS, RULES, st.integers(0, 60))
    def check(
        frames: list[str | bytes], run: Run, rules: list[tuple[Lane, Overflow]], patience: int
    ) -> None:
        readers: list[Reader] = []

        async def body(pipeline: Pipeline, chance: random.Random) -> None:
            readers.extend(Reader(pipeline, lane, rule, chance) for lane, rule in rules)
            async with trio.open_nursery() as outer:
                for reader in readers:
                    outer.start_soon(reader.run)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(pipeline.run)
                    nursery.start_soon(_feed, pipeline, frames, run, chance)
                    for _ in range(patience):
                        await trio.lowlevel.checkpoint()
                    nursery.cancel_scope.cancel()
            # The readers have all ended, or this would hang.

        pipeline = _go(run, body)
        plain = _fold(frames, run)
        state = pipeline.state
        for lane, slice_ in (
            (Lane.CONTROL, state.control),
            (Lane.TEXT, state.text),
            (Lane.AUDIO, state.audio),
        ):
            assert any(slice_ == prefix for prefix in plain.prefixes[lane])
        for reader in readers:
            if isinstance(reader.rule, (Block, Coalesce)):
                assert _begins(_emitted(reader.heard), plain.notes[reader.lane])

    check()


@pytest.mark.usefixtures("orders", "bang")
def test_urgent_events_are_handled_before_queued_ones() -> None:
    """Invariant 3: when control has handled a cancel, the other lanes have hardly moved."""

    @EXAMPLES
    @given(FRAMES, RUNS)
    def check(frames: list[str | bytes], run: Run) -> None:
        ahead: list[int] = []

        async def body(pipeline: Pipeline, chance: random.Random) -> None:
            def urgent(one: Any, _notes: object, _slice: object) -> None:
                if one.type == "cancelled":
                    ahead.append(sum(lane.events for lane in pipeline.statistics().lanes[1:]))

            del chance
            pipeline.observe(Lane.CONTROL, urgent)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pipeline.run)
                for each in (*frames, '{"type": "cancelled"}'):
                    try:
                        pipeline.feed_nowait([each])
                    except trio.WouldBlock:
                        break
                pipeline.close()

        _go(run, body)
        # Everything was fed in one step; control had at most its own events to handle first, and
        # a lane below gets one batch for eight of control's.
        assert all(count <= 2 * 32 for count in ahead)

    check()


def test_a_raising_handler_is_reported_once(bang: None) -> None:
    """The custom event of these tests raises as intended."""
    plain = _fold(['{"type": "bang"}'])
    assert [type(note) for note in plain.notes[Lane.TEXT]] == [ProcessingFailed]
    assert plain.state.counters.handler_errors == 1
