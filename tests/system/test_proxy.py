"""Real sockets through a proxy that cuts, stalls and delays: what holds in memory holds here."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from realtime_trio._config import ClientConfig
from realtime_trio._io._client import open_client
from realtime_trio._io._outcome import TurnCompleted
from realtime_trio.server import ServerConfig, open_server
from realtime_trio.testing import say, think, tool, turn, use, wait

from .player import Ledger, Player, check_receipts, of_client, of_server
from .proxy import Proxy, open_proxy

SERVER = ServerConfig(pace=0.001, toolset_count=1)
CONFIG = ClientConfig(
    max_attempts=None,
    backoff_initial=0.01,
    backoff_max=0.05,
    connect_timeout=0.5,
    ping_interval=0.2,
    pong_timeout=0.3,
    turn_silence=1.0,
)
ANSWER = (
    think("hm"),
    say("one "),
    wait(0.05),
    say("x" * 100, size=1),
    use(tool("search", delay=0.1)),
    say("two"),
)


def _refuse(proxy: Proxy) -> None:
    proxy.refusals = 2
    proxy.cut()


def _chop(proxy: Proxy) -> None:
    proxy.chop = 3


def _delay(proxy: Proxy) -> None:
    proxy.delay = 0.02


def _stall(*ways: str) -> Callable[[Proxy], None]:
    def stall(proxy: Proxy) -> None:
        for way in ways:
            proxy.stall("up" if way == "up" else "down")

    return stall


# What goes wrong in the middle of an answer, and how many links it takes at least.
CASES: dict[str, tuple[Callable[[Proxy], None], int]] = {
    "nothing": (lambda proxy: None, 1),
    "reset": (lambda proxy: proxy.cut(), 2),
    "end without goodbye": (lambda proxy: proxy.cut(rude=False), 2),
    "cut in a frame that comes": (lambda proxy: proxy.cut_after(101, "down"), 2),
    "cut in a frame that leaves": (lambda proxy: proxy.cut_after(3, "up"), 2),
    "silence": (_stall("down"), 2),
    "deaf": (_stall("up"), 1),
    "dead wire": (_stall("up", "down"), 2),
    "refused": (_refuse, 4),
    "three bytes at a time": (_chop, 1),
    "far away": (_delay, 1),
}


@pytest.mark.parametrize(("trouble", "links"), CASES.values(), ids=CASES)
async def test_a_conversation_survives(trouble: Callable[[Proxy], None], links: int) -> None:
    """The ask ends, nothing comes twice, receipts are true, and in the end both have the same."""
    async with open_server(SERVER) as server, open_proxy(await server.listen()) as proxy:
        ledger = Ledger()
        server.script(turn("first", *ANSWER))
        with trio.fail_after(20):
            async with open_client(proxy.url, auth="any", config=CONFIG, recorder=ledger) as client:
                player = Player(server, client)
                async with client.ask("first") as asked:
                    assert asked.receipt is not None
                    player.receipts["first"] = asked.receipt
                    await asked.text.receive()
                    trouble(proxy)
                    player.receipts["name"] = await client.set_chat_session_name("name")
                    # A wire that is stalled works again, for those who have not given it up.
                    if proxy.stalled:
                        await trio.sleep(0.8)
                        proxy.go_on()
                assert asked.outcome is not None
                await player.receipts["name"].sent()
                async with client.ask("last") as asked:
                    pass
                assert isinstance(asked.outcome, TurnCompleted)
                await trio.sleep(0.05)
                assert of_client(client) == of_server(server, client)
        check_receipts(server, player, ledger)
        assert proxy.links >= links
        with trio.fail_after(5):
            while server.statistics().connections:  # noqa: ASYNC110  nothing tells of it
                await trio.sleep(0.01)
