"""Lanes: how a frame is handled, what waits for what, and what is reported."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from realtime_trio import events as ev
from realtime_trio._config import ClientConfig
from realtime_trio._core._fast_decoder import DELTAS
from realtime_trio._core._local_events import EmitEvent, LinkEvent, VoiceRequestedEvent
from realtime_trio._core._notifications import (
    CancelConfirmed,
    MessageComplete,
    MessageStreaming,
    Notification,
    ProcessingFailed,
    TurnStateChanged,
)
from realtime_trio._core._shell_notifications import AuthLogout, Connected, MemoryPressure
from realtime_trio._exceptions import ClosedError, LaggedError
from realtime_trio._lanes import _lane
from realtime_trio._lanes._overflow import Block
from realtime_trio._lanes._pipeline import Pipeline
from realtime_trio.events import Lane
from tests.handlers import talk
from tests.lanes.flow import (
    CANCELLED,
    ERROR,
    TURN_START,
    Steps,
    delta,
    drain,
    frame,
    frames,
    handled,
    make,
    running,
    small,
    texts,
)

# -- what a frame becomes ------------------------------------------------------------------


async def test_a_frame_is_decoded_folded_and_dispatched() -> None:
    """From the text of a frame to the state and a subscriber."""
    async with running() as pipeline:
        notes = pipeline.subscribe(lane=Lane.TEXT)
        await pipeline.feed([delta("Hi")])
        assert texts([await notes.receive()]) == ["Hi"]
        open_message = pipeline.state.sessions["s"].open_message
        assert open_message is not None
        assert open_message.content == "Hi"


async def test_bytes_are_audio() -> None:
    """A binary frame is raw audio, whatever it contains."""
    async with running() as pipeline:
        frames_ = pipeline.subscribe(ev.AudioFrame)
        pipeline.feed_nowait([b'{"type": "ping"}'])
        assert await frames_.receive() == ev.AudioFrame(data=b'{"type": "ping"}')
        assert pipeline.state.audio.byte_count == 16


@pytest.mark.parametrize(
    ("bad", "lane"),
    [
        ("no JSON", Lane.CONTROL),
        (frame("text_delta", session_id=3), Lane.TEXT),
        (frame("agent_voice_changed"), Lane.CONTROL),
        (frame("audio_delta"), Lane.AUDIO),
    ],
)
async def test_a_malformed_frame_is_reported_by_its_home_lane(bad: str, lane: Lane) -> None:
    """It affects one event and emits one processing-error; nothing else changes."""
    async with running() as pipeline:
        notes = pipeline.subscribe(lane=lane)
        before = pipeline.state
        await pipeline.feed([bad])
        assert isinstance(await notes.receive(), ProcessingFailed)
        after = pipeline.state
        assert (after.control, after.text, after.audio) == (
            before.control,
            before.text,
            before.audio,
        )
        assert after.counters.malformed == 1
        assert pipeline.statistics().total.malformed == 1
        assert pipeline.statistics().lanes[lane].malformed == 1


async def test_one_event_reaches_each_of_its_lanes() -> None:
    """Each lane of its row handles it, and the control lane emits first."""
    async with running() as pipeline:
        pipeline.feed_nowait([CANCELLED])
        await trio.testing.wait_all_tasks_blocked()
        for lane in Lane:
            assert handled(pipeline, lane) == 1
        assert pipeline.state.revision == 3
        assert pipeline.state.counters.events == 1
        assert pipeline.statistics().total.events == 1
        assert [lane.events for lane in pipeline.statistics().lanes] == [1, 1, 1]


async def test_the_shell_sees_the_accepted_events() -> None:
    """The first of adjacent deltas, and no malformed event."""
    thoughts = frames(talk.thought(each, "s") for each in "ab")
    said: list[str] = []
    pipeline = make()
    pipeline.feed_nowait(
        [delta("a"), delta("b"), *thoughts, b"\0\0", b"\0\0", "no JSON", delta("c"), ERROR],
        lambda event: said.append(event.type),
    )
    assert said == ["text_delta", "thought_delta", "", "", "text_delta", "error"]


async def test_no_frame_is_taken_while_one_has_no_room() -> None:
    """It waits in the transport."""
    pipeline = make(text=small(2))
    rest = iter([*map(delta, "abcde")])
    with pytest.raises(trio.WouldBlock):
        pipeline.feed_nowait(rest)
    assert list(rest) == [delta("d"), delta("e")]
    assert pipeline.statistics().text.depth == 2


async def test_feeding_is_not_a_checkpoint_while_there_is_room() -> None:
    """An await per event would cost more than decoding it."""
    async with running() as pipeline:
        with trio.testing.assert_no_checkpoints():
            await pipeline.feed([delta()])


def _steps_of_lanes(steps: Steps) -> int:
    return sum(name.endswith(" lane") for name in steps.names)


def test_an_idle_lane_is_handled_by_the_task_that_feeds_it() -> None:
    """No other task has to run before the subscriber."""
    steps = Steps()

    async def main() -> None:
        async with running() as pipeline:
            notes = pipeline.subscribe(lane=Lane.TEXT)
            await trio.testing.wait_all_tasks_blocked()
            before = _steps_of_lanes(steps)
            for content in "abc":
                await pipeline.feed([delta(content), b"\0\0"])
                assert texts([await notes.receive()]) == [content]
            await pipeline.feed([CANCELLED])
            assert [note.name for note in drain(notes)] == [
                "message-complete",
                "response-cancelled",
            ]
            assert _steps_of_lanes(steps) == before

    trio.run(main, instruments=[steps])


async def test_the_lanes_task_continues_after_a_step_in_place() -> None:
    """The feeding task handles one batch; lower lanes wait for the one above."""
    async with running(coalesce=False, batch_size=2) as pipeline:
        await trio.testing.wait_all_tasks_blocked()
        await pipeline.feed([ERROR, ERROR, ERROR, b"\0\0"])
        assert [lane.depth for lane in pipeline.statistics().lanes] == [1, 1, 3]
        await trio.testing.wait_all_tasks_blocked()
        assert pipeline.statistics().total.depth == 0


async def test_a_blocked_lane_is_not_handled_in_place() -> None:
    """Its entries wait; the lanes below do not."""
    async with running() as pipeline:
        stuck = pipeline.subscribe(lane=Lane.CONTROL, overflow=Block(1))
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(3):
            await pipeline.feed([ERROR])
        depths = [lane.depth for lane in pipeline.statistics().lanes]
        assert depths == [1, 0, 0]
        await trio.testing.wait_all_tasks_blocked()
        assert pipeline.statistics().control.depth == 1
        await stuck.receive()
        await trio.testing.wait_all_tasks_blocked()
        assert pipeline.statistics().control.depth == 0
        assert pipeline.state.counters.events == 3


async def test_custom_handlers_run_in_the_lanes_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They can be slow; the receive task does not wait for them."""
    monkeypatch.setattr(_lane, "has_custom_handlers", lambda lane: lane is Lane.TEXT)
    async with running() as pipeline:
        await trio.testing.wait_all_tasks_blocked()
        await pipeline.feed([delta(), b"\0\0"])
        assert [lane.depth for lane in pipeline.statistics().lanes] == [0, 0, 1]
        await trio.testing.wait_all_tasks_blocked()
        assert pipeline.statistics().text.depth == 0


