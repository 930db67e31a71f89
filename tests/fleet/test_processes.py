"""Nodes as real processes over a real Redis: they are killed and paused, and every session goes on.

``FLEET_SOAK=200`` runs the long form: 200 sessions with traffic, a node that is stopped for five
seconds and woken, a node that is killed, and a Redis that is stopped for six seconds and started
again. Afterwards nothing is missing that was not told, nothing was sent twice, everything was
answered, and every follower has what the owner has.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import trio

import realtime_trio as rt
from realtime_trio._log._log_entries import RemoteEntry
from realtime_trio._log._state_snapshot import digest, digest_cut, read_snapshot
from realtime_trio.fleet import Fleet, RedisLog, RemoteReceipt, RemoteSession
from realtime_trio.server import RealtimeServer, ServerConfig

from .redis_server import RedisServer, running_redis

SOAK = int(os.environ.get("FLEET_SOAK", "0"))
SESSIONS = SOAK or 20
PAUSE = 8.0 if SOAK else 0.2
"""Seconds between two commands of a session."""
ROOT = Path(__file__).resolve().parents[2]
HEARTBEAT = 1.0
MANY = 200
OWNED_WITHIN = HEARTBEAT + 5.0
"""Seconds, for ``MANY`` sessions on a machine with nothing else to do."""
BEGAN = time.monotonic()

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")


def say(text: str) -> None:
    """For who reads along, with ``pytest -s``."""
    sys.stdout.write(f"{time.monotonic() - BEGAN:6.1f} s  {text}\n")
    sys.stdout.flush()


@contextmanager
def running_node(
    redis: RedisServer, url: str, name: str
) -> Generator[subprocess.Popen[bytes], None, None]:
    command = [sys.executable, "-m", "realtime_trio", "node", "--log", redis.url]
    command += ["--dial", "tests.fleet.agents:dial", "--name", name, "--shards", "4"]
    command += ["--capacity", str(SESSIONS), "--heartbeat", str(HEARTBEAT)]
    environment = {**os.environ, "FLEET_TEST_URL": url}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def owned(fleet: Fleet, *, gone: str = "-") -> None:
    """Every session has an owner that lives, and that is not the node ``gone``."""
    while True:
        try:
            alive = await fleet.nodes()
            seats = await fleet.sessions()
        except rt.JournalError:
            alive, seats = frozenset[str](), ()
        owners = {seat.node or "" for seat in seats}
        if seats and owners <= alive and not any(owner.startswith(gone) for owner in owners):
            return
        await trio.sleep(0.05)


async def owned_in_time(fleet: Fleet, *, gone: str = "-") -> None:
    began = trio.current_time()
    with trio.fail_after(60):
        await owned(fleet, gone=gone)
    took = trio.current_time() - began
    say(f"all sessions are owned after {took:.2f} s")
    assert SOAK < MANY or took <= OWNED_WITHIN


class Worker:
    """Follows sessions, asks them all the time, and keeps what it was told."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.sessions: list[RemoteSession] = []
        self.receipts: list[RemoteReceipt] = []
        self.outcomes: Counter[str] = Counter()
        self.jumps: dict[str, list[rt.Jumped]] = {}
        self.stopping = False
        self.asking = 0

    async def hold(
        self, name: str, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Attach to a session, and note its jumps."""
        jumps = self.jumps[name] = []
        async with self.fleet.attach(name) as session:
            self.sessions.append(session)
            async with session.subscribe(rt.Jumped) as told:
                task_status.started()
                async for jump in told:  # not a comprehension: others read the list meanwhile
                    jumps.append(jump)  # noqa: PERF401

    async def talk(self, session: RemoteSession, number: int) -> None:
        """Ask again and again, in turns and as plain commands."""
        self.asking += 1
        await trio.sleep(PAUSE * number / SESSIONS)
        count = 0
        while not self.stopping:
            count += 1
            text = f"{session.name} asks {count}"
            if count % 2:
                await self.ask(session, text)
            else:
                self.receipts.append(await send(session, text))
            await trio.sleep(PAUSE)
        self.asking -= 1

    async def ask(self, session: RemoteSession, text: str) -> None:
        while True:
            try:
                async with session.ask(text, key=text) as turn:
                    self.receipts.append(turn.receipt)
                    async for _ in turn.text:
                        pass
            except rt.JournalError:  # the same key again: it is the same command
                await trio.sleep(0.2)
                continue
            self.outcomes[type(turn.outcome).__name__] += 1
            return

    async def answers(self, count: int) -> None:
        """Wait until so many more turns were answered."""
        until = self.outcomes.total() + count
        while self.outcomes.total() < until:  # noqa: ASYNC110
            await trio.sleep(0.05)

    async def settled(self) -> list[str]:
        """Stop asking; give how each command ended."""
        self.stopping = True
        while self.asking:  # noqa: ASYNC110
            await trio.sleep(0.05)
        for receipt in self.receipts:
            try:
                await receipt.sent()
            except (rt.InDoubt, rt.NotSent):
                continue
        return [receipt.status for receipt in self.receipts]


async def send(session: RemoteSession, text: str) -> RemoteReceipt:
    """Send once, where the log fails in between: the same key is the same command."""
    while True:
        try:
            return await session.send_text(text, key=text)
        except rt.JournalError:
            await trio.sleep(0.2)


@asynccontextmanager
async def running_fleet(log: RedisLog) -> AsyncGenerator[tuple[Worker, trio.Nursery], None]:
    """All sessions, attached."""
    async with rt.fleet.open_fleet(log) as fleet, trio.open_nursery() as nursery:
        worker = Worker(fleet)
        for number in range(SESSIONS):
            await fleet.create(f"call-{number}")
            await nursery.start(worker.hold, f"call-{number}")
        yield worker, nursery
        nursery.cancel_scope.cancel()


async def check_log(log: RedisLog, session: RemoteSession, jumps: list[rt.Jumped]) -> None:
    """The log has no gap that was not told, and no command was sent twice."""
    info = await log.info(session.name)
    assert info is not None
    for gap in info.gaps:
        assert any(jump.first <= gap.last and gap.first <= jump.last for jump in jumps), gap
    sendings: list[int] = []
    position = info.first - 1
    while blocks := await log.read(session.name, position):
        for block in blocks:
            for _, _, item in block.items():
                if isinstance(item, RemoteEntry) and item.status == "sending":
                    sendings.append(item.number)
            position = block.last
    assert len(sendings) == len(set(sendings))
    assert position == info.position or info.gaps


async def check_owner_state(log: RedisLog, session: RemoteSession) -> None:
    """The follower has what the owner had when it left: a node leaves a snapshot of its state."""
    info = await log.info(session.name)
    assert info is not None
    assert info.clean
    await session.reached(info.position)
    assert session.position == info.position
    newest = (await log.snapshots(session.name))[0]
    snapshot = read_snapshot(newest.data)
    assert snapshot is not None
    assert digest_cut(snapshot.cut) == digest(session.state)


def check_sent_once(server: RealtimeServer) -> None:
    """No text came twice to the server."""
    texts: Counter[object] = Counter()
    for frame in server.seen:
        if frame.type == "text_input":
            event = frame.event
            assert event is not None
            texts[event["text"]] += 1
    twice = [text for text, count in texts.items() if count > 1]
    assert texts
    assert not twice


async def end(process: subprocess.Popen[bytes]) -> None:
    """Let a node drain and leave."""
    process.send_signal(signal.SIGTERM)
    with trio.fail_after(60):
        assert await trio.to_thread.run_sync(process.wait) == 0


async def check_all(
    log: RedisLog, worker: Worker, server: RealtimeServer, node: subprocess.Popen[bytes]
) -> None:
    """What must hold in the end."""
    with trio.fail_after(240):
        ends = Counter(await worker.settled())
        say(f"{ends} {worker.outcomes}")
        assert set(ends) <= {"sent", "in-doubt"}
        say("settled")
        for session in worker.sessions:
            await session.ready()
        say("ready")
        await end(node)
        say("ended")
        for session in worker.sessions:
            await check_log(log, session, worker.jumps[session.name])
            await check_owner_state(log, session)
        check_sent_once(server)


async def started(worker: Worker, nursery: trio.Nursery) -> None:
    """Both nodes are up, and every session has answered."""
    while len(await worker.fleet.nodes()) < 2:  # noqa: ASYNC110
        await trio.sleep(0.05)
    await owned(worker.fleet)
    for number, session in enumerate(worker.sessions):
        await session.ready()
        nursery.start_soon(worker.talk, session, number)
    await worker.answers(SESSIONS)
    say("every session talks")


async def test_a_killed_node_is_followed_by_another() -> None:
    """The short form."""
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis("--appendonly", "yes"))
        log = RedisLog(redis.url, shards=4)
        async with rt.server.open_server(ServerConfig(max_seen=1_000_000)) as server:
            url = await server.listen("127.0.0.1", 0)
            first = stack.enter_context(running_node(redis, url, "a"))
            second = stack.enter_context(running_node(redis, url, "b"))
            async with running_fleet(log) as (worker, nursery):
                with trio.fail_after(120):
                    await started(worker, nursery)
                    say("node a is killed")
                    first.kill()
                    await owned_in_time(worker.fleet, gone="a-")
                    await worker.answers(SESSIONS)
                await check_all(log, worker, server, second)


@pytest.mark.skipif(not SOAK, reason="the long form: make soak")
async def test_pauses_kills_and_an_outage_of_redis() -> None:
    """The long form."""
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis("--appendonly", "yes"))
        log = RedisLog(redis.url, shards=4)
        async with rt.server.open_server(ServerConfig(max_seen=1_000_000)) as server:
            url = await server.listen("127.0.0.1", 0)
            a = stack.enter_context(running_node(redis, url, "a"))
            b = stack.enter_context(running_node(redis, url, "b"))
            async with running_fleet(log) as (worker, nursery):
                with trio.fail_after(600):
                    await started(worker, nursery)
                    say("node a is paused")
                    a.send_signal(signal.SIGSTOP)
                    await owned_in_time(worker.fleet, gone="a-")
                    await trio.sleep(5)
                    a.send_signal(signal.SIGCONT)
                    await worker.answers(SESSIONS)
                    say("node b is killed")
                    b.kill()
                    await owned_in_time(worker.fleet, gone="b-")
                    await worker.answers(SESSIONS)
                    say("Redis is stopped")
                    redis.kill()
                    await trio.sleep(6)
                    redis.start()
                    await owned_in_time(worker.fleet)
                    await worker.answers(2 * SESSIONS)
                await check_all(log, worker, server, a)
