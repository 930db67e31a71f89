"""What do the doors cost: the client on asyncio, on uvloop and without a loop?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeAlias

import trio

import realtime_trio as rt
from realtime_trio import events as ev

from ._kit import Kit, Subject
from ._stats import percentile
from ._wires import flood_server
from .stream import EVENTS_A_TURN

TITLE = "Doors: rt.aio and rt.blocking beside the native client, over a loopback socket"
PROCESSES = (1, 3)

RATE = 1_000
"""Events per second at which the latency is measured."""

_STAMP = 21  # characters: twenty digits and a space
_CONFIG = rt.ClientConfig(ping_interval=None, turn_silence=None)

Reader: TypeAlias = Callable[[str, str, int], tuple[float, list[float]]]
"""Takes an address, a scenario and its number of turns.

Returns the CPU seconds of reading, and the latencies in milliseconds.
"""


class _Tally:
    """Counts the ends of turns, and keeps the latencies of stamped deltas."""

    def __init__(self, scenario: str, turns: int) -> None:
        self.latencies: list[float] = []
        self._left = turns
        self._stamped = scenario.startswith("pace-")

    def over(self, note: rt.Notification) -> bool:
        """Handle a notification; return whether it was the last one."""
        if self._stamped and type(note) is rt.MessageStreaming:
            now = time.perf_counter_ns()
            text = note.delta
            self.latencies += [
                (now - int(text[at : at + _STAMP])) / 1e6 for at in range(0, len(text), _STAMP)
            ]
        elif type(note) is rt.AllNotificationsCleared:
            self._left -= 1
        return not self._left


def _native(url: str, scenario: str, turns: int) -> tuple[float, list[float]]:
    async def main() -> tuple[float, list[float]]:
        tally = _Tally(scenario, turns)
        async with rt.open_client(url, auth="token", agent_key=scenario, config=_CONFIG) as client:
            notes = client.text.subscribe()
            await trio.lowlevel.checkpoint()
            began = time.process_time()
            client.send_nowait(ev.GetAgentsEvent(), force=True)
            async for note in notes:
                if tally.over(note):
                    break
            return time.process_time() - began, tally.latencies

    return trio.run(main)


def _aio(run: Callable[[Coroutine[Any, Any, Any]], Any]) -> Reader:
    async def main(url: str, scenario: str, turns: int) -> tuple[float, list[float]]:
        tally = _Tally(scenario, turns)
        async with rt.aio.open_client(
            url, auth="token", agent_key=scenario, config=_CONFIG
        ) as client:
            notes = client.text.subscribe()
            await asyncio.sleep(0)
            began = time.process_time()
            client.send_nowait(ev.GetAgentsEvent(), force=True)
            async for note in notes:
                if tally.over(note):
                    break
            return time.process_time() - began, tally.latencies

    def read(url: str, scenario: str, turns: int) -> tuple[float, list[float]]:
        found: tuple[float, list[float]] = run(main(url, scenario, turns))
        return found

    return read


def _blocking(url: str, scenario: str, turns: int) -> tuple[float, list[float]]:
    tally = _Tally(scenario, turns)
    with rt.blocking.open_client(url, auth="token", agent_key=scenario, config=_CONFIG) as client:
        notes = client.text.subscribe()
        began = time.process_time()
        client.send_nowait(ev.GetAgentsEvent(), force=True)
        for note in notes:
            if tally.over(note):
                break
        return time.process_time() - began, tally.latencies


def _doors(kit: Kit) -> dict[str, Reader]:
    doors: dict[str, Reader] = {
        "native": _native,
        "aio": _aio(asyncio.run),
        "blocking": _blocking,
    }
    try:
        import uvloop
    except ImportError:
        kit.note("uvloop is not installed: its figures are missing")
    else:
        doors["aio, uvloop"] = _aio(uvloop.run)
    return doors


def _cost(read: Reader, url: str, scenario: str, turns: int) -> float:
    return read(url, scenario, turns)[0]


def measure(kit: Kit) -> None:
    """Measure CPU time per event under a flood, and the added latency at a steady pace."""
    doors = _doors(kit)
    turns = kit.pick(20, 135)
    flood = f"flood-{turns}"
    count = RATE * kit.pick(6, 20) // 10
    with flood_server() as url:
        subjects: dict[str, Subject] = {
            name: partial(_cost, read, url, flood, turns) for name, read in doors.items()
        }
        rounds = kit.pick(5, 7)
        kit.rounds(subjects, ops=turns * EVENTS_A_TURN, base="native", rounds=rounds)
        for _ in range(rounds):
            tails = {
                name: percentile(read(url, f"pace-{RATE}-{count}", 1)[1], 0.99)
                for name, read in doors.items()
            }
            for name, tail in tails.items():
                kit.sample(f"{name}: p99", tail, "ms")
                if name != "native":
                    kit.sample(f"{name}: added p99", tail - tails["native"], "ms")
