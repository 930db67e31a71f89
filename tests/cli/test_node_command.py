"""``node``: a node of a fleet as a process; its health, its metrics and its end."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
import trio
from anyio.from_thread import start_blocking_portal

import realtime_trio as rt
from realtime_trio import testing as t
from realtime_trio.cli._node_page import metrics_text
from realtime_trio.fleet import NodeHealth, RemoteSession, SqliteLog
from realtime_trio.server import open_server
from tests.cli.command import Call, Done
from tests.cli.test_network_commands import end, read_until, start
from tests.fleet.redis_server import running_redis

DIAL = "tests.cli.node_dial:dial"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server with a slow answer."""
    slow = t.turn("Slow", t.say("one "), t.wait(0.5), t.say("two"))
    endless = t.turn("Endless", t.say("one "), t.wait(600.0), t.say("two"))
    with (
        start_blocking_portal("trio") as portal,
        portal.wrap_async_context_manager(open_server()) as server,
    ):
        portal.call(server.script, slow, endless)
        yield str(portal.call(server.listen))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def node(
    log: str | Path, url: str, *options: str
) -> Generator[subprocess.Popen[bytes], None, None]:
    process = start(
        *("node", "--log", log, "--dial", DIAL, "--heartbeat", "0.2", "--name", "n"),
        *options,
        NODE_TEST_URL=url,
    )
    with process:  # closes its pipes
        try:
            assert re.search(r"node n-[0-9a-f]{6} is up", read_until(process.stdout, "is up"))
            yield process
        finally:
            process.kill()


@asynccontextmanager
async def attached(path: Path) -> AsyncGenerator[RemoteSession, None]:
    async with rt.fleet.open_fleet(SqliteLog(path)) as fleet:
        await fleet.create("call-17", labels={"user": "u1"})
        async with fleet.attach("call-17") as session:
            with trio.fail_after(30):
                await session.ready()
            yield session


async def get(port: int, path: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"http://127.0.0.1:{port}{path}")


async def test_a_node_serves_its_health_and_drains(tmp_path: Path, url: str) -> None:
    """On SIGTERM the turn ends, the health reports it, and the session is released."""
    log, port = tmp_path / "fleet.db", free_port()
    with node(log, url, "--health", f"127.0.0.1:{port}", "--capacity", "7") as process:
        async with attached(log) as session:
            health = await get(port, "/health")
            assert health.status_code == 200
            found = health.json()
            assert (found["sessions"], found["open"], found["capacity"]) == (1, 1, 7)
            assert (found["draining"], found["error"], found["claims"]) == (False, None, 1)
            assert re.fullmatch(r"n-[0-9a-f]{6}", found["name"])
            assert found["beat_age"] >= 0
            metrics = await get(port, "/metrics")
            assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
            assert 'realtime_trio_node_sessions{status="open"} 1\n' in metrics.text
            assert "realtime_trio_node_capacity 7\n" in metrics.text
            assert 'realtime_trio_clients{status="open"} 1.0\n' in metrics.text
            async with session.ask("Slow") as turn:
                assert await anext(aiter(turn.text)) == "one "
                process.send_signal(signal.SIGTERM)
                with trio.fail_after(20):
                    while (answer := await get(port, "/")).status_code == 200:  # noqa: ASYNC110
                        await trio.sleep(0.01)
                assert answer.status_code == 503
                assert answer.json()["draining"] is True
            assert isinstance(turn.outcome, rt.TurnCompleted)
            assert await trio.to_thread.run_sync(end, process) == (0, "", "")
            async with rt.fleet.open_fleet(SqliteLog(log)) as fleet:
                (seat,) = await fleet.sessions()
                assert seat.node is None
                assert await fleet.nodes() == frozenset()


async def test_the_second_signal_does_not_wait(tmp_path: Path, url: str) -> None:
    log = tmp_path / "fleet.db"
    with node(log, url, "--drain", "600") as process:
        async with attached(log) as session:
            receipt = await session.send_text("Endless")
            await receipt.sent()
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGTERM)
            assert await trio.to_thread.run_sync(end, process) == (0, "", "")


async def test_a_drain_has_a_deadline(tmp_path: Path, url: str) -> None:
    log = tmp_path / "fleet.db"
    with node(log, url, "--drain", "0.1") as process:
        async with attached(log) as session:
            receipt = await session.send_text("Endless")
            await receipt.sent()
            process.send_signal(signal.SIGTERM)
            assert await trio.to_thread.run_sync(end, process) == (0, "", "")


