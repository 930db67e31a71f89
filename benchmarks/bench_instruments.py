"""What do metrics and traces cost, from a transport in memory or a socket to a subscriber?"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import trio
import trio.testing
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

import realtime_trio as rt

from ._kit import Kit
from ._sockets import CONNECTORS, DEFAULT, Around, flooded, nothing, timed
from ._wires import Canned, flood_server, turns_heard
from .stream import EVENTS_A_TURN, mixed_stream

__all__ = ["heard", "measure"]

TITLE = "Instruments: a client without them, with Prometheus, with OpenTelemetry"


async def heard(frames: list[str], turns: int, instrument: Around) -> float:
    """Open an instrumented client and time it until the subscriber has read everything.

    The end of the instrument is included: by then it has done its deferred work.
    """
    wire = Canned()
    config = rt.ClientConfig(coalesce=False, ping_interval=None, turn_silence=None)
    async with rt.open_client(
        "memory://canned", auth="token", transport=wire, config=config
    ) as client:
        async with instrument(client):
            notes = client.text.subscribe(overflow=rt.Block(256))
            await trio.testing.wait_all_tasks_blocked()
            began = time.process_time()
            wire.play(frames)
            await turns_heard(notes, turns)
        return time.process_time() - began


@asynccontextmanager
async def closed(client: rt.Client) -> AsyncGenerator[None, None]:
    """Install both instruments and remove them, to measure the cost of their absence."""
    async with prometheus(client), opentelemetry(client):
        pass
    yield


@asynccontextmanager
async def prometheus(_client: rt.Client) -> AsyncGenerator[None, None]:
    """Install the collector; nothing scrapes it meanwhile."""
    with rt.instrument.prometheus(registry=CollectorRegistry()):
        yield


def opentelemetry(client: rt.Client) -> AbstractAsyncContextManager[object]:
    """Record spans that nothing exports, and metrics that nothing reads meanwhile."""
    return rt.instrument.opentelemetry(
        client,
        tracer_provider=TracerProvider(),
        meter_provider=MeterProvider([InMemoryMetricReader()]),
    )


def measure(kit: Kit) -> None:
    """Time the same stream with and without instruments, in turns."""
    turns = kit.pick(60, 180)
    frames = [line.decode() for line in mixed_stream(turns)]
    ways: dict[str, Around] = {
        "none": nothing,
        "closed": closed,
        "prometheus": prometheus,
        "opentelemetry": opentelemetry,
    }
    kit.rounds(
        {name: partial(trio.run, heard, frames, turns, way) for name, way in ways.items()},
        ops=len(frames),
        base="none",
        rounds=kit.pick(5, 15),
    )
    transport = CONNECTORS[DEFAULT]()
    with flood_server() as url:
        kit.rounds(
            {
                f"socket, {name}": timed(flooded, url, transport, turns, None, way)
                for name, way in ways.items()
            },
            ops=turns * EVENTS_A_TURN,
            base="socket, none",
            rounds=kit.pick(5, 11),
        )
