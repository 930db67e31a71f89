"""``client.audio`` with the embedded server in memory: play, send, interrupt."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

import realtime_trio as rt
from realtime_trio import events as ev
from realtime_trio._voice._talk import VoiceMode
from realtime_trio.audio import (
    EnergyVad,
    MemorySink,
    MemorySource,
    Playback,
    PlaybackConfig,
    VadConfig,
    level,
    silence,
    tone,
    tone_source,
)
from realtime_trio.server import RealtimeServer, open_server
from realtime_trio.testing import emit, say, speak, turn, wait
from tests.audio.sinks import Stamped
from tests.audio.sources import Live

PLAIN = PlaybackConfig(fade=0.0)
SECOND = tone(440, 16_000, 16_000)
PAUSE = silence(32_000)
VOICE = {"voice_id": "v", "vendor": "x", "description": ""}


@asynccontextmanager
async def talking(
    *, config: rt.ClientConfig | None = None, playback: PlaybackConfig = PLAIN
) -> AsyncGenerator[tuple[RealtimeServer, rt.Client, Stamped, Playback], None]:
    """A client that plays to a sink, in the user's turn."""
    sink = Stamped()
    async with (
        open_server() as server,
        rt.open_client(server.url, auth="any", config=config) as client,
        client.audio.play_to(sink, config=playback) as playing,
    ):
        await client.ready()
        yield server, client, sink, playing


def heard(server: RealtimeServer) -> bytes:
    """Return the joined binary frames that the server got."""
    return b"".join(seen.frame for seen in server.seen if isinstance(seen.frame, bytes))


def types(server: RealtimeServer) -> list[str]:
    return [str(seen.type) for seen in server.seen if seen.type not in (None, "ping")]


def facts(client: rt.Client) -> dict[str, float]:
    playing = client.audio.statistics().playback
    assert playing is not None
    gone = playing.played + playing.dropped + playing.flushed + playing.buffered
    assert playing.received == gone
    return {"played": playing.played, "flushed": playing.flushed, "skipped": playing.skipped}


# -- hearing -------------------------------------------------------------------------------


async def test_the_sink_gets_the_agents_speech(autojump_clock: object) -> None:
    async with talking() as (server, client, sink, playing):
        server.script(turn("hi", text="x", audio=SECOND))
        async with client.ask("hi") as asked:
            pass
        await playing.drained()
        assert isinstance(asked.outcome, rt.TurnCompleted)
        assert sink.data == SECOND
        statistics = client.audio.statistics()
        assert statistics.playback is not None
        assert statistics.playback.position == pytest.approx(1.0)
        assert statistics.playback.underruns == 0
        assert statistics.lane is rt.Lane.AUDIO
        assert client.state.audio.byte_count == 32_000


async def test_speech_as_text_is_played_too(autojump_clock: object) -> None:
    async with talking() as (server, client, sink, playing):
        server.script(turn("[voice]", text="x", audio=SECOND))
        async with client.push_to_talk():
            await client.audio.send_from(tone_source(0.2), as_text=True)
        await trio.sleep(2)
        await playing.drained()
        assert sink.data == SECOND  # a client that sends base64 gets base64
        assert types(server).count("audio_input_delta") == 5
        assert heard(server) == b""


async def test_formats_and_silent_voices_switch_in_order(autojump_clock: object) -> None:
    pytest.importorskip("soxr")
    high = {**VOICE, "output_format": "pcm16_24000"}
    low = {**VOICE, "output_format": "pcm16"}
    for mute in ("none", "special"):
        none = {**VOICE, "output_format": mute}
        async with talking() as (server, client, sink, playing):
            frames = (
                SECOND,
                {"type": "agent_voice_changed", "voice": high},
                tone(440, 24_000, 24_000),
                {"type": "agent_voice_changed", "voice": none},
                SECOND,
                {"type": "agent_voice_changed", "voice": low},
                SECOND,
            )
            server.script(turn("hi", emit(*frames), text="x"))
            async with client.ask("hi"):
                pass
            await playing.drained()
            assert sink.data[:32_000] == sink.data[-32_000:] == SECOND
            assert len(sink.data) == 96_000
            assert facts(client)["skipped"] == 1


async def test_only_one_sink_at_a_time(autojump_clock: object) -> None:
    async with talking() as (_, client, _, playing):
        with pytest.raises(trio.BusyResourceError, match="leave the other play_to block first"):
            async with client.audio.play_to(MemorySink()):
                pass
        assert client.audio.statistics().playback == playing.statistics()


