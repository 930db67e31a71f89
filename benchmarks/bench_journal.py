"""What does a journal cost: per event, per commit, on disk, and when the log is folded again?"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import trio
import trio.testing

import realtime_trio as rt
from realtime_trio._journal._journal_file import JournalFile
from realtime_trio._log._log_block import LogBlock
from realtime_trio._log._log_fold import LogFold

from ._kit import Kit, Subject, each
from ._sockets import CONNECTORS, all_durable, connector, flooded, timed
from ._stats import percentile
from ._wires import Canned, flood_server, turns_heard
from .bench_latency import latencies
from .stream import EVENTS_A_TURN, mixed_stream

TITLE = "Journal: a client with and without one, and time travel"
PROCESSES = (1, 3)

NAME = "call"
_FAST = "websockets"
_RATE = 1_000
"""Events a second, for a second, where latency is measured."""


async def kept(frames: Sequence[str], turns: int, path: Path | None) -> float:
    """Open a client, let everything arrive, and time it until it is read and durable."""
    wire = Canned()
    config = rt.ClientConfig(ping_interval=None, turn_silence=None)
    journal = None if path is None else rt.Journal(path)
    async with rt.open_client(
        "memory://canned",
        auth="token",
        transport=wire,
        config=config,
        journal=journal,
        name=None if journal is None else NAME,
    ) as client:
        notes = client.text.subscribe()
        await trio.testing.wait_all_tasks_blocked(0.01)
        began = time.process_time()
        wire.play(frames)
        await turns_heard(notes, turns)
        await all_durable(client)
        return time.process_time() - began


def _in_memory(kit: Kit, folder: Path, turns: int) -> None:
    frames = [line.decode() for line in mixed_stream(turns)]
    numbers = iter(range(10_000))

    def without() -> float:
        return trio.run(partial(kept, frames, turns, None))

    def with_journal() -> float:
        return trio.run(partial(kept, frames, turns, folder / f"{next(numbers)}.db"))

    kit.rounds(
        {"in memory, without": without, "in memory, with a journal": with_journal},
        ops=len(frames),
        base="in memory, without",
        rounds=kit.pick(5, 9),
    )


def _over_a_socket(kit: Kit, folder: Path, turns: int) -> None:
    transport = connector(_FAST) if _FAST in CONNECTORS else None
    if transport is None:
        kit.note(f"{_FAST} is not installed: the figures over a socket are missing")
        return
    numbers = iter(range(10_000))
    with flood_server() as url:
        without = timed(flooded, url, transport, turns)

        def with_journal() -> float | None:
            journal = rt.Journal(folder / f"socket-{next(numbers)}.db")
            return timed(flooded, url, transport, turns, journal)()

        kit.rounds(
            {"over a socket, without": without, "over a socket, with a journal": with_journal},
            ops=turns * EVENTS_A_TURN,
            base="over a socket, without",
            rounds=kit.pick(5, 7),
        )


def _in_the_lane(kit: Kit, folder: Path) -> None:
    """How long an event takes to a subscriber, while the journal writes beside it."""
    transport = connector(_FAST) if _FAST in CONNECTORS else None
    if transport is None:
        return
    with flood_server() as url:
        for number in range(kit.pick(5, 9)):
            journal = rt.Journal(folder / f"lane-{number}.db")
            runs = {"lane p50, without": None, "lane p50, with a journal": journal}
            for label, kept_in in runs.items():
                found = trio.run(latencies, url, transport, _RATE, _RATE, kept_in)
                kit.sample(label, percentile(found, 0.5), "ms")


def _blocks(path: Path) -> list[LogBlock]:
    file = JournalFile(path, durability="none", zstd=False)
    file.open(owner=False)
    try:
        return file.read(NAME, 0, 1_000_000)
    finally:
        file.close()


def _again(kit: Kit, path: Path, lines: Sequence[bytes], turns: int) -> None:
    """Time folding the log and reading states from it."""
    journal = rt.Journal(path)

    async def write() -> None:
        wire = Canned()
        async with rt.open_client(
            "memory://canned", auth="token", transport=wire, journal=journal, name=NAME
        ) as client:
            notes = client.text.subscribe()
            await trio.testing.wait_all_tasks_blocked(0.01)
            wire.play([line.decode() for line in lines])
            await turns_heard(notes, turns)

    trio.run(write)
    figures = journal.statistics()
    kit.sample("commit p99", figures.commit_p99 * 1e3, "ms")
    kit.sample("bytes per event", figures.bytes_written / len(lines), "B")
    blocks = _blocks(path)

    def fold() -> None:
        folded = LogFold()
        for block in blocks:
            folded.apply(block)

    subjects: dict[str, Subject] = {"json.loads": each(json.loads, lines), "fold a log": fold}
    kit.rounds(subjects, ops=len(lines), base="json.loads")
    trio.run(_travel, kit, path)


async def _travel(kit: Kit, path: Path) -> None:
    async with rt.open_history(path, name=NAME) as history:
        times: list[float] = []
        step = max(1, history.last // 499)
        for position in range(1, history.last, step):
            began = time.perf_counter()
            history.at((position * 7919) % history.last)
            times.append(time.perf_counter() - began)
        times.sort()
        kit.sample("at() p99", times[len(times) * 99 // 100] * 1e3, "ms")


def measure(kit: Kit) -> None:
    """Time clients with and without a journal, interleaved; then read the journal of one."""
    turns = kit.pick(40, 180)
    long = kit.pick(90, 900)  # 200,000 events in full
    with TemporaryDirectory() as place:
        folder = Path(place)
        _in_memory(kit, folder, turns)
        _over_a_socket(kit, folder, kit.pick(30, 135))
        _in_the_lane(kit, folder)
        _again(kit, folder / "long.db", mixed_stream(long), long)