async def test_events_within_a_millisecond_share_their_time() -> None:
    """Also if the clock is set back."""
    times = iter([10.0, 10.0004, 10.0009, 10.002, 9.0])
    pipeline = Pipeline(ClientConfig(coalesce=False), clock=lambda: next(times))
    seen: list[float] = []
    pipeline.observe(Lane.TEXT, lambda _event, _notes, slice_: seen.append(slice_.now))
    for number in range(5):
        pipeline.feed_nowait([delta(session=str(number))])
    pipeline.close()
    await pipeline.run()
    assert seen == [10.0, 10.0, 10.0, 10.002, 9.0]


async def test_local_events_keep_their_place_among_server_events() -> None:
    """A link event is handled in its place; nobody can subscribe to local events."""
    async with running() as pipeline:
        events = pipeline.subscribe(ev.ServerEvent, lane=Lane.CONTROL)
        notes = pipeline.subscribe(lane=Lane.CONTROL)
        pipeline.post(LinkEvent(status="connected", note=Connected()))
        pipeline.feed_nowait([CANCELLED])
        pipeline.post(EmitEvent(note=AuthLogout()))
        pipeline.post(VoiceRequestedEvent(voice_id="v"))
        await trio.testing.wait_all_tasks_blocked()
        assert drain(notes) == [Connected(), CancelConfirmed(), AuthLogout()]
        assert drain(events) == [ev.CancelledEvent()]
        assert pipeline.state.control.connection.status == "connected"
        assert pipeline.state.control.voice_requested == "v"


async def test_commands_take_their_place_in_the_lane() -> None:
    """Events fed before are folded before; events fed after are folded after."""
    async with running() as pipeline:
        pipeline.feed_nowait([delta("a", "main", user_session_id=None)])
        pipeline.set_user_session_id("main")
        pipeline.feed_nowait([delta("b", "child", user_session_id=None)])
        pipeline.feed_nowait([frame("interaction", **_of("main"), started=False, id="i")])
        pipeline.feed_nowait([frame("interaction", **_of("child"), started=False, id="j")])
        await trio.testing.wait_all_tasks_blocked()
        state = pipeline.state
        assert state.text.user_session_id == "main"
        assert [m.is_sub_session for m in state.sessions["main"].messages] == [False]
        assert [m.is_sub_session for m in state.sessions["child"].messages] == [True]
        revision = state.revision
        pipeline.feed_nowait([delta("lost", "main")])
        pipeline.reset()
        pipeline.feed_nowait([delta("kept", "main")])
        await trio.testing.wait_all_tasks_blocked()
        message = pipeline.state.sessions["main"].open_message
        assert message is not None
        assert message.content == "kept"
        assert len(pipeline.state.sessions["main"].messages) == 1  # "lost" was not stored
        assert pipeline.state.revision == revision + 2  # a command is not an event