async def test_leaving_stops_immediately_and_a_second_sink_may_follow(
    autojump_clock: object,
) -> None:
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        server.script(turn("hi", emit(SECOND), text="x", times=2))
        await client.ready()
        assert client.audio.statistics().playback is None
        assert client.audio.flush() is None
        sinks = [MemorySink(), MemorySink()]
        for sink in sinks:
            async with client.audio.play_to(sink, config=PLAIN):
                async with client.ask("hi"):
                    pass
                await trio.sleep(0.5)
            assert 0 < sink.total < 32_000
            assert facts(client)["flushed"] == 32_000 - sink.total


async def test_a_failing_sink_ends_only_its_block(autojump_clock: object) -> None:
    class Broken(MemorySink):
        async def write(self, chunk: bytes) -> None:
            await trio.lowlevel.checkpoint()
            raise BrokenPipeError

    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        server.script(turn("hi", text="x", audio=SECOND))
        await client.ready()
        await client.send(ev.TextInputEvent(text="hi"))
        with pytest.raises(BrokenPipeError):
            async with client.audio.play_to(Broken()):
                await trio.sleep_forever()
        await client.ready()
        with pytest.raises(KeyError):
            async with client.audio.play_to(MemorySink()):
                raise KeyError
        with trio.move_on_after(1) as scope:
            async with client.audio.play_to(MemorySink()):
                await trio.sleep_forever()
        assert scope.cancelled_caught


async def test_a_gap_is_emitted_in_the_audio_lane(autojump_clock: object) -> None:
    config = PlaybackConfig(fade=0.0, max_buffered=1.0)
    async with talking(playback=config) as (server, client, sink, playing):
        notes = client.audio.subscribe()
        server.script(turn("hi", emit(SECOND, SECOND), text="x"))
        async with client.ask("hi"):
            pass
        await playing.drained()
        notes.close()
        told = client.audio.statistics().playback
        assert told is not None
        # The scheduler decides how much has been played when the second one arrives.
        assert len(sink.data) + told.dropped == 2 * len(SECOND)
        assert told.overruns == 1


# -- interrupting --------------------------------------------------------------------------


async def test_a_cancel_stops_the_voice_and_reports_the_heard_part(autojump_clock: object) -> None:
    async with talking() as (server, client, sink, playing):
        server.script(turn("hi", emit(SECOND * 30), wait(60)), turn("on", emit(SECOND), text="x"))
        with client.audio.subscribe() as notes:
            async with client.ask("hi") as asked:
                await trio.sleep(2.01)
                await client.cancel()
            flushed = [n async for n in _at_hand(notes) if isinstance(n, rt.AudioFlushed)]
        assert isinstance(asked.outcome, rt.TurnCancelled)
        assert asked.outcome.heard_ms is not None
        assert asked.outcome.unheard_ms is not None
        assert asked.outcome.heard_ms == pytest.approx(2010, abs=30)
        assert asked.outcome.heard_ms + asked.outcome.unheard_ms == pytest.approx(30_000)
        assert sum(note.bytes for note in flushed) == facts(client)["flushed"]
        assert sink.total == round(asked.outcome.heard_ms) * 32
        before = sink.total
        async with client.ask("on"):
            pass
        await playing.drained()
        assert sink.data[before:] == SECOND


async def _at_hand(
    notes: rt.Subscription[rt.Notification],
) -> AsyncGenerator[rt.Notification, None]:
    while True:
        await trio.lowlevel.checkpoint()
        try:
            yield notes.receive_nowait()
        except trio.WouldBlock:
            return


TRIGGERS: dict[str, Callable[[rt.Client], Awaitable[object]]] = {
    "the server's cancelled": lambda client: _wait(client),
    "client.cancel()": lambda client: client.cancel(),
    "the user talks": lambda client: client.audio.talk(
        Live(SECOND + PAUSE), vad=VadConfig(attack=1, hangover=0.1)
    ),
    "stop, and then cancel": lambda client: _stop_and_cancel(client),
}


async def _wait(_: rt.Client) -> None:
    await trio.sleep(5)


async def _stop_and_cancel(client: rt.Client) -> None:
    client.audio.stop()
    await trio.sleep(0.5)
    await client.cancel()


