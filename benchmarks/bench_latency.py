"""How long does an event take from the server to a subscriber?"""

from __future__ import annotations

import statistics
import time

import trio

import realtime_trio as rt
from realtime_trio import events as ev

from ._kit import Kit
from ._sockets import CONNECTORS, GO, client, connector, opened_transport
from ._stats import percentile
from ._wires import flood_server

TITLE = "Latency: from the server's socket to a subscriber, at a steady pace"
PROCESSES = (1, 3)

_STAMP = 21  # characters: twenty digits and a space
_SHARES = {"p50": 0.50, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
_RATES = (100, 1_000, 10_000)
_JUDGED = 1_000
_MARK = '"content":"'


async def latencies(
    url: str, transport: rt.Connector, rate: int, count: int, journal: rt.Journal | None = None
) -> list[float]:
    """Return the milliseconds of every delta; a coalesced delta has the stamp of each."""
    found: list[float] = []
    async with client(url, transport, f"pace-{rate}-{count}", journal=journal) as opened:
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


async def _bare_latencies(url: str, transport: rt.Connector, rate: int, count: int) -> list[float]:
    """Return the milliseconds until a bare transport delivers a frame: the minimum."""
    found: list[float] = []
    async with opened_transport(url, transport, f"pace-{rate}-{count}") as link:
        await link.send_text(GO)
        for _ in range(count):
            frame = await link.receive()
            assert isinstance(frame, str)
            at = frame.index(_MARK) + len(_MARK)
            found.append((time.perf_counter_ns() - int(frame[at : at + _STAMP])) / 1e6)
    return found


def measure(kit: Kit) -> None:
    """Measure percentiles at 100, 1,000 and 10,000 events a second, transports in turn."""
    kit.note("each sample is the percentile of one stretch; stretches take turns")
    with flood_server() as url:
        transports = {name: connector(name) for name in CONNECTORS}
        for name, transport in transports.items():
            if transport is None:
                kit.note(f"{name} is not installed: its figures are missing")
        for rate in _RATES:
            for _ in range(kit.pick(3, 5)):
                for name, transport in transports.items():
                    if transport is not None:
                        count = int(rate * kit.pick(6, 20) / 10)
                        found = trio.run(latencies, url, transport, rate, count)
                        _keep(kit, f"{name}, {rate}/s", found)
                        if rate == _JUDGED:
                            bare = trio.run(_bare_latencies, url, transport, rate, count)
                            _compare(kit, f"{name}, {rate}/s", found, bare)
        for name, transport in transports.items():
            if transport is not None:
                _draw(kit, name)


def _keep(kit: Kit, label: str, found: list[float]) -> None:
    for share, part in _SHARES.items():
        kit.sample(f"{label}: {share}", percentile(found, part), "ms")


def _compare(kit: Kit, label: str, found: list[float], bare: list[float]) -> None:
    """Return what the client adds to the 99th percentile, at least zero."""
    slowest = percentile(bare, 0.99)
    kit.sample(f"{label}: bare loop, p99", slowest, "ms")
    more = max(0.001, percentile(found, 0.99) - slowest)
    kit.sample(f"{label}: p99 over the bare loop's", more, "ms")


def _draw(kit: Kit, name: str) -> None:
    for share in _SHARES:
        for rate in _RATES:
            middle = statistics.median(kit.samples(f"{name}, {rate}/s: {share}"))
            kit.point(f"{name}: {share}", rate, middle, x_label="events/s", unit="ms")
