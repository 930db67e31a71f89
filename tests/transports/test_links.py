"""The two socket transports with a peer or a network that misbehaves."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
import trio.testing

from realtime_trio import abc
from realtime_trio._exceptions import ClosedError, ConnectionFailed, ConnectionLost
from realtime_trio._transports._dial import parse_url
from realtime_trio._transports._trio_websocket import TrioWebsocketConnector
from realtime_trio._transports._trio_websocket_stream import WatchedStream
from realtime_trio._transports._websockets import WebsocketsConnector
from realtime_trio._transports._websockets_link import open_link
from realtime_trio.testing import check_transport
from tests.connection.networks import contexts
from tests.transports.peers import (
    BINARY,
    CLOSE,
    CONNECTORS,
    CONTINUATION,
    PING,
    TEXT,
    Connector,
    accept_answer,
    frame,
    frame_server,
    raw_server,
    read_request,
    reset,
    socket_pair,
)

HOST = "127.0.0.1"
SECRET = "s3cr3t"

both = pytest.mark.parametrize("make", CONNECTORS)
Make = Callable[..., Connector]


def messages_of(error: BaseException | None) -> str:
    """Return the messages of an error and of its causes."""
    text = ""
    while error is not None:
        text += f"{error!r} {error} {error.args!r}\n"
        error = error.__cause__ or error.__context__
    return text


async def fail_to_connect(connector: Connector, url: str) -> ConnectionFailed:
    """Fail to dial; nothing of the dial may be left, and no secret may leak."""
    async with trio.open_nursery() as nursery:
        with pytest.raises(ConnectionFailed) as caught:
            await connector.connect(url, nursery)
    assert SECRET not in messages_of(caught.value)
    return caught.value


@both
@pytest.mark.parametrize("status", [401, 403, 500])
@pytest.mark.parametrize("ends", ["with length", "at eof", "never"])
async def test_a_refused_upgrade(make: Make, status: int, ends: str) -> None:
    """The status is reported, whether or not the body ever ends."""

    async def refuse(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        length = "Content-Length: 6\r\n" if ends == "with length" else ""
        answer = f"HTTP/1.1 {status} No\r\n{length}\r\n{SECRET}"
        await stream.send_all(answer[:10].encode())
        await trio.testing.wait_all_tasks_blocked(0.01)
        await stream.send_all(answer[10:].encode())
        if ends == "never":
            await trio.sleep_forever()
        await stream.aclose()

    async with raw_server(refuse) as url:
        assert (await fail_to_connect(make(), url)).status == status


@both
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: wrong\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ],
)
async def test_an_answer_that_is_not_an_upgrade(make: Make, answer: bytes) -> None:
    """Any such answer is a failed connection."""

    async def serve(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await stream.send_all(answer)
        await stream.aclose()

    async with raw_server(serve) as url:
        assert (await fail_to_connect(make(), url)).status is None


@both
async def test_a_reset_instead_of_an_answer(make: Make) -> None:
    """The TCP connection breaks during the upgrade."""

    async def serve(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        reset(stream)

    async with raw_server(serve) as url:
        assert (await fail_to_connect(make(), url)).status is None


@both
async def test_no_answer_in_time(make: Make) -> None:
    """The deadline covers the upgrade."""

    async def serve(stream: trio.abc.Stream) -> None:
        await trio.sleep_forever()

    async with raw_server(serve) as url:
        error = await fail_to_connect(make(connect_timeout=0.02), url)
    assert "0.02 s" in str(error)


@both
async def test_a_cancelled_dial_leaves_nothing_open(make: Make) -> None:
    """The server sees the end of the stream."""
    asked, gone = trio.Event(), trio.Event()

    async def serve(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        asked.set()
        assert not await stream.receive_some()
        gone.set()

    async with raw_server(serve) as url, trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:

            async def cancel() -> None:
                await asked.wait()
                scope.cancel()

            nursery.start_soon(cancel)
            await make().connect(url, nursery)
        assert scope.cancelled_caught
        with trio.fail_after(10):
            await gone.wait()


@both
async def test_no_secret_reaches_the_log(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Not even at level DEBUG."""
    caplog.set_level(logging.DEBUG)
    async with socket_pair(make()) as (transport, peer):
        assert SECRET in (peer.ws.path or "")
        await peer.send_text("hello")
        await transport.receive()
        assert SECRET not in repr(transport)
    assert SECRET not in caplog.text


