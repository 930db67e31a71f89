"""The fixtures of the pytest plugin, which work with those of pytest-trio.

A whole test runs in one ``trio.run``, on the clock that the test asks for.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from pytest_trio import trio_fixture  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from .._client._client import Client, open_client
from ..server import RealtimeServer, open_server

__all__ = ["realtime_client", "realtime_server"]


@trio_fixture  # type: ignore[untyped-decorator]
async def realtime_server() -> AsyncGenerator[RealtimeServer, None]:
    """A scripted server in memory, which ends after the test.

    ``.url`` is a ``memory://`` address for a client in the same test, with virtual time as well.
    ``await realtime_server.listen()`` returns the URL of a real socket, for real time only.
    """
    async with open_server() as server:
        yield server


@trio_fixture  # type: ignore[untyped-decorator]
async def realtime_client(realtime_server: RealtimeServer) -> AsyncGenerator[Client, None]:
    """A client of that server: connected, initialised, and on the user's turn."""
    async with open_client(realtime_server.url, auth="any") as client:
        await client.ready()
        yield client
