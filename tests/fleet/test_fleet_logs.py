"""The logs of a fleet keep what logs promise, and fence what fleets add."""

from __future__ import annotations

import ssl
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
import trio
import trio.testing
import trustme

import realtime_trio as rt
from realtime_trio._journal._log_store import LogClaim, LogGap, LogRewound, StoredSnapshot
from realtime_trio._log._log_block import BlockGroup
from realtime_trio._log._log_fold import LogFold
from realtime_trio._log._state_snapshot import StateSnapshot, write_snapshot
from realtime_trio.fleet import FleetLog, Spec
from realtime_trio.testing import check_log

from .redis_server import RedisServer, running_redis

Make = Callable[[], AbstractAsyncContextManager[FleetLog]]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@asynccontextmanager
async def memory() -> AsyncGenerator[FleetLog, None]:
    log = rt.fleet.MemoryLog()
    async with log.opened():
        yield log


@asynccontextmanager
async def sqlite() -> AsyncGenerator[FleetLog, None]:
    with TemporaryDirectory() as folder:
        log = rt.fleet.SqliteLog(Path(folder) / "fleet.db")
        async with log.opened():
            yield log


@pytest.fixture(params=["memory", "sqlite", "redis"])
def make(request: pytest.FixtureRequest) -> Make:
    if request.param == "memory":
        return memory
    if request.param == "sqlite":
        return sqlite
    server: RedisServer = request.getfixturevalue("redis")

    @asynccontextmanager
    async def opened() -> AsyncGenerator[FleetLog, None]:
        log = rt.fleet.RedisLog(server.url, shards=4)
        async with log.opened():
            await log._redis.command("flushall")
            yield log

    return opened


def _snapshot(position: int) -> StoredSnapshot:
    snapshot = StateSnapshot(position=position, at=1.0, cut=LogFold().cut())
    return StoredSnapshot(position=position, data=write_snapshot(snapshot))


def _groups(*texts: str) -> list[BlockGroup]:
    return [(1.0, list(texts))]


async def test_a_log_keeps_its_promises(make: Make) -> None:
    await check_log(make)


async def test_a_session_is_made_once(make: Make) -> None:
    async with make() as log:
        assert await log.seat("a") is None
        assert await log.create("a", Spec(labels={"user": "u1"}, agent_key="lawyer"))
        assert not await log.create("a", Spec())
        seat = await log.seat("a")
        assert seat is not None
        assert seat.spec == Spec(labels={"user": "u1"}, agent_key="lawyer")
        assert seat.node is None
        assert await log.seats() == [seat]
        await log.remove("a")
        assert await log.seats() == []
        assert await log.seat("a") is None


async def _held(log: FleetLog) -> LogClaim:
    """Create a session, hold it, and write two entries."""
    await log.create("a", Spec())
    (seat,) = await log.seats()
    claim = await log.seize(seat, "n1")
    assert claim is not None
    await log.append(claim, 1, _groups("1", "2"))
    return claim


async def test_the_owner_of_a_removed_session_cannot_write(make: Make) -> None:
    """Nor when it is created again, and has another owner."""
    async with make() as log:
        old = await _held(log)
        await log.remove("a")
        await log.remove("a")
        for again in (False, True):
            if again:
                assert await log.create("a", Spec(agent_key="lawyer"))
                (seat,) = await log.seats()
                assert seat.node is None
            for write in (log.beat(old), log.append(old, 3, _groups("3")), log.release(old)):
                with pytest.raises(rt.JournalInUse):
                    await write
        (seat,) = await log.seats()
        later = await log.seize(seat, "n2")
        assert later is not None
        assert later.token > old.token
        await log.append(later, 1, _groups("new"))
        with pytest.raises(rt.JournalInUse):
            await log.append(old, 2, _groups("late"))
        info = await log.info("a")
        assert info is not None
        assert info.position == 1
        assert await log.names() == ("a",)


