"""A link from its dial to its proof, against a server that is played by hand."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from realtime_trio import events as ev
from realtime_trio._config import ClientConfig
from realtime_trio._core._notifications import ProcessingError, Reconnected
from realtime_trio._exceptions import ConnectionFailed
from realtime_trio._io._client import open_client
from realtime_trio._io._transport_memory import MemoryListener, MemoryTransport
from realtime_trio.server import open_server

PONG, START = '{"type":"pong"}', '{"type":"user_turn_start"}'


@asynccontextmanager
async def by_hand(
    serve: Callable[[MemoryTransport], Awaitable[object]],
) -> AsyncGenerator[str, None]:
    """The address of a server that serves each link so."""

    async def accept(listener: MemoryListener) -> None:
        while True:
            _, transport = await listener.accept()
            nursery.start_soon(serve, transport)

    with MemoryListener() as listener:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept, listener)
            yield listener.url
            nursery.cancel_scope.cancel()


async def test_a_link_that_ends_before_it_is_proven_is_dialled_again(
    autojump_clock: object,
) -> None:
    """It has never counted, so nobody is told of its end."""
    async with open_server() as server:
        server.faults.cut()
        async with open_client(server.url, auth="any") as client:
            news = client.subscribe(Reconnected)
            await client.ready()
            assert client.health.links == 1
            assert server.seen[-1].connection == 2
            assert news.statistics().depth == 0


async def test_a_dial_has_a_deadline_of_its_own(autojump_clock: object) -> None:
    """The proof is a part of it."""
    config = ClientConfig(connect_timeout=3, pong_timeout=1000, max_attempts=1)

    async def serve(transport: MemoryTransport) -> None:
        await trio.sleep_forever()

    async with by_hand(serve) as url:
        with pytest.raises(ConnectionFailed, match="within 3 s"):
            async with open_client(url, auth="any", config=config):
                raise AssertionError


async def test_what_comes_before_the_pong_is_kept(autojump_clock: object) -> None:
    """Speech and what nobody can read as well; each is handled when the client begins."""

    async def serve(transport: MemoryTransport) -> None:
        assert await transport.receive() == '{"type":"ping"}'
        await transport.send_text("{")
        await transport.send_bytes(b"\0\0")
        for frame in ('{"type":"text_delta"}', START, PONG):
            await transport.send_text(frame)
        await trio.sleep_forever()

    async with by_hand(serve) as url, open_client(url, auth="any") as client:
        audio, faults = client.subscribe(ev.AudioFrame), client.subscribe(ProcessingError)
        await client.ready()
        assert (await audio.receive()).data == b"\0\0"
        assert [(await faults.receive()).event_type for _ in range(2)] == [None, "text_delta"]


async def test_a_link_that_talks_without_end_is_not_mute(autojump_clock: object) -> None:
    """What may come before its pong has a bound, and nothing of it is lost."""
    many = 3000

    async def serve(transport: MemoryTransport) -> None:
        for number in range(many):
            await transport.send_text(f'{{"type":"render_chart","n":{number}}}')
        await transport.send_text(START)
        await trio.sleep_forever()

    async with by_hand(serve) as url, open_client(url, auth="any") as client:
        charts = client.subscribe(ev.UnknownEvent)
        await client.ready()
        assert [(await charts.receive()).payload["n"] for _ in range(many)] == list(range(many))
