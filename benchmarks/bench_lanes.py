"""What does an event cost from a transport in memory to a subscriber of the text lane?"""

from __future__ import annotations

import json
import time
from functools import partial

import trio
import trio.testing

import realtime_trio as rt

from ._kit import Kit, each
from ._wires import Canned, turns_heard
from .stream import mixed_stream

__all__ = ["heard", "measure"]

TITLE = "Lanes: a client, from its transport to a lossless subscriber"


async def heard(frames: list[str], turns: int, *, coalesce: bool) -> float:
    """Open a client, let everything arrive, and time it until the subscriber has read it."""
    wire = Canned()
    config = rt.ClientConfig(coalesce=coalesce, ping_interval=None, turn_silence=None)
    rule: rt.Overflow = rt.Coalesce() if coalesce else rt.Block(256)
    async with rt.open_client(
        "memory://canned", auth="token", transport=wire, config=config
    ) as client:
        notes = client.text.subscribe(overflow=rule)
        await trio.testing.wait_all_tasks_blocked()
        began = time.process_time()
        wire.play(frames)
        await turns_heard(notes, turns)
        return time.process_time() - began


def measure(kit: Kit) -> None:
    """Time the whole client in memory, with and without coalescing."""
    turns = kit.pick(60, 180)
    lines = mixed_stream(turns)
    frames = [line.decode() for line in lines]

    def run(*, coalesce: bool) -> float:
        return trio.run(partial(heard, frames, turns, coalesce=coalesce))

    kit.rounds(
        {
            "json.loads": each(json.loads, lines),
            "json.loads of str": each(json.loads, frames),
            "coalescing off": lambda: run(coalesce=False),
            "coalescing on": lambda: run(coalesce=True),
        },
        ops=len(frames),
        base="json.loads",
        rounds=kit.pick(5, 9),
    )
