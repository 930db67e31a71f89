"""A fleet in Redis through the other doors: the worker holds no connection to the server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import uvloop

import realtime_trio as rt
from tests.fleet.redis_server import RedisServer, running_redis


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


async def _worker(url: str, name: str) -> None:
    """A node and a worker, each with a log of its own."""
    async with rt.aio.open_server() as server:

        async def dial(claim: rt.fleet.Claim) -> rt.fleet.Dial:
            await asyncio.sleep(0)
            return rt.fleet.Dial(server.url, auth=f"token-of-{claim.session}")

        async with (
            rt.aio.open_node(rt.fleet.RedisLog(url), dial, heartbeat=0.1),
            rt.aio.open_fleet(rt.fleet.RedisLog(url)) as fleet,
            asyncio.timeout(60),
        ):
            await fleet.create(name)
            async with fleet.attach(name) as session, session.ask("Hello", key="k") as turn:
                text = "".join([piece async for piece in turn.text])
            assert text == "You said: Hello"
            assert isinstance(turn.outcome, rt.TurnCompleted)
            await fleet.remove(name)


def test_a_worker_of_asyncio(redis: RedisServer) -> None:
    asyncio.run(_worker(redis.url, "asyncio"))
    uvloop.run(_worker(redis.url, "uvloop"))


def test_a_worker_without_a_loop(redis: RedisServer) -> None:
    with rt.blocking.open_server() as server:

        def dial(claim: rt.fleet.Claim) -> rt.fleet.Dial:
            return rt.fleet.Dial(server.url, auth=f"token-of-{claim.session}")

        with (
            rt.blocking.open_node(rt.fleet.RedisLog(redis.url), dial, heartbeat=0.1),
            rt.blocking.open_fleet(rt.fleet.RedisLog(redis.url)) as fleet,
        ):
            fleet.create("threads")
            with fleet.attach("threads") as session, session.ask("Hello") as turn:
                assert "".join(turn.text) == "You said: Hello"
            assert isinstance(turn.outcome, rt.TurnCompleted)