async def test_runs_a_node_on_redis(url: str) -> None:
    with running_redis() as redis, node(redis.url, url, "--shards", "2") as process:
        async with rt.fleet.open_fleet(rt.fleet.RedisLog(redis.url, shards=2)) as fleet:
            await fleet.create("call-17", labels={"user": "u1"})
            async with fleet.attach("call-17") as session:
                with trio.fail_after(30):
                    await session.ready()
                async with session.ask("Hello") as turn:
                    pass
                assert isinstance(turn.outcome, rt.TurnCompleted)
        process.send_signal(signal.SIGTERM)
        assert end(process) == (0, "", "")


@pytest.mark.parametrize(
    ("path", "request_"),
    [("a request without a head", b"\r\n\r\n"), ("one that ends early", b"GET / HT")],
)
async def test_survives_a_broken_request(
    tmp_path: Path, url: str, path: str, request_: bytes
) -> None:
    assert path
    port = free_port()
    with node(tmp_path / "fleet.db", url, "--health", f"127.0.0.1:{port}"):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(request_)
            await stream.send_eof()
            async for _ in stream:
                pass
        assert (await get(port, "/health")).status_code == 200


REFUSED = {
    "a log with another scheme": (("--log", "mysql://x"), 2, "--log is redis://"),
    "a module that is not there": (("--dial", "no.such:dial"), 2, "no.such"),
    "a name that is not there": (("--dial", "tests.cli.node_dial:nothing"), 2, "nothing"),
    "no name": (("--dial", "tests.cli.node_dial"), 2, "MODULE:FUNCTION"),
    "what is no function": (
        ("--dial", "tests.cli.node_dial:NOT_A_FUNCTION"),
        2,
        "is not a function",
    ),
    "no capacity": (("--capacity", "0"), 2, "greater than 0"),
    "no dials": (("--dials", "0"), 2, "greater than 0"),
    "no heartbeat": (("--heartbeat", "0"), 2, "greater than 0"),
    "a negative drain": (("--drain", "-1"), 2, "--drain"),
    "a health without a port": (("--health", "localhost"), 2, "HOST:PORT"),
    "a port that is none": (("--health", "localhost:70000"), 2, "HOST:PORT"),
    "a log that cannot be reached": (("--log", "redis://127.0.0.1:1"), 1, "127.0.0.1:1 failed"),
    "an option that is none": (("--no-such", "1"), 2, "--no-such"),
}


def complaint(done: Done, status: int) -> str:
    """Return the message of a command that cannot continue: one line, no traceback."""
    said = done.err.decode()
    assert (done.status, done.out) == (status, b""), said
    assert said.count("\n") == 1
    return said.removeprefix("realtime-trio: ").strip()


@pytest.mark.parametrize("case", REFUSED)
def test_rejects_invalid_options(call: Call, case: str, tmp_path: Path) -> None:
    options, status, words = REFUSED[case]
    given = {"--log": str(tmp_path / "fleet.db"), "--dial": DIAL}
    given.update(zip(options[::2], options[1::2], strict=True))
    said = complaint(call("node", *(f"{name}={value}" for name, value in given.items())), status)
    assert words in said


def test_names_a_port_in_use(call: Call, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        done = call("node", "--log", tmp_path / "f.db", "--dial", DIAL, "--health", where)
    assert where in complaint(done, 1)


def test_serves_the_metrics_of_a_node() -> None:
    health = NodeHealth(
        name="n",
        sessions=5,
        open=3,
        capacity=9,
        beat_age=None,
        error="away",
        claims=12,
        takeovers=4,
        losses=2,
    )
    lines = metrics_text(health).splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert values == {
        'realtime_trio_node_sessions{status="open"}': "3",
        'realtime_trio_node_sessions{status="opening"}': "2",
        "realtime_trio_node_capacity": "9",
        "realtime_trio_node_draining": "0",
        "realtime_trio_node_log_failing": "1",
        "realtime_trio_node_claims_total": "12",
        "realtime_trio_node_takeovers_total": "4",
        "realtime_trio_node_losses_total": "2",
    }
    assert "# TYPE realtime_trio_node_claims_total counter" in lines


def test_a_counter_keeps_all_its_digits() -> None:
    health = NodeHealth(
        name="n", sessions=0, open=0, capacity=1, beat_age=0.5, error=None, claims=12_345_678
    )
    text = metrics_text(health)
    assert "realtime_trio_node_claims_total 12345678\n" in text
    assert "realtime_trio_node_heartbeat_age_seconds 0.5\n" in text
