"""How long after the server sent it does a subscriber see an event?"""

from __future__ import annotations

import time

import trio

import realtime_trio as rt
from realtime_trio import events as ev

from ._kit import Kit
from ._sockets import CONNECTORS, client, connector
from ._stats import percentile
from ._wires import flood_server

TITLE = "Latency: from the server's socket to a subscriber, at a steady pace"
PROCESSES = (1, 3)

_STAMP = 21  # characters: twenty digits and a space
_SHARES = {"p50": 0.50, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
_DEFAULT = "trio-websocket"


async def _latencies(url: str, transport: rt.Connector, rate: int, count: int) -> list[float]:
    """Milliseconds of every delta. Merged ones carry the stamp of each."""
    found: list[float] = []
    async with client(url, transport, f"pace-{rate}-{count}") as opened:
        notes = opened.text.subscribe()
        await trio.lowlevel.checkpoint()
        opened.send_nowait(ev.GetAgentsEvent(), force=True)
        async for note in notes:
            if type(note) is rt.AllNotificationsCleared:
                break
            if type(note) is rt.MessageStreaming:
                now = time.perf_counter_ns()
                text = note.delta
                found += [
                    (now - int(text[at : at + _STAMP])) / 1e6 for at in range(0, len(text), _STAMP)
                ]
    return found


def measure(kit: Kit) -> None:
    """Percentiles at 100, 1,000 and 10,000 events a second, through each transport."""
    seconds = kit.pick(2, 8)
    with flood_server() as url:
        for name in CONNECTORS:
            transport = connector(name)
            if transport is None:
                kit.note(f"{name} is not installed: its figures are missing")
                continue
            for rate in (100, 1_000, 10_000):
                found = trio.run(_latencies, url, transport, rate, rate * seconds)
                label = f"{rate}/s" if name == _DEFAULT else f"{name}, {rate}/s"
                for share, part in _SHARES.items():
                    value = percentile(found, part)
                    kit.sample(f"{label}: {share}", value, "ms")
                    kit.point(f"{name}: {share}", rate, value, x_label="events/s", unit="ms")
