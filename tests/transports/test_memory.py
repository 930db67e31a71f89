"""The in-memory pair and its named servers."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from functools import partial

import outcome
import pytest
import trio
import trio.testing

from realtime_trio import abc
from realtime_trio._exceptions import ClosedError, ConnectionFailed, ConnectionLost
from realtime_trio._transports._inbox import cost_of
from realtime_trio._transports._memory import (
    MemoryConnector,
    MemoryListener,
    MemoryTransport,
    memory_pair,
)

SECRET = "?token=s3cr3t"


async def test_the_bound_is_exact(autojump_clock: object) -> None:
    """Two frames fit; each further frame waits until one is taken."""
    client, server = memory_pair(max_buffer=2 * cost_of("x" * 10))
    sent = 0

    async def send() -> None:
        nonlocal sent
        for _ in range(5):
            await client.send_text("0123456789")
            sent += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        for taken in range(4):
            await trio.testing.wait_all_tasks_blocked()
            assert sent == min(taken + 2, 5)
            await server.receive()


async def test_one_frame_always_fits() -> None:
    """However small the buffer is."""
    client, server = memory_pair(max_buffer=1)
    await client.send_bytes(bytes(1000))
    assert server.receive_nowait() == bytes(1000)


async def test_bytes_received_counts_bytes_on_the_wire() -> None:
    """UTF-8 and binary payloads; six for a ping and for its pong."""
    client, server = memory_pair()
    await client.send_text("€")
    assert server.bytes_received == 3
    await client.send_bytes(b"12")
    assert server.bytes_received == 5
    assert client.bytes_received == 0
    await client.ping()
    assert (client.bytes_received, server.bytes_received) == (6, 11)


@pytest.mark.parametrize("text", ["x" * 11, "é" * 6])
async def test_a_message_that_is_too_large_ends_the_link(text: str) -> None:
    """For both ends with 1009, after earlier messages."""
    client, server = memory_pair(max_message_size=10)
    await client.send_text("x" * 10)
    await client.send_text(text)
    assert await server.receive() == "x" * 10
    for end in (client, server):
        with pytest.raises(ConnectionLost) as caught:
            await end.receive()
        assert caught.value.code == 1009


async def test_text_that_is_not_unicode_is_refused() -> None:
    """As by a real websocket; the link stays open."""
    client, server = memory_pair()
    with pytest.raises(UnicodeEncodeError):
        await client.send_text("\ud800")
    await client.send_text("fine")
    assert await server.receive() == "fine"


async def test_abort_is_seen_by_both() -> None:
    """The aborting end is closed; the other end is lost."""
    client, server = memory_pair()
    await client.send_text("before")
    client.abort()
    assert await server.receive() == "before"
    with pytest.raises(ConnectionLost) as caught:
        await server.receive()
    assert caught.value.code is None
    with pytest.raises(ClosedError):
        await client.send_text("late")


@pytest.mark.parametrize("way", ["receiver closes", "sender closes", "receiver aborts"])
async def test_a_blocked_send_ends_with_the_link(way: str, autojump_clock: object) -> None:
    """It neither hangs nor delivers."""
    client, server = memory_pair(max_buffer=1)
    await client.send_text("fills it")
    expected = ClosedError if way == "sender closes" else ConnectionLost

    async def send() -> None:
        with pytest.raises(expected):
            await client.send_text("stuck")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        if way == "receiver aborts":
            server.abort()
        else:
            await (server if way == "receiver closes" else client).aclose(4000, "end")
    if way == "sender closes":
        assert await server.receive() == "fills it"
        with pytest.raises(ConnectionLost) as caught:
            await server.receive()
        assert (caught.value.code, caught.value.reason) == (4000, "end")


@pytest.mark.parametrize("call", ["send", "ping"])
async def test_a_link_that_ends_during_a_call(call: str, autojump_clock: object) -> None:
    """A call that yields then raises."""
    for _ in range(20):  # trio runs the two in either order
        client, server = memory_pair()
        act = partial(client.send_text, "x") if call == "send" else client.ping

        async with trio.open_nursery() as nursery:
            nursery.start_soon(expect_lost, act)
            nursery.start_soon(server.aclose)


async def expect_lost(act: Callable[[], Awaitable[object]]) -> None:
    """Call it and expect a lost link."""
    with pytest.raises(ConnectionLost):
        await act()


async def dial(url: str, connector: MemoryConnector | None = None) -> abc.Transport:
    """Connect; the nursery that the interface requires stays empty."""
    async with trio.open_nursery() as nursery:
        result = await outcome.acapture((connector or MemoryConnector()).connect, url, nursery)
        assert not nursery.child_tasks
    return result.unwrap()


async def accepted(listener: MemoryListener, url: str) -> tuple[abc.Transport, MemoryTransport]:
    """Dial and accept; return both ends."""
    transports: list[abc.Transport] = []

    async def connect() -> None:
        transports.append(await dial(url))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(connect)
        asked, server = await listener.accept()
    assert asked == url
    return transports[0], server


async def test_a_named_server(autojump_clock: object) -> None:
    """The server gets the complete URL; the two ends are connected."""
    with MemoryListener("alpha") as listener:
        assert listener.url == "memory://alpha"
        for url in (listener.url, f"{listener.url}/ws{SECRET}"):
            client, server = await accepted(listener, url)
            await client.send_text("up")
            assert await server.receive() == "up"
            await server.send_bytes(b"down")
            assert await client.receive() == b"down"


async def test_a_server_without_a_name_gets_one() -> None:
    """Each name is unique."""
    with MemoryListener() as one, MemoryListener() as other:
        assert one.url != other.url


async def test_dials_are_accepted_in_order(autojump_clock: object) -> None:
    """Dials wait for ``accept``."""
    with MemoryListener() as listener:
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(dial, f"{listener.url}/{number}")
                await trio.testing.wait_all_tasks_blocked()
            asked = [(await listener.accept())[0] for _ in range(3)]
        assert asked == [f"{listener.url}/{n}" for n in range(3)]


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_a_refused_dial(status: int) -> None:
    """The listener decides by the URL and can change its decision."""
    with MemoryListener(refuse=lambda url: status if SECRET in url else None) as listener:
        with pytest.raises(ConnectionFailed) as caught:
            await dial(listener.url + "/" + SECRET)
        assert caught.value.status == status
        assert "s3cr3t" not in str(caught.value)
        await accepted(listener, listener.url)
        listener.refuse = None
        await accepted(listener, listener.url + "/" + SECRET)


async def test_a_dial_without_a_listener() -> None:
    """The name was never used, was released, or its listener is closed."""
    listener = MemoryListener("beta")
    listener.close()
    forgotten = MemoryListener("gamma")
    del forgotten
    gc.collect()
    for name in ("nobody", "beta", "gamma"):
        with trio.testing.assert_checkpoints(), pytest.raises(ConnectionFailed) as caught:
            await dial(f"memory://{name}/{SECRET}")
        assert caught.value.status is None
        assert "s3cr3t" not in str(caught.value)


async def test_closing_a_listener(autojump_clock: object) -> None:
    """Waiting dials and accepts raise; open links stay; the name is free again."""
    listener = MemoryListener("delta")
    client, server = await accepted(listener, listener.url)

    async def fail() -> None:
        with pytest.raises(ConnectionFailed):
            await dial("memory://delta")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail)
        await trio.testing.wait_all_tasks_blocked()
        listener.close()
    with trio.testing.assert_checkpoints(), pytest.raises(ClosedError):
        await listener.accept()
    await client.send_text("still open")
    assert await server.receive() == "still open"
    with MemoryListener("delta") as successor:
        listener.close()
        await accepted(successor, "memory://delta")

        async def accept() -> None:
            with pytest.raises(ClosedError):
                await successor.accept()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            await trio.testing.wait_all_tasks_blocked()
            successor.close()


async def test_a_cancelled_dial(autojump_clock: object) -> None:
    """By its deadline or its caller: it is withdrawn and never accepted."""
    with MemoryListener() as listener:
        with pytest.raises(ConnectionFailed, match="within 3 s"):
            await dial(listener.url, MemoryConnector(connect_timeout=3))
        with trio.move_on_after(1):
            await dial(listener.url)
        with trio.move_on_after(1) as scope:
            await listener.accept()
        assert scope.cancelled_caught


async def test_too_many_dials(autojump_clock: object) -> None:
    """The backlog is bounded."""
    with MemoryListener() as listener:
        async with trio.open_nursery() as nursery:
            for _ in range(128):
                nursery.start_soon(dial, listener.url)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(ConnectionFailed):
                await dial(listener.url)
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("name", ["", "Upper", "a/b", "a?b", "a:1", "me@a", "[::1"])
def test_a_name_must_fit_into_a_url(name: str) -> None:
    """Otherwise it could not be dialled."""
    with pytest.raises(ValueError, match="memory server"):
        MemoryListener(name)


def test_a_name_is_used_once() -> None:
    """Until it is released."""
    with MemoryListener("epsilon"), pytest.raises(ValueError, match="already"):
        MemoryListener("epsilon")


@pytest.mark.parametrize("url", ["", "ws://a", "memory://", "memory:///s3cr3t", "memory://[s3cr3t"])
async def test_a_url_with_another_scheme(url: str) -> None:
    """An error of the program, not of the network; the URL is not quoted."""
    with pytest.raises(ValueError, match="memory://name") as caught:
        await dial(url)
    assert "s3cr3t" not in str(caught.value)
