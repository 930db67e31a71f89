"""Nodes as real processes over a real Redis: one is killed, and every session goes on.

``FLEET_SOAK=1`` runs the long form: 200 sessions, a node that is stopped for five seconds and
woken, a node that is killed, and a Redis that is stopped for six seconds and started again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import trio

import realtime_trio as rt
from realtime_trio._journal._recovery import recover_log
from realtime_trio._log._log_entries import RemoteEntry
from realtime_trio._log._state_snapshot import digest
from realtime_trio.fleet import Fleet, RedisLog, RemoteReceipt, RemoteSession

from .redis_server import RedisServer, running_redis

SOAK = os.environ.get("FLEET_SOAK") == "1"
SESSIONS = 200 if SOAK else 20
ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")


@contextmanager
def running_node(redis: RedisServer, url: str, name: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "realtime_trio", "node", "--log", redis.url]
    command += ["--dial", "tests.fleet.agents:dial", "--name", name, "--shards", "4"]
    command += ["--capacity", str(SESSIONS)]
    environment = {**os.environ, "FLEET_TEST_URL": url}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def owned(fleet: Fleet, by: str = "") -> None:
    """Every session has an owner that lives."""
    while True:
        alive = await fleet.nodes()
        seats = await fleet.sessions()
        if all(seat.node in alive and (seat.node or "").startswith(by) for seat in seats):
            return
        await trio.sleep(0.2)


async def ask_all(sessions: list[RemoteSession], text: str) -> list[RemoteReceipt]:
    found: list[RemoteReceipt] = []

    async def ask(session: RemoteSession) -> None:
        found.append(await session.send_text(text, key=f"{session.name} {text}"))

    async with trio.open_nursery() as nursery:
        for session in sessions:
            nursery.start_soon(ask, session)
    return found


async def answered(receipts: list[RemoteReceipt]) -> list[str]:
    """How each command ended."""
    for receipt in receipts:
        try:
            await receipt.sent()
        except (rt.InDoubt, rt.NotSent):
            continue
    return [receipt.status for receipt in receipts]


async def check(log: RedisLog, session: RemoteSession) -> None:
    """The follower has what the log gives, and no command was sent twice."""
    while True:
        info = await log.info(session.name)
        assert info is not None
        await session.reached(info.position)
        past = await recover_log(log, session.name)
        assert past is not None
        if past.fold.position == session.position:
            break
    assert digest(past.fold.state) == digest(session.state)
    sendings: list[int] = []
    position = info.first - 1
    while blocks := await log.read(session.name, position):
        for block in blocks:
            for _, _, item in block.items():
                if isinstance(item, RemoteEntry) and item.status == "sending":
                    sendings.append(item.number)
            position = block.last
    assert len(sendings) == len(set(sendings))


async def test_a_killed_node_is_followed_by_another() -> None:
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis("--appendonly", "yes"))
        log = RedisLog(redis.url, shards=4)
        async with rt.server.open_server() as server:
            url = await server.listen("127.0.0.1", 0)
            first_node = stack.enter_context(running_node(redis, url, "a"))
            async with rt.fleet.open_fleet(log) as fleet, trio.open_nursery() as nursery:
                sessions: list[RemoteSession] = []

                async def hold(
                    name: str, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
                ) -> None:
                    async with fleet.attach(name) as session:
                        sessions.append(session)
                        task_status.started()
                        await trio.sleep_forever()

                for number in range(SESSIONS):
                    await fleet.create(f"call-{number}")
                    await nursery.start(hold, f"call-{number}")
                with trio.fail_after(120):
                    await owned(fleet, "a-")
                    for session in sessions:
                        await session.ready()
                    first = await answered(await ask_all(sessions, "before"))
                assert first == ["sent"] * SESSIONS
                survivor = stack.enter_context(running_node(redis, url, "b"))
                with trio.fail_after(60):
                    while len(await fleet.nodes()) < 2:  # noqa: ASYNC110
                        await trio.sleep(0.1)
                receipts = await ask_all(sessions, "during")
                first_node.kill()
                with trio.fail_after(120):
                    await owned(fleet)
                    ends = await answered(receipts)
                    assert set(ends) <= {"sent", "in-doubt"}
                    for session in sessions:
                        await session.ready()
                    assert await answered(await ask_all(sessions, "after")) == ["sent"] * SESSIONS
                if SOAK:
                    survivor.send_signal(signal.SIGSTOP)
                    await trio.sleep(5)
                    survivor.send_signal(signal.SIGCONT)
                    redis.kill()
                    await trio.sleep(6)
                    redis.start()
                    with trio.fail_after(180):
                        await owned(fleet)
                        for session in sessions:
                            await session.ready()
                        later = await retried(sessions, "later")
                        assert set(await answered(later)) <= {"sent", "in-doubt"}
                with trio.fail_after(120):
                    for session in sessions:
                        await session.ready()
                        await check(log, session)
                nursery.cancel_scope.cancel()


async def retried(sessions: list[RemoteSession], text: str) -> list[RemoteReceipt]:
    """The same keys again, where the log failed in between: they are the same commands."""
    while True:
        try:
            return await ask_all(sessions, text)
        except* rt.JournalError:
            await trio.sleep(0.5)
