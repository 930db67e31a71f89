"""Invariants of the audio lane: sample-exact, silent immediately, no drift, no delay."""

from __future__ import annotations

import gc
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

import realtime_trio as rt
from realtime_trio._lanes._pipeline import Pipeline
from realtime_trio._session._playback_gate import PlaybackGate
from realtime_trio.audio import (
    DEFAULT_FORMAT,
    AudioFormat,
    MemorySink,
    MemorySource,
    Playback,
    PlaybackConfig,
    Resampler,
    tone,
)
from realtime_trio.events import CancelledEvent, Lane
from realtime_trio.server import ServerConfig, open_server
from realtime_trio.server._turn_script import Emit, Wait
from realtime_trio.testing import emit, say, speak, turn, wait
from tests.audio.sinks import Stamped

PLAIN = PlaybackConfig(fade=0.0)
SECOND = tone(440, 16_000, 16_000)
DELTA = (
    '{"type": "text_delta", "session_id": "s", "role": "assistant", '
    '"content": "x", "format": "text"}'
)
CANCELLED = '{"type": "cancelled"}'


def adds_up(playback: Playback) -> bool:
    facts = playback.statistics()
    return facts.received == facts.played + facts.dropped + facts.flushed + facts.buffered


# -- sample-exact --------------------------------------------------------------------------


def voice(rate: int) -> dict[str, object]:
    name = "pcm16" if rate == 16_000 else f"pcm16_{rate}"
    return {
        "type": "agent_voice_changed",
        "voice": {"voice_id": name, "vendor": "x", "description": "", "output_format": name},
    }


def text_frame(number: int) -> dict[str, object]:
    return {
        "type": "text_delta",
        "session_id": "$session",
        "user_session_id": "$session",
        "parent_session_id": None,
        "role": "assistant",
        "content": f"word {number} ",
        "format": "text",
    }


