"""The conformance suite for transports: checks any ``Transport`` against a peer.

Each check opens its own pair. No check depends on a running clock, so the suite works in
memory on a virtual clock and over a real socket alike. A check that hangs fails after a
minute.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final

import trio
import trio.testing

from .._exceptions import ClosedError, ConnectionLost
from ..abc import Transport
from ._check_send_many import check_cancelled_send_many, check_send_many
from ._transport_tools import (
    Flood,
    Peer,
    expect_lost,
    in_background,
    raises,
    settle,
)

__all__ = ["MakePair", "Peer", "check_transport"]

_CHECK_TIMEOUT: Final = 60.0
# How often to check again for frames in transit.
_MAX_POLLS: Final = 20
_MEBIBYTE: Final = 2**20


MakePair = Callable[[], AbstractAsyncContextManager[tuple[Transport, Peer]]]
"""Opens a fresh transport with its peer, and cleans up both."""

_Check = Callable[[Transport, Peer], Awaitable[None]]


async def check_transport(
    make_pair: MakePair,
    *,
    looks_ahead: bool = False,
    biggest: int = 64 * _MEBIBYTE,
    read_ahead: int = 64 * _MEBIBYTE,
    cancellations: int = 200,
    seed: int = 0,
) -> None:
    """Check that transports fulfil the contract of :class:`~realtime_trio.abc.Transport`.

    ``make_pair()`` is an async context manager that yields ``(transport, peer)``, connected.
    ``looks_ahead`` says whether ``receive_nowait`` finds every frame that has arrived; otherwise
    it may raise ``trio.WouldBlock`` at any time. ``biggest`` is the size in bytes of the largest
    message sent each way. ``read_ahead`` is the maximum number of bytes taken from a peer while
    nobody receives, system buffers included. ``cancellations`` is the number of receives to
    cancel, at points that ``seed`` selects.

    Raises ``AssertionError`` if a check fails (in an exception group if a background task finds
    the failure), or any unexpected error of the transport.
    """

    async def big(transport: Transport, peer: Peer) -> None:
        await _check_big(transport, peer, biggest)

    async def cancelled_receive(transport: Transport, peer: Peer) -> None:
        await _check_cancelled_receive(transport, peer, cancellations, random.Random(seed))

    async def backpressure(transport: Transport, peer: Peer) -> None:
        await _check_backpressure(transport, peer, read_ahead)

    async def receive_nowait(transport: Transport, peer: Peer) -> None:
        await _check_receive_nowait(transport, peer, looks_ahead)

    checks: tuple[_Check, ...] = (
        _check_round_trips,
        _check_checkpoints,
        _check_liveness,
        receive_nowait,
        cancelled_receive,
        backpressure,
        _check_cancelled_send,
        check_send_many,
        check_cancelled_send_many,
        _check_cancelled_before_sending,
        _check_peer_closes,
        _check_peer_aborts,
        _check_local_close,
        _check_close_while_receiving,
        _check_close_while_sending,
        _check_cancelled_close,
        big,
    )
    for check in checks:
        with trio.fail_after(_CHECK_TIMEOUT):
            async with make_pair() as (transport, peer):
                await check(transport, peer)


async def _check_every_call_raises(transport: Transport, expected: type[Exception]) -> None:
    for call in (
        partial(transport.send_text, "late"),
        partial(transport.send_bytes, b"late"),
        transport.ping,
        transport.receive,
        transport.receive,
    ):
        with trio.testing.assert_checkpoints(), raises(expected):
            await call()
    with raises(expected):
        transport.receive_nowait()


async def _check_round_trips(transport: Transport, peer: Peer) -> None:
    """Text and binary arrive both ways, with every length of header, in order."""
    texts = ("", "a", "{}", "žluťoučký 日本語 🐎\x00", "é" * 100, "€" * 40_000)
    blobs = (b"", b"\x00", bytes(range(256)), bytes(range(256)) * 300)
    for text in texts:
        await transport.send_text(text)
        assert await peer.receive() == text
        await peer.send_text(text)
        got = await transport.receive()
        assert isinstance(got, str)
        assert got == text
    for blob in blobs:
        await transport.send_bytes(blob)
        assert await peer.receive() == blob
        await peer.send_bytes(blob)
        got = await transport.receive()
        assert isinstance(got, bytes)
        assert got == blob
    await _check_order(transport.send_text, peer.receive)
    await _check_order(peer.send_text, transport.receive)


async def _check_order(
    send: Callable[[str], Awaitable[None]], receive: Callable[[], Awaitable[str | bytes]]
) -> None:
    async def feed() -> None:
        for number in range(500):
            await send(str(number))

    async with in_background(feed):
        assert [await receive() for _ in range(500)] == [str(n) for n in range(500)]


async def _check_big(transport: Transport, peer: Peer, biggest: int) -> None:
    """Two MiB of text and of binary arrive each way, then the largest message each way."""
    text = "0123456789abcdé" * (2 * _MEBIBYTE // 16)
    blob = random.Random(0).randbytes(2 * _MEBIBYTE)
    for send, receive in (
        (transport.send_text, peer.receive),
        (peer.send_text, transport.receive),
    ):
        async with in_background(partial(send, text)):
            assert await receive() == text
    for send_blob, receive in (
        (transport.send_bytes, peer.receive),
        (peer.send_bytes, transport.receive),
    ):
        async with in_background(partial(send_blob, blob)):
            assert await receive() == blob
    async with in_background(partial(peer.send_text, "x" * biggest)):
        assert await transport.receive() == "x" * biggest
    async with in_background(partial(transport.send_bytes, bytes(biggest))):
        assert await peer.receive() == bytes(biggest)


async def _check_checkpoints(transport: Transport, peer: Peer) -> None:
    """Every call is a checkpoint, even if it does not need to wait."""
    for call in (
        partial(transport.send_text, "text"),
        partial(transport.send_bytes, b"bytes"),
        transport.ping,
    ):
        with trio.testing.assert_checkpoints():
            await call()
    assert [await peer.receive() for _ in range(2)] == ["text", b"bytes"]
    await peer.send_text("here")
    await settle()
    with trio.testing.assert_checkpoints():
        await transport.receive()
    for _ in range(2):
        with trio.testing.assert_checkpoints():
            await transport.aclose()


async def _check_liveness(transport: Transport, peer: Peer) -> None:
    """Data and pings of the peer count as received, even while nobody receives."""
    for act in (partial(peer.send_text, "data"), peer.ping):
        before = transport.bytes_received
        await act()
        for _ in range(_MAX_POLLS):
            if transport.bytes_received > before:
                break
            await settle()
        assert transport.bytes_received > before
    assert await transport.receive() == "data"


async def _check_receive_nowait(transport: Transport, peer: Peer, looks_ahead: bool) -> None:
    """It returns what has arrived, in order, or raises; once drained, it reports the end."""
    with raises(trio.WouldBlock):
        transport.receive_nowait()
    for number in range(20):
        await peer.send_text(str(number))
    await settle()
    got = [await transport.receive()]
    while len(got) < 20:
        try:
            got.append(transport.receive_nowait())
        except trio.WouldBlock:
            assert not looks_ahead, (
                "receive_nowait missed a frame that has arrived (looks_ahead=True)"
            )
            got.append(await transport.receive())
    assert got == [str(n) for n in range(20)]
    with raises(trio.WouldBlock):
        transport.receive_nowait()
    await peer.aclose()
    await expect_lost(transport.receive)
    with raises(ConnectionLost):
        transport.receive_nowait()


async def _check_cancelled_receive(
    transport: Transport, peer: Peer, count: int, rng: random.Random
) -> None:
    """A cancelled receive loses nothing, at any time of the cancellation."""

    # Feed without an end, so that a lost frame leaves a visible gap.
    async def feed() -> None:
        numbers = itertools.count()
        while True:
            await peer.send_text(str(next(numbers)))
            await _steps(rng.randrange(8))

    async def cancel_soon(scope: trio.CancelScope) -> None:
        await _steps(rng.randrange(6))
        scope.cancel()

    got: list[str | bytes] = []
    cancelled = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed)
        while cancelled < count and got == [str(n) for n in range(len(got))]:
            with trio.CancelScope() as scope:
                nursery.start_soon(cancel_soon, scope)
                got.append(await transport.receive())
            cancelled += scope.cancelled_caught
        nursery.cancel_scope.cancel()
    assert got == [str(n) for n in range(len(got))]


async def _steps(count: int) -> None:
    for _ in range(count):
        await trio.lowlevel.checkpoint()


async def _check_backpressure(transport: Transport, peer: Peer, limit: int) -> None:
    """The peer is held back while nobody receives; afterwards nothing is missing."""
    flood = Flood(peer.send_text, limit)
    async with in_background(flood.run) as scope:
        sent = flood.sent
        await settle()
        assert flood.sent == sent
        for _ in range(sent + 50):
            await flood.take(transport.receive)
        scope.cancel()


async def _check_cancelled_send(transport: Transport, peer: Peer) -> None:
    """A send cancelled mid-frame ends the link for all its callers."""
    flood = Flood(transport.send_text)
    async with (
        in_background(partial(expect_lost, transport.receive)),
        in_background(flood.run) as scope,
    ):
        scope.cancel()
    await _check_every_call_raises(transport, ConnectionLost)
    # The peer receives whole frames and then the end, never half a frame and then another.
    with raises(ConnectionLost):
        while True:
            await flood.take(peer.receive)
    assert flood.taken <= flood.sent


async def _check_cancelled_before_sending(transport: Transport, peer: Peer) -> None:
    """In a cancelled scope nothing is sent, and the link stays intact."""
    for call in (
        partial(transport.send_text, "never"),
        partial(transport.send_bytes, b"never"),
        transport.ping,
        transport.receive,
    ):
        with trio.CancelScope() as scope:
            scope.cancel()
            await call()
        assert scope.cancelled_caught
    await transport.send_text("after")
    assert await peer.receive() == "after"


async def _check_peer_closes(transport: Transport, peer: Peer) -> None:
    """Frames before the peer's close frame are delivered, then its code and reason."""
    for number in range(3):
        await peer.send_text(str(number))
    await peer.aclose(4002, "enough, děkuji")
    assert [await transport.receive() for _ in range(3)] == ["0", "1", "2"]
    for call in (transport.receive, partial(transport.send_text, "late"), transport.receive):
        error = await expect_lost(call)
        assert (error.code, error.reason) == (4002, "enough, děkuji")
    await _check_every_call_raises(transport, ConnectionLost)
    await transport.aclose()
    await _check_every_call_raises(transport, ClosedError)


