"""Frames that are handled in the task that reads them."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import AsyncGenerator, Callable
from functools import partial

import pytest
import trio
import trio.testing

from realtime_trio import abc
from realtime_trio._exceptions import ConnectionLost
from realtime_trio._transports import _direct
from realtime_trio._transports._trio_websocket_link import TrioWebsocketTransport
from realtime_trio._transports._websockets import WebsocketsConnector
from realtime_trio.testing import check_transport
from tests.transports.peers import (
    BINARY,
    CLOSE,
    CONNECTORS,
    PING,
    TEXT,
    Connector,
    SocketPeer,
    frame,
    frame_server,
    socket_pair,
)

both = pytest.mark.parametrize("make", CONNECTORS)
Make = Callable[..., Connector]
Frames = deque[str | bytes]


class OneByOne:
    """A transport whose ``receive`` delivers one frame."""

    def __init__(self, inner: abc.Transport) -> None:
        assert isinstance(inner, abc.Delivers)
        self.deliver = inner.deliver
        self.kept: Frames = deque()  # taken before the call was cancelled
        self.inner = inner
        self.send_text = inner.send_text
        self.send_bytes = inner.send_bytes
        self.receive_nowait = inner.receive_nowait
        self.ping = inner.ping
        self.aclose = inner.aclose

    async def receive(self) -> str | bytes:
        if not self.kept:
            await self.deliver(self._take)
        else:
            await trio.lowlevel.checkpoint()
        return self.kept.popleft()

    def _take(self, frames: Frames) -> bool:
        self.kept.append(frames.popleft())
        return False

    @property
    def bytes_received(self) -> int:
        return self.inner.bytes_received


@contextlib.asynccontextmanager
async def delivering_pair(connector: Connector) -> AsyncGenerator[tuple[OneByOne, SocketPeer]]:
    """A pair whose transport receives by delivery."""
    async with socket_pair(connector) as (transport, peer):
        yield OneByOne(transport), peer


@both
async def test_a_delivery_behaves_like_a_receive(make: Make) -> None:
    """The same rules hold for both."""
    await check_transport(partial(delivering_pair, make()), cancellations=100)


@contextlib.asynccontextmanager
async def raw_pair(make: Make) -> AsyncGenerator[tuple[abc.Transport, trio.abc.Stream]]:
    """A transport, and the raw stream of its peer."""
    streams: list[trio.abc.Stream] = []

    async def keep(stream: trio.abc.Stream) -> None:
        streams.append(stream)
        await trio.sleep_forever()

    async with frame_server(keep) as url, trio.open_nursery() as nursery:
        link = await make().connect(url, nursery)
        await trio.testing.wait_all_tasks_blocked()
        yield link, streams[0]
        await link.aclose()
        nursery.cancel_scope.cancel()


@both
async def test_frames_come_before_the_end(make: Make) -> None:
    """Frames that arrive with the close frame are delivered before the end is raised."""
    got: list[str | bytes] = []

    def take(frames: Frames) -> bool:
        got.append(frames.popleft())
        return True

    async with raw_pair(make) as (link, peer):
        assert isinstance(link, abc.Delivers)
        several = b"".join(frame(TEXT, b"%d" % number) for number in range(5))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.send_all, several + frame(CLOSE, b"\x0f\xa1bye"))
            with pytest.raises(ConnectionLost) as caught:
                await link.deliver(take)
        assert got == ["0", "1", "2", "3", "4"]
        assert (caught.value.code, caught.value.reason) == (4001, "bye")


@both
async def test_remaining_frames_are_received(make: Make) -> None:
    """A delivery that ends leaves the remaining frames, in order, for the next."""
    async with raw_pair(make) as (link, peer):
        assert isinstance(link, abc.Delivers)
        several = b"".join(frame(BINARY, b"%d" % number) for number in range(5))
        await peer.send_all(several)
        one = OneByOne(link)
        assert [await one.receive(), await link.receive(), await one.receive()] == [
            b"0",
            b"1",
            b"2",
        ]
        assert [await link.receive(), await one.receive()] == [b"3", b"4"]


@both
async def test_an_error_of_take_is_raised(make: Make) -> None:
    """Wherever it was called; the transport stays usable."""

    def take(frames: Frames) -> bool:
        frames.popleft()
        raise ZeroDivisionError

    async with raw_pair(make) as (link, peer):
        assert isinstance(link, abc.Delivers)
        for _ in range(2):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(peer.send_all, frame(TEXT, b"x"))
                with pytest.raises(ZeroDivisionError):
                    await link.deliver(take)
        await peer.send_all(frame(TEXT, b"y"))
        assert await link.receive() == "y"


@both
async def test_pings_are_answered_during_a_delivery(make: Make) -> None:
    """No other task reads."""
    async with raw_pair(make) as (link, peer), trio.open_nursery() as nursery:
        one = OneByOne(link)
        got: list[str | bytes] = []

        async def receive() -> None:
            got.extend([await one.receive(), await one.receive()])

        nursery.start_soon(receive)
        for text in (b"a", b"b"):
            await peer.send_all(frame(PING, b"?") + frame(TEXT, text))
            assert (await peer.receive_some(100))[0] == 0x8A
        await trio.testing.wait_all_tasks_blocked()
    assert got == ["a", "b"]


async def test_messages_are_taken_one_by_one_if_the_queue_is_unknown() -> None:
    """As in another release of trio-websocket."""
    async with raw_pair(CONNECTORS[0]) as (link, peer):
        assert isinstance(link, TrioWebsocketTransport)
        link._queue = None
        one = OneByOne(link)
        await peer.send_all(frame(TEXT, b"a") + frame(TEXT, b"b"))
        assert [await one.receive(), await one.receive()] == ["a", "b"]


async def test_the_socket_is_read_once_per_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no read that finds nothing before the wait."""
    reads: list[int] = []

    def read(number: int, size: int) -> bytes:
        data = os.read(number, size)
        reads.append(len(data))
        return data

    class Counted:
        name, write = os.name, staticmethod(os.write)

    Counted.read = staticmethod(read)  # type: ignore[attr-defined]
    monkeypatch.setattr(_direct, "os", Counted)
    async with raw_pair(WebsocketsConnector) as (link, peer):
        await peer.send_all(frame(TEXT, b"to begin"))
        one = OneByOne(link)
        await one.receive()
        reads.clear()
        for _ in range(10):
            await peer.send_all(frame(TEXT, b"x"))
            assert await one.receive() == "x"
        assert reads == [3] * 10