async def test_reset_forgets_what_each_lane_has_seen() -> None:
    """An id counts once until a reset, in every lane; half a sample is dropped."""
    voice = {"voice_id": "v", "vendor": "x", "description": "d", "output_format": "pcm16"}
    changed = frame("agent_voice_changed", id="once", voice=voice)
    async with running() as pipeline:
        for _ in range(2):
            pipeline.feed_nowait([changed])
        pipeline.feed_nowait([b"\1\2\3"])
        await trio.testing.wait_all_tasks_blocked()
        assert pipeline.state.counters.duplicates == 1
        assert pipeline.state.audio.carry == b"\3"
        pipeline.reset()
        pipeline.feed_nowait([changed])
        await trio.testing.wait_all_tasks_blocked()
        assert pipeline.state.counters.duplicates == 1
        assert pipeline.state.audio.carry == b""


def _of(session: str) -> dict[str, Any]:
    return {"session_id": session, "role": "assistant"}


# -- coalescing ----------------------------------------------------------------------------


async def _observed(frames_: list[str | bytes], **options: Any) -> tuple[Pipeline, list[Any]]:
    """Feed frames in one step; return the pipeline and the events folded by its text lane."""
    pipeline = make(**options)
    seen: list[Any] = []
    pipeline.observe(Lane.TEXT, lambda event, _notes, _slice: seen.append(event))
    for each in frames_:
        pipeline.feed_nowait([each])
    pipeline.close()
    await pipeline.run()
    return pipeline, seen


def _contents(events: list[Any]) -> list[str]:
    return [event.content for event in events]


async def test_adjacent_deltas_are_folded_as_one_and_counted_separately() -> None:
    """One event for the fold, three for the counters."""
    pipeline, seen = await _observed([delta("a"), delta("b"), delta("c")])
    assert _contents(seen) == ["abc"]
    assert pipeline.state.revision == 3
    assert pipeline.state.counters.events == 3
    assert handled(pipeline, Lane.TEXT) == 3
    assert pipeline.statistics().text.coalesced == 2
    assert pipeline.statistics().text.events == 3


async def test_coalesced_deltas_have_the_time_of_the_first() -> None:
    """The message began with its first piece."""
    pipeline, _ = await _observed([delta("a"), delta("b")])
    message = pipeline.state.sessions["s"].open_message
    assert message is not None
    assert message.head.timestamp.timestamp() == 1_000_000.0


@pytest.mark.parametrize(
    "others",
    [
        {"session": "t"},
        {"role": "x"},
        {"format": "html"},
        {"parent_session_id": "p"},
        {"user_session_id": "u"},
        {"id": "1"},
    ],
)
async def test_deltas_that_differ_are_not_coalesced(others: dict[str, Any]) -> None:
    """If they differ in anything except their content."""
    _, seen = await _observed([delta("a"), delta("b", **others), delta("c")])
    assert _contents(seen) == ["a", "b", "c"]


async def test_deltas_that_differ_by_a_letter_are_not_coalesced() -> None:
    """Before or after their content."""
    said = [delta("a", format="one"), delta("b", format="two"), delta("c", "t", format="two")]
    _, seen = await _observed([*said])
    assert _contents(seen) == ["a", "b", "c"]


async def test_a_duplicate_delta_is_not_coalesced() -> None:
    """Deltas with an id are identified by it."""
    pipeline, _ = await _observed([delta("a", id="1"), delta("a", id="1"), delta("b", id="2")])
    message = pipeline.state.sessions["s"].open_message
    assert message is not None
    assert message.content == "ab"
    assert pipeline.state.counters.duplicates == 1


async def test_an_event_in_between_separates_deltas() -> None:
    """Order is kept, also with another kind of delta or event in between."""
    thought = talk.thought("t", "s", user=None)
    between = [*frames([thought]), frame("user_turn_end")]
    _, seen = await _observed([delta("a"), between[0], delta("b"), between[1], delta("c")])
    types = [event.type for event in seen]
    assert types == ["text_delta", "thought_delta", "text_delta", "user_turn_end", "text_delta"]


async def test_thoughts_are_coalesced_too() -> None:
    """Thoughts are deltas like text."""
    thoughts = frames(talk.thought(each, "s") for each in "abc")
    _, seen = await _observed([*thoughts])
    assert _contents(seen) == ["abc"]


