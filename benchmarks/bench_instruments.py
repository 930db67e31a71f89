"""What do metrics and traces cost, from a transport in memory to a subscriber?"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial

import trio
import trio.testing
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

import realtime_trio as rt

from ._kit import Kit
from ._wires import Canned, turns_heard
from .stream import mixed_stream

__all__ = ["Instrument", "heard", "measure"]

TITLE = "Instruments: a client without them, with Prometheus, with OpenTelemetry"

Instrument = Callable[[rt.Client], AbstractAsyncContextManager[object]]


async def heard(frames: list[str], turns: int, instrument: Instrument) -> float:
    """Open an instrumented client and time it until the subscriber has read everything."""
    wire = Canned()
    config = rt.ClientConfig(coalesce=False, ping_interval=None, turn_silence=None)
    async with (
        rt.open_client("memory://canned", auth="token", transport=wire, config=config) as client,
        instrument(client),
    ):
        notes = client.text.subscribe(overflow=rt.Block(256))
        await trio.testing.wait_all_tasks_blocked()
        began = time.process_time()
        wire.play(frames)
        await turns_heard(notes, turns)
        return time.process_time() - began


def nothing(_client: rt.Client) -> AbstractAsyncContextManager[object]:
    """No instrument."""
    return nullcontext()


@asynccontextmanager
async def prometheus(_client: rt.Client) -> AsyncGenerator[None, None]:
    """The collector, which nobody scrapes meanwhile."""
    with rt.instrument.prometheus(registry=CollectorRegistry()):
        yield


def opentelemetry(client: rt.Client) -> AbstractAsyncContextManager[object]:
    """Spans that nobody exports, and metrics that nobody reads meanwhile."""
    return rt.instrument.opentelemetry(
        client,
        tracer_provider=TracerProvider(),
        meter_provider=MeterProvider([InMemoryMetricReader()]),
    )


def measure(kit: Kit) -> None:
    """Time the same stream with and without instruments, in turns."""
    turns = kit.pick(60, 180)
    frames = [line.decode() for line in mixed_stream(turns)]
    ways = {"none": nothing, "prometheus": prometheus, "opentelemetry": opentelemetry}
    kit.rounds(
        {name: partial(trio.run, heard, frames, turns, way) for name, way in ways.items()},
        ops=len(frames),
        base="none",
        rounds=kit.pick(5, 9),
    )
