"""What the application gives to a door: token sources, audio sources, sinks, devices."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trio

import realtime_trio as rt
from realtime_trio import audio
from realtime_trio.aio import _callbacks as hosted
from realtime_trio.blocking import _callbacks as threaded

FORMAT = rt.AudioFormat()


@asynccontextmanager
async def _opened() -> AsyncIterator[rt.aio.Client]:
    async with (
        rt.aio.open_server() as server,
        rt.aio.open_client(server.url, auth="any") as client,
    ):
        await client.ready()
        yield client


class _Live:
    """A source that keeps the time itself."""

    format = FORMAT

    def __init__(self) -> None:
        self.flushed = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(3):
            await asyncio.sleep(0)
            yield bytes(640)

    def flush(self) -> int:
        self.flushed += 1
        return 0


class _Clocked:
    """A sink with a clock of its own."""

    format = FORMAT

    def __init__(self) -> None:
        self.taken = 0

    async def ready(self) -> None:
        await asyncio.sleep(0.001)

    async def write(self, chunk: bytes) -> None:
        await self.ready()
        self.write_nowait(chunk)

    def write_nowait(self, chunk: bytes) -> None:
        self.taken += len(chunk)

    @property
    def queued(self) -> int:
        return 0

    def flush(self) -> int:
        return 0

    async def drained(self) -> None:
        await asyncio.sleep(0)


def test_live_sources_and_clocked_sinks_of_asyncio() -> None:
    async def main() -> None:
        source, sink = _Live(), _Clocked()
        async with _opened() as client:
            await client.audio.send_from(source)
            async with client.audio.play_to(sink) as playback:
                playback.feed(bytes(6400), FORMAT)
                playback.end_answer()
                await playback.drained()
                playback.interrupt()
        assert source.flushed >= 1
        assert sink.taken >= 6400

    asyncio.run(main())


def test_a_source_that_is_left_is_closed() -> None:
    closed: list[str] = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                await asyncio.sleep(0)
                yield bytes(640)
        finally:
            await asyncio.sleep(0)
            closed.append("closed")

    async def main() -> None:
        async with _opened() as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.audio.send_from(endless()), 0.05)

    asyncio.run(main())
    assert closed == ["closed"]


def test_errors_of_callbacks_come_out_bare() -> None:
    class Failing:
        async def token(self) -> str:
            await asyncio.sleep(0)
            message = "no token"
            raise KeyError(message)

    class Cancelled:
        async def token(self) -> str:
            raise asyncio.CancelledError

    async def main() -> None:
        async with rt.aio.open_server() as server:
            with pytest.raises(KeyError, match="no token"):
                async with rt.aio.open_client(server.url, auth=Failing()):
                    pass
            with pytest.raises(RuntimeError, match="was cancelled"):
                async with rt.aio.open_client(server.url, auth=Cancelled()):
                    pass

    asyncio.run(main())


def test_objects_of_the_library_are_not_wrapped() -> None:
    login, source, sink = rt.PasswordLogin("a", "b"), audio.silence_source(1), audio.MemorySink()
    for door in (hosted, threaded):
        assert door.as_auth(login) is login
        assert door.as_auth("token") == "token"
        assert door.as_source(source) is source
        assert door.as_sink(sink) is sink


def test_callbacks_of_trio_stay_as_they_are_in_the_blocking_door() -> None:
    class Auth:
        async def token(self) -> str:
            await trio.lowlevel.checkpoint()
            return "any"

    auth = Auth()
    assert threaded.as_auth(auth) is auth
    with (
        rt.blocking.open_server() as server,
        rt.blocking.open_client(server.url, auth=auth) as client,
    ):
        client.ready()
        assert threaded.as_source([b"ab"]) is not None


class _Stream:
    """A device that plays and records at once."""

    def __init__(self, *, callback: Any, blocksize: int, **options: Any) -> None:
        self._callback, self._size = callback, 2 * blocksize

    def start(self) -> None:
        status = type("Status", (), {"input_overflow": False, "output_underflow": False})()
        self._callback(bytearray(self._size), 0, None, status)

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("sounddevice")
    module.PortAudioError = OSError
    module.RawInputStream = module.RawOutputStream = _Stream
    monkeypatch.setitem(sys.modules, "sounddevice", module)


@pytest.mark.usefixtures("devices")
def test_devices_of_the_door_of_asyncio(tmp_path: Path) -> None:
    async def main() -> None:
        async with _opened() as client:
            async with rt.aio.open_microphone() as microphone:
                assert microphone.format == FORMAT
                assert await anext(aiter(microphone))
                assert microphone.flush() == 0
                assert microphone.statistics().captured == 1
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(client.audio.send_from(microphone), 0.02)
            async with rt.aio.open_speaker() as speaker:
                await speaker.ready()
                await speaker.drained()
                await speaker.write(bytes(640))
                speaker.write_nowait(bytes(640))
                assert speaker.queued == 1280
                assert speaker.flush() > 0
                assert speaker.format == FORMAT
                assert speaker.statistics().written == 2
                async with client.audio.play_to(speaker):
                    pass
            async with rt.aio.open_wav_sink(tmp_path / "a.wav") as sink:
                await sink.write(bytes(640))
                assert (sink.format, sink.frames) == (FORMAT, 320)
                async with client.audio.play_to(sink):
                    pass

    asyncio.run(main())


@contextmanager
def _blocking() -> Iterator[rt.blocking.Client]:
    with (
        rt.blocking.open_server() as server,
        rt.blocking.open_client(server.url, auth="any") as client,
    ):
        client.ready()
        yield client


@pytest.mark.usefixtures("devices")
def test_devices_of_the_blocking_door(tmp_path: Path) -> None:
    with _blocking() as client:
        with rt.blocking.open_microphone() as microphone:
            assert microphone.format == FORMAT
            assert next(iter(microphone))
            assert microphone.flush() == 0
            assert microphone.statistics().captured == 1
        with rt.blocking.open_speaker() as speaker:
            speaker.ready()
            speaker.drained()
            speaker.write(bytes(640))
            speaker.write_nowait(bytes(640))
            assert speaker.queued == 1280
            assert speaker.flush() > 0
            assert speaker.format == FORMAT
            assert speaker.statistics().written == 2
        with rt.blocking.open_wav_sink(tmp_path / "a.wav") as sink:
            sink.write(bytes(640))
            assert (sink.format, sink.frames) == (FORMAT, 320)
            with client.audio.play_to(sink):
                pass


class _Slow:
    """A token source that does not answer."""

    def __init__(self) -> None:
        self.asked = 0
        self.cancelled = 0

    async def token(self) -> str:
        self.asked += 1
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return "too late"


def test_a_callback_is_cancelled_with_what_waits_for_it() -> None:
    source = _Slow()

    async def main() -> None:
        async with rt.aio.open_server() as server:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), rt.aio.open_client(server.url, auth=source):
                    pass

    asyncio.run(main())
    assert (source.asked, source.cancelled) == (1, 1)


def test_a_callback_that_takes_too_long_is_a_failed_attempt() -> None:
    source = _Slow()
    config = rt.ClientConfig(connect_timeout=0.05, max_attempts=1)

    async def main() -> None:
        async with rt.aio.open_server() as server:
            with pytest.raises(rt.ConnectionFailed):
                async with rt.aio.open_client(server.url, auth=source, config=config):
                    pass

    asyncio.run(main())
    assert source.cancelled == source.asked


def test_a_callback_waits_when_its_loop_is_closed() -> None:
    source = _Slow()
    loop = asyncio.new_event_loop()

    async def opening() -> None:
        async with (
            rt.aio.open_server() as server,
            rt.aio.open_client(server.url, auth=source),
        ):
            pass

    task = loop.create_task(opening())
    while not source.asked:
        loop.run_until_complete(asyncio.sleep(0.001))
    loop.set_exception_handler(lambda loop, context: None)
    with pytest.warns(ResourceWarning, match="still open"):
        loop.close()
    assert not task.done()
    del task
    asyncio.run(asyncio.sleep(0))


def test_dial_functions_of_asyncio_and_of_trio_in_the_blocking_door() -> None:
    async def on_trio(claim: rt.fleet.Claim) -> rt.fleet.Dial:
        await trio.lowlevel.checkpoint()
        return rt.fleet.Dial("memory://nobody", auth="any")

    log = rt.fleet.MemoryLog()
    with (
        rt.blocking.open_fleet(log) as fleet,
        rt.blocking.open_node(log, on_trio, heartbeat=0.1) as node,
        node.changes() as changes,
    ):
        fleet.create("call-17")
        assert isinstance(changes.receive(), rt.fleet.Claimed)
        released = changes.receive()
        assert isinstance(released, rt.fleet.Released)
        assert "memory://nobody" in released.why or "no server" in released.why