async def test_an_empty_delta_starts_no_run() -> None:
    """A message begins with its first character, so an empty delta does not set its time."""
    pipeline, _ = await _observed([delta(""), delta("b")])
    message = pipeline.state.sessions["s"].open_message
    assert message is not None
    assert message.head.timestamp.timestamp() == 1_000_001.0


async def test_late_deltas_are_counted_separately() -> None:
    """After a cancel, each delta counts as late."""
    pipeline, _ = await _observed([delta("a"), CANCELLED, delta("b"), delta("c"), delta("d")])
    assert pipeline.state.counters.late_deltas == 3


async def test_coalescing_can_be_turned_off() -> None:
    """Each delta is folded separately."""
    pipeline, seen = await _observed([delta("a"), delta("b")], coalesce=False)
    assert _contents(seen) == ["a", "b"]
    assert pipeline.statistics().text.coalesced == 0


def _note(order: list[Lane], lane: Lane, *_fold: object) -> None:
    order.append(lane)


# -- priority ------------------------------------------------------------------------------


async def test_control_is_handled_before_audio_and_audio_before_text() -> None:
    """In any order of arrival and any schedule of trio."""
    order: list[Lane] = []
    pipeline = make(batch_size=8, coalesce=False)
    for lane in Lane:
        pipeline.observe(lane, partial(_note, order, lane))
    for _ in range(20):
        pipeline.feed_nowait([delta()])
        pipeline.feed_nowait([b"\0\0"])
        pipeline.feed_nowait([ERROR if len(order) else frame("voice_list", voices=[])])
    pipeline.close()
    await pipeline.run()
    assert order == [Lane.CONTROL] * 20 + [Lane.AUDIO] * 20 + [Lane.TEXT] * 20


async def test_after_yielding_eight_times_a_lower_lane_gets_one_batch() -> None:
    """A flood of audio slows the text down but does not stop it."""
    pipeline = make(batch_size=8, coalesce=False)
    order: list[Lane] = []
    for lane in (Lane.AUDIO, Lane.TEXT):
        pipeline.observe(lane, partial(_note, order, lane))
    for _ in range(8 * 100):
        pipeline.feed_nowait([b"\0\0"])
    for _ in range(8 * 3):
        pipeline.feed_nowait([delta()])
    pipeline.close()
    await pipeline.run()
    batches = order[::8]
    places = [place for place, lane in enumerate(batches) if lane is Lane.TEXT]
    # A batch of its own, the checkpoint behind it, and eight times of giving way: that many
    # batches of audio come between two of text, give or take the order within a round.
    assert len(places) == 3
    between = [after - before - 1 for before, after in itertools.pairwise(places)]
    assert all(8 <= batches <= 10 for batches in between)
    assert 8 <= places[0] <= 10


async def test_text_advances_under_an_endless_flood_of_audio() -> None:
    """The flood lasts as long as the text takes."""
    async with running(coalesce=False) as pipeline:
        done = trio.Event()

        def count(_event: object, _notes: object, _slice: object) -> None:
            if handled(pipeline, Lane.TEXT) == 319:
                done.set()

        pipeline.observe(Lane.TEXT, count)
        for _ in range(320):
            pipeline.feed_nowait([delta()])
        rounds = 0
        while not done.is_set():
            for _ in range(64):  # more than a batch a round: the lane is never empty
                pipeline.feed_nowait([b"\0\0"])
            rounds += 1
            assert pipeline.statistics().audio.depth > 0
            assert rounds < 500
            await trio.lowlevel.checkpoint()


async def test_a_blocked_lane_has_no_backlog() -> None:
    """A stuck Block subscriber of the audio lane does not stop the text lane."""
    async with running() as pipeline:
        await trio.testing.wait_all_tasks_blocked()
        steps_when_idle = await _steps_of_a_delta(pipeline)
        stuck = pipeline.subscribe(lane=Lane.AUDIO, overflow=Block(1))
        for _ in range(100):
            pipeline.feed_nowait([b"\0\0"])
        await trio.testing.wait_all_tasks_blocked()
        assert stuck.statistics().blocking
        steps = await _steps_of_a_delta(pipeline)
        assert steps == steps_when_idle  # it did not yield once
        assert pipeline.statistics().audio.depth == 98  # 1 is held, 1 waits to be


async def _steps_of_a_delta(pipeline: Pipeline) -> int:
    """Count the steps of all tasks until a text delta is handled and all tasks wait."""
    steps = Steps()
    trio.lowlevel.add_instrument(steps)
    try:
        pipeline.feed_nowait([delta("Hi")])
        await trio.testing.wait_all_tasks_blocked()
    finally:
        trio.lowlevel.remove_instrument(steps)
    return steps.count


# -- bounds --------------------------------------------------------------------------------


