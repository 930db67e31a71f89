"""Playback to a sink: pace, answers, interruptions, formats, notifications."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

import realtime_trio as rt
from realtime_trio.audio import (
    DEFAULT_FORMAT,
    AudioFormat,
    MemorySink,
    Playback,
    PlaybackConfig,
    tone,
)
from tests.audio.sinks import Device, Stamped

PLAIN = PlaybackConfig(fade=0.0)
SECOND = tone(440, 16_000, 16_000)


@asynccontextmanager
async def playing(playback: Playback) -> AsyncGenerator[None, None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(playback.run)
        yield
        nursery.cancel_scope.cancel()


def adds_up(playback: Playback) -> bool:
    facts = playback.statistics()
    return facts.received == facts.played + facts.dropped + facts.flushed + facts.buffered


async def test_a_second_takes_a_second_and_samples_are_unchanged(autojump_clock: MockClock) -> None:
    sink = Stamped()
    playback = Playback(sink, PLAIN)
    async with playing(playback):
        start = trio.current_time()
        playback.feed(SECOND, DEFAULT_FORMAT)
        assert playback.playing
        await playback.drained()
        assert trio.current_time() - start == pytest.approx(1.0)
    assert sink.data == SECOND
    assert [when - start for when in sink.times] == pytest.approx([n * 0.02 for n in range(50)])
    assert not playback.playing
    facts = playback.statistics()
    assert facts.position == pytest.approx(1.0)
    assert facts.heard_ms == pytest.approx(1000)
    assert adds_up(playback)


async def test_after_a_silence_the_pace_restarts(autojump_clock: MockClock) -> None:
    sink = Stamped()
    playback = Playback(sink, PLAIN)
    async with playing(playback):
        playback.feed(SECOND, DEFAULT_FORMAT)
        await playback.drained()
        await trio.sleep(0.1)
        playback.feed(SECOND, DEFAULT_FORMAT)
        await playback.drained()
    gaps = [b - a for a, b in zip(sink.times, sink.times[1:], strict=False)]
    assert min(gaps) == pytest.approx(0.02)


async def test_a_slightly_late_sink_is_caught_up_with(autojump_clock: MockClock) -> None:
    sink = Stamped(delays={10: 0.05})
    playback = Playback(sink, PLAIN)
    async with playing(playback):
        start = trio.current_time()
        playback.feed(SECOND, DEFAULT_FORMAT)
        await playback.drained()
        assert trio.current_time() - start == pytest.approx(1.0)


async def test_a_sink_that_stalls_is_not_flooded_afterwards(autojump_clock: MockClock) -> None:
    sink = Stamped(delays={10: 5.0})
    playback = Playback(sink, PLAIN)
    async with playing(playback):
        playback.feed(SECOND, DEFAULT_FORMAT)
        await playback.drained()
    gaps = [b - a for a, b in zip(sink.times[11:], sink.times[12:], strict=False)]
    assert min(gaps) == pytest.approx(0.02)


async def test_a_short_answer_does_not_wait_once_it_is_complete(autojump_clock: MockClock) -> None:
    sink = Stamped()
    playback = Playback(sink, PLAIN)
    async with playing(playback):
        start = trio.current_time()
        playback.feed(SECOND[:100], DEFAULT_FORMAT)
        playback.end_answer()
        await playback.drained()
        assert sink.times == [start]
        playback.feed(SECOND[:100], DEFAULT_FORMAT)  # and this one waits for its target
        await playback.drained()
    assert sink.data == SECOND[:100] * 2
    assert sink.times[1] - start == pytest.approx(0.04 + 50 / 16_000)


async def test_an_interruption_stops_after_the_current_block(autojump_clock: MockClock) -> None:
    told: list[rt.Notification] = []
    sink = Stamped()
    playback = Playback(sink, PLAIN, emit=told.append)
    async with playing(playback):
        playback.feed(SECOND * 30, DEFAULT_FORMAT)
        await trio.sleep(0.995)
        blocks = len(sink.blocks)
        note = playback.interrupt()
        await trio.sleep(40)
        assert len(sink.blocks) == blocks == 50
        assert note == rt.AudioFlushed(bytes=29 * 32_000, heard_ms=1000.0, unheard_ms=29_000.0)
        assert told == [note]
        assert playback.interruption == note
        assert playback.interrupt() is None  # nothing waits
        playback.discard(SECOND, DEFAULT_FORMAT)  # audio that was still on its way
        playback.discard(SECOND, None)
        assert playback.interruption == attrs.evolve(note, bytes=30 * 32_000, unheard_ms=30_000.0)
        assert adds_up(playback)
        playback.feed(SECOND, DEFAULT_FORMAT)
        assert playback.interruption is None
        await playback.drained()
        assert playback.statistics().heard_ms == pytest.approx(1000.0)
    assert sink.data == SECOND * 2


async def test_a_device_returns_unplayed_audio(autojump_clock: MockClock) -> None:
    device = Device()
    playback = Playback(device, PLAIN)
    async with playing(playback):
        playback.feed(SECOND, DEFAULT_FORMAT)
        await trio.sleep(0.101)  # the device has taken 5 blocks and a sixth; two are queued
        assert playback.statistics().played == 640 * len(device.heard)
        heard = len(device.heard)
        note = playback.interrupt()
        assert note is not None
        assert note.bytes + 640 * heard == 32_000
        assert note.heard_ms == pytest.approx(20 * heard)
        await trio.sleep(1)
        assert len(device.heard) == heard
        assert adds_up(playback)
        playback.feed(SECOND, DEFAULT_FORMAT)
        await playback.drained()
    assert b"".join(device.heard[heard:]) == SECOND


async def test_a_gap_is_emitted(autojump_clock: MockClock) -> None:
    told: list[rt.Notification] = []
    config = PlaybackConfig(fade=0.0, max_buffered=1.0)
    sink = MemorySink()
    playback = Playback(sink, config, emit=told.append)
    async with playing(playback):
        for _ in range(3):
            playback.feed(SECOND, DEFAULT_FORMAT)
        await playback.drained()
    assert told == [rt.AudioGap(frames=2, bytes=2 * 32_000)]
    assert sink.data == SECOND
    assert adds_up(playback)


async def test_formats_change_within_the_stream(autojump_clock: MockClock) -> None:
    pytest.importorskip("soxr")
    sink = MemorySink()
    playback = Playback(sink, PLAIN)
    high = AudioFormat(24_000)
    async with playing(playback):
        playback.feed(SECOND, DEFAULT_FORMAT)
        playback.feed(tone(440, 12_000, 24_000), high)
        playback.feed(tone(440, 12_000, 24_000, first=12_000), high)
        playback.feed(SECOND, None)
        playback.feed(SECOND, DEFAULT_FORMAT)
        playback.end_answer()
        await playback.drained()
    assert sink.data[:32_000] == sink.data[-32_000:] == SECOND
    assert len(sink.data) == 3 * 32_000
    assert playback.statistics().skipped == 1
    assert adds_up(playback)


async def test_without_the_extra_run_raises(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "soxr", None)
    playback = Playback(MemorySink(), PLAIN)
    playback.feed(SECOND, AudioFormat(24_000))
    with pytest.raises(rt.RealtimeError, match="needs soxr"):
        await playback.run()


async def test_volume_and_level_are_available_during_playback(autojump_clock: MockClock) -> None:
    sink = MemorySink()
    playback = Playback(sink, PLAIN)
    assert playback.level.peak_dbfs == -120.0
    async with playing(playback):
        playback.feed(SECOND, DEFAULT_FORMAT)
        await trio.sleep(0.5)
        assert playback.level.rms_dbfs == pytest.approx(-9.0, abs=0.2)
        assert playback.volume == 1.0
        playback.volume = 0.5
        with pytest.raises(ValueError, match="volume"):
            playback.volume = -1.0
        await trio.sleep(0.1)
        assert playback.level.rms_dbfs == pytest.approx(-15.0, abs=0.2)


async def test_closing_wakes_waiting_tasks(autojump_clock: MockClock) -> None:
    playback = Playback(MemorySink())
    playback.feed(SECOND, DEFAULT_FORMAT)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(playback.drained)
        await trio.testing.wait_all_tasks_blocked()
        playback.close()
    assert adds_up(playback)


async def test_an_error_of_the_sink_is_raised(autojump_clock: MockClock) -> None:
    class Broken(MemorySink):
        async def write(self, chunk: bytes) -> None:
            await trio.lowlevel.checkpoint()
            raise BrokenPipeError

    playback = Playback(Broken())
    playback.feed(SECOND, DEFAULT_FORMAT)
    with pytest.raises(BrokenPipeError):
        await playback.run()


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 3200), st.floats(0, 0.2)), min_size=1, max_size=40))
def test_any_chunks_and_any_jitter_give_the_same_samples(
    chunks: list[tuple[int, float]],
) -> None:
    total = sum(frames for frames, _ in chunks)
    sound = tone(300, total, 16_000)
    sink = MemorySink()

    async def main() -> None:
        playback = Playback(sink, PLAIN)
        async with playing(playback):
            place = 0
            for frames, pause in chunks:
                playback.feed(sound[2 * place : 2 * (place + frames)], DEFAULT_FORMAT)
                place += frames
                await trio.sleep(pause)
            playback.end_answer()
            await playback.drained()
        assert adds_up(playback)

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert sink.data == sound


def test_late_audio_of_an_interrupted_answer_does_not_count() -> None:
    playback = Playback(MemorySink())
    playback.discard(bytes(640), None)
    assert playback.statistics().flushed == 0
    playback.discard(bytes(640), DEFAULT_FORMAT)
    assert playback.statistics().flushed == playback.statistics().received == 640