async def _check_peer_aborts(transport: Transport, peer: Peer) -> None:
    """A link that breaks without a close frame has no code."""

    async def expect_no_code() -> None:
        error = await expect_lost(transport.receive)
        assert error.code is None
        assert not error.clean

    async with in_background(expect_no_code):
        peer.abort()
    await _check_every_call_raises(transport, ConnectionLost)


async def _check_local_close(transport: Transport, peer: Peer) -> None:
    """The peer receives what was sent, then code and reason; local calls raise ``ClosedError``."""
    await peer.send_text("never read")
    for number in range(3):
        await transport.send_text(str(number))
    async with in_background(partial(transport.aclose, 4001, "bye")):
        assert [await peer.receive() for _ in range(3)] == ["0", "1", "2"]
        error = await expect_lost(peer.receive)
        assert (error.code, error.reason) == (4001, "bye")
    await transport.aclose(1000, "again")
    await _check_every_call_raises(transport, ClosedError)


async def _check_close_while_receiving(transport: Transport, peer: Peer) -> None:
    """A waiting receive raises ``ClosedError`` when this side closes."""

    async def expect_closed() -> None:
        with raises(ClosedError):
            await transport.receive()

    async with in_background(expect_closed):
        await transport.aclose()
    await expect_lost(peer.receive)


async def _check_close_while_sending(transport: Transport, peer: Peer) -> None:
    """Closing does not wait for a blocked send."""

    async def expect_closed() -> None:
        with raises(ClosedError):
            await Flood(transport.send_text).run()

    async with in_background(expect_closed):
        await transport.aclose()
    with raises(ConnectionLost):
        while True:
            await peer.receive()


async def _check_cancelled_close(transport: Transport, peer: Peer) -> None:
    """A cancelled close still closes the link."""
    with trio.CancelScope() as scope:
        scope.cancel()
        await transport.aclose()
    await expect_lost(peer.receive)
    await _check_every_call_raises(transport, ClosedError)
