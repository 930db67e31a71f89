"""trio-websocket's messages are collected, but none is delayed for a later one."""

from __future__ import annotations

import itertools
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias, cast

import pytest
import trio
import trio.testing

from realtime_trio import abc
from realtime_trio._exceptions import ClosedError, ConnectionLost
from realtime_trio._transports import _dial as dial
from realtime_trio._transports._dial import parse_url
from realtime_trio._transports._trio_websocket_buffers import join_fragments, queue_of
from realtime_trio._transports._trio_websocket_link import (
    TrioWebsocketTransport,
    open_link,
)
from realtime_trio._transports._trio_websocket_stream import WatchedStream
from tests.transports.peers import BINARY, CLOSE, PING, TEXT, accept_answer, frame, read_request

Ends: TypeAlias = trio.StapledStream[
    trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream
]


@asynccontextmanager
async def opened(
    *, max_buffer: int = 2**20
) -> AsyncGenerator[tuple[abc.Transport, Ends, Ends], None]:
    """A transport over an in-memory pair of streams: itself, its stream, and the peer's."""
    ours, theirs = trio.testing.memory_stream_pair()

    async def upgrade() -> None:
        await theirs.send_all(accept_answer(await read_request(theirs)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(upgrade)
        yield (
            await open_link(
                ours,
                parse_url("ws://a.example"),
                nursery,
                max_message_size=2**20,
                max_buffer=max_buffer,
                close_timeout=0.1,
            ),
            ours,
            theirs,
        )
        nursery.cancel_scope.cancel()


def numbered(count: int) -> bytes:
    return b"".join(frame(TEXT, b"%d" % number) for number in range(count))


def available(transport: abc.Transport) -> list[str | bytes]:
    """Return all messages of ``receive_nowait``."""
    got: list[str | bytes] = []
    while True:
        try:
            got.append(transport.receive_nowait())
        except trio.WouldBlock:
            return got


async def test_messages_that_arrive_together_are_available_together(autojump_clock: object) -> None:
    """In order; most of them need no await by the consumer."""
    async with opened() as (transport, _, peer):
        await peer.send_all(numbered(500))
        got: list[str | bytes] = []
        waits = 0
        while len(got) < 500:
            got.append(await transport.receive())
            waits += 1
            got += available(transport)
        assert got == [str(number) for number in range(500)]
        assert waits < 5


async def test_without_the_librarys_queue_messages_come_one_by_one(
    autojump_clock: object,
) -> None:
    """Its name is private, so any release may change it."""
    async with opened() as (transport, _, peer):
        assert isinstance(transport, TrioWebsocketTransport)
        assert transport._queue is not None, "trio-websocket has changed: look into queue_of"
        transport._queue = None
        await peer.send_all(numbered(50) + frame(CLOSE, b""))
        got: list[str | bytes] = []
        while len(got) < 50:
            got.append(await transport.receive())
            assert available(transport) == []
        assert got == [str(number) for number in range(50)]
        with pytest.raises(ConnectionLost):
            await transport.receive()


def test_an_unknown_queue_is_not_used() -> None:
    assert queue_of(cast("Any", object())) is None


async def test_a_message_waits_only_a_moment(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if no signal says that the reader is done."""
    async with opened() as (transport, _, peer):
        monkeypatch.setattr(WatchedStream, "_pause", lambda _: None)
        began = trio.current_time()
        await peer.send_all(numbered(3))
        assert [await transport.receive(), *available(transport)] == ["0", "1", "2"]
        assert 0 < trio.current_time() - began <= 0.01


@pytest.mark.parametrize("after", range(6))
async def test_a_message_does_not_wait_for_the_next(autojump_clock: object, after: int) -> None:
    """Not even for one that has started to arrive."""
    async with opened() as (transport, _, peer):
        for _ in range(5):
            await peer.send_all(frame(TEXT, b"whole") + frame(TEXT, b"half")[:after])
            with trio.fail_after(1):
                assert await transport.receive() == "whole"
            await peer.send_all(frame(TEXT, b"half")[after:])
            with trio.fail_after(1):
                assert await transport.receive() == "half"


async def test_a_message_does_not_wait_for_a_stuck_pong(autojump_clock: object) -> None:
    """The library's reader is blocked then; messages that it has passed on are delivered."""
    async with opened() as (transport, ours, peer):
        stuck = trio.Event()

        async def stick() -> None:
            await stuck.wait()

        assert ours.send_stream is not None
        ours.send_stream.send_all_hook = stick
        await peer.send_all(frame(TEXT, b"a") + frame(PING, b"p") + frame(TEXT, b"b"))
        with trio.fail_after(1):
            assert await transport.receive() == "a"
        stuck.set()
        with trio.fail_after(1):
            assert await transport.receive() == "b"


async def test_a_message_does_not_wait_for_a_stuck_send(
    autojump_clock: object,
) -> None:
    """The reader waits for the library's lock to write its pong."""
    async with opened() as (transport, ours, peer), trio.open_nursery() as nursery:
        assert ours.send_stream is not None
        ours.send_stream.send_all_hook = trio.sleep_forever
        nursery.start_soon(transport.send_text, "stuck")
        await trio.testing.wait_all_tasks_blocked()
        await peer.send_all(frame(TEXT, b"a") + frame(PING, b"p") + frame(TEXT, b"b"))
        with trio.fail_after(1):
            assert await transport.receive() == "a"
        nursery.cancel_scope.cancel()


async def test_a_receive_cancelled_while_it_collects(autojump_clock: object) -> None:
    """It keeps its messages for the next one, at whatever step it was cancelled."""
    for steps in itertools.count():
        async with opened() as (transport, _, peer), trio.open_nursery() as nursery:
            await peer.send_all(numbered(20))
            got: list[str | bytes] = []
            scope = trio.CancelScope()

            async def receive(scope: trio.CancelScope, transport: abc.Transport) -> None:
                with scope:
                    got.append(await transport.receive())  # noqa: B023  ends in this round

            nursery.start_soon(receive, scope, transport)
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            scope.cancel()
            await trio.testing.wait_all_tasks_blocked()
            cancelled = not got
            while len(got) < 20:
                got.append(await transport.receive())
            assert got == [str(number) for number in range(20)]
        if not cancelled:
            break
    assert steps > 3


async def test_collected_messages_come_before_the_end(autojump_clock: object) -> None:
    """Then the end is raised, by both methods."""
    async with opened() as (transport, _, peer):
        await peer.send_all(numbered(5) + frame(CLOSE, b"\x0f\xa2bye"))
        await trio.testing.wait_all_tasks_blocked()
        got = [await transport.receive(), *available(transport)]
        while len(got) < 5:
            got.append(await transport.receive())
        assert got == [str(number) for number in range(5)]
        with pytest.raises(ConnectionLost) as caught:
            await transport.receive()
        assert caught.value.code == 4002
        with pytest.raises(ConnectionLost):
            transport.receive_nowait()


async def test_collected_messages_are_dropped_by_closing(autojump_clock: object) -> None:
    """No task wants them."""
    async with opened() as (transport, _, peer):
        await peer.send_all(numbered(20))
        assert await transport.receive() == "0"
        await transport.aclose()
        with pytest.raises(ClosedError):
            transport.receive_nowait()
        with pytest.raises(ClosedError):
            await transport.receive()


@pytest.mark.parametrize("letter", ["x", "é"])
async def test_collected_messages_count_as_read_ahead(autojump_clock: object, letter: str) -> None:
    """While none is taken, the socket is not read beyond the bound."""
    async with opened(max_buffer=1000) as (transport, _, peer):
        small = frame(TEXT, (letter * 100).encode()[:120])

        async def flood() -> None:
            for _ in range(200):
                await peer.send_all(small)
                await trio.testing.wait_all_tasks_blocked()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood)
            await transport.receive()
            await trio.sleep(1)
            assert transport.bytes_received < 3000
            for _ in range(199):
                await transport.receive()
        before = transport.bytes_received
        for _ in range(5):
            await peer.send_all(small)
            await trio.testing.wait_all_tasks_blocked()
        assert transport.bytes_received == before + 5 * len(small)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("part", [b"", b"a", b"ab"])
async def test_many_fragments_use_memory_for_their_bytes_only(
    autojump_clock: object, opcode: int, part: bytes
) -> None:
    """Empty and tiny ones are joined while the message is incomplete."""
    async with opened() as (transport, _, peer), trio.open_nursery() as nursery:
        assert isinstance(transport, TrioWebsocketTransport)
        got: list[str | bytes] = []

        async def receive() -> None:
            got.append(await transport.receive())

        nursery.start_soon(receive)
        await peer.send_all(frame(opcode, part, fin=False))
        for _ in range(20):
            await peer.send_all(frame(0, part, fin=False) * 500)
            await trio.testing.wait_all_tasks_blocked()
            parts = transport._ws._message_parts
            held = sys.getsizeof(parts) + sum(map(sys.getsizeof, parts))
            assert held < 12_000 * len(part) + 100_000
        await peer.send_all(frame(0, b"end") + frame(TEXT, b"next"))
        await trio.testing.wait_all_tasks_blocked()
        whole = part * 10_001 + b"end"
        assert got == [whole.decode() if opcode == TEXT else whole]
        assert await transport.receive() == "next"
        assert len(transport._ws._message_parts) == 0


async def test_too_many_fragments_end_the_link(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer could send a message that never ends, so the number is bounded."""
    monkeypatch.setattr(dial, "MAX_FRAGMENTS", 2000)
    async with opened() as (transport, _, peer), trio.open_nursery() as nursery:

        async def flood() -> None:
            await peer.send_all(frame(TEXT, b"", fin=False))
            with suppress(trio.BrokenResourceError):
                while True:
                    await peer.send_all(frame(0, b"", fin=False) * 300)
                    await trio.testing.wait_all_tasks_blocked()

        nursery.start_soon(flood)
        with pytest.raises(ConnectionLost, match="too many fragments"):
            await transport.receive()
        await transport.aclose()


async def test_a_release_that_keeps_its_fragments_elsewhere(autojump_clock: object) -> None:
    """The name of the library's list is private."""
    assert join_fragments(cast("Any", object())) == 0


async def test_tiny_messages_count_more_than_their_text(autojump_clock: object) -> None:
    """Each is an object with a place in a queue."""
    async with opened(max_buffer=64_000) as (transport, _, peer):

        async def flood() -> None:
            for _ in range(200):
                await peer.send_all(frame(TEXT, b"ab") * 100)
                await trio.testing.wait_all_tasks_blocked()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood)
            await transport.receive()
            await trio.sleep(1)
            assert transport.bytes_received < 4 * 1500  # a thousand messages, and one read more
            for _ in range(200 * 100 - 1):
                await transport.receive()
