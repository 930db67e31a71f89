"""Real sockets through a proxy that cuts, stalls and delays: what holds in memory holds here."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
import trio
import trio.testing

from realtime_trio._client._client import Client, open_client
from realtime_trio._config import ClientConfig
from realtime_trio._core._shell_notifications import Disconnected, Reconnected
from realtime_trio._turns._outcome import Outcome, TurnCompleted, TurnLost
from realtime_trio.server import RealtimeServer, ServerConfig, open_server
from realtime_trio.testing import say, think, tool, turn, use, wait

from .player import Ledger, Player, check_receipts, of_client, of_server
from .proxy import Proxy, open_proxy
from .virtual import keep_time

# The clock stands still until the trouble has begun: a turn starts with its input.
SERVER = ServerConfig(pace=0, toolset_count=1, turn_start=0.0)
CONFIG = ClientConfig(max_attempts=None, backoff_jitter=0)
# Time stands still until the trouble is there, so it always comes in the middle.
ANSWER = (
    think("hm"),
    say("one "),
    wait(1),
    say("x" * 100, size=1),
    use(tool("search", delay=1)),
    say("two"),
)


@attrs.frozen
class Case:
    """What goes wrong, how many connections it takes, and how the turn ends.

    A wire that is stalled works again after ``stalled_for`` seconds, or else when the client
    has given it up.
    """

    trouble: Callable[[Proxy], None]
    links: int
    outcome: type[Outcome] = TurnCompleted
    stalled_for: float | None = None


def _refuse(proxy: Proxy) -> None:
    proxy.refusals = 2
    proxy.cut()


def _chop(proxy: Proxy) -> None:
    proxy.chop = 3


def _delay(proxy: Proxy) -> None:
    proxy.delay = 1.0


def _dead(proxy: Proxy) -> None:
    proxy.stall("up")
    proxy.stall("down")


CASES = {
    "nothing": Case(lambda proxy: None, 1),
    "reset": Case(lambda proxy: proxy.cut(), 2),
    "end without goodbye": Case(lambda proxy: proxy.cut(rude=False), 2),
    "cut in a frame that comes": Case(lambda proxy: proxy.cut_after(101, "down"), 2),
    "cut in a frame that leaves": Case(lambda proxy: proxy.cut_after(3, "up"), 2),
    "hiccup": Case(_dead, 1, stalled_for=5.0),
    "silence": Case(lambda proxy: proxy.stall("down"), 2, TurnLost),
    "deaf": Case(lambda proxy: proxy.stall("up"), 2),
    "dead wire": Case(_dead, 2, TurnLost),
    "refused": Case(_refuse, 4, TurnLost),
    "three bytes at a time": Case(_chop, 1),
    "far away": Case(_delay, 1),
}


async def whole(server: RealtimeServer, client: Client) -> None:
    """Wait until both have the same transcript."""
    async with client.watch(lambda state: state.sessions) as changes:
        async for _ in changes:
            if of_client(client, server) == of_server(server, client):
                return


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_conversation_survives(mock_clock: trio.testing.MockClock, case: Case) -> None:
    """The ask ends, nothing comes twice, receipts are true, and in the end both have the same."""
    async with (
        open_server(SERVER) as server,
        open_proxy(await server.listen()) as proxy,
        trio.open_nursery() as nursery,
    ):
        ledger = Ledger()
        server.script(turn("first", *ANSWER))
        async with open_client(proxy.url, auth="any", config=CONFIG, recorder=ledger) as client:
            lost, back = client.subscribe(Disconnected), client.subscribe(Reconnected)
            player = Player(server, client)
            async with client.ask("first") as asked:
                player.receipts["first"] = asked.receipt
                await asked.text.receive()
                case.trouble(proxy)
                player.receipts["name"] = await client.set_chat_session_name("name")
                nursery.start_soon(keep_time, mock_clock)
                if case.stalled_for is not None:
                    await trio.sleep(case.stalled_for)
                elif proxy.stalled:
                    await lost.receive()
                proxy.go_on()
            assert isinstance(asked.outcome, case.outcome)
            await player.receipts["name"].sent()
            if case.links > 1:
                await back.receive()
            async with client.ask("last") as asked:
                pass
            assert isinstance(asked.outcome, TurnCompleted)
            await whole(server, client)
        check_receipts(server, player, ledger)
        assert proxy.links == case.links
        nursery.cancel_scope.cancel()
    assert server.statistics().connections == 0