@pytest.mark.parametrize("trigger", TRIGGERS)
async def test_after_any_interruption_the_outcome_has_the_heard_part(
    autojump_clock: object, trigger: str
) -> None:
    async with talking() as (server, client, sink, _):
        word = [emit({"type": "cancelled"})] if trigger.startswith("the server") else []
        server.script(
            turn("hi", emit(*[SECOND] * 30), wait(2), *word, wait(60)), turn("[voice]", text="x")
        )
        async with client.ask("hi") as asked:
            await trio.sleep(2)
            blocks = len(sink.blocks)
            await TRIGGERS[trigger](client)
        assert isinstance(asked.outcome, rt.TurnCancelled)
        assert asked.outcome.heard_ms is not None
        assert asked.outcome.unheard_ms is not None
        assert asked.outcome.heard_ms == pytest.approx(2000, abs=45)
        assert asked.outcome.heard_ms + asked.outcome.unheard_ms == pytest.approx(30_000)
        assert sink.total == round(asked.outcome.heard_ms) * 32
        assert len(sink.blocks) <= blocks + 2
        facts(client)


async def test_late_audio_of_a_cancelled_answer_is_not_played(autojump_clock: object) -> None:
    async with talking() as (server, client, sink, _):
        server.faults.delay(0.5)  # each way: frames on their way at the cancel arrive later
        server.script(turn("hi", speak(SECOND * 5), wait(5)))
        async with client.ask("hi") as asked:
            await trio.sleep(2)
            blocks = len(sink.blocks)
            client.audio.stop()
            await client.cancel()
        assert len(sink.blocks) == blocks
        assert isinstance(asked.outcome, rt.TurnCancelled)
        assert asked.outcome.unheard_ms is not None
        assert asked.outcome.unheard_ms >= 400
        facts(client)


async def test_the_servers_own_cancelled_stops_the_voice(autojump_clock: object) -> None:
    async with talking() as (server, client, sink, _):
        server.script(turn("hi", emit(SECOND * 10), wait(1), emit({"type": "cancelled"}), wait(5)))
        async with client.ask("hi"):
            await trio.sleep(3)
        assert sink.total == pytest.approx(32_000, abs=1300)
        assert facts(client)["flushed"] == 320_000 - sink.total


async def test_playback_stops_when_the_user_starts_to_talk(autojump_clock: object) -> None:
    async with talking() as (server, client, sink, playing):
        server.script(turn("hi", emit(SECOND * 10), text="x"), turn("[voice]", emit(SECOND)))
        async with client.ask("hi"):
            pass
        await trio.sleep(1)
        before = sink.total
        async with client.push_to_talk():
            assert sink.total == before
            await client.audio.send_from(tone_source(1.0))
            assert sink.total == before
        await trio.sleep(1)
        await client.ready()
        await playing.drained()
        assert sink.data[before:] == SECOND
        assert heard(server) == SECOND


async def test_after_a_flush_the_rest_is_played(autojump_clock: object) -> None:
    async with talking() as (server, client, sink, playing):
        server.script(turn("hi", emit(SECOND * 3), wait(1), emit(SECOND), text="x"))
        async with client.ask("hi"):
            await trio.sleep(0.5)
            note = client.audio.flush()
            assert note is not None
            assert client.audio.flush() is None
        await playing.drained()
        assert sink.data[-32_000:] == SECOND
        assert sink.total == 4 * 32_000 - note.bytes


async def test_stopping_mutes_the_rest_of_this_answer(autojump_clock: object) -> None:
    async with talking() as (server, client, sink, playing):
        server.script(
            turn("hi", emit(SECOND * 3), wait(1), emit(SECOND), say("x")),
            turn("on", emit(SECOND), text="x"),
        )
        async with client.ask("hi") as asked:
            await trio.sleep(0.5)
            client.audio.stop()
            before = sink.total
        assert isinstance(asked.outcome, rt.TurnCompleted)
        await trio.sleep(5)
        assert sink.total == before
        async with client.ask("on"):
            pass
        await playing.drained()
        assert sink.data[before:] == SECOND
        facts(client)


async def test_a_cancel_without_a_turn_mutes_nothing_that_follows(autojump_clock: object) -> None:
    async with talking() as (server, client, sink, playing):
        server.script(turn("hi", emit(SECOND), text="x"))
        await client.cancel()
        async with client.ask("hi"):
            pass
        await playing.drained()
        assert sink.data == SECOND


# -- talking -------------------------------------------------------------------------------