# A part of an answer: its rate, its length in samples, and where its bytes are cut.
PARTS = st.lists(
    st.tuples(
        st.sampled_from([16_000, 24_000]),
        st.integers(1, 12_000),
        st.lists(st.integers(1, 6_000), max_size=12),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=25)
@given(PARTS, st.floats(0, 0.2), st.integers(0, 5))
def test_the_sink_gets_exactly_the_servers_samples(
    parts: list[tuple[int, int, list[int]]], jitter: float, words: int
) -> None:
    """With any chunks, jitter up to 200 ms, reordered text and any formats."""
    pytest.importorskip("soxr")
    steps: list[Emit | Wait] = []
    expected = b""
    resampler = Resampler(DEFAULT_FORMAT, DEFAULT_FORMAT)
    for number, (rate, samples, cuts) in enumerate(parts):
        steps.append(emit(voice(rate)))
        data = tone(300 + 100 * number, samples, rate)
        if resampler.source.rate != rate:
            expected += resampler.flush()
            resampler = Resampler(AudioFormat(rate), DEFAULT_FORMAT)
        expected += resampler(data)
        place = 0
        for cut in [*cuts, len(data)]:
            if piece := data[place : place + cut]:
                steps += [emit(*map(text_frame, range(words)), piece), wait(len(piece) / 48_000)]
            place += cut
    expected += resampler.flush()
    sink = MemorySink()

    async def main() -> None:
        async with open_server() as server, rt.open_client(server.url, auth="any") as client:
            await client.ready()
            server.script(turn("hi", *steps, text="that is all"))
            server.faults.reorder(types=["text_delta"], probability=0.5)
            server.faults.delay(0.0, jitter=jitter)
            async with client.audio.play_to(sink, config=PLAIN) as playing:
                async with client.ask("hi"):
                    pass
                await playing.drained()
                assert adds_up(playing)

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert sink.data == expected


# -- silent at once ------------------------------------------------------------------------


async def test_barge_in_under_load(autojump_clock: object) -> None:
    """30 s of audio wait to be played and 100,000 text events to be handled."""
    sink = Stamped()
    silent: list[int] = []
    async with (
        open_server(ServerConfig(hard_queue=200_000)) as server,
        rt.open_client(server.url, auth="any") as client,
        client.audio.play_to(sink, config=PLAIN) as playing,
    ):
        await client.ready()
        server.script(
            turn("hi", emit(*[SECOND] * 31), say(*["x "] * 100_000), wait(60), delay=0.0),
            turn("on", emit(SECOND), text="x"),
        )
        stuck = client.text.subscribe(overflow=rt.Block(1))  # no task reads it
        with trio.move_on_after(1.0):
            async with client.subscribe(rt.CancelConfirmed) as cancels:
                await client.send(rt.events.TextInputEvent(text="hi"))
                await cancels.receive()
        before = client.audio.statistics().playback
        assert before is not None
        assert before.buffered_ms >= 29_900
        assert client.statistics().text.depth >= 100_000 - 1000
        silent.append(len(sink.blocks))
        await client.cancel()
        await trio.sleep(40)
        silent.append(len(sink.blocks))
        assert silent[0] == silent[1]
        stuck.close()
        await client.ready()
        async with client.ask("on"):
            pass
        await playing.drained()
        assert b"".join(list(sink.blocks)[silent[1] :]) == SECOND
        assert adds_up(playing)


@pytest.mark.parametrize("trigger", ["the server's word", "the application's"])
async def test_barge_in_before_the_load_is_handled(autojump_clock: object, trigger: str) -> None:
    """As above, but none of the load has been handled yet, with either source of silence.

    The application's is ``cancel``, ``talk``, ``push_to_talk`` or ``stop``.
    """
    async with lanes() as (pipeline, playing, sink):
        stuck = pipeline.subscribe(lane=Lane.TEXT, overflow=rt.Block(1))
        pipeline.feed_nowait(['{"type": "user_turn_end"}'])
        for _ in range(31):
            pipeline.feed_nowait([SECOND])
        await trio.sleep(1.01)
        for _ in range(100_000):
            pipeline.feed_nowait([DELTA])
        for _ in range(500):
            pipeline.feed_nowait([SECOND[:640]])
        assert playing.statistics().buffered_ms >= 29_900
        if trigger == "the server's word":
            pipeline.feed_nowait([CANCELLED], silencing(playing))
        else:
            gates[playing].stop()
        blocks = len(sink.blocks)
        await trio.sleep(40)
        assert len(sink.blocks) == blocks
        facts = playing.statistics()
        assert facts.received == 31 * 32_000 + 500 * 640 == facts.played + facts.flushed
        assert pipeline.statistics().text.depth >= 100_000 - 1000
        stuck.close()


async def test_cancelled_overtakes_the_audio_queued_in_the_lane(autojump_clock: object) -> None:
    """All events arrive together; no sample of the old answer is played afterwards."""
    async with lanes() as (pipeline, playing, sink):
        await pipeline.feed([SECOND])
        await trio.sleep(0.5)
        before = len(sink.blocks)
        pipeline.feed_nowait(['{"type": "user_turn_end"}'])
        for _ in range(500):
            pipeline.feed_nowait([SECOND[:640]])
            pipeline.feed_nowait([DELTA])
        pipeline.feed_nowait([CANCELLED], silencing(playing))
        for _ in range(50):
            pipeline.feed_nowait([SECOND[:640]])  # late, but still part of the old answer
        await trio.sleep(5)
        assert len(sink.blocks) == before
        pipeline.feed_nowait(['{"type": "user_turn_start"}'])
        pipeline.feed_nowait(['{"type": "user_turn_end"}'])
        pipeline.feed_nowait([SECOND])
        await playing.drained()
        await trio.sleep(2)
        assert b"".join(list(sink.blocks)[before:]) == SECOND
        assert adds_up(playing)
        assert playing.statistics().received == 32_000 + 550 * 640 + 32_000


gates: WeakKeyDictionary[Playback, PlaybackGate] = WeakKeyDictionary()


def silencing(playing: Playback) -> Callable[[object], None]:
    """Apply an event to the audio as the observer of a link does."""

    def observe(event: object) -> None:
        if isinstance(event, CancelledEvent):
            gates[playing].stop()

    return observe


@asynccontextmanager
async def lanes(
    sink: Stamped | None = None,
) -> AsyncGenerator[tuple[Pipeline, Playback, Stamped], None]:
    """The lanes and a playback, without a network."""
    pipeline = Pipeline(rt.ClientConfig(), clock=trio.current_time)
    gate = PlaybackGate(pipeline.post, pipeline.marks)
    pipeline.observe(Lane.AUDIO, gate.observe)
    sink = sink or Stamped()
    playback = gate.attach(sink, PLAIN)
    gates[playback] = gate
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pipeline.run)
        nursery.start_soon(playback.run)
        pipeline.feed_nowait(['{"type": "user_turn_start"}'])
        await trio.testing.wait_all_tasks_blocked()
        yield pipeline, playback, sink
        nursery.cancel_scope.cancel()


async def test_only_the_frames_before_a_stop_are_silenced(autojump_clock: object) -> None:
    """Frames that the audio lane has not handled yet, and frames of a continuing turn."""
    async with lanes() as (pipeline, playing, sink):
        for _ in range(2):  # one stop by the application, one by the server
            pipeline.feed_nowait([SECOND])
        pipeline.feed_nowait([CANCELLED], silencing(playing))
        gates[playing].stop()
        pipeline.feed_nowait([SECOND])
        await playing.drained()
        await trio.sleep(2)
        assert b"".join(sink.blocks) == SECOND
        assert adds_up(playing)


# -- an hour -------------------------------------------------------------------------------