async def test_a_full_lane_takes_no_event() -> None:
    """The next event raises WouldBlock, in all its lanes or in none."""
    pipeline = make(text=small(4))
    for _ in range(4):
        pipeline.feed_nowait([delta()])
    with pytest.raises(trio.WouldBlock):
        pipeline.feed_nowait([CANCELLED])
    pipeline.feed_nowait([b"\0\0"])  # another lane is not affected
    pipeline.close()
    await pipeline.run()
    assert [lane.events for lane in pipeline.statistics().lanes] == [0, 1, 4]


async def test_a_lane_has_a_bound_in_bytes_but_takes_one_event() -> None:
    """An event larger than the bound is taken if the lane is empty."""
    pipeline = make(text=small(100, size=1000))
    pipeline.feed_nowait([delta("x" * 5000)])
    with pytest.raises(trio.WouldBlock):
        pipeline.feed_nowait([delta()])
    assert pipeline.statistics().text.bytes > 5000


async def test_feeding_waits_for_handlers_and_continues() -> None:
    """Nothing is lost and the order is kept when the lane fills repeatedly."""
    pipeline = make(text=small(3), coalesce=False)
    notes = pipeline.subscribe(MessageStreaming)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.run)
        for number in range(50):
            await pipeline.feed([delta(f"{number},")])
            assert pipeline.statistics().text.depth <= 3
        pipeline.close()
    assert "".join(texts(drain(notes))) == "".join(f"{number}," for number in range(50))


async def test_a_waiting_feed_takes_and_reports_every_frame() -> None:
    """In order; a waiting event is reported when it is taken."""
    pipeline = make(text=small(3))
    notes = pipeline.subscribe(MessageStreaming)
    said: list[str] = []
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.run)
            several = (frame("user_turn_end") if number % 2 else delta() for number in range(40))
            await pipeline.feed(several, lambda event: said.append(event.type))
            pipeline.close()
    assert said == ["text_delta", "user_turn_end"] * 20
    assert "".join(texts(drain(notes))) == "x" * 20


async def test_a_cancelled_feed_has_taken_nothing() -> None:
    """The waiting event is in no lane."""
    pipeline = make(text=small(2))
    for _ in range(2):
        pipeline.feed_nowait([delta()])
    with trio.CancelScope() as scope:
        scope.cancel()
        await pipeline.feed([CANCELLED])
    assert scope.cancelled_caught
    pipeline.close()
    await pipeline.run()
    assert [lane.events for lane in pipeline.statistics().lanes] == [0, 0, 2]


async def test_a_waiting_feed_ends_with_the_pipeline() -> None:
    """A task that waits for space does not wait forever."""
    pipeline = make(text=small(1))
    pipeline.feed_nowait([delta()])
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def feed() -> None:
            with pytest.raises(ClosedError):
                await pipeline.feed([delta()])

        await trio.testing.wait_all_tasks_blocked()
        pipeline.close()


async def test_a_feed_whose_steps_make_room_does_not_wait() -> None:
    """No step of the lane would wake it: the lane has nothing left."""
    pipeline = make(text=small(3))
    async with trio.open_nursery() as nursery:
        pipeline.start(nursery)
        with trio.fail_after(5):
            await pipeline.feed([frame("system_prompt", content=text) for text in "abcdefgh"])
        await trio.testing.wait_all_tasks_blocked()
        assert handled(pipeline, Lane.TEXT) == 8
        pipeline.close(now=True)


async def test_what_an_observer_puts_needs_no_task_of_a_lane() -> None:
    """The steps at the end of the take pass its mark, and handle its events and commands."""
    pipeline = make()
    seen: list[bool] = []

    def observe(event: Any) -> None:
        pipeline.post(LinkEvent(status=None))
        mark = pipeline.marks.place()
        mark.when_done(lambda: seen.append(mark.done))
        assert not mark.done

    async with trio.open_nursery() as nursery:
        pipeline.start(nursery)
        before = trio.lowlevel.current_statistics().tasks_living
        for frames_ in ([TURN_START], [TURN_START, CANCELLED]):
            await pipeline.feed(frames_, observe)
        assert pipeline.intake.take_one(CANCELLED, observe)
        assert seen == [True] * 4
        assert pipeline.drained
        assert trio.lowlevel.current_statistics().tasks_living == before
        pipeline.close(now=True)


async def test_what_a_step_puts_into_a_lane_above_wakes_it() -> None:
    """The steps at the end of the take have passed that lane already."""
    pipeline = make()

    def observe(_event: Any) -> None:
        mark = pipeline.marks.place(Lane.TEXT)
        mark.when_done(lambda: pipeline.post(LinkEvent(status=None)))

    async with trio.open_nursery() as nursery:
        pipeline.start(nursery)
        assert pipeline.intake.take_one(CANCELLED, observe)
        assert not pipeline.drained
        await trio.testing.wait_all_tasks_blocked()
        assert pipeline.drained
        pipeline.close(now=True)