async def test_a_spurious_wake_up_waits_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The system can report a readable socket that has no data."""
    waits: list[int] = []

    async def wait(number: int) -> None:
        waits.append(number)
        if len(waits) > 1:
            await readable(number)

    readable = trio.lowlevel.wait_readable
    monkeypatch.setattr(trio.lowlevel, "wait_readable", wait)
    ours, theirs = trio.socket.socketpair()
    read = _direct.reader_of(trio.SocketStream(ours))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(theirs.send, b"x")
        assert await read() == b"x"
    assert len(waits) >= 2
    ours.close()
    theirs.close()
    with pytest.raises(trio.ClosedResourceError):
        await read()


async def test_a_socket_closed_during_a_wait_is_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its file descriptor may already belong to another file."""
    ours, theirs = trio.socket.socketpair()
    read = _direct.reader_of(trio.SocketStream(ours))
    number = ours.fileno()
    source, sink = os.pipe()

    async def wait(_number: int) -> None:
        ours.close()
        os.dup2(source, number)
        os.write(sink, b"not ours")
        await trio.lowlevel.checkpoint()

    monkeypatch.setattr(trio.lowlevel, "wait_readable", wait)
    with pytest.raises(trio.ClosedResourceError):
        await read()
    assert os.read(number, 100) == b"not ours"
    for each in (number, source, sink):
        os.close(each)
    theirs.close()
