"""A turn counts as heard only its own answer, whatever else plays, stops or breaks."""

from __future__ import annotations

import pytest
import trio

import realtime_trio as rt
from realtime_trio._core._local_events import LinkEvent
from realtime_trio._core._notifications import AudioOutput
from realtime_trio._core._state import AudioSlice
from realtime_trio._lanes._marks import Marks
from realtime_trio._session._playback_gate import PlaybackGate
from realtime_trio.audio import (
    DEFAULT_FORMAT,
    AudioFormat,
    MemorySink,
    MemorySource,
    PlaybackConfig,
    VadConfig,
    silence,
    tone,
)
from realtime_trio.events import AudioFrame, ServerEvent, UserTurnEndEvent, UserTurnStartEvent
from realtime_trio.server import open_server
from realtime_trio.testing import emit, say, turn, wait
from tests.audio.sinks import Device

SECOND = tone(440, 16_000, 16_000)
PLAIN = PlaybackConfig(fade=0.0)


def told(turn_: rt.Turn) -> tuple[float | None, float | None]:
    outcome = turn_.outcome
    assert isinstance(outcome, rt.TurnCancelled)
    return outcome.heard_ms, outcome.unheard_ms


async def flushed(notes: rt.Subscription[rt.AudioFlushed]) -> list[rt.AudioFlushed]:
    await trio.testing.wait_all_tasks_blocked()
    found = []
    while True:
        try:
            found.append(notes.receive_nowait())
        except (trio.WouldBlock, trio.EndOfChannel):
            return found


async def test_the_end_of_the_previous_answer_is_not_counted(autojump_clock: object) -> None:
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        server.script(turn("a", emit(SECOND * 10)), turn("b", emit(SECOND * 4), wait(30)))
        sink = MemorySink()
        async with client.audio.play_to(sink, config=PLAIN):
            await client.ready()
            async with client.ask("a"):
                pass
            with client.subscribe(rt.AudioFlushed) as notes:
                async with client.ask("b") as asked:
                    await trio.sleep(2)
                    facts = client.audio.statistics().playback
                    assert facts is not None
                    assert facts.heard_ms == 0
                    await client.cancel()
                of_a, of_b = await flushed(notes)
        assert told(asked) == (0.0, 4000.0)
        assert of_a.heard_ms + of_a.unheard_ms == 10_000
        assert of_a.heard_ms * 32 == sink.total
        assert (of_b.bytes, of_b.heard_ms, of_b.unheard_ms) == (4 * 32_000, 0, 4000)


async def test_an_answer_counts_from_its_first_played_sample(autojump_clock: object) -> None:
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        server.script(turn("a", emit(SECOND * 2)), turn("b", emit(SECOND * 4), wait(30)))
        sink = MemorySink()
        async with client.audio.play_to(sink, config=PLAIN):
            await client.ready()
            async with client.ask("a"):
                pass
            async with client.ask("b") as asked:
                await trio.sleep(3)
                await client.cancel()
        heard, unheard = told(asked)
        assert heard is not None
        assert heard == sink.total / 32 - 2000 == pytest.approx(1000, abs=60)
        assert unheard == 4000 - heard


async def test_a_text_answer_was_not_heard(autojump_clock: object) -> None:
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        server.script(turn("a", emit(SECOND * 10)), turn("b", say("words"), wait(30)))
        async with client.audio.play_to(MemorySink(), config=PLAIN):
            await client.ready()
            for _ in range(2):
                async with client.ask("a"):
                    pass
                async with client.ask("b") as asked:
                    await trio.sleep(2)
                    await client.cancel()
                assert told(asked) == (None, None)
                server.script(turn("a", emit(SECOND * 10)), turn("b", say("words"), wait(30)))


async def test_a_voice_without_playback_was_not_heard(autojump_clock: object) -> None:
    mute = {"voice_id": "none", "vendor": "x", "description": "", "output_format": "none"}
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        change = {"type": "agent_voice_changed", "voice": mute}
        server.script(turn("a", emit(change, SECOND), wait(30)))
        async with client.audio.play_to(MemorySink()):
            await client.ready()
            async with client.ask("a") as asked:
                await trio.sleep(1)
                await client.cancel()
            assert told(asked) == (None, None)


