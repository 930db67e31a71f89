"""What does an event cost in practice: at a pace, in many sessions at the same time?"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable

import trio

import realtime_trio as rt

from . import _paced
from ._kit import Kit
from ._paced import Pace
from ._sockets import connector
from ._wires import flood_server

TITLE = "Paced: processor time of an event, of sessions that get a few of them a second"
PROCESSES = (1, 2)

BASE = "asyncio by hand"
FLOOR = "floor"
SESSIONS = (1, 50, 500)
RATES = (5, 40, 200)
# The cases in quick mode and their number of samples; the budget judges the first.
QUICK = (((50, 40), 3), ((1, 200), 1), ((500, 5), 1))

SECONDS = 2
_MOST = 12_000  # events of a stretch: the offered load may exceed a core

Subject = Callable[[Pace], float]


def _subjects(kit: Kit) -> dict[str, Subject]:
    """Return the subjects, in the order of the table."""
    found: dict[str, Subject] = {
        BASE: lambda pace: asyncio.run(_paced.asyncio_by_hand(pace)),
        FLOOR: lambda pace: trio.run(_paced.floor, pace),
        "trio-websocket, bare loop": lambda pace: trio.run(_paced.bare_trio_websocket, pace),
    }
    for name in ("websockets", "trio-websocket"):
        transport = connector(name)
        if transport is None:
            kit.note(f"{name} is not installed: its figures are missing")
            continue
        if name == "websockets":
            found[f"{name}, bare loop"] = _over(_paced.bare_transport, transport)
        found[f"{name}, client"] = _over(_paced.library, transport)
    return found


def _over(
    program: Callable[[Pace, rt.Connector], Awaitable[float]], transport: rt.Connector
) -> Subject:
    return lambda pace: trio.run(program, pace, transport)


def measure(kit: Kit) -> None:
    """Measure sessions by rates, subjects in turn. Clients have one subscriber each."""
    kit.note("the floor is a trio program with two tasks a session and nothing else")
    shapes = QUICK if kit.quick else [((s, r), 3) for s in SESSIONS for r in RATES]
    with flood_server() as url:
        subjects = _subjects(kit)
        for name in subjects:  # to warm up
            subjects[name](Pace(url, 1, 200, 20))
        for (sessions, rate), rounds in shapes:
            count = max(3, min(rate * SECONDS, _MOST // sessions))
            for round_ in range(rounds):
                names = list(subjects)
                turn = (round_ + kit.process) % len(names)
                for name in (*names[turn:], *names[:turn]):
                    seconds = subjects[name](Pace(url, sessions, rate, count))
                    _keep(kit, name, sessions, rate, seconds / (sessions * count))
        for name in subjects:
            for (sessions, rate), _ in shapes:
                middle = statistics.median(kit.samples(f"{name}, {sessions} x {rate}/s"))
                if rate == 40:
                    kit.point(name, sessions, middle, x_label="sessions, 40 events/s", unit="us")


def _keep(kit: Kit, name: str, sessions: int, rate: int, seconds: float) -> None:
    shape = f"{sessions} x {rate}/s"
    base = f"{BASE}, {shape}" if name != BASE else None
    kit.sample(f"{name}, {shape}", seconds * 1e6, "us", base=base)
