"""Who never reads keeps the connection, whatever comes and however long it takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from realtime_trio import events as ev
from realtime_trio._client._client import Client, open_client
from realtime_trio._config import ClientConfig
from realtime_trio._core._shell_notifications import Disconnected
from realtime_trio._lanes._overflow import Block, Coalesce, DropOldest, Latest, Overflow
from realtime_trio._turns._outcome import TurnCompleted
from realtime_trio.server import ServerConfig, open_server
from realtime_trio.testing import say, speak, turn

TEN_MINUTES = 600.0
CONFIG = ClientConfig()


async def chatter(client: Client, until: float) -> int:
    """Ask again and again, and read nothing of the answers; gives how many there were."""
    count = 0
    while trio.current_time() < until:
        await client.text_input("again")
        await trio.sleep(30)
        count += 1
    return count


@pytest.mark.parametrize(
    "rule", [Coalesce(), Coalesce(1), Block(1), DropOldest(1), Latest()], ids=repr
)
async def test_a_consumer_that_never_reads_keeps_its_connection(
    autojump_clock: object, rule: Overflow
) -> None:
    """Ten minutes of answers and speech; pings go both ways, the turns go on, one link."""
    config = ServerConfig(toolset_count=1, pace=0.01)
    async with open_server(config) as server:
        answer = turn("again", say("text " * 100, size=1), speak("tones " * 5), times=1000)
        server.script(answer)
        async with open_client(server.url, auth="any", config=CONFIG) as client:
            lost = client.subscribe(Disconnected)
            await client.ready()
            held = client.subscribe(overflow=rule)
            began = trio.current_time()
            asked = await chatter(client, began + TEN_MINUTES)
            assert trio.current_time() - began >= TEN_MINUTES
            pings = [seen for seen in server.seen if seen.type == "ping"]
            assert len(pings) >= TEN_MINUTES / CONFIG.ping_interval - 1  # type: ignore[operator]
            assert client.health.links == 1
            assert client.health.pong_age is not None
            assert client.health.pong_age <= CONFIG.ping_interval + CONFIG.pong_timeout  # type: ignore[operator]
            assert lost.statistics().depth == 0
            inputs = [seen for seen in server.seen if seen.type == "text_input"]
            assert len(inputs) == asked
            held.close()
            async with client.ask("and now") as last:
                pass
            assert isinstance(last.outcome, TurnCompleted)
        assert {seen.connection for seen in server.seen} == {1}


@pytest.mark.parametrize(
    "subscribe",
    [
        lambda client: client.text.subscribe(overflow=Block(1)),
        lambda client: client.audio.subscribe(overflow=Block(1)),
        lambda client: client.control.subscribe(overflow=Block(1)),
        lambda client: client.subscribe(ev.TextDeltaEvent, overflow=Block(1)),
    ],
    ids=["text", "audio", "control", "wire events"],
)
async def test_one_stuck_lane_costs_no_link(
    autojump_clock: object, subscribe: Callable[[Client], object]
) -> None:
    """A lane that its own subscriber holds keeps neither the pings nor the gate up."""
    async with open_server(ServerConfig(toolset_count=1)) as server:
        server.script(turn("again", say("text " * 100, size=1), speak("x"), times=1000))
        async with open_client(server.url, auth="any") as client:
            stuck = subscribe(client)
            await client.text_input("again")
            asked = await chatter(client, trio.current_time() + TEN_MINUTES)
            assert client.health.links == 1
            assert stuck is not None
            assert len([each for each in server.seen if each.type == "text_input"]) == asked + 1