async def test_a_full_lane_evicts_the_subscriber_that_blocks_it() -> None:
    """Only that subscription gets LaggedError, after its buffered items."""
    async with running(text=small(10), coalesce=False) as pipeline:
        stuck = pipeline.subscribe(lane=Lane.TEXT, overflow=Block(1))
        other = pipeline.subscribe(lane=Lane.TEXT)
        audio = pipeline.subscribe(lane=Lane.AUDIO, overflow=Block(1))
        for number in range(40):
            await pipeline.feed([delta(f"{number},")])
            await trio.testing.wait_all_tasks_blocked()
        assert "".join(texts(drain(other))) == "".join(f"{number}," for number in range(40))
        assert texts([await stuck.receive(), await stuck.receive()]) == ["0,", "1,"]
        for _ in range(2):
            with pytest.raises(LaggedError):
                await stuck.receive()
        assert pipeline.statistics().text.lagged == 1
        assert pipeline.statistics().total.lagged == 1
        pipeline.feed_nowait([b"\0\0"])
        await audio.receive()


async def test_a_lane_that_blocks_a_waiting_feed_evicts() -> None:
    """The waiting task does not have to try again."""
    pipeline = make(text=small(4), batch_size=2, coalesce=False)
    pipeline.subscribe(lane=Lane.TEXT, overflow=Block(1))
    stuck = pipeline.subscribe(lane=Lane.TEXT, overflow=Block(1))
    for number in range(4):
        pipeline.feed_nowait([delta(str(number))])
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.run)
            for number in range(4, 12):
                await pipeline.feed([delta(str(number))])
            pipeline.close()
    assert len(drain_until_lagged(stuck)) < 12


@pytest.mark.parametrize("rules", [(), (Block(1), Block(1))])
async def test_a_large_event_waits_for_more_than_one_batch(rules: tuple[Block, ...]) -> None:
    """Each batch wakes it; if the lane is blocked, the blocking subscriber is evicted."""
    pipeline = make(text=small(100, size=1000), batch_size=1, coalesce=False)
    stuck = [pipeline.subscribe(lane=Lane.TEXT, overflow=rule) for rule in rules]
    small_ones = 1000 // len(delta("0"))
    for number in range(small_ones):
        pipeline.feed_nowait([delta(str(number))])
    steps = 0
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.run)
            await pipeline.feed([delta("x" * 800)])
            steps = handled(pipeline, Lane.TEXT)
            pipeline.close()
    assert steps >= small_ones - 1
    message = pipeline.state.sessions["s"].open_message
    assert message is not None
    assert message.content.endswith("x" * 800)
    for each in stuck:
        assert texts(drain_until_lagged(each)) == ["0", "1"]


async def test_local_events_are_taken_beyond_the_bound() -> None:
    """They never wait; a subscriber that blocks the lane is evicted."""
    async with running(control=small(3)) as pipeline:
        stuck = pipeline.subscribe(lane=Lane.CONTROL, overflow=Block(1))
        for _ in range(100):
            pipeline.post(EmitEvent(note=AuthLogout()))
            await trio.testing.wait_all_tasks_blocked()
        assert pipeline.statistics().control.depth == 0
        assert drain_until_lagged(stuck) == [AuthLogout(), AuthLogout()]


def drain_until_lagged(subscription: Any) -> list[Any]:
    """Return the items of a subscription until it raises LaggedError."""
    items: list[Any] = []
    try:
        while True:
            items.append(subscription.receive_nowait())
    except LaggedError:
        return items


# -- pressure ------------------------------------------------------------------------------


def _pressures(notes: list[Notification]) -> list[tuple[str, int]]:
    return [(note.lane, note.level) for note in notes if isinstance(note, MemoryPressure)]


@pytest.mark.parametrize("by_bytes", [False, True])
async def test_memory_pressure_is_emitted_at_each_level_and_at_its_end(by_bytes: bool) -> None:
    """50, 80, 95 percent of the bound; 0 below 40."""
    size = len(delta())
    bounds = small(1000, 100 * size) if by_bytes else small(100)
    async with running(text=bounds, coalesce=False) as pipeline:
        news = pipeline.subscribe(lane=Lane.CONTROL)
        held = pipeline.subscribe(lane=Lane.TEXT, overflow=Block(1))
        seen: dict[int, int] = {}
        for number in range(1, 101):
            pipeline.feed_nowait([delta()])
            await trio.testing.wait_all_tasks_blocked()
            for _, level in _pressures(drain(news)):
                seen[level] = number
        # The Block subscriber has one and a second waits to be taken: they are handled.
        assert seen == {50: 52, 80: 82, 95: 97}
        for _ in range(58):
            await held.receive()
            await trio.testing.wait_all_tasks_blocked()
        assert pipeline.statistics().text.depth == 40
        assert not _pressures(drain(news))
        await held.receive()
        await trio.testing.wait_all_tasks_blocked()
        assert _pressures(drain(news)) == [("text", 0)]
        assert pipeline.statistics().text.high_water == 98