@both
async def test_the_peers_pings_are_answered_without_a_receiver(make: Make) -> None:
    """``ping`` of the peer returns at our pong."""
    async with socket_pair(make()) as (_, peer):
        with trio.fail_after(10):
            await peer.send_text("unread")
            await peer.ws.ping()
            await peer.ws.ping()


@both
async def test_a_ping_does_not_wait_for_its_pong(make: Make) -> None:
    """Many pings at once; each pong counts as traffic."""
    async with socket_pair(make()) as (transport, _):
        before = transport.bytes_received
        for _ in range(5):
            await transport.ping()
        with trio.fail_after(10):
            while transport.bytes_received < before + 5 * 2:
                await trio.testing.wait_all_tasks_blocked(0.01)


def opcodes(got: bytes) -> list[int]:
    """Return the first byte of each complete frame sent by a client (masked, short)."""
    firsts: list[int] = []
    while len(got) >= 2 and len(got) >= (size := 2 + 4 + (got[1] & 0x7F)):
        firsts.append(got[0])
        got = got[size:]
    return firsts


@both
async def test_unanswered_pings(make: Make) -> None:
    """They are still sent, and completely."""
    done = trio.Event()

    async def serve(stream: trio.abc.Stream) -> None:
        got = b""
        while opcodes(got) != [0x89] * 3:
            got += await stream.receive_some()
        done.set()

    async with frame_server(serve) as url, trio.open_nursery() as nursery:
        transport = await make(close_timeout=0.02).connect(url, nursery)
        for _ in range(3):
            await transport.ping()
        with trio.fail_after(10):
            await done.wait()
        await transport.aclose()


async def send_on(transport: abc.Transport, size: int) -> None:
    """Send until an error stops it."""
    while True:
        await transport.send_bytes(bytes(size))
        await trio.lowlevel.checkpoint()


async def receive_on(transport: abc.Transport, frames: list[str | bytes]) -> None:
    """Receive until an error stops it."""
    while True:
        frames.append(await transport.receive())


async def stay(stream: trio.abc.Stream) -> None:
    """A peer that neither reads nor answers."""
    await trio.sleep_forever()


@both
async def test_closing_does_not_wait_for_a_mute_peer(make: Make) -> None:
    """The peer has ``close_timeout``, also if our own send is stuck."""
    async with frame_server(stay) as url, trio.open_nursery() as nursery:
        transport = await make(close_timeout=0.02).connect(url, nursery)
        await transport.aclose()
        transport = await make(close_timeout=0.02).connect(url, nursery)

        async def send() -> None:
            with pytest.raises(ClosedError):
                await send_on(transport, 2**20)

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked(0.02)
        with trio.CancelScope() as scope:
            scope.cancel()
            await transport.aclose()


async def receive_all(transport: abc.Transport) -> tuple[list[str | bytes], ConnectionLost]:
    """Receive until the link is lost."""
    frames: list[str | bytes] = []
    with trio.fail_after(10), pytest.raises(ConnectionLost) as caught:
        await receive_on(transport, frames)
    return frames, caught.value


@both
@pytest.mark.parametrize(
    ("raw", "frames", "code"),
    [
        (frame(TEXT, b"a") + frame(CLOSE, b""), ["a"], 1005),
        (frame(CLOSE, b"\x03\xe8") + frame(TEXT, b"late"), [], 1000),
        (frame(PING, b"p") + frame(CLOSE, b"\x0f\xa1why"), [], 4001),
        (
            frame(TEXT, b"\xe2", fin=False)
            + frame(PING, b"")
            + frame(CONTINUATION, b"\x82", fin=False)
            + frame(CONTINUATION, b"\xac")
            + frame(BINARY, b"\x00", fin=False)
            + frame(CONTINUATION, b"\xff")
            + frame(CLOSE, b"\x03\xe9"),
            ["€", b"\x00\xff"],
            1001,
        ),
        (frame(TEXT, b"ok") + frame(TEXT, b"\xff\xfe") + frame(TEXT, b"c"), ["ok"], 1007),
        (frame(TEXT, b"\xe2", fin=False) + frame(CONTINUATION, b"x"), [], 1007),
        (frame(TEXT, b"ok") + frame(0x40 | TEXT, b"reserved"), ["ok"], 1002),
        (frame(CONTINUATION, b"of nothing"), [], 1002),
    ],
)
@pytest.mark.parametrize("at_once", [False, True], ids=["later", "with the answer"])
async def test_raw_frames(
    make: Make, raw: bytes, frames: list[str | bytes], code: int, at_once: bool
) -> None:
    """Fragments, control frames between them, closes and faults, also with the upgrade."""
    finished = trio.Event()

    async def serve(stream: trio.abc.Stream) -> None:
        if not at_once:
            await stream.send_all(raw)
        await finished.wait()

    async with (
        frame_server(serve, with_answer=raw if at_once else b"") as url,
        trio.open_nursery() as nursery,
    ):
        transport = await make(close_timeout=0.02).connect(url, nursery)
        got, error = await receive_all(transport)
        assert (got, error.code) == (frames, code)
        assert error.clean == (code == 1000)
        with pytest.raises(ConnectionLost):
            await transport.send_text("late")
        # The peer never closes TCP; our side does not wait for that.
        await transport.aclose()
        finished.set()


