"""The microphone and the speaker, with a fake sounddevice: no hardware, real threads."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import trio

import realtime_trio as rt
from realtime_trio.audio import (
    AudioFormat,
    ClockedSink,
    LiveSource,
    MicrophoneStatistics,
    SpeakerStatistics,
    open_microphone,
    open_speaker,
    tone,
)
from realtime_trio.audio._pcm import samples_of

OK = SimpleNamespace(input_overflow=False, output_underflow=False)
LATE = SimpleNamespace(input_overflow=True, output_underflow=True)
BLOCK = 640


class Stream:
    """A stream of the fake; a test plays the device's part."""

    opened: list[Stream] = []  # noqa: RUF012  one list per test, emptied by the fixture

    def __init__(self, *, callback: Callable[..., None], **options: Any) -> None:
        if options["device"] == "broken":
            message = "Device unavailable"
            raise PortAudioError(message)
        if options["device"] == "missing":
            message = "No input device matching 'missing'"
            raise ValueError(message)
        self.callback = callback
        self.options = options
        self.running = False
        self.threads: set[int] = set()
        Stream.opened.append(self)

    def start(self) -> None:
        self.running = True
        self.threads.add(threading.get_ident())

    def close(self) -> None:
        self.running = False
        self.threads.add(threading.get_ident())

    def record(self, data: bytes, status: Any = OK) -> None:
        """Call back as a device does in its own thread."""
        self.callback(memoryview(data), len(data) // 2, None, status)

    def play(self, status: Any = OK, size: int = BLOCK) -> bytes:
        out = bytearray(b"\x55" * size)
        self.callback(out, size // 2, None, status)
        return bytes(out)


class PortAudioError(Exception):
    """The fake of sounddevice's error."""


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Stream]:
    module = ModuleType("sounddevice")
    module.RawInputStream = module.RawOutputStream = Stream  # type: ignore[attr-defined]
    module.PortAudioError = PortAudioError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    Stream.opened.clear()
    return lambda: Stream.opened[-1]


async def in_thread(work: Callable[[], Any]) -> Any:
    return await trio.to_thread.run_sync(work)


async def test_recorded_audio_is_read_in_order(device: Callable[[], Stream]) -> None:
    async with open_microphone(AudioFormat(24_000), chunk=0.01) as microphone:
        stream = device()
        assert stream.running
        assert stream.options["blocksize"] == 240
        assert stream.options["samplerate"] == 24_000
        found: list[bytes] = []

        async def read() -> None:
            async for chunk in microphone:
                found.append(chunk)  # noqa: PERF401  read while it grows

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            for number in range(3):
                await in_thread(partial(stream.record, bytes([number])))
                while len(found) <= number:
                    await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert found == [b"\x00", b"\x01", b"\x02"]
    assert not stream.running
    assert threading.get_ident() not in stream.threads


async def test_unread_audio_is_dropped_and_counted(device: Callable[[], Stream]) -> None:
    async with open_microphone(chunk=0.02, max_waiting=0.06) as microphone:
        for number in range(5):
            device().record(bytes([number]), LATE if number == 4 else OK)
        assert [await anext(microphone) for _ in range(2)] == [b"\x02", b"\x03"]
        assert microphone.statistics() == MicrophoneStatistics(
            captured=5, delivered=2, dropped=2, flushed=0, waiting=1, overflows=1
        )
        assert isinstance(microphone, LiveSource)
        assert (microphone.flush(), microphone.flush()) == (1, 0)
        assert microphone.statistics().flushed == 1
        assert microphone.statistics().waiting == 0


async def test_a_speaker_plays_written_audio_and_then_silence(
    device: Callable[[], Stream],
) -> None:
    sound = tone(440, 800, 16_000)
    async with open_speaker() as speaker:
        assert isinstance(speaker, ClockedSink)
        stream = device()
        assert stream.play() == bytes(BLOCK)
        await speaker.write(sound[:BLOCK])
        await speaker.write(sound[BLOCK : 2 * BLOCK])
        assert speaker.queued == 2 * BLOCK
        with trio.move_on_after(0) as scope:
            await speaker.write(bytes(BLOCK))
        assert scope.cancelled_caught
        assert stream.play(LATE) + stream.play() == sound[: 2 * BLOCK]
        await speaker.write(sound[2 * BLOCK :])  # shorter than the device's block
        assert stream.play() == sound[2 * BLOCK :] + bytes(320)
        assert speaker.statistics() == SpeakerStatistics(
            written=3, played=3, flushed=0, waiting=0, silent=1, underflows=1
        )


async def test_the_device_paces_the_writes(device: Callable[[], Stream]) -> None:
    async with open_speaker() as speaker, trio.open_nursery() as nursery:
        stream = device()
        written = 0

        async def write() -> None:
            nonlocal written
            for _ in range(4):
                await speaker.write(bytes(BLOCK))
                written += 1
            await speaker.drained()
            nursery.cancel_scope.cancel()

        nursery.start_soon(write)
        for expected in (2, 3, 4):
            while written < expected:
                await trio.testing.wait_all_tasks_blocked()
            assert written == expected
            await in_thread(stream.play)
        await in_thread(stream.play)
        await trio.sleep_forever()
    assert written == 4


async def test_a_flush_fades_out_without_a_click(device: Callable[[], Stream]) -> None:
    sound = tone(440, 640, 16_000)
    async with open_speaker() as speaker:
        assert speaker.flush() == 0
        await speaker.write(sound[:BLOCK])
        await speaker.write(sound[BLOCK:])
        assert speaker.flush() == 2 * BLOCK - 160
        out = samples_of(device().play())
        assert out[79] == 0
        assert not any(out[80:])
        assert any(out[:79])
        assert device().play() == bytes(BLOCK)
        assert speaker.statistics().flushed == 1
        assert speaker.statistics().played == 1


async def test_a_large_chunk_is_split_for_the_device(device: Callable[[], Stream]) -> None:
    async with open_speaker(AudioFormat(16_000, 2)) as speaker:
        speaker.write_nowait(bytes([1, 2, 3, 4]) * 400)
        assert device().play(size=2 * BLOCK) == bytes([1, 2, 3, 4]) * 320
        assert device().play(size=2 * BLOCK) == bytes([1, 2, 3, 4]) * 80 + bytes(4 * 240)


@pytest.mark.parametrize("name", ["broken", "missing"])
async def test_a_device_that_cannot_be_opened(device: Callable[[], Stream], name: str) -> None:
    with pytest.raises(rt.RealtimeError, match="cannot open the audio device: "):
        async with open_microphone(device=name):
            pass
    with pytest.raises(rt.RealtimeError, match="cannot open the audio device: "):
        async with open_speaker(device=name):
            pass


def test_a_callback_after_the_end_does_no_harm(device: Callable[[], Stream]) -> None:
    async def main() -> None:
        async with open_microphone():
            pass

    trio.run(main)
    device().record(bytes(BLOCK))