async def test_memory_pressure_is_not_an_event() -> None:
    """It depends on the speed of the handlers, so it must not affect the state."""
    async with running(text=small(2)) as pipeline:
        news = pipeline.subscribe(MemoryPressure)
        pipeline.feed_nowait([delta()])
        assert await news.receive() == MemoryPressure(lane="text", level=50)
        await trio.testing.wait_all_tasks_blocked()
        assert pipeline.state.revision == 1
        assert pipeline.state.counters.events == 1


async def test_a_large_event_may_pass_several_levels_at_once() -> None:
    """Only the highest level is emitted."""
    async with running(audio=small(100, size=1000)) as pipeline:
        news = pipeline.subscribe(MemoryPressure)
        pipeline.feed_nowait([b"\0" * 900])
        assert await news.receive() == MemoryPressure(lane="audio", level=80)
        assert await news.receive() == MemoryPressure(lane="audio", level=0)


# -- barriers, observers, statistics -------------------------------------------------------


async def test_a_mark_is_done_when_every_lane_has_passed_it() -> None:
    """The control lane alone is not enough, and later events do not matter."""
    async with running(coalesce=False) as pipeline:
        stuck = pipeline.subscribe(lane=Lane.TEXT, overflow=Block(1))
        for content in "abc":
            pipeline.feed_nowait([delta(content)])
        pipeline.feed_nowait([TURN_START])
        mark = pipeline.marks.place()
        pipeline.feed_nowait([TURN_START])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(mark.wait)
            await trio.testing.wait_all_tasks_blocked()
            assert handled(pipeline, Lane.CONTROL) == 2
            assert handled(pipeline, Lane.TEXT) == 2
            assert not mark.done
            assert pipeline.state.turn.can_send_input  # the state does not wait
            stuck.close()
        assert mark.done
        with trio.testing.assert_checkpoints():
            await mark.wait()


async def test_a_mark_keeps_its_place() -> None:
    """Between two events, also of one run. Each lane calls back with its own slice."""
    pipeline = make()
    passed: list[tuple[Lane, Any]] = []
    pipeline.feed_nowait([delta("a"), delta("b")])
    mark = pipeline.marks.place(Lane.TEXT, Lane.CONTROL)
    mark.when_passed(Lane.TEXT, lambda slice_: passed.append((Lane.TEXT, slice_)))
    mark.when_passed(Lane.CONTROL, lambda slice_: passed.append((Lane.CONTROL, slice_)))
    mark.when_done(lambda: passed.append((Lane.AUDIO, None)))
    pipeline.feed_nowait([delta("c"), TURN_START])
    pipeline.close()
    await pipeline.run()
    (first, control), (second, text), (last, _) = passed
    assert (first, second, last) == (Lane.CONTROL, Lane.TEXT, Lane.AUDIO)
    assert not control.turn.can_send_input
    (open_message,) = text.open.values()
    assert str(open_message.text) == "ab"
    assert pipeline.state.revision == 6
    assert pipeline.state.counters.events == 4


async def test_an_observer_places_its_mark_directly_after_the_event() -> None:
    """Even if other events arrived in the same step."""
    pipeline = make()
    seen: list[int] = []

    def observe(event: Any) -> None:
        if isinstance(event, ev.UserTurnStartEvent):
            mark = pipeline.marks.place(Lane.TEXT)
            mark.when_passed(Lane.TEXT, lambda _: seen.append(handled(pipeline, Lane.TEXT)))

    pipeline.feed_nowait([delta("a"), TURN_START, delta("b"), delta("c"), TURN_START], observe)
    pipeline.close()
    await pipeline.run()
    assert seen == [2, 5]


async def test_a_mark_that_no_lane_will_pass_ends_its_wait() -> None:
    """Placed before or after the end."""
    pipeline = make()
    pipeline.feed_nowait([delta()])
    mark = pipeline.marks.place()
    mark.when_done(pytest.fail)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def wait() -> None:
            with pytest.raises(ClosedError, match="ended before"):
                await mark.wait()

        await trio.testing.wait_all_tasks_blocked()
        pipeline.close(now=True)
    late = pipeline.marks.place()
    with pytest.raises(ClosedError, match="ended before"):
        await late.wait()
    assert not late.done


async def test_an_observer_sees_each_event_its_notes_and_the_new_slice() -> None:
    """Before any subscriber does."""
    async with running() as pipeline:
        notes = pipeline.subscribe(TurnStateChanged)
        seen: list[Any] = []
        pipeline.observe(Lane.CONTROL, lambda *what: seen.append((*what, drain(notes))))
        pipeline.feed_nowait([TURN_START])
        expected = TurnStateChanged(can_send_input=True)
        assert await notes.receive() == expected
        event, told, slice_, delivered = seen[0]
        assert (type(event), told, delivered) == (ev.UserTurnStartEvent, (expected,), [])
        assert slice_.turn.can_send_input


