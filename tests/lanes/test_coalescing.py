"""Coalesced deltas: the same state and the same notifications as one by one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_trio import events as ev
from realtime_trio._core._codec import Codec
from realtime_trio._core._fast_decoder import Delta, Incoming
from realtime_trio._core._notifications import MessageStreaming, Notification
from realtime_trio._core._state import Limits
from realtime_trio._core._values import evolve
from realtime_trio._handlers import lanes_of
from realtime_trio._lanes import _coalescing
from realtime_trio._lanes._coalescing import MAX_RUN, DeltaCoalescer, Run
from realtime_trio._lanes._dispatcher import _split_note
from realtime_trio._lanes._overflow import Block
from realtime_trio._processor import Folds
from realtime_trio.events import Lane, ServerEvent
from tests.handlers import talk
from tests.lanes.flow import delta, drain, frame, make, running, texts
from tests.lanes.test_invariants import DELTAS, EVENTS

CODEC = Codec()
READ = CODEC.read
# The same event several times; deltas without an id make a run.
SPOKEN = st.builds(talk.text, st.sampled_from("abc"), st.sampled_from(["main", "child"]))
REPEATED = st.lists(
    st.tuples(st.one_of(SPOKEN, SPOKEN, SPOKEN, EVENTS), st.integers(1, 9)), min_size=2, max_size=12
).map(lambda pairs: [raw for raw, count in pairs for _ in range(count) if raw["type"] != "bang"])
CONTENTS = st.sampled_from(["", "a", "bc", "é\n", '"'])


def _frame(raw: dict[str, Any]) -> str:
    return json.dumps(raw)


def _fed(frames: Sequence[str], *, apart: int = 0, at: float = 1.0) -> DeltaCoalescer:
    """Return the entries of a lane after these arrived; ``apart`` are emitted one by one."""
    held = DeltaCoalescer(max_run=apart or MAX_RUN, mixed_times=not apart)
    events = CODEC.read_all(frames)
    for event, size in events:
        rest = held.extend(event, size, at, events, max_depth=math.inf, max_bytes=math.inf)
        if rest is not None:
            held.put(*rest, at)
    return held


def _entries(held: DeltaCoalescer) -> list[tuple[Incoming, int, list[str]]]:
    """Return the folded events, their bytes, and the texts of coalesced ones."""
    entries: list[tuple[Incoming, int, list[str]]] = []
    for entry in held.entries:
        if isinstance(entry, Run):
            first = entry.entry[0]
            assert isinstance(first, Delta)
            entries.append((evolve(first, content=entry.text()), entry.size, entry.texts))
        else:
            event, size, _ = entry
            entries.append((event, size, [getattr(event, "content", "")]))
    return entries


def _blank(event: Any) -> Any:
    """Return the delta without its content."""
    return evolve(event, content="")


# -- what continues what -------------------------------------------------------------------


@given(st.lists(EVENTS.map(json.dumps), max_size=40), st.sampled_from([0, 3, 32]))
def test_only_deltas_that_differ_in_content_are_coalesced(frames: list[str], apart: int) -> None:
    """Nothing is lost or moved; each delta that can continue its neighbour does."""
    frames = [each for each in frames if '"session_id": 3' not in each]
    held = _fed(frames, apart=apart)
    assert held.depth == len(frames)
    assert held.bytes == sum(map(len, frames))
    rest = iter(frames)
    before: list[Any] = []
    for event, size, texts_ in _entries(held):
        took = [next(rest) for _ in texts_]
        assert size == sum(map(len, took))
        parts: list[Any] = [READ(each) for each in took]
        if isinstance(event, Delta):
            assert {_blank(part) for part in parts} == {_blank(event)}
            assert event.content == "".join(part.content for part in parts)
            assert len(took) == 1 or all(part.content for part in parts)
            last = before[0] if before else None
            if isinstance(last, Delta) and last.content and last.id is None and not apart:
                same = _blank(last) == _blank(parts[0]) and parts[0].id is None
                assert not (same and parts[0].content)
        else:
            assert parts == [event]
        before = parts
    assert next(rest, None) is None


def test_a_run_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """In texts and in bytes, so one step of the fold is always short."""
    events = [_frame(talk.text("x")) for _ in range(600)]

    def counts(held: DeltaCoalescer) -> list[int]:
        return [len(texts_) for _, _, texts_ in _entries(held)]

    assert counts(_fed(events)) == [256, 256, 88]
    assert counts(_fed(events[:70], apart=32)) == [32, 32, 6]
    monkeypatch.setattr(_coalescing, "HEAVY", 5 * len(events[0]))
    assert counts(_fed(events[:7])) == [5, 2]


def test_events_without_room_are_returned() -> None:
    """In items and in bytes; events taken before count."""
    one = _frame(talk.text("x"))
    for depth, size in ((3, 1e9), (9, 3.5 * len(one))):
        held = DeltaCoalescer(max_run=MAX_RUN, mixed_times=True)
        held.put(READ(one), len(one), 1.0)
        events = CODEC.read_all([one] * 5)
        event, length = next(events)
        rest = held.extend(event, length, 1.0, events, max_depth=depth, max_bytes=size)
        assert rest == (READ(one), len(one))
        assert (held.depth, held.bytes) == (3, 3 * len(one))
        assert len(list(events)) == 2


def test_events_read_before_a_fault_are_kept() -> None:
    """Reading frames can fail in the middle of a run."""
    one = _frame(talk.text("x"))

    def arriving() -> Iterator[str]:
        yield one
        yield one
        raise ZeroDivisionError

    held = DeltaCoalescer(max_run=MAX_RUN, mixed_times=True)
    held.put(READ(one), len(one), 1.0)
    events = CODEC.read_all(arriving())
    with pytest.raises(ZeroDivisionError):
        held.extend(*next(events), 1.0, events, max_depth=99, max_bytes=1e9)
    assert (held.depth, held.bytes) == (3, 3 * len(one))
    assert [texts_ for _, _, texts_ in _entries(held)] == [["x", "x", "x"]]


def test_deltas_emitted_one_by_one_share_their_time() -> None:
    """Separately folded, each would have its own time."""
    one = _frame(talk.text("x"))
    for apart, joined in ((0, True), (32, False)):
        held = DeltaCoalescer(max_run=apart or MAX_RUN, mixed_times=not apart)
        held.put(READ(one), len(one), 1.0)
        rest = held.extend(READ(one), len(one), 2.0, iter(()), max_depth=9, max_bytes=1e9)
        assert (rest is None) is joined


@given(st.lists(CONTENTS.filter(bool), min_size=2, max_size=9), st.data())
def test_a_run_can_be_split(contents: list[str], data: st.DataObject) -> None:
    """Into two runs with the same text."""
    (whole,) = _fed([_frame(talk.text(each)) for each in contents], apart=32).entries
    assert isinstance(whole, Run)
    count = data.draw(st.integers(1, len(contents) - 1))
    first, rest = whole.split(count)
    assert (first.count, rest.count) == (count, len(contents) - count)
    assert first.size + rest.size == whole.size
    assert first.entry == rest.entry == whole.entry
    assert first.texts + rest.texts == whole.texts == contents
    assert (first.continued, rest.continued) == (False, True)


def test_a_run_continues_a_full_one() -> None:
    """So the effect of its first delta is known, unless another event is in between."""
    events = [_frame(talk.text("x"))] * 5
    held = _fed(events, apart=2)
    assert [getattr(entry, "continued", None) for entry in held.entries] == [False, True, None]
    held = _fed([*events[:3], _frame(talk.text("y", "child")), *events[:2]], apart=2)
    assert [getattr(each, "continued", None) for each in held.entries] == [False, None, None, False]


# -- the same state, the same words --------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(
    st.lists(EVENTS, max_size=20),
    DELTAS,
    st.lists(CONTENTS, min_size=1, max_size=9),
)
def test_a_run_is_folded_like_its_deltas(
    before: list[dict[str, Any]], kind: dict[str, Any], contents: list[str]
) -> None:
    """With an open message, tools or a cancel before it."""
    contents[0] = contents[0] or "begin"
    before = [each for each in before if each["type"] != "bang"]
    deltas = [_frame({**kind, "content": each, "id": None}) for each in contents]
    one, other = Folds(Limits()).text, Folds(Limits()).text
    for fold in (one, other):
        for raw in before:
            if raw.get("session_id") != 3:
                fold.step(READ(_frame(raw)), 1.0)
    each_told: list[Notification] = []
    for each in deltas:
        each_told.extend(one.step(READ(each), 2.0))
    told: list[Notification] = []
    for event, _, pieces in _entries(_fed(deltas, apart=32)):
        notes = other.step(event, 2.0, len(pieces))
        told.extend(notes if len(pieces) == 1 else _split_note(notes, pieces))
    assert told == each_told
    assert other.slice == one.slice
    assert (other.handled, other.events, other.delivered) == (
        one.handled,
        one.events,
        one.delivered,
    )


async def test_wire_events_are_delivered_before_their_notifications() -> None:
    """Also coalesced ones; an empty one causes nothing."""
    async with running(coalesce=False) as pipeline:
        both = pipeline.subscribe(ev.TextDeltaEvent, MessageStreaming)
        pipeline.feed_nowait(delta(each) for each in ("a", "", "b"))
        await trio.testing.wait_all_tasks_blocked()
        heard = [(type(one).__name__, getattr(one, "content", None)) for one in drain(both)]
        assert heard == [
            ("TextDeltaEvent", "a"),
            ("MessageStreaming", None),
            ("TextDeltaEvent", ""),
            ("TextDeltaEvent", "b"),
            ("MessageStreaming", None),
        ]


async def test_late_deltas_are_not_delivered() -> None:
    """Neither alone nor coalesced."""
    async with running(coalesce=False) as pipeline:
        late = frame("cancelled")
        both = pipeline.subscribe(ev.TextDeltaEvent, MessageStreaming)
        pipeline.feed_nowait([delta("a"), late, delta("b"), delta("c")])
        await trio.testing.wait_all_tasks_blocked()
        assert len(drain(both)) == 2
        assert pipeline.state.counters.late_deltas == 2


# -- Block ---------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(
    REPEATED,
    st.sampled_from([1, 5, 8, 12, 30]),
    st.sampled_from([(Notification,), (ServerEvent,), (ServerEvent, Notification)]),
)
def test_block_blocks_the_lane_at_the_event_that_does_not_fit(
    raws: list[dict[str, Any]], most: int, classes: tuple[type[Any], ...]
) -> None:
    """Not one event later, also if several are folded as one."""
    frames = [json.dumps(raw) for raw in raws]
    frames = [each for each in frames if '"session_id": 3' not in each]

    async def main() -> Any:
        pipeline = make(coalesce=False)
        stuck = pipeline.subscribe(*classes, lane=Lane.TEXT, overflow=Block(most))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.run)
            pipeline.feed_nowait(frames)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert stuck.statistics().depth <= most
        return pipeline.state.text

    fold = Folds(Limits()).text
    told = 0
    for each in frames:
        event: Any = READ(each)
        kind = event.event() if isinstance(event, Delta) else event
        lanes = lanes_of(type(kind))
        if Lane.TEXT not in lanes:
            continue
        notes = fold.step(event, 1_000_000.0)
        told += len(notes) * (Notification in classes)
        told += fold.delivered and lanes[0] is Lane.TEXT and ServerEvent in classes
        if told > most:
            break
    assert trio.run(main) == fold.slice


@pytest.mark.parametrize("before", [[], [talk.thought("", "main")]])
async def test_notifications_that_a_first_delta_causes_count_too(
    before: list[dict[str, Any]],
) -> None:
    """It ends a message and two tools before its own piece."""
    thinking = [talk.call(each, "think") for each in "12"]
    said = [talk.text("a", "main"), talk.select(*thinking, session="main")]
    thoughts = [talk.thought(each, "main") for each in "bcdefgh"]
    async with running(coalesce=False) as pipeline:
        stuck = pipeline.subscribe(lane=Lane.TEXT, overflow=Block(3 + 3 + 2))
        pipeline.feed_nowait(json.dumps(each) for each in (*said, *before, *thoughts))
        await trio.testing.wait_all_tasks_blocked()
        assert stuck.statistics().depth == 8
        message = pipeline.state.sessions["main"].open_message
        assert message is not None
        assert message.content == "bcd"


async def test_a_block_subscriber_gets_every_piece() -> None:
    """However full its buffer is."""
    async with running(coalesce=False) as pipeline:
        slow = pipeline.subscribe(lane=Lane.TEXT, overflow=Block(3))
        pipeline.feed_nowait(delta(f"{number},") for number in range(100))
        said = [texts([await slow.receive()])[0] for _ in range(100)]
        assert said == [f"{number}," for number in range(100)]


@pytest.mark.parametrize("coalesce", [True, False])
@pytest.mark.parametrize(
    ("said", "content"),
    [
        (["a", "\ud83d", "\ude00", "b", "c"], "a😀bc"),
        (["a\ud83d", "b", "c", "d"], "a\ufffdbcd"),
        (["\ud83d", "\ud83d", "b", "c"], "\ufffd\ufffdbc"),
        (["a", "b", "\ud83d"], "ab\ufffd"),
    ],
)
async def test_surrogates_across_coalesced_deltas(
    said: list[str], content: str, coalesce: bool
) -> None:
    """Deltas add up to the content, coalesced or not."""
    async with running(coalesce=coalesce) as pipeline:
        notes = pipeline.subscribe(MessageStreaming)
        pipeline.feed_nowait([*map(delta, said), frame("user_turn_start")])
        await trio.testing.wait_all_tasks_blocked()
        told = [note.delta for note in drain(notes)]
        [message] = pipeline.state.sessions["s"].messages
    assert message.content == "".join(told) == content