@both
async def test_a_send_reports_a_close_that_was_not_received(make: Make) -> None:
    """It has the peer's code; earlier frames are still available."""
    async with socket_pair(make()) as (transport, peer):
        await peer.send_text("first")
        await peer.aclose(4009, "gone")
        with trio.fail_after(10), pytest.raises(ConnectionLost) as caught:
            await send_on(transport, 1)
        assert caught.value.code in (4009, None)
        frames, error = await receive_all(transport)
        assert frames == ["first"]
        assert error.code == caught.value.code


@asynccontextmanager
async def piped(
    make: Make, ours: trio.abc.Stream, theirs: trio.abc.Stream, **options: object
) -> AsyncGenerator[tuple[abc.Transport, trio.Nursery], None]:
    """A transport over one end of an in-process pair of streams, with the pair's rules.

    Without buffers of the system, it is certain when a send is stuck.
    """

    async def open_stream() -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        return ours

    async def upgrade() -> None:
        await theirs.send_all(accept_answer(await read_request(theirs)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(upgrade)
        connector = make(open_stream=open_stream, **options)
        yield await connector.connect("ws://a.example/ws", nursery), nursery
        nursery.cancel_scope.cancel()


@both
async def test_a_ping_cancelled_during_its_write(make: Make, autojump_clock: object) -> None:
    """Like a send, it may have written half a frame, so it ends the link."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with piped(make, ours, theirs) as (transport, nursery):
        ours.send_stream.send_all_hook = trio.sleep_forever
        with trio.CancelScope() as scope:

            async def cancel() -> None:
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()

            nursery.start_soon(cancel)
            await transport.ping()
        assert scope.cancelled_caught
        with pytest.raises(ConnectionLost):
            await transport.ping()
        await transport.aclose()


@both
async def test_a_ping_reports_a_close_that_was_not_received(make: Make) -> None:
    """As a send does."""
    async with socket_pair(make()) as (transport, peer):

        async def ping_on() -> None:
            while True:
                await transport.ping()

        await peer.aclose(4009, "gone")
        with trio.fail_after(10), pytest.raises(ConnectionLost) as caught:
            await ping_on()
        assert caught.value.code in (4009, None)


async def test_the_wire_writes_nothing_after_half_a_frame() -> None:
    """For any caller, including the library's reader, which answers pings."""
    ours, theirs = trio.testing.memory_stream_pair()

    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise OSError

    assert ours.send_stream is not None
    wire = WatchedStream(ours, 1000)
    await wire.wait_send_all_might_not_block()
    await wire.send_all(b"whole")
    ours.send_stream.send_all_hook = fail
    with pytest.raises(OSError):
        await wire.send_all(b"half")
    ours.send_stream.send_all_hook = None
    with pytest.raises(trio.BrokenResourceError):
        await wire.send_all(b"next")
    await wire.aclose()
    assert await theirs.receive_some() == b"wholehalf"


@both
async def test_no_tls_handshake_in_time(make: Make) -> None:
    """The deadline covers TLS."""
    async with raw_server(stay) as url:
        error = await fail_to_connect(make(connect_timeout=0.02), url.replace("ws:", "wss:"))
    assert "0.02 s" in str(error)


@both
@pytest.mark.parametrize("size", [1000, 1001])
async def test_the_largest_message(make: Make, size: int) -> None:
    """``max_message_size`` is accepted, one more ends the link with 1009."""
    async with socket_pair(make(max_message_size=1000)) as (transport, peer):
        await peer.send_bytes(bytes(size))
        if size == 1000:
            assert len(await transport.receive()) == size
        else:
            frames, error = await receive_all(transport)
            assert (frames, error.code) == ([], 1009)
            with pytest.raises(ConnectionLost):
                await peer.receive()


@both
async def test_the_nursery_is_cancelled(make: Make) -> None:
    """Then the link is lost, and closing it returns."""
    async with frame_server(stay) as url:
        async with trio.open_nursery() as nursery:
            transport = await make().connect(url, nursery)
            nursery.cancel_scope.cancel()
        with pytest.raises(ConnectionLost):
            await transport.send_text("late")
        with pytest.raises(ConnectionLost):
            await transport.receive()
        await transport.aclose()
        with pytest.raises(ClosedError):
            await transport.receive()


@both
async def test_a_ping_during_our_close(make: Make) -> None:
    """A ping after our close frame does no harm (trio-websocket's reader fails on it)."""

    async def serve(stream: trio.abc.Stream) -> None:
        assert await stream.receive_some()
        await stream.send_all(frame(PING, b"") + frame(TEXT, b"late"))
        await trio.sleep_forever()

    async with frame_server(serve) as url, trio.open_nursery() as nursery:
        transport = await make(close_timeout=0.1).connect(url, nursery)
        await transport.aclose()
        with pytest.raises(ClosedError):
            await transport.receive()


@both
async def test_a_write_that_fails(make: Make) -> None:
    """The peer has reset the connection; data that it sent before can still be read."""
    async with socket_pair(make()) as (transport, peer):
        peer.abort()
        with trio.fail_after(10), pytest.raises(ConnectionLost) as caught:
            await send_on(transport, 2**16)
        assert caught.value.code is None
        _, error = await receive_all(transport)
        assert error.code is None


@both
async def test_the_read_ahead_is_bounded_in_bytes(make: Make, autojump_clock: object) -> None:
    """A few large messages are bounded like many small ones."""
    ours, theirs = trio.testing.lockstep_stream_pair()  # a send waits until all of it was read
    sent = 0

    async def flood() -> None:
        nonlocal sent
        payload = "\u20ac".encode() * 2**14
        for _ in range(64):
            await theirs.send_all(b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload)
            sent += 1

    async with piped(make, ours, theirs, max_buffer=2**16) as (transport, nursery):
        await trio.testing.wait_all_tasks_blocked()  # the answer to the upgrade has been sent
        nursery.start_soon(flood)
        await trio.testing.wait_all_tasks_blocked()
        assert 1 <= sent < 4
        for _ in range(64):
            assert len(await transport.receive()) == 2**14


async def test_a_flood_of_pings_does_not_stop_reading() -> None:
    """While our pong waits, newer ones only replace it."""

    async def serve(stream: trio.abc.Stream) -> None:
        # Fill the other direction first, so that no pong can be sent.
        await opened.wait()
        for _ in range(3):
            await stream.send_all(frame(PING, b"a") * 10_000)
            await trio.testing.wait_all_tasks_blocked(0.01)
        await stream.send_all(frame(TEXT, b"behind the pings"))
        await trio.sleep_forever()

    opened = trio.Event()
    connector = WebsocketsConnector(close_timeout=0.02)
    async with frame_server(serve) as url, trio.open_nursery() as nursery:
        transport = await connector.connect(url, nursery)

        async def fill() -> None:
            with pytest.raises(ClosedError):
                await send_on(transport, 2**20)

        nursery.start_soon(fill)
        await trio.testing.wait_all_tasks_blocked(0.02)
        opened.set()
        with trio.fail_after(10):
            assert await transport.receive() == "behind the pings"
        await transport.aclose()


async def test_a_close_with_the_upgrade_is_known_immediately() -> None:
    """Nothing is written to a closed peer."""
    answer = frame(CLOSE, b"\x0f\xa2")
    async with frame_server(stay, with_answer=answer) as url, trio.open_nursery() as nursery:
        transport = await WebsocketsConnector(close_timeout=0.02).connect(url, nursery)
        with pytest.raises(ConnectionLost):
            await transport.send_text("late")
        await transport.aclose()


@pytest.mark.parametrize("taken", [0, 3])
async def test_a_write_that_the_system_accepts_in_part(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of the frame follows before any other frame."""
    write = os.write
    calls = 0

    def grudgingly(fd: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls > 1:
            return write(fd, data)
        if not taken:
            raise BlockingIOError
        return write(fd, data[:taken])

    async with socket_pair(WebsocketsConnector()) as (transport, peer):
        monkeypatch.setattr(os, "write", grudgingly)
        await transport.send_text("first")
        await transport.send_bytes(b"second")
        assert [await peer.receive() for _ in range(2)] == ["first", b"second"]
    assert calls >= 2


@both
async def test_a_call_cancelled_before_its_turn(make: Make, autojump_clock: object) -> None:
    """It has written nothing, so the link stays usable."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with piped(make, ours, theirs) as (transport, nursery):
        stuck = trio.Event()

        async def stick() -> None:
            await stuck.wait()

        ours.send_stream.send_all_hook = stick
        messages_of: list[BaseException] = []

        async def send() -> None:
            with pytest.raises(ClosedError) as caught:
                await send_on(transport, 2**20)
            messages_of.append(caught.value)

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(1) as scope:
            await transport.ping()
        assert scope.cancelled_caught
        await trio.testing.wait_all_tasks_blocked()
        assert not messages_of
        await transport.aclose()
        stuck.set()
        await trio.testing.wait_all_tasks_blocked()
        assert messages_of


@pytest.mark.parametrize("raw", [frame(PING, b""), frame(CLOSE, b"\x03\xe8")])
async def test_a_pong_waits_for_a_send_that_breaks(raw: bytes) -> None:
    """Then it is not written, because half a frame may be before it."""
    ours, theirs = trio.testing.memory_stream_pair()
    assert ours.send_stream is not None
    broken = trio.Event()
    writes = 0

    async def break_later() -> None:
        nonlocal writes
        writes += 1
        await broken.wait()
        raise trio.BrokenResourceError

    async def upgrade() -> None:
        await theirs.send_all(accept_answer(await read_request(theirs)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(upgrade)
        transport = await open_link(
            ours,
            parse_url("ws://a.example"),
            nursery,
            max_message_size=1000,
            max_buffer=1000,
            close_timeout=0.02,
        )
        ours.send_stream.send_all_hook = break_later

        async def send() -> None:
            with pytest.raises(ConnectionLost):
                await transport.send_text("breaks")

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        await theirs.send_all(raw)
        await trio.testing.wait_all_tasks_blocked()
        broken.set()
        await trio.testing.wait_all_tasks_blocked()
        _, error = await receive_all(transport)
        assert error.code == (1000 if raw[0] == 0x88 else None)
        await transport.aclose()
    assert writes == 1


@both
async def test_conformance_over_tls(make: Make) -> None:
    """The same suite over TLS."""
    server, client = contexts(HOST)
    connector = make(ssl_context=client, close_timeout=0.2)
    await check_transport(
        partial(socket_pair, connector, ssl_context=server),
        looks_ahead=make is WebsocketsConnector,
        biggest=2**21,
        cancellations=20,
    )


@both
async def test_a_certificate_that_is_not_trusted(make: Make) -> None:
    """The default context trusts only the system's authorities."""

    async def serve(stream: trio.abc.Stream) -> None:
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()

    server, _ = contexts(HOST)
    async with raw_server(serve, ssl_context=server) as url:
        assert "certificate refused" in str(await fail_to_connect(make(), url))


@both
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 No TLS here\r\n\r\n"])
async def test_tls_with_a_server_without_tls(make: Make, answer: bytes) -> None:
    """The error reports a failed TLS handshake."""

    async def serve(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        await stream.send_all(answer)
        await stream.aclose()

    async with raw_server(serve) as url:
        error = await fail_to_connect(make(), url.replace("ws://", "wss://"))
    assert "no TLS with" in str(error)


def test_the_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast connector names the extra; the default connector does not need it."""
    monkeypatch.setitem(sys.modules, "websockets", None)
    with pytest.raises(ImportError, match=r"realtime-trio\[fast\]"):
        WebsocketsConnector()
    TrioWebsocketConnector()


@pytest.mark.parametrize("make", CONNECTORS)
def test_a_size_must_be_positive(make: Make) -> None:
    """Checked in the constructor."""
    for name in ("max_message_size", "max_buffer"):
        with pytest.raises(ValueError, match=name):
            make(**{name: 0})
