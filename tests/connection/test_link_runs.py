"""A client sends frames together if the transport can, and one by one otherwise."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

import realtime_trio as rt
from realtime_trio.server import RealtimeServer, open_server


class Plain:
    """A custom transport with only the required methods."""

    def __init__(self, inner: rt.Transport) -> None:
        self.inner = inner
        self.runs: list[int] = []

    async def send_text(self, text: str) -> None:
        await self.inner.send_text(text)

    async def send_bytes(self, data: bytes) -> None:
        await self.inner.send_bytes(data)

    async def receive(self) -> str | bytes:
        return await self.inner.receive()

    def receive_nowait(self) -> str | bytes:
        raise trio.WouldBlock

    async def ping(self) -> None:
        await self.inner.ping()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await self.inner.aclose(code, reason)

    @property
    def bytes_received(self) -> int:
        return self.inner.bytes_received


class Bundling(Plain):
    """A transport that sends several frames in one call."""

    async def send_many(self, frames: Sequence[str | bytes]) -> None:
        self.runs.append(len(frames))
        for frame in frames:
            assert isinstance(frame, bytes)
            await self.inner.send_bytes(frame)


class Opens:
    """Opens transports of one class."""

    def __init__(self, cls: type[Plain]) -> None:
        self.cls = cls
        self.opened: list[Plain] = []

    async def connect(self, url: str, nursery: trio.Nursery) -> rt.Transport:
        self.opened.append(self.cls(await rt.MemoryConnector().connect(url, nursery)))
        return self.opened[-1]


class AudioRecorder:
    """A recorder that keeps the sent audio."""

    def __init__(self) -> None:
        self.audio: list[bytes] = []

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None, None]:
        await trio.lowlevel.checkpoint()
        yield

    def record(self, kind: str, payload: str | bytes, **_: Any) -> None:
        if kind == "out" and isinstance(payload, bytes):
            self.audio.append(payload)


def heard(server: RealtimeServer) -> list[bytes]:
    return [seen.frame for seen in server.seen if isinstance(seen.frame, bytes)]


@pytest.mark.parametrize("cls", [Plain, Bundling])
async def test_speech_arrives_whole_and_in_order(autojump_clock: object, cls: type[Plain]) -> None:
    """Frame by frame for the server and the recorder, with any transport."""
    frames = [bytes([number, 0]) * 320 for number in range(100)]
    opens, told = Opens(cls), AudioRecorder()
    async with (
        open_server() as server,
        rt.open_client(server.url, auth="any", transport=opens, recorder=told) as client,
    ):
        await client.ready()
        async with client.push_to_talk():
            for frame in frames:
                client.audio.send_nowait(frame)
        await trio.sleep(5)
        assert heard(server) == frames
        assert told.audio == frames
        assert client.audio.statistics().sending.sent == 100
    runs = opens.opened[0].runs
    assert sum(runs) == (100 if cls is Bundling else 0)
    assert len(runs) < 10


async def test_speech_over_a_real_socket() -> None:
    """The transport ``websockets`` and the embedded server's reader."""
    frames = [bytes([number, 0]) * 320 for number in range(100)]
    async with open_server() as server:
        url = await server.listen()
        connector = rt.WebsocketsConnector()
        async with rt.open_client(url, auth="any", transport=connector) as client:
            await client.ready()
            with client.subscribe(rt.MessageComplete) as answers:
                async with client.push_to_talk():
                    for frame in frames:
                        client.audio.send_nowait(frame)
                with trio.fail_after(30):
                    await answers.receive()
        assert heard(server) == frames