async def test_statistics_of_each_lane_and_in_total() -> None:
    """Compared with counts made by hand."""
    async with running(coalesce=True) as pipeline:
        text = pipeline.subscribe(lane=Lane.TEXT)
        for each in (delta("a"), delta("b"), frame("no_such_type"), "bad", CANCELLED):
            pipeline.feed_nowait([each])
        before = pipeline.statistics()
        assert [lane.depth for lane in before.lanes] == [3, 1, 3]
        assert before.total.depth == 7
        assert before.text.bytes == 2 * len(delta("a")) + len(CANCELLED)
        assert [lane.lane for lane in before.lanes] == [Lane.CONTROL, Lane.AUDIO, Lane.TEXT]
        assert before.total.lane is None
        await trio.testing.wait_all_tasks_blocked()
        after = pipeline.statistics()
        assert [lane.events for lane in after.lanes] == [3, 1, 3]
        assert after.total.events == 5
        assert (after.control.unknown, after.control.malformed) == (1, 1)
        assert (after.text.depth, after.text.bytes, after.text.high_water) == (0, 0, 3)
        assert after.text.subscriptions == after.total.subscriptions == 1
        for timing in (after.text.waiting, after.text.handling, after.total.handling):
            assert 0 < timing.p50 <= timing.p99 <= timing.max
        assert after.text.rate > 0
        assert after.text.max_items == ClientConfig().text.max_items
        text.close()
        assert pipeline.statistics().text.subscriptions == 0


async def test_a_raising_handler_affects_only_its_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The lane continues and reports the error."""
    pipeline = make()

    def broken(_slice: Any, _event: Any) -> Any:
        message = "secret"
        raise KeyError(message)

    fold: Any = pipeline._lanes[Lane.TEXT].fold
    monkeypatch.setattr(fold, "_found", dict.fromkeys(DELTAS, (broken, True, False, True)))
    wire = pipeline.subscribe(ev.TextDeltaEvent)
    notes = pipeline.subscribe(lane=Lane.TEXT)
    pipeline.feed_nowait([delta("a")])
    pipeline.feed_nowait([CANCELLED])
    pipeline.close()
    await pipeline.run()
    error, *rest = drain(notes)
    assert isinstance(error, ProcessingFailed)
    assert "secret" not in repr(error)
    assert [note.name for note in rest] == ["response-cancelled"]
    assert drain(wire) == []  # it did not count
    assert pipeline.statistics().text.handler_errors == 1


# -- the end -------------------------------------------------------------------------------


async def test_closing_handles_queued_events_and_then_ends() -> None:
    """Every fed event comes out, even with a Block subscriber that never reads."""
    pipeline = make(coalesce=False)
    stuck = pipeline.subscribe(lane=Lane.TEXT, overflow=Block(1))
    notes = pipeline.subscribe(lane=Lane.TEXT)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.run)
        await trio.testing.wait_all_tasks_blocked()
        for number in range(100):
            pipeline.feed_nowait([delta(f"{number},")])
        await trio.testing.wait_all_tasks_blocked()
        assert pipeline.statistics().text.depth == 98
        pipeline.close()
    whole = "".join(f"{number}," for number in range(100))
    for each in (stuck, notes):
        assert "".join(texts([note async for note in each])) == whole
    assert pipeline.state.revision == 100


async def test_a_cancelled_pipeline_ends_its_subscriptions() -> None:
    """After their buffered items."""
    pipeline = make()
    notes = pipeline.subscribe(lane=Lane.TEXT)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.run)
        pipeline.feed_nowait([delta("a")])
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert texts([note async for note in notes]) == ["a"]
    with pytest.raises(trio.EndOfChannel):
        await notes.receive()


async def test_after_the_end_nothing_is_taken_and_nothing_hangs() -> None:
    """Feeding raises, posting does nothing, and a new subscription is at its end."""
    pipeline = make()
    pipeline.close()
    pipeline.close()
    await pipeline.run()
    for each in (delta(), "bad", b"\0\0"):
        with pytest.raises(ClosedError):
            pipeline.feed_nowait([each])
        with pytest.raises(ClosedError):
            await pipeline.feed([each])
    pipeline.post(EmitEvent(note=AuthLogout()))
    pipeline.set_user_session_id("s")
    pipeline.reset()
    late = pipeline.subscribe(lane=Lane.TEXT)
    assert [note async for note in late] == []
    late.close()
    assert pipeline.state.revision == 0
    with pytest.raises(RuntimeError):
        await pipeline.run()


async def test_whole_messages_count_with_their_text() -> None:
    """A completed message is much larger than the event that completed it."""
    async with running() as pipeline:
        notes = pipeline.subscribe(MessageComplete)
        for _ in range(100):
            pipeline.feed_nowait([delta("x" * 100)])
        pipeline.feed_nowait([frame("interaction", **_of("s"), started=False, id="i")])
        await trio.testing.wait_all_tasks_blocked()
        assert notes.statistics().bytes >= 10_000