async def test_the_newest_snapshot_is_the_one_of_the_last_position(make: Make) -> None:
    """A client that ends may store one of a position before a jump that it has just written."""
    async with make() as log:
        claim = await _held(log)
        await log.put_snapshot(claim, _snapshot(2))
        await log.put_gap(claim, LogGap(first=2, last=9, why="jumped"), _snapshot(9))
        await log.put_snapshot(claim, _snapshot(5))
        newest, *_ = await log.snapshots("a")
        assert newest.position == 9


async def test_of_two_nodes_one_seizes_a_session(make: Make) -> None:
    async with make() as log:
        await log.create("a", Spec())
        (seat,) = await log.seats()
        first, second = await log.seize(seat, "n1"), await log.seize(seat, "n2")
        assert first is not None
        assert second is None
        await log.append(first, 1, _groups("1"))
        (seat,) = await log.seats()
        assert seat.node == "n1"
        later = await log.seize(seat, "n2")
        assert later is not None
        with pytest.raises(rt.JournalInUse):
            await log.append(first, 2, _groups("late"))
        with pytest.raises(rt.JournalInUse):
            await log.release(first)
        with pytest.raises(rt.JournalInUse):
            await log.forget_commands(first, 1)
        await log.release(later)
        (seat,) = await log.seats()
        assert seat.node is None


async def test_a_lease_ends(make: Make) -> None:
    async with make() as log:
        await log.beat_node("n1", lease=30.0)
        await log.beat_node("n2", lease=0.000001)
        await trio.sleep(0.001)
        assert await log.nodes() == {"n1"}
        await log.end_node("n1")
        assert await log.nodes() == frozenset()


async def test_the_same_key_is_the_same_command(make: Make) -> None:
    async with make() as log:
        with pytest.raises(rt.fleet.NoSuchSession):
            await log.put_command("a", "k", "event", "{}")
        await log.create("a", Spec())
        one = await log.put_command("a", "k1", "event", '{"a": "é"}')
        two = await log.put_command("a", "k2", "cancel", "{}")
        again = await log.put_command("a", "k1", "event", '{"a": "é"}')
        assert again.number == one.number < two.number
        assert await log.commands("a", 0) == [one, two]
        assert await log.commands("a", one.number) == [two]


async def test_commands_are_forgotten_but_the_latest(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("_memory_fleet", "_shared_file", "_redis_fleet"):
        monkeypatch.setattr(f"realtime_trio.fleet.{module}.KEPT_COMMANDS", 2)
        monkeypatch.setattr(f"realtime_trio.fleet.{module}.MAX_COMMANDS", 5)
    async with make() as log:
        await log.create("a", Spec())
        numbers = [(await log.put_command("a", f"k{i}", "event", "{}")).number for i in range(5)]
        with pytest.raises(rt.fleet.QueueFull):
            await log.put_command("a", "k5", "event", "{}")
        (seat,) = await log.seats()
        claim = await log.seize(seat, "n1")
        assert claim is not None
        await log.forget_commands(claim, numbers[1])
        assert [each.number for each in await log.commands("a", 0)] == numbers[2:]
        await log.forget_commands(claim, numbers[4])
        assert [each.number for each in await log.commands("a", 0)] == numbers[3:]


async def test_waiting_gives_entries_commands_and_what_cannot_be_read_on(make: Make) -> None:
    async with make() as log:
        shard = 0
        name = next(f"s{i}" for i in range(100) if rt.fleet.shard_of(f"s{i}", log.shards) == shard)
        await log.create(name, Spec())
        claim = await log.claim(name)
        command = await log.put_command(name, "k", "event", "{}")
        await log.append(claim, 1, _groups("1", "2"))
        with trio.fail_after(5):
            news = await log.wait(shard, {name: 0}, {name: 0})
            found = [item for block in news.blocks[name] for _, _, item in block.items()]
            assert found == ["1", "2"]
            assert list(news.commands[name]) == [command]
            assert not news.stale
            await log.put_gap(claim, LogGap(first=3, last=9, why="jumped"), _snapshot(9))
            log.nudge(shard)
            while not (news := await log.wait(shard, {name: 2}, {})).stale:
                pass
            assert news.stale == {name}
            await log.append(claim, 10, _groups("10"))
            log.nudge(shard)
            while not (news := await log.wait(shard, {name: 9}, {})).blocks:
                pass
            assert [block.last for block in news.blocks[name]] == [10]


async def test_a_nudge_ends_the_waiting(make: Make) -> None:
    async with make() as log, trio.open_nursery() as nursery:
        nursery.start_soon(log.wait, 0, {}, {})
        await trio.testing.wait_all_tasks_blocked(0.05)
        log.nudge(0)


async def test_redis_that_is_away_is_named_without_its_secrets(tmp_path: Path) -> None:
    pytest.importorskip("coredis", reason="the extra redis is not installed")
    with pytest.raises(rt.JournalError, match=r"Redis at 127\.0\.0\.1:1 failed") as caught:
        async with rt.fleet.RedisLog("redis://user:hidden@127.0.0.1:1").opened():
            pass
    assert "hidden" not in str(caught.value)


async def test_redis_without_its_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "coredis", None)
    with pytest.raises(rt.JournalError, match=r"coredis: pip install 'realtime-trio\[redis\]'"):
        async with rt.fleet.RedisLog("redis://127.0.0.1:1").opened():
            pass


