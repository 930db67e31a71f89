"""The pytest plugin: fixtures for whoever tests an application that uses this library.

They work beside pytest-trio's own (``autojump_clock``, ``mock_clock``, ``nursery``): all of a
test runs in one ``trio.run``, on whichever clock the test asks for.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from pytest_trio import trio_fixture  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from .._io._client import Client, open_client
from ..server import RealtimeServer, open_server

__all__ = ["realtime_client", "realtime_server"]


@trio_fixture  # type: ignore[untyped-decorator]
async def realtime_server() -> AsyncGenerator[RealtimeServer, None]:
    """A scripted server in memory, ended after the test.

    ``.url`` is ``memory://…`` for a client in the same test, on virtual time too;
    ``await realtime_server.listen()`` gives the URL of a real socket, for real time only.
    """
    async with open_server() as server:
        yield server


@trio_fixture  # type: ignore[untyped-decorator]
async def realtime_client(realtime_server: RealtimeServer) -> AsyncGenerator[Client, None]:
    """A client of that server: connected, initialised, and it is the user's turn."""
    async with open_client(realtime_server.url, auth="any") as client:
        await client.ready()
        yield client
