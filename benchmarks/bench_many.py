"""How do many clients share one process: memory, speed, fairness?"""

from __future__ import annotations

import gc
import statistics
import time
from contextlib import AsyncExitStack

import trio
import trio.testing

import realtime_trio as rt

from ._kit import Kit
from ._memory import resident_kilobytes
from ._wires import Canned, turns_heard
from .stream import EVENTS_A_TURN, mixed_stream

TITLE = "Many: clients in one process, each with a subscriber"
PROCESSES = (1, 3)

COUNTS = (1, 100, 1000)
TURNS_IN_ALL = 200
LATER_TURNS = 4
GC_THRESHOLD = 10_000
"""What docs/explanation/performance.md advises for a process with many clients."""


async def _opened(stack: AsyncExitStack, wire: Canned) -> rt.Client:
    config = rt.ClientConfig(ping_interval=None, turn_silence=None)
    opening = rt.open_client("memory://canned", auth="token", transport=wire, config=config)
    return await stack.enter_async_context(opening)


async def _idle(kit: Kit, count: int) -> None:
    """Return the kilobytes per idle client, including a subscription."""
    async with AsyncExitStack() as stack:
        (await _opened(stack, Canned())).text.subscribe()  # created once for all
        before = resident_kilobytes()
        kept = [(await _opened(stack, Canned())).text.subscribe() for _ in range(count)]
        await trio.testing.wait_all_tasks_blocked()
        kit.sample(f"idle client at {count}", (resident_kilobytes() - before) / count, "KB")
        assert len(kept) == count


def _turns(count: int) -> int:
    """Return how many turns each of so many clients has."""
    return max(1, TURNS_IN_ALL // count)


async def _busy(count: int, later_turns: int = 0) -> tuple[float, float]:
    """Flood so many clients at the same time; return microseconds per event, and their fairness.

    With ``later_turns``, measure so many turns after the first one of each client.
    """
    skipped, turns = (1, later_turns) if later_turns else (0, _turns(count))
    frames = [frame.decode() for frame in mixed_stream(skipped + turns)]
    ended: list[float] = []
    wires = [Canned() for _ in range(count)]
    async with AsyncExitStack() as stack:
        clients = [await _opened(stack, wire) for wire in wires]

        async def read(client: rt.Client) -> None:
            notes = client.text.subscribe()
            if skipped:
                await turns_heard(notes, skipped)
            await turns_heard(notes, turns)
            ended.append(time.process_time() - began)

        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(read, client)
            await trio.testing.wait_all_tasks_blocked()
            if skipped:
                first, frames = frames[:EVENTS_A_TURN], frames[EVENTS_A_TURN:]
                for wire in wires:
                    wire.play(first)
                await trio.testing.wait_all_tasks_blocked()
            gc.collect()
            began = time.process_time()
            for wire in wires:
                wire.play(frames)
    return max(ended) / (count * turns * EVENTS_A_TURN) * 1e6, min(ended) / max(ended)


def _busy_with_rare_gc(count: int) -> float:
    """Flood so many clients while the garbage collector runs less often than by default."""
    before = gc.get_threshold()
    gc.set_threshold(GC_THRESHOLD, *before[1:])
    try:
        return trio.run(_busy, count)[0]
    finally:
        gc.set_threshold(*before)


def _by_hand(kit: Kit) -> None:
    """Flood consumers written by hand: the first and the last count, with and without a queue."""
    try:
        from . import _consumers
        from ._handed_over import by_hand_at
    except ImportError as exc:
        kit.note(f"{exc.name} is not installed: the figures of the hand-written client are missing")
        return
    readers = {
        "json + pydantic": _consumers.pydantic_reader(),
        "msgspec": _consumers.msgspec_reader(),
    }
    for name, reader in readers.items():
        for queue in (True, False):
            series = f"asyncio by hand, {name}{', a queue each' if queue else ''}, at"
            first = f"{series} {COUNTS[0]}"
            for count in (COUNTS[0], COUNTS[-1]):
                frames = [frame.decode() for frame in mixed_stream(_turns(count))]
                cost = by_hand_at(count, frames, reader, queue=queue) / (count * len(frames)) * 1e6
                kit.sample(
                    f"{series} {count}", cost, "us", base=first if count > COUNTS[0] else None
                )


def measure(kit: Kit) -> None:
    """Measure memory first, while the process is small; then floods, one size after another."""
    trio.run(_idle, kit, COUNTS[-1])
    kit.note("fairness: the time of the client that ends first over that of the last")
    kit.note("a queue each: one task reads and handles, and passes each event to a second task")
    trio.run(_busy, COUNTS[0])  # to warm up
    for round_ in range(kit.pick(3, 5)):
        # Many clients take long to open, so quick mode does it once.
        for count in COUNTS[:2] if kit.quick and round_ else COUNTS:
            cost, fairness = trio.run(_busy, count)
            first = f"event at {COUNTS[0]}"
            kit.sample(f"event at {count}", cost, "us", base=first if count > COUNTS[0] else None)
            if count > 1:
                kit.sample(f"fairness at {count}", fairness, "x", better="higher")
            if count == COUNTS[-1]:
                name = f"event at {count}, gc threshold {GC_THRESHOLD:,}"
                kit.sample(name, _busy_with_rare_gc(count), "us", base=first)
                cost, _ = trio.run(_busy, count, LATER_TURNS)
                kit.sample(f"event at {count}, after the first turn", cost, "us", base=first)
                _by_hand(kit)
    for count in COUNTS:
        cost = statistics.median(kit.samples(f"event at {count}"))
        kit.point("an event", count, cost, x_label="clients", unit="us")