async def test_an_hour_of_playing_does_not_drift(autojump_clock: object) -> None:
    """Fed by one clock and played by another: after an hour they differ by at most a block."""
    sink = MemorySink(max_blocks=1)
    playback = Playback(sink, PlaybackConfig(fade=0.0, block=0.1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(playback.run)
        start = trio.current_time()
        for number in range(36_000):
            playback.feed(SECOND[:3200], DEFAULT_FORMAT)
            await trio.sleep_until(start + (number + 1) * 0.1)
            if number % 6000 == 5999:
                assert playback.statistics().buffered_ms <= 100 + 40
        playback.end_answer()
        await playback.drained()
        assert trio.current_time() - start == pytest.approx(3600, abs=0.1)
        nursery.cancel_scope.cancel()
    facts = playback.statistics()
    assert (facts.received, facts.played, facts.underruns) == (36_000 * 3200, 36_000 * 3200, 0)


async def test_an_hour_of_conversation(autojump_clock: object) -> None:
    """10 s of speech, 10 s of answer, a few interruptions: constant memory, right counts."""
    options = ServerConfig(max_seen=100)
    config = rt.ClientConfig(max_messages=20)
    said = MemorySource(SECOND * 10, chunk=0.1)
    sink = MemorySink(max_blocks=1)
    sizes: list[int] = []
    start = trio.current_time()
    async with (
        open_server(options) as server,
        rt.open_client(server.url, auth="any", config=config) as client,
        client.audio.play_to(sink, config=PlaybackConfig(block=0.1, fade=0.0)) as playing,
    ):
        server.script(turn("[voice]", speak(SECOND * 10, frame=0.1), text="yes", times=1000))
        await client.ready()
        rounds = 0
        while trio.current_time() - start < 3600:
            begun = trio.current_time()
            async with client.push_to_talk():
                await client.audio.send_from(said, chunk=0.1)
            if rounds % 10 == 9:
                await trio.sleep(5)
                await client.cancel()
            await trio.sleep(0.5)
            await client.ready()
            await playing.drained()
            if rounds % 10 != 9:  # no round is later than its own chunk
                assert trio.current_time() - begun == pytest.approx(20.0, abs=0.2)
            rounds += 1
            if rounds in (30, 170):
                gc.collect()
                sizes.append(sys.getallocatedblocks())
        sending = client.audio.statistics().sending
        assert adds_up(playing)
        facts = playing.statistics()
        assert facts.dropped == facts.underruns == facts.overruns == 0
        assert facts.received == client.state.audio.byte_count
        assert sending.given == sending.sent == rounds * 100
        assert sink.total == facts.played
    assert rounds >= 170
    # What grows is the server's transcript and rings that are not full yet, some dozens of
    # objects a round; a round has 300 frames, sent, received and played.
    assert (sizes[1] - sizes[0]) / 140 < 90


# -- neither delays the other --------------------------------------------------------------


class Steps(trio.abc.Instrument):
    """Counts the steps of the scheduler."""

    def __init__(self) -> None:
        self.count = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += 1


async def steps_until_heard(backlog: int, *, stuck: bool) -> int:
    """Count the steps from a frame's arrival until the playback has it."""
    steps = Steps()
    async with lanes() as (pipeline, playing, _):
        subscriptions = []
        if stuck:
            rule = rt.Block(1)
            subscriptions = [pipeline.subscribe(lane=Lane.TEXT, overflow=rule) for _ in range(3)]
        for _ in range(backlog):
            pipeline.feed_nowait([DELTA])
        trio.lowlevel.add_instrument(steps)
        pipeline.feed_nowait([SECOND])
        while not playing.playing:
            await trio.lowlevel.checkpoint()
        trio.lowlevel.remove_instrument(steps)
        for subscription in subscriptions:
            subscription.close()
    return steps.count


async def test_text_does_not_delay_audio(autojump_clock: object) -> None:
    alone = await steps_until_heard(0, stuck=False)
    assert await steps_until_heard(20_000, stuck=False) <= alone + 6
    assert await steps_until_heard(20_000, stuck=True) <= alone + 6


async def steps_until_read(backlog: int, *, stuck: bool) -> int:
    """Count the steps from a text event's arrival until its subscriber has it.

    A subscriber that blocks the audio lane and the sink can be ``stuck``.
    """
    steps = Steps()
    sink = Stamped(delays={number: float("inf") for number in range(1, 100)} if stuck else None)
    async with lanes(sink) as (pipeline, playing, _):
        subscriptions = []
        if stuck:
            subscriptions = [pipeline.subscribe(lane=Lane.AUDIO, overflow=rt.Block(1))]
        if stuck:
            playing.feed(SECOND, DEFAULT_FORMAT)
            await trio.sleep(1)
            assert len(sink.blocks) == 1
        notes = pipeline.subscribe(rt.MessageStreaming)
        for _ in range(backlog):
            pipeline.feed_nowait([SECOND[:640]])
        trio.lowlevel.add_instrument(steps)
        pipeline.feed_nowait([DELTA])
        await notes.receive()
        trio.lowlevel.remove_instrument(steps)
        notes.close()
        for subscription in subscriptions:
            subscription.close()
    return steps.count


async def test_audio_does_not_delay_text(autojump_clock: object) -> None:
    alone = await steps_until_read(0, stuck=False)
    # It yields eight times and then runs, however much audio waits.
    assert await steps_until_read(20_000, stuck=False) <= alone + 40
    assert await steps_until_read(20_000, stuck=True) <= alone + 40
