"""The types of the fleet's public calls and attributes: checked, never run; see ``api.py``."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeVar, assert_type

import trio

import realtime_trio as rt
from realtime_trio._journal._log_store import LogClaim, LogGap, LogInfo, StoredSnapshot
from realtime_trio._journal._log_writer import LogWriter
from realtime_trio._lanes._statistics import PipelineStatistics
from realtime_trio._lanes._subscription import LaneView, Subscription
from realtime_trio._lanes._watch import Watch
from realtime_trio._log._log_block import BlockGroup, LogBlock
from realtime_trio._rest._tokens import AuthSource
from realtime_trio._transports._network import OpenStream
from realtime_trio._turns._channel import TurnChannel
from realtime_trio._turns._turn_progress import Subsession
from realtime_trio.abc import Connector
from realtime_trio.fleet._fleet_log import CommandKind
from realtime_trio.fleet._node import NodeChange
from realtime_trio.fleet._remote_receipt import RemoteStatus

T = TypeVar("T")

# ---- the calls ---------------------------------------------------------------------------


async def entered(block: AbstractAsyncContextManager[T]) -> T:
    async with block as value:
        return value


async def opening(log: rt.fleet.FleetLog, config: rt.ClientConfig) -> None:
    async def dial(claim: rt.fleet.Claim) -> rt.fleet.Dial:
        return rt.fleet.Dial("https://agents.example.com", auth=claim.labels["user"])

    node = rt.fleet.open_node(
        log, dial, capacity=500, name="n", heartbeat=1.0, dials=16, drain=30.0
    )
    assert_type(await entered(node), rt.fleet.Node)
    fleet = rt.fleet.open_fleet(log, config=config)
    assert_type(await entered(fleet), rt.fleet.Fleet)
    assert_type(rt.fleet.shard_of("call-17", 64), int)


def logs() -> None:
    kept: list[rt.fleet.FleetLog] = [
        rt.fleet.MemoryLog(),
        rt.fleet.SqliteLog("fleet.db", snapshots=2),
        rt.fleet.RedisLog("redis://localhost", shards=64, snapshots=2),
    ]
    assert_type(kept, list[rt.fleet.FleetLog])


# ---- a fleet and its sessions ------------------------------------------------------------


async def fleet(it: rt.fleet.Fleet, config: rt.ClientConfig) -> None:
    labels = {"user": "u1"}
    assert_type(
        await it.create("call-17", labels=labels, agent_key="support", chat_session_id="s1"), bool
    )
    assert_type(await it.remove("call-17"), None)
    assert_type(await it.sessions(), Sequence[rt.fleet.Seat])
    assert_type(await it.nodes(), frozenset[str])
    assert_type(await entered(it.attach("call-17", config=config)), rt.fleet.RemoteSession)


async def session(it: rt.fleet.RemoteSession, event: rt.events.TextInputEvent) -> None:
    assert_type(it.name, str)
    assert_type(it.state, rt.SessionState)
    assert_type(it.position, int)
    assert_type(it.owner, str | None)
    assert_type(it.exact, bool)
    assert_type(it.error, str | None)
    assert_type(it.control, LaneView)
    assert_type(it.text, LaneView)
    assert_type(it.audio, LaneView)
    assert_type(it.statistics(), PipelineStatistics)
    assert_type(it.watch(lambda state: state.turn.can_send_input), Watch[bool])
    assert_type(it.subscribe(rt.Jumped), Subscription[rt.Jumped])
    assert_type(await it.reached(17), None)
    assert_type(await it.ready(), None)
    assert_type(await it.send(event, key="k", force=True), rt.fleet.RemoteReceipt)
    assert_type(await it.send_text("Hi", file_ids=["f1"], key="k"), rt.fleet.RemoteReceipt)
    assert_type(await it.cancel(key="k"), None)
    assert_type(await entered(it.ask("Hi", file_ids=["f1"], key="k")), rt.fleet.RemoteTurn)


async def turn(it: rt.fleet.RemoteTurn) -> None:
    assert_type(it.text, TurnChannel[str])
    assert_type(it.thoughts, TurnChannel[str])
    assert_type(it.tools, TurnChannel[rt.ToolNotification])
    assert_type(it.media, TurnChannel[rt.Media])
    assert_type(it.subsessions, TurnChannel[Subsession])
    assert_type(it.receipt, rt.fleet.RemoteReceipt)
    assert_type(it.outcome, rt.Outcome)
    assert_type(await it.wait(), rt.Outcome)


async def receipt(it: rt.fleet.RemoteReceipt) -> None:
    assert_type(it.key, str)
    assert_type(it.number, int)
    assert_type(it.status, RemoteStatus)
    assert_type(it.position, int)
    assert_type(await it.accepted(), None)
    assert_type(await it.sent(), None)
    assert_type(await it.durable(), None)


# ---- a node ------------------------------------------------------------------------------


async def node(it: rt.fleet.Node) -> None:
    assert_type(it.name, str)
    assert_type(it.sessions, tuple[str, ...])
    assert_type(it.health(), rt.fleet.NodeHealth)
    assert_type(await entered(it.changes()), trio.MemoryReceiveChannel[NodeChange])
    assert_type(await it.drain(), None)


def health(it: rt.fleet.NodeHealth) -> None:
    assert_type(it.name, str)
    assert_type(it.sessions, int)
    assert_type(it.open, int)
    assert_type(it.capacity, int)
    assert_type(it.beat_age, float | None)
    assert_type(it.error, str | None)
    assert_type(it.draining, bool)
    assert_type(it.claims, int)
    assert_type(it.takeovers, int)
    assert_type(it.losses, int)


def claim(it: rt.fleet.Claim) -> None:
    assert_type(it.session, str)
    assert_type(it.labels, dict[str, str])
    assert_type(it.agent_key, str | None)
    assert_type(it.chat_session_id, str | None)
    assert_type(it.token, int)


def dialled(it: rt.fleet.Dial) -> None:
    assert_type(it.url, str)
    assert_type(it.auth, AuthSource)
    assert_type(it.agent_key, str | None)
    assert_type(it.chat_session_id, str | None)
    assert_type(it.config, rt.ClientConfig | None)
    assert_type(it.transport, Connector | None)
    assert_type(it.ssl_context, ssl.SSLContext | None)
    assert_type(it.proxy, str | None)
    assert_type(it.headers, Mapping[str, str] | None)
    assert_type(it.open_stream, OpenStream | None)


def claimed(it: rt.fleet.Claimed) -> None:
    assert_type(it.session, str)
    assert_type(it.took_over, str | None)


def released(it: rt.fleet.Released) -> None:
    assert_type(it.session, str)
    assert_type(it.why, str)


def lost(it: rt.fleet.Lost) -> None:
    assert_type(it.session, str)
    assert_type(it.why, str)


# ---- the log -----------------------------------------------------------------------------


def seat(it: rt.fleet.Seat) -> None:
    assert_type(it.name, str)
    assert_type(it.node, str | None)
    assert_type(it.token, int)
    assert_type(it.spec, rt.fleet.Spec)


def spec(it: rt.fleet.Spec) -> None:
    assert_type(it.labels, Mapping[str, str])
    assert_type(it.agent_key, str | None)
    assert_type(it.chat_session_id, str | None)


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