async def test_frames_are_sent_unchanged(autojump_clock: object) -> None:
    async with talking() as (server, client, _, _):
        async with client.push_to_talk():
            await client.audio.send(SECOND[:640])
            client.audio.send_nowait(SECOND[640:1280])
        await trio.sleep(1)
        assert heard(server) == SECOND[:1280]
        sending = client.audio.statistics().sending
        assert (sending.given, sending.sent, sending.seconds) == (2, 2, 0.04)


async def test_half_a_sample_is_sent_with_the_next_frame(autojump_clock: object) -> None:
    async with talking() as (server, client, _, _):
        async with client.push_to_talk():
            await client.audio.send(SECOND[:1])
            await client.audio.send(SECOND[1:639])
            await client.audio.send(SECOND[639:640])
            client.audio.send_nowait(SECOND[640:641])
            client.audio.send_nowait(SECOND[641:1281])
        async with client.push_to_talk():  # nothing of the last speech shifts this one
            await client.audio.send(SECOND[1280:1920])
        await trio.sleep(1)
        frames = [seen.frame for seen in server.seen if isinstance(seen.frame, bytes)]
        assert frames == [SECOND[:638], SECOND[638:640], SECOND[640:1280], SECOND[1280:1920]]
        sending = client.audio.statistics().sending
        assert (sending.given, sending.sent) == (4, 4)
        assert sending.seconds == pytest.approx(0.06)


async def test_half_a_sample_is_not_sent_after_its_speech(autojump_clock: object) -> None:
    async with talking() as (server, client, _, _):
        async with client.push_to_talk():
            await client.audio.send(SECOND[:3])
        await client.audio.send(SECOND[:640])
        await trio.sleep(1)
        frames = [seen.frame for seen in server.seen if isinstance(seen.frame, bytes)]
        assert frames == [SECOND[:2], SECOND[:640]]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (SECOND[:1280], SECOND[:1280]),  # another utterance
        (SECOND[641:1280], SECOND[642:1280]),  # the same one continues
    ],
)
async def test_half_a_sample_is_never_sent_on_a_new_link(
    autojump_clock: object, after: bytes, expected: bytes
) -> None:
    async with talking() as (server, client, _, _):
        client.audio.send_nowait(SECOND[:641])
        await trio.sleep(1)
        with client.subscribe(rt.Reconnected) as links:
            server.hang_up()
            await links.receive()
        await client.ready()
        client.audio.send_nowait(b"")
        client.audio.send_nowait(after)
        client.audio.send_nowait(SECOND[:640])
        await trio.sleep(1)
        frames = [seen.frame for seen in server.seen if isinstance(seen.frame, bytes)]
        assert frames == [SECOND[:640], expected, SECOND[:640]]


@pytest.mark.parametrize("mode", ["ptt", "vad", "realtime"])
async def test_half_a_sample_does_not_shift_a_conversation(
    autojump_clock: object, mode: VoiceMode
) -> None:
    async with talking() as (server, client, _, _):
        client.audio.send_nowait(SECOND[:3])
        await client.audio.talk(MemorySource(SECOND + PAUSE), mode=mode)
        await trio.sleep(1)
        assert SECOND in heard(server)


async def test_a_source_is_resampled_and_sent_in_real_time(autojump_clock: object) -> None:
    pytest.importorskip("soxr")
    async with talking() as (server, client, _, _):
        start = trio.current_time()
        await client.audio.send_from(tone_source(2.0, rate=48_000), chunk=0.1)
        assert trio.current_time() - start == pytest.approx(1.8)
        await trio.sleep(0.1)
        assert len(heard(server)) == 64_000
        assert {len(s.frame) for s in server.seen if isinstance(s.frame, bytes)} == {3200}


@pytest.mark.parametrize("chunk", [0.0, 0.019, 0.2, float("nan")])
async def test_an_invalid_chunk_duration_is_refused(autojump_clock: object, chunk: float) -> None:
    async with talking() as (_, client, _, _):
        with pytest.raises(ValueError, match=r"0\.02 to 0\.1 seconds"):
            await client.audio.send_from(tone_source(1.0), chunk=chunk)
        with pytest.raises(ValueError, match=r"0\.02 to 0\.1 seconds"):
            await client.audio.talk(tone_source(1.0), chunk=chunk)


