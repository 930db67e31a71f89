"""How do many clients in one process fare: their memory, their speed, their fairness?"""

from __future__ import annotations

import gc
import resource
import sys
import time
from contextlib import AsyncExitStack

import trio
import trio.testing

import realtime_trio as rt

from ._kit import Kit
from ._wires import Canned, turns_heard
from .stream import EVENTS_A_TURN, mixed_stream

TITLE = "Many: clients in one process, each with a subscriber"
PROCESSES = (1, 3)

COUNTS = (1, 100, 1000)
_TURNS_IN_ALL = 200


def resident_kilobytes() -> float:
    """The most memory that this process has had so far; it never falls."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform == "darwin" else float(peak)


async def _opened(stack: AsyncExitStack, wire: Canned) -> rt.Client:
    config = rt.ClientConfig(ping_interval=None, turn_silence=None)
    opening = rt.open_client("memory://canned", auth="token", transport=wire, config=config)
    return await stack.enter_async_context(opening)


async def _idle(kit: Kit, count: int) -> None:
    """Kilobytes for each of so many open clients that do nothing."""
    async with AsyncExitStack() as stack:
        await _opened(stack, Canned())  # what is made once for all
        gc.collect()
        before = resident_kilobytes()
        for _ in range(count):
            await _opened(stack, Canned())
        await trio.testing.wait_all_tasks_blocked()
        kit.sample(f"idle client at {count}", (resident_kilobytes() - before) / count, "KB")


async def _busy(kit: Kit, count: int) -> None:
    """So many clients at once, all flooded: the cost of an event, and who ends when."""
    turns = max(1, _TURNS_IN_ALL // count)
    frames = [frame.decode() for frame in mixed_stream(turns)]
    ended: list[float] = []
    wires = [Canned() for _ in range(count)]
    async with AsyncExitStack() as stack:
        clients = [await _opened(stack, wire) for wire in wires]

        async def read(client: rt.Client) -> None:
            await turns_heard(client.text.subscribe(), turns)
            ended.append(time.perf_counter() - began)

        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(read, client)
            await trio.testing.wait_all_tasks_blocked()
            began = time.perf_counter()
            for wire in wires:
                wire.play(frames)
    events = count * turns * EVENTS_A_TURN
    kit.sample(f"event at {count}", max(ended) / events * 1e6, "us")
    kit.point("an event", count, max(ended) / events * 1e6, x_label="clients", unit="us")
    if count > 1:
        kit.sample(f"fairness at {count}", min(ended) / max(ended), "x", better="higher")


def measure(kit: Kit) -> None:
    """Count memory first, while the process is small."""
    trio.run(_idle, kit, COUNTS[-1])
    kit.note("fairness: the time of the client that ends first over that of the last")
    for count in COUNTS:
        trio.run(_busy, kit, count)
