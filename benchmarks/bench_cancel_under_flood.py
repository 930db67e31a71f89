"""How long does a cancel take when everything else is full?"""

from __future__ import annotations

import time

import trio
import trio.testing

import realtime_trio as rt

from ._kit import Kit, Subject
from ._sockets import CONNECTORS, DEFAULT, client, connector, timed
from ._wires import Canned, flood_server
from .stream import text_deltas

TITLE = "Cancel under flood: inbound past queued events, outbound past queued audio"
PROCESSES = (1, 3)

EVENTS, FRAMES = 100_000, 3_000


async def inbound(frames: list[str]) -> float:
    """Return the seconds from the arrival of ``cancelled`` until the application is notified. A
    subscriber that does not read blocks the text lane until 100,000 events wait. When it leaves,
    the lane starts to handle all of them, and the cancel arrives at that moment.
    """
    wire = Canned()
    config = rt.ClientConfig(ping_interval=None, turn_silence=None, coalesce=False)
    async with rt.open_client(
        "memory://canned", auth="token", transport=wire, config=config
    ) as opened:
        stuck = opened.text.subscribe(overflow=rt.Block(1))
        urgent = opened.subscribe(rt.CancelConfirmed)
        wire.play(frames)
        await trio.testing.wait_all_tasks_blocked()
        assert opened.statistics().text.depth > len(frames) - 100
        stuck.close()
        began = time.perf_counter()
        wire.play(['{"type":"cancelled"}'])
        await urgent.receive()
        return time.perf_counter() - began


async def _outbound(url: str, transport: rt.Connector) -> float:
    """Return the seconds from ``client.cancel()`` to its confirmation, behind queued audio."""
    frame = bytes(640)
    async with client(url, transport, "sink-1000000") as opened:
        for _ in range(FRAMES):
            opened.audio.send_nowait(frame)
        began = time.perf_counter()
        await opened.cancel()
        return time.perf_counter() - began


def measure(kit: Kit) -> None:
    """Cancel past events in memory; past audio over each transport, in turns."""
    frames = [frame.decode() for frame in text_deltas(1000)] * (EVENTS // 1000)
    kit.rounds(
        {"inbound": lambda: trio.run(inbound, frames)}, ops=1, unit="ms", rounds=kit.pick(3, 15)
    )
    with flood_server() as url:
        outbound: dict[str, Subject] = {}
        for name in CONNECTORS:
            transport = connector(name)
            if transport is None:
                kit.note(f"{name} is not installed: its figures are missing")
                continue
            label = "outbound" if name == DEFAULT else f"outbound, {name}"
            outbound[label] = timed(_outbound, url, transport)
        kit.rounds(outbound, ops=1, unit="ms", rounds=kit.pick(9, 25))
