"""Random conversations under random faults, on a virtual clock: what holds whatever happens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
import trio.testing
from hypothesis import HealthCheck, given, settings

from realtime_trio.server import ServerConfig, open_server

from .player import (
    PATIENCE,
    Action,
    actions,
    check_all_came,
    check_delivery,
    of_client,
    of_server,
    playing,
)

SERVER = ServerConfig(toolset_count=1, pace=0.05)
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run one example: on time of its own, with a limit, and without anything left over."""

    async def bounded() -> None:
        before = trio.lowlevel.current_statistics().tasks_living
        with trio.fail_after(PATIENCE):
            await main()
        await trio.testing.wait_all_tasks_blocked()
        assert trio.lowlevel.current_statistics().tasks_living == before

    trio.run(bounded, clock=trio.testing.MockClock(autojump_threshold=0))


@given(actions())
@settings(max_examples=150, suppress_health_check=SLOW)
def test_whatever_goes_wrong(plan: list[Action]) -> None:
    """Every ask ends, nothing is sent twice, receipts are true, nothing is left over."""

    async def main() -> None:
        async with open_server(SERVER) as server:
            async with playing(server) as (player, ledger):
                await player.play(plan)
                assert len(player.outcomes) == player.asked
                server.hang_up()
                await trio.sleep(60)
                async with player.client.ask("last"):
                    pass
                await player.client.ready()
                await trio.sleep(1)
                assert of_client(player.client) == of_server(server, player.client)
            await trio.testing.wait_all_tasks_blocked()
            check_delivery(server, player, ledger)
            check_all_came(server, ledger)
            assert server.statistics().connections == 0

    run(main)


@given(actions(gentle=True))
@settings(max_examples=100, suppress_health_check=SLOW)
def test_what_a_client_can_notice_it_repairs(plan: list[Action]) -> None:
    """Links break, stall and fall silent; the transcript is whole without anybody's help."""

    async def main() -> None:
        async with open_server(SERVER) as server, playing(server) as (player, _):
            await player.play(plan)
            await trio.sleep(200)
            async with player.client.ask("last"):
                pass
            await trio.sleep(1)
            assert of_client(player.client) == of_server(server, player.client)

    run(main)