async def test_sending_waits_for_the_turn_by_default(autojump_clock: object) -> None:
    async with talking() as (server, client, _, _):
        server.script(turn("hi", wait(3), say("x")))
        async with client.ask("hi"), trio.open_nursery() as nursery:
            nursery.start_soon(client.audio.send_from, tone_source(1.0))
            await trio.sleep(2)
            assert heard(server) == b""
            await client.audio.send_from(tone_source(0.2), respect_turn=False)
            await trio.sleep(0.1)
            assert heard(server) == tone(440, 3200, 16_000)
        await trio.sleep(1)
        assert len(heard(server)) == 32_000 + 6400


async def test_a_live_source_starts_now_and_never_lags(autojump_clock: object) -> None:
    """Audio captured before is not sent, and a stall is made up immediately."""
    said = b"".join(tone(200 + 100 * second, 16_000, 16_000) for second in range(8))
    async with talking() as (server, client, _, _):
        source = Live(said)
        await trio.sleep(2)
        started = trio.current_time()

        async def stall() -> None:
            await trio.sleep(1)
            trio.lowlevel.current_clock().jump(0.5)  # type: ignore[attr-defined]

        async with trio.open_nursery() as nursery:
            nursery.start_soon(stall)
            await client.audio.send_from(source)
        assert trio.current_time() - started == pytest.approx(6)
        await trio.sleep(0.1)
        assert heard(server) == said[2 * 32_000 :]
        assert source.flushed == 2 * 32_000


async def test_audio_captured_in_the_agents_turn_is_not_sent(
    autojump_clock: object,
) -> None:
    said = b"".join(tone(200 + 100 * second, 16_000, 16_000) for second in range(6))
    async with talking() as (server, client, _, _):
        server.script(turn("hi", wait(3), say("x"), delay=0.0))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.audio.send_from, Live(said))
            await trio.sleep(1.01)
            async with client.ask("hi"):
                pass
        await trio.sleep(0.1)
        sent = heard(server)
        assert sent[:32_000] == said[:32_000]
        assert sent[-60_000:] == said[-60_000:]
        assert (
            3 * 32_000 - 8000 <= len(sent) <= 3 * 32_000
        )  # the rest was captured during the agent's turn
        assert trio.current_time() <= 6.2 + 1  # nothing is late


async def test_a_slow_link_drops_the_oldest_audio(autojump_clock: object) -> None:
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        await client.ready()
        client._shell.outbox.link_lost()
        await client.audio.send_from(tone_source(1.0))
        sending = client.audio.statistics().sending
        assert (sending.given, sending.dropped) == (25, 25)
        client._shell.outbox.link_opened()
        for number in range(60):
            client.audio._sender.put_newest(bytes([number]) * 1280)
        sending = client.audio.statistics().sending
        assert (sending.given, sending.dropped, sending.waiting) == (85, 35, 50)
        await trio.sleep(1)
        assert heard(server) == b"".join(bytes([number]) * 1280 for number in range(10, 60))
        sending = client.audio.statistics().sending
        assert sending.given == sending.sent + sending.dropped
        assert sending.waiting == 0


async def test_frames_without_space_are_counted(autojump_clock: object) -> None:
    config = rt.ClientConfig(max_audio_frames=1)
    async with (
        open_server() as server,
        rt.open_client(server.url, auth="any", config=config) as client,
    ):
        await client.ready()
        client.audio._sender.put_newest(bytes(640))
        client.audio._sender.put_newest(bytes(640))
        sending = client.audio.statistics().sending
        assert (sending.given, sending.dropped, sending.waiting) == (2, 1, 1)


async def test_sending_after_the_end_raises(autojump_clock: object) -> None:
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        await client.ready()
    with pytest.raises(rt.ClosedError):
        await client.audio.send_from(tone_source(1.0))


# -- conversations -------------------------------------------------------------------------

VAD = VadConfig(hangover=0.3)


async def test_talk_uses_push_to_talk(autojump_clock: object) -> None:
    async with talking() as (server, client, sink, playing):
        source = MemorySource(silence(8000) + SECOND + PAUSE * 2 + SECOND + PAUSE)
        await client.audio.talk(source, vad=VAD)
        await trio.sleep(1)
        await client.ready()
        await playing.drained()
        keys = [name for name in types(server) if name.startswith("ptt")]
        assert keys == ["ptt_start", "ptt_end"] * 2
        assert types(server).index("set_voice_input_mode") < types(server).index("ptt_start")
        assert sink.data == heard(server)  # the server echoes each utterance
        assert heard(server).count(SECOND) == 2
        # pre-roll and hangover, but none of the long pauses
        assert len(heard(server)) == pytest.approx(2 * 32_000 + 2 * 0.6 * 32_000, abs=4000)


