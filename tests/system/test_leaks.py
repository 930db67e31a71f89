"""What a client has done with is gone: objects of the shell do not pile up."""

from __future__ import annotations

import gc
import weakref
from collections import Counter

import pytest
import trio

from realtime_trio._client._client import Client, open_client
from realtime_trio._config import ClientConfig
from realtime_trio._core._shell_notifications import SessionRestored
from realtime_trio._transports._trio_websocket import TrioWebsocketConnector
from realtime_trio._transports._websockets import WebsocketsConnector
from realtime_trio.abc import Connector
from realtime_trio.server import RealtimeServer, open_server
from realtime_trio.testing import say, tool, turn, use, wait

SHELL = (
    *("_transports", "_lanes", "_outbound", "_rest", "_turns"),
    *("_connection", "_session", "_voice", "_client"),
)
CONFIG = ClientConfig(max_attempts=None, backoff_initial=0.0)


def held() -> Counter[str]:
    """How many objects of the shell, the transports and their libraries there are.

    Not of trio's own: it forgets the deadlines of what was left by the hundred.
    """
    gc.collect()
    ours = tuple(f"realtime_trio.{package}." for package in SHELL)
    wanted = (*ours, "trio_websocket", "websockets", "wsproto", "httpx", "httpcore")
    types = [type(each) for each in gc.get_objects()]
    names = (f"{cls.__module__}.{cls.__qualname__}" for cls in types)
    return Counter(name for name in names if name.startswith(wanted))


async def live(server: RealtimeServer, client: Client) -> None:
    """A bit of everything, with the link lost in the middle of it."""
    await client.ready()
    server.script(turn("tell", say("one "), wait(0.02), use(tool("search")), say("two")))
    with client.subscribe() as notes, client.subscribe(SessionRestored) as restored:
        async with client.watch(lambda state: state.turn) as changes, client.ask("tell") as asked:
            await asked.text.receive()
            await changes.receive()
            await notes.receive()
            server.hang_up()
            await client.get_voices()
        await restored.receive()
    await client.cancel()
    await client.upload_file(b"x", filename="x")
    with trio.move_on_after(0):
        async with client.ask("never"):
            raise AssertionError
    await client.ready()


@pytest.mark.parametrize(
    "connector",
    [None, TrioWebsocketConnector(), WebsocketsConnector()],
    ids=["memory", "trio-websocket", "websockets"],
)
async def test_nothing_piles_up(connector: Connector | None) -> None:
    """However often the link is replaced and a turn is asked for."""
    async with open_server() as server:
        url = server.url if connector is None else await server.listen()
        async with open_client(url, auth="any", transport=connector, config=CONFIG) as client:
            for _ in range(5):
                await live(server, client)
            before = held()
            for _ in range(10):
                await live(server, client)
            grown = held() - before
        assert max(grown.values(), default=0) < 5, grown


async def test_a_client_that_was_left_is_gone(autojump_clock: object) -> None:
    """Nothing refers to it, or to what it held."""

    async def use_one() -> list[weakref.ref[object]]:
        async with open_server() as server, open_client(server.url, auth="any") as client:
            await live(server, client)
            shell = client._shell
            return [weakref.ref(part) for part in (client, shell, shell.outbox, shell.supervisor)]

    refs = await use_one()
    gc.collect()
    assert [ref() for ref in refs] == [None] * len(refs)