async def _refused(log: rt.fleet.RedisLog) -> None:
    with pytest.raises(rt.JournalError):
        async with log.opened():
            pass


@pytest.mark.parametrize(("host", "let_in"), [("127.0.0.1", True), ("redis.example", False)])
async def test_the_certificate_of_redis_has_to_name_its_host(
    tmp_path: Path, host: str, let_in: bool
) -> None:
    pytest.importorskip("coredis", reason="the extra redis is not installed")
    authority = trustme.CA()
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host).configure_cert(context)
    greeted = trio.Event()

    async def answer(stream: trio.SSLStream[trio.SocketStream]) -> None:
        with suppress(trio.BrokenResourceError):
            await stream.do_handshake()
            if await stream.receive_some():
                greeted.set()
            await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, answer, listeners)
        (listener,) = listeners
        sockets = cast("trio.SocketListener", listener.transport_listener)
        port = sockets.socket.getsockname()[1]
        url = f"rediss://127.0.0.1:{port}/?ssl_ca_certs={trusted}"
        with trio.fail_after(20):
            await _refused(rt.fleet.RedisLog(url))
        assert greeted.is_set() is let_in
        nursery.cancel_scope.cancel()


async def test_a_log_that_redis_has_lost_goes_on_in_another_epoch(redis: RedisServer) -> None:
    log = rt.fleet.RedisLog(redis.url, shards=4)
    async with log.opened():
        await log._redis.command("flushall")
        await log.create("a", Spec(labels={"user": "u1"}))
        (seat,) = await log.seats()
        claim = await log.seize(seat, "n1")
        assert claim is not None
        await log.append(claim, 1, _groups("1", "2", "3"))
        before = await log.info("a")
        await log._redis.command("flushall")
        with pytest.raises(LogRewound):
            await log.append(claim, 4, _groups("4"))
        await log.put_gap(claim, LogGap(first=4, last=5, why="jumped"), _snapshot(5))
        await log.append(claim, 6, _groups("6"))
        after = await log.info("a")
        assert before is not None
        assert after is not None
        assert before.epoch != after.epoch
        assert (after.position, after.gaps) == (6, (LogGap(first=1, last=5, why="jumped"),))
        (seat,) = await log.seats()
        assert (seat.node, seat.spec.labels) == ("n1", {"user": "u1"})


async def test_a_cancelled_call_harms_no_other(redis: RedisServer) -> None:
    log = rt.fleet.RedisLog(redis.url, shards=4)
    async with log.opened():
        await log._redis.command("flushall")
        with trio.fail_after(20):
            for delay in (0.0, 0.0005, 0.001, 0.3):
                with trio.move_on_after(delay):
                    await log.wait(0, {}, {})
                with trio.move_on_after(delay):
                    await log.create("a", Spec())
                await log.create("b", Spec())
            assert len(await log.seats()) >= 1