async def test_an_answer_without_a_sink_does_not_count_the_previous_one(
    autojump_clock: object,
) -> None:
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        server.script(turn("a", emit(SECOND * 10), wait(30)), turn("b", emit(SECOND), wait(30)))
        await client.ready()
        async with client.audio.play_to(MemorySink(), config=PLAIN), client.ask("a") as first:
            await trio.sleep(1)
            await client.cancel()
        assert told(first)[0] == pytest.approx(1000, abs=30)
        async with client.ask("b") as second:
            await trio.sleep(1)
            await client.cancel()
        assert told(second) == (None, None)


async def test_several_sinks_of_one_answer_are_added(autojump_clock: object) -> None:
    pytest.importorskip("soxr")
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        server.script(
            turn("a", emit(SECOND * 10), wait(3), emit(SECOND), wait(2), emit(SECOND * 4), wait(30))
        )
        await client.ready()
        low, high = MemorySink(), MemorySink(AudioFormat(24_000, 2))
        async with client.ask("a") as asked:
            async with client.audio.play_to(low, config=PLAIN):
                await trio.sleep(2)
            await trio.sleep(2)  # one second of it arrives now, without a sink
            async with client.audio.play_to(high, config=PLAIN):
                await trio.sleep(3)
                await client.cancel()
        heard, unheard = told(asked)
        assert heard is not None
        assert unheard is not None
        assert heard == pytest.approx(low.total / 32 + high.total / 96)
        assert high.total > 48_000
        assert heard + unheard == 15_000


async def test_audio_in_a_device_s_queue_was_not_heard(autojump_clock: object) -> None:
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        server.script(turn("a", emit(SECOND[:1280])), turn("b", emit(SECOND), wait(30)))
        device = Device()
        async with client.audio.play_to(device, config=PLAIN):
            await client.ready()
            async with client.ask("a"):
                pass
            async with client.ask("b") as asked:
                await trio.sleep(0.3)
                await client.cancel()
        heard, unheard = told(asked)
        assert heard is not None
        assert heard == sum(map(len, device.heard)) / 32 - 40
        assert unheard == 1000 - heard


async def test_an_interruption_counts_for_both_answers(autojump_clock: object) -> None:
    """The user talks while the end of one answer plays and the next waits behind it."""
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        server.script(
            turn("a", emit(SECOND * 10)),
            turn("b", emit(SECOND), wait(60)),
            turn("[voice]", say("x")),
        )
        async with client.audio.play_to(MemorySink(), config=PLAIN):
            await client.ready()
            async with client.ask("a"):
                pass
            with client.subscribe(rt.AudioFlushed) as notes:
                async with client.ask("b") as asked:
                    source = MemorySource(silence(16_000) + SECOND + silence(32_000))
                    await client.audio.talk(source, vad=VadConfig(hangover=0.1))
                first, second = await flushed(notes)
        assert told(asked) == (0.0, 1000.0)
        assert first.heard_ms + first.unheard_ms == 10_000
        assert (second.heard_ms, second.unheard_ms) == (0, 1000)


async def test_flushing_during_an_answer_keeps_its_counts(autojump_clock: object) -> None:
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        server.script(turn("a", emit(SECOND * 3), wait(2), emit(SECOND * 3), wait(30)))
        sink = MemorySink()
        async with client.audio.play_to(sink, config=PLAIN):
            await client.ready()
            async with client.ask("a") as asked:
                await trio.sleep(1)
                client.audio.flush()
                await trio.sleep(2)
                await client.cancel()
        heard, unheard = told(asked)
        assert heard == sink.total / 32 == pytest.approx(2000, abs=60)
        assert unheard == 6000 - heard


async def test_audio_dropped_by_a_full_buffer_was_not_heard(autojump_clock: object) -> None:
    config = PlaybackConfig(fade=0.0, max_buffered=1.0)
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        server.script(turn("a", emit(*[SECOND] * 3), wait(30)))
        sink = MemorySink()
        async with client.audio.play_to(sink, config=config):
            await client.ready()
            async with client.ask("a") as asked:
                await trio.sleep(3)
                await client.cancel()
        assert told(asked) == (sink.total / 32, 3000 - sink.total / 32)


