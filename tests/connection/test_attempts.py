"""What counts as an attempt, what a close code does, and a link that is replaced by hand."""

from __future__ import annotations

import httpx
import pytest
import trio

import realtime_trio as rt
from realtime_trio._connection._liveness import _overslept
from realtime_trio.server import open_server


class Vault:
    """A token source whose second answer is an error."""

    def __init__(self, fault: Exception) -> None:
        self.calls = 0
        self._fault = fault

    async def token(self) -> str:
        await trio.lowlevel.checkpoint()
        self.calls += 1
        if self.calls == 2:
            raise self._fault
        return "tok"


@pytest.mark.parametrize("fault", [OSError(101, "away"), httpx.ConnectError("no network")])
async def test_a_link_is_replaced_and_a_source_may_fail(
    fault: Exception, autojump_clock: object
) -> None:
    """``reconnect`` waits for the new link; want of a network in the source is retried."""
    vault = Vault(fault)
    async with open_server() as server, rt.open_client(server.url, auth=vault) as client:
        await client.ready()
        await client.reconnect()
        assert client.health.links == 2
        assert vault.calls == 3


async def test_sleep_in_time_is_no_suspension(autojump_clock: object) -> None:
    """The clock jumps exactly to where it should be."""
    assert not await _overslept(10)
