"""The types of the protocol of a fleet's log: checked, never run; see ``api.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeVar, assert_type

import realtime_trio as rt
from realtime_trio._journal._log_store import LogClaim, LogGap, LogInfo, StoredSnapshot
from realtime_trio._journal._log_writer import LogWriter
from realtime_trio._log._log_block import BlockGroup, LogBlock
from realtime_trio.fleet._fleet_log import CommandKind

T = TypeVar("T")


async def entered(block: AbstractAsyncContextManager[T]) -> T:
    async with block as value:
        return value


def command(it: rt.fleet.FleetCommand) -> None:
    assert_type(it.number, int)
    assert_type(it.key, str)
    assert_type(it.kind, CommandKind)
    assert_type(it.frame, str)
    assert_type(it.position, int)


def news(it: rt.fleet.LogNews) -> None:
    assert_type(it.blocks, Mapping[str, Sequence[LogBlock]])
    assert_type(it.commands, Mapping[str, Sequence[rt.fleet.FleetCommand]])
    assert_type(it.stale, frozenset[str])


async def log(
    it: rt.fleet.FleetLog,
    mine: LogClaim,
    groups: Sequence[BlockGroup],
    gap: LogGap,
    snapshot: StoredSnapshot,
    there: rt.fleet.Seat,
) -> None:
    assert_type(it.shards, int)
    assert_type(it.full_audio, bool)
    assert_type(it.opened(), AbstractAsyncContextManager[None])
    assert_type(await it.create("call-17", rt.fleet.Spec()), bool)
    assert_type(await it.remove("call-17"), None)
    assert_type(await it.seats(), Sequence[rt.fleet.Seat])
    assert_type(await it.seat("call-17"), rt.fleet.Seat | None)
    assert_type(await it.beat_node("n1", lease=2.0), None)
    assert_type(await it.end_node("n1"), None)
    assert_type(await it.nodes(), frozenset[str])
    assert_type(await it.seize(there, "n1"), LogClaim | None)
    assert_type(await it.release(mine), None)
    assert_type(await it.put_command("call-17", "k", "event", "{}"), rt.fleet.FleetCommand)
    assert_type(await it.commands("call-17", 0, 64), Sequence[rt.fleet.FleetCommand])
    assert_type(await it.forget_commands(mine, 17), None)
    assert_type(await it.wait(0, {"call-17": 3}, {}), rt.fleet.LogNews)
    assert_type(it.nudge(0), None)
    # As in every log store.
    assert_type(await it.info("call-17"), LogInfo | None)
    assert_type(await it.names(), tuple[str, ...])
    assert_type(await it.claim("call-17"), LogClaim)
    assert_type(await it.append(mine, 1, groups), int)
    assert_type(await it.put_snapshot(mine, snapshot), None)
    assert_type(await it.put_gap(mine, gap, None), None)
    assert_type(await it.beat(mine), None)
    assert_type(await it.trim(mine), None)
    assert_type(await it.close(mine), None)
    assert_type(await it.read("call-17", 0, 64), Sequence[LogBlock])
    assert_type(await it.snapshots("call-17"), Sequence[StoredSnapshot])
    assert_type(it.writer(mine, position=0), LogWriter)


def errors(missing: rt.fleet.NoSuchSession, full: rt.fleet.QueueFull) -> None:
    failed: list[rt.JournalError] = [missing, full]
    assert_type(failed, list[rt.JournalError])