async def test_the_users_voice_interrupts_the_agent(autojump_clock: object) -> None:
    async with talking() as (server, client, sink, _):
        server.script(turn("hi", emit(SECOND * 30), wait(60)), turn("[voice]", text="x"))
        async with trio.open_nursery() as nursery, client.ask("hi") as asked:
            source = MemorySource(silence(3 * 16_000) + SECOND + PAUSE)
            nursery.start_soon(_talk, client, source)
            await asked.wait()
        assert isinstance(asked.outcome, rt.TurnCancelled)
        assert heard(server).count(SECOND) == 1
        assert sink.total < 32_000 * 4


async def _talk(client: rt.Client, source: MemorySource) -> None:
    await client.audio.talk(source, vad=VAD)


async def test_a_source_that_ends_during_an_utterance(autojump_clock: object) -> None:
    async with talking() as (server, client, _, _):
        await client.audio.talk(MemorySource(SECOND), vad=VAD)
        await trio.sleep(0.1)
        assert heard(server) == SECOND
        assert types(server)[-1] == "ptt_end"


class Flaky:
    """A client whose link breaks when the first utterances begin."""

    def __init__(self, client: rt.Client, *failures: rt.RealtimeError) -> None:
        self.send = client.send
        self.cancel = client.cancel
        self._client = client
        self.failures = list(failures)

    @asynccontextmanager
    async def push_to_talk(self, *, force: bool = False) -> AsyncGenerator[None, None]:
        if self.failures:
            raise self.failures.pop(0)
        async with self._client.push_to_talk(force=force):
            yield


async def test_a_link_that_breaks_loses_words_but_not_the_conversation(
    autojump_clock: object,
) -> None:
    async with talking() as (server, client, _, _):
        client.audio._client = Flaky(client, rt.InDoubt("x"), rt.NotSent("x"))
        said = SECOND + PAUSE * 2 + SECOND + PAUSE
        await client.audio.talk(Live(said), vad=VAD)
        assert [name for name in types(server) if name == "ptt_end"] == ["ptt_end"] * 2
        assert SECOND[-16_000:] in heard(server)
        assert heard(server).count(SECOND) == 1
        # The end of a completely lost utterance is not taken for that of another.
        flaky = client.audio._client = Flaky(client, *[rt.InDoubt("x")] * 1000)
        await client.audio.talk(Live(SECOND + PAUSE), vad=VAD)
        kinds = [event.kind for event in EnergyVad(VAD).process(SECOND + PAUSE)]
        assert kinds.count("end") == 1
        assert 1000 - len(flaky.failures) == len(kinds) - 1


@pytest.mark.parametrize("mode", ["ptt", "vad", "realtime"])
async def test_a_restarted_server_gets_the_mode_again(
    autojump_clock: object, mode: VoiceMode
) -> None:
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        # Before the first session exists, it does not count as another one.
        async with client.audio.play_to(sink := MemorySink()) as playing:
            async with trio.open_nursery() as nursery:
                source = Live(silence(10 * 16_000) + SECOND + PAUSE)
                nursery.start_soon(partial(client.audio.talk, source, mode=mode, vad=VAD))
                await trio.sleep(2)
                await server.restart(downtime=1)
            await trio.sleep(3)
            await client.ready()
            await playing.drained()
        assert level(sink.data).peak_dbfs > -10  # what was said afterwards was answered
        modes = types(server).count("set_voice_input_mode")
        assert modes == 2


async def test_audio_as_text_waits_for_the_turn_and_binary_does_not(
    autojump_clock: object,
) -> None:
    async with talking() as (server, client, _, _):
        server.script(turn("hi", wait(3), say("x")))
        async with client.ask("hi"), trio.open_nursery() as nursery:
            nursery.start_soon(
                partial(client.audio.send_from, tone_source(0.1), respect_turn=False, as_text=True)
            )
            await client.audio.send(SECOND[:640])
            await trio.sleep(2)
            assert heard(server) == SECOND[:640]
            assert "audio_input_delta" not in types(server)
        await trio.sleep(0.1)
        assert types(server).count("audio_input_delta") == 3


