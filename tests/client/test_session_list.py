"""The list of sessions, read page by page while it changes."""

from __future__ import annotations

import pytest
import trio

from realtime_trio._client._client import Client, open_client
from realtime_trio._config import ClientConfig
from realtime_trio._exceptions import ConnectionLost, ProtocolError
from realtime_trio._transports._memory import MemoryConnector, MemoryTransport
from realtime_trio.abc import Transport
from realtime_trio.server import open_server


class Breaks:
    """A connector whose first link breaks while the list is requested."""

    def __init__(self) -> None:
        self.breaks = True

    async def connect(self, url: str, nursery: trio.Nursery) -> Transport:
        transport = await MemoryConnector().connect(url, nursery)
        assert isinstance(transport, MemoryTransport)
        return Wrapped(transport, self)


class Wrapped:
    """A transport that breaks when it sends one certain text."""

    def __init__(self, inner: MemoryTransport, owner: Breaks) -> None:
        self._inner = inner
        self._owner = owner
        self.send_bytes = inner.send_bytes
        self.receive = inner.receive
        self.receive_nowait = inner.receive_nowait
        self.ping = inner.ping
        self.aclose = inner.aclose

    @property
    def bytes_received(self) -> int:
        return self._inner.bytes_received

    async def send_text(self, text: str) -> None:
        if self._owner.breaks and "get_user_sessions" in text:
            self._owner.breaks = False
            self._inner.abort()
            message = "broken"
            raise ConnectionLost(message)
        await self._inner.send_text(text)


async def say(client: Client, text: str) -> None:
    """Say something: a session without a message is not in the list."""
    await trio.sleep(60)
    async with client.ask(text):
        pass


async def test_a_session_that_moves_is_listed_once(autojump_clock: object) -> None:
    """A new session pushes it onto the next page, where it is already known."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        for text in ("one", "two"):
            await client.new_chat_session()
            await say(client, text)
        found: list[str] = []
        async for entry in client.sessions(page=1):
            found.append(entry.session_id)
            if len(found) == 1:
                await client.new_chat_session()
                await say(client, "three")
        assert len(found) == len(set(found)) == 3


async def test_a_page_is_requested_again_if_the_request_may_be_lost(
    autojump_clock: object,
) -> None:
    """A second request does no harm."""
    async with (
        open_server() as server,
        open_client(server.url, auth="any", transport=Breaks()) as client,
    ):
        await say(client, "one")
        assert len([entry async for entry in client.sessions()]) == 1
        assert client.health.links == 2


async def test_other_requests_do_not_interfere(autojump_clock: object) -> None:
    """Neither another page of the list nor another command that is refused."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await say(client, "one")
        await client.set_agent("nobody")
        await client.get_user_sessions(offset=7)
        assert len([entry async for entry in client.sessions()]) == 1


async def test_a_server_that_does_not_answer_is_told(autojump_clock: object) -> None:
    """Real servers refuse with an error that names no command, which may belong to another."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        server.faults.drop(["get_user_sessions_response"])
        await client.set_agent("nobody")
        with pytest.raises(ProtocolError, match="did not list the sessions within 30 s"):
            [entry async for entry in client.sessions()]


async def test_a_lost_connection_is_no_refusal(autojump_clock: object) -> None:
    """However long it takes to connect again."""
    config = ClientConfig(max_attempts=None)
    async with (
        open_server() as server,
        open_client(server.url, auth="any", config=config) as client,
        trio.open_nursery() as nursery,
    ):
        await say(client, "one")
        server.faults.drop(["get_user_sessions_response"])

        async def away() -> None:
            await trio.sleep(10)
            server.faults.clear()
            server.faults.refuse(503, times=20)
            server.hang_up()

        nursery.start_soon(away)
        began = trio.current_time()
        assert len([entry async for entry in client.sessions()]) == 1
        assert trio.current_time() - began > 40
