"""The chat dials again when the machine wakes up."""

from __future__ import annotations

import trio
import trio.testing

import realtime_trio as rt
from realtime_trio.cli._interactive._sleep_watch import notice_sleep
from realtime_trio.server import open_server


class WallClock:
    """The time of day: it continues while the machine sleeps; trio's clock does not."""

    def __init__(self) -> None:
        self.slept = 0.0

    def __call__(self) -> float:
        return 1_000_000.0 + trio.current_time() + self.slept


async def test_notices_a_sleep_once(autojump_clock: trio.testing.MockClock) -> None:
    """Setting the clock by a few seconds does not count as a sleep."""
    woken: list[float] = []
    clock = WallClock()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(notice_sleep, lambda: woken.append(trio.current_time()), clock)
        await trio.sleep(60)
        clock.slept += 10
        await trio.sleep(60)
        assert not woken
        clock.slept += 3600
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    assert len(woken) == 1


async def test_replaces_the_link_after_a_sleep(autojump_clock: trio.testing.MockClock) -> None:
    """The client continues over a new link, as after a change of the network."""
    clock = WallClock()
    async with (
        open_server() as server,
        rt.open_client(server.url, auth="any") as client,
        trio.open_nursery() as nursery,
    ):
        await client.ready()
        nursery.start_soon(notice_sleep, client.reconnect, clock)
        await trio.testing.wait_all_tasks_blocked()
        with client.subscribe(rt.SessionRestored) as restored:
            clock.slept += 8 * 3600
            await restored.receive()
        assert client.health.links == 2
        async with client.ask("still there?") as turn:
            assert "still there?" in "".join([piece async for piece in turn.text])
        nursery.cancel_scope.cancel()