async def test_without_playback_nothing_was_heard(autojump_clock: object) -> None:
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        server.script(turn("hi", emit(SECOND), wait(60)))
        await client.ready()
        async with client.ask("hi") as asked:
            await trio.sleep(0.5)
            await client.cancel()
        assert isinstance(asked.outcome, rt.TurnCancelled)
        assert (asked.outcome.heard_ms, asked.outcome.unheard_ms) == (None, None)
        assert client.audio.statistics().playback is None


async def test_without_barge_in_the_agent_finishes_first(autojump_clock: object) -> None:
    async with talking() as (server, client, sink, playing):
        server.script(turn("[voice]", emit(SECOND * 3), text="x", times=5))
        source = MemorySource((SECOND + silence(8000)) * 2 + PAUSE)
        await client.audio.talk(source, vad=VAD, barge_in=False)
        await trio.sleep(1)
        await client.ready()
        await playing.drained()
        assert heard(server).count(SECOND) == 2
        assert sink.data == SECOND * 6


@pytest.mark.parametrize("mode", ["ptt", "vad"])
async def test_a_microphone_that_picks_up_the_loudspeaker(
    autojump_clock: object, mode: str
) -> None:
    """Without barge-in, the agent does not answer itself."""
    agent = tone(700, 16_000, 16_000)
    async with talking() as (server, client, sink, playing):
        server.script(turn("[voice]", emit(agent * 3), text="x", times=5))
        said = SECOND + silence(16_000)  # the answer begins in this pause
        said += agent * 2 + silence(16_000)  # what the microphone picks up of it
        said += silence(16_000) + SECOND + PAUSE * 2
        source = Live(said)
        await client.audio.talk(source, mode=mode, vad=VAD, barge_in=False)  # type: ignore[arg-type]
        await trio.sleep(4)
        await client.ready()
        await playing.drained()
        assert heard(server).count(SECOND[6400:]) == 2
        assert agent[6400:12_800] not in heard(server)
        assert sink.data == agent * 6
        assert source.flushed > 2 * 32_000


async def test_an_interruption_delays_no_speech(autojump_clock: object) -> None:
    """Speech during the cancel is sent after it, and no later than that."""
    async with talking() as (server, client, _, _):
        server.faults.delay(0.3)
        server.script(turn("hi", emit(SECOND * 30), wait(60)), turn("[voice]", text="x"))
        async with client.ask("hi") as asked:
            await trio.sleep(1)
            started = trio.current_time()
            await client.audio.talk(Live(silence(16_000) + SECOND * 2 + PAUSE), vad=VAD)
        assert isinstance(asked.outcome, rt.TurnCancelled)
        (end,) = [seen for seen in server.seen if seen.type == "ptt_end"]
        assert end.at - started == pytest.approx(3 + 0.3, abs=0.05)  # the hangover
        assert heard(server).count(SECOND) == 2


@pytest.mark.parametrize("mode", ["vad", "realtime"])
async def test_the_server_finds_the_utterances(autojump_clock: object, mode: str) -> None:
    async with talking() as (server, client, sink, playing):
        source = MemorySource(silence(8000) + SECOND + PAUSE)
        await client.audio.talk(source, mode=mode)  # type: ignore[arg-type]
        await trio.sleep(1)
        await client.ready()
        await playing.drained()
        assert heard(server).startswith(silence(8000) + SECOND)
        # The answer is cut while the user starts to talk: the agent becomes silent.
        assert SECOND[-24_000:] in sink.data
        assert client.audio.statistics().sending.dropped == 0


@pytest.mark.parametrize("mode", ["vad", "realtime"])
async def test_barge_in_in_the_other_modes(autojump_clock: object, mode: str) -> None:
    async with talking() as (server, client, sink, _):
        server.script(
            turn("[voice]", emit(SECOND * 30), wait(60)), turn("hi", emit(SECOND * 30), wait(60))
        )

        async def ask() -> None:
            await trio.sleep(0.1)
            async with client.ask("hi") as asked:
                pass
            assert isinstance(asked.outcome, rt.TurnCancelled)
            await trio.sleep(0.5)  # the speech that interrupted is still on its way
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            source = MemorySource(silence(3 * 16_000) + SECOND + PAUSE)
            await client.audio.talk(source, mode=mode, vad=VAD)  # type: ignore[arg-type]
        assert "client_wants_cancel" in types(server)
        assert level(heard(server)[-6400:]).peak_dbfs > -20
        assert sink.total < 32_000 * 4