async def test_a_turn_that_outlives_its_link_keeps_its_answer(autojump_clock: object) -> None:
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        server.script(
            turn("a", emit(SECOND * 10)), turn("b", emit(SECOND), wait(9), emit(SECOND), wait(60))
        )
        sink = MemorySink()
        async with client.audio.play_to(sink, config=PLAIN):
            await client.ready()
            async with client.ask("a"):
                pass
            with client.subscribe(rt.Reconnected) as links:
                async with client.ask("b") as asked:
                    await trio.sleep(1)
                    server.hang_up()
                    await links.receive()
                    await trio.sleep(12)
                    await client.cancel()
        assert sink.total == 12 * 32_000
        assert told(asked) == (2000.0, 0.0)


async def test_late_audio_on_a_new_link_is_not_part_of_the_old_answer(
    autojump_clock: object,
) -> None:
    """The lost link had the start of the turn; the audio arrives on the next link."""
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        server.script(turn("a", emit(SECOND)), turn("b", wait(5), emit(SECOND * 2), wait(60)))
        async with client.audio.play_to(MemorySink(), config=PLAIN):
            await client.ready()
            async with client.ask("a"):
                pass
            await trio.sleep(2)
            server.faults.drop(types=["user_turn_end"])
            with client.subscribe(rt.Reconnected) as links:
                async with client.ask("b") as asked:
                    await trio.sleep(1)
                    server.faults.clear()
                    server.hang_up()
                    await links.receive()
                    await trio.sleep(5)
                    await client.cancel()
        heard, unheard = told(asked)
        assert heard is not None
        assert unheard is not None
        assert heard + unheard == 2000


async def test_the_outcome_waits_for_all_earlier_audio(autojump_clock: object) -> None:
    """A subscriber blocks the audio lane while the text lane reaches the end of the turn."""
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        ends = ({"type": "cancelled"}, {"type": "user_turn_start"})
        server.script(turn("a", emit(*[SECOND] * 10, *ends)))
        await client.ready()
        with client.subscribe(AudioOutput, overflow=rt.Block(1)) as notes:
            async with client.audio.play_to(MemorySink(), config=PLAIN), client.ask("a") as asked:
                await trio.sleep(1)
                assert client.state.text.sessions  # it has passed
                for _ in range(10):
                    await notes.receive()
        heard, unheard = told(asked)
        assert heard is not None
        assert unheard is not None
        assert heard + unheard == 10_000


async def test_a_client_that_ends_decides_with_its_current_counts(autojump_clock: object) -> None:
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        ends = ({"type": "cancelled"}, {"type": "user_turn_start"})
        server.script(turn("a", emit(*[SECOND] * 10, *ends)))
        await client.ready()
        notes = client.subscribe(AudioOutput, overflow=rt.Block(1))
        async with client.audio.play_to(MemorySink(), config=PLAIN), client.ask("a") as asked:
            await trio.sleep(1)
            client._shell._end("this is a test")
        notes.close()
        heard, unheard = told(asked)
        assert heard is not None
        assert unheard is not None
        assert 0 < heard + unheard < 10_000


def test_an_answer_belongs_to_the_turn_in_which_it_was_spoken() -> None:
    """A turn without `user_turn_end` has none, unless a new link was opened in between."""
    gate = PlaybackGate(
        lambda event: None, Marks(lambda lane, run: None, lambda lane: AudioSlice())
    )
    slice_ = AudioSlice()

    def hear(*events: ServerEvent) -> None:
        for event in events:
            gate.observe(event, (), slice_)

    def speak_() -> None:
        note = AudioOutput(data=SECOND, format=DEFAULT_FORMAT)
        gate.observe(AudioFrame(data=SECOND), (note,), slice_)

    mute = AudioOutput(data=SECOND, format=None)
    gate.observe(AudioFrame(data=SECOND), (mute,), slice_)
    first = gate.answer()
    assert first is not None
    assert not first.spoken
    speak_()
    hear(UserTurnStartEvent())
    assert gate.answer() is first
    assert (first.spoken, first.played) == (True, False)  # nothing plays
    hear(UserTurnStartEvent())
    assert gate.answer() is None
    hear(UserTurnEndEvent())
    second = gate.answer()
    assert second not in (None, first)
    hear(LinkEvent(status="connected"))
    assert gate.answer() is second  # its turn is still running
    hear(UserTurnStartEvent(), LinkEvent(status="connected"))
    assert gate.answer() not in (None, first, second)
