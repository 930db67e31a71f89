"""What a real Redis can do to a fleet: each has an outcome that is told, and nothing is skipped.

A node and a follower in one process, over a Redis that is stopped, restarted with and without
its data, emptied, trimmed and full. Each test waits for what it needs, never for a time.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
import trio

import realtime_trio as rt
from realtime_trio._journal._log_store import LogClaim, StoredSnapshot
from realtime_trio._journal._recovery import recover_log
from realtime_trio._log._log_entries import RemoteEntry
from realtime_trio._log._log_fold import LogFold
from realtime_trio._log._state_snapshot import StateSnapshot, digest, write_snapshot
from realtime_trio.fleet import Fleet, Node, RedisLog, RemoteSession, Spec
from realtime_trio.fleet._redis_host import RedisHost
from realtime_trio.server import RealtimeServer, ScriptedTurn

from .redis_server import RedisServer, running_redis
from .test_fleet import dial_to

NAME = "call-17"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for seconds in production waits shorter here."""
    monkeypatch.setattr("realtime_trio.fleet._redis_host._TIMEOUT", 1.0)
    monkeypatch.setattr("realtime_trio.fleet._redis_fleet.WAIT", 0.1)
    monkeypatch.setattr("realtime_trio.fleet._follower._QUIET", 0.3)
    monkeypatch.setattr("realtime_trio.fleet._follower._OWNER_JUMPS", 0.5)
    monkeypatch.setattr("realtime_trio._journal._log_writer._BEAT", 0.1)
    monkeypatch.setattr("realtime_trio._journal._log_writer._PAUSES", (0.1,))


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running_redis("--appendonly", "yes") as server:
        yield server


@pytest.fixture
def forgetful() -> Iterator[RedisServer]:
    """A Redis that keeps nothing on disk."""
    with running_redis() as server:
        yield server


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(20):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.01)


@asynccontextmanager
async def fleet_on(
    server: RealtimeServer, log: RedisLog
) -> AsyncGenerator[tuple[Node, RemoteSession], None]:
    async with (
        rt.fleet.open_node(log, dial_to(server), heartbeat=0.2, drain=2.0) as node,
        rt.fleet.open_fleet(log) as fleet,
    ):
        await fleet.create(NAME, labels={"user": "u1"})
        async with fleet.attach(NAME) as session:
            with trio.fail_after(20):
                await session.ready()
            yield node, session


def texts(session: RemoteSession) -> list[str]:
    (chat,) = session.state.sessions.values()
    return [str(message.content) for message in chat.messages]


async def ask(session: RemoteSession, text: str) -> rt.Outcome:
    with trio.fail_after(20):
        async with session.ask(text, key=text) as turn:
            pass
    return turn.outcome


async def check_state(log: RedisLog, session: RemoteSession) -> None:
    """The follower has what folding the log gives at its end."""
    with trio.fail_after(20):
        while True:
            past = await recover_log(log, session.name)
            assert past is not None
            await session.reached(past.info.position)
            if past.fold.position == session.position:
                break
    assert digest(past.fold.state) == digest(session.state)


def long_turn(seconds: float) -> ScriptedTurn:
    """Answer "Long" with "x" and, so many seconds later, with "y"."""
    return rt.testing.turn(
        "Long", rt.testing.say("x"), rt.testing.wait(seconds), rt.testing.say("y")
    )


async def test_redis_hangs_for_a_while(realtime_server: RealtimeServer, redis: RedisServer) -> None:
    """It is told, nothing is lost, and the node keeps its session."""
    log = RedisLog(redis.url, shards=2)
    async with fleet_on(realtime_server, log) as (node, session), node.changes() as changes:
        jumps = session.subscribe(rt.Jumped)
        assert redis.process is not None
        redis.process.send_signal(signal.SIGSTOP)
        try:
            await until(lambda: node.health().error and session.error)
            with pytest.raises(rt.JournalError, match="Redis at"):
                await session.send_text("Hello", key="k")
        finally:
            redis.process.send_signal(signal.SIGCONT)
        receipt = await session.send_text("Hello", key="k")
        with trio.fail_after(20):
            await receipt.sent()
            await session.ready()
        await until(lambda: node.health().error is None and session.error is None)
        await check_state(log, session)
        assert node.health().sessions == 1
        with pytest.raises(trio.WouldBlock):
            changes.receive_nowait()
        assert jumps.statistics().depth == 0


async def test_a_node_that_is_cancelled_ends_its_lease(
    realtime_server: RealtimeServer, redis: RedisServer
) -> None:
    """The log works until the node has left: no other node waits for the lease to expire."""
    log = RedisLog(redis.url, shards=2)
    with trio.CancelScope() as scope:
        async with fleet_on(realtime_server, log) as (node, session):
            assert session.owner == node.name
            scope.cancel()
            await trio.sleep_forever()
    async with log.opened():
        assert await log.nodes() == frozenset()


async def test_a_node_that_is_cancelled_while_redis_hangs_leaves_soon(
    realtime_server: RealtimeServer, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits a second for the end of its lease, which otherwise expires."""
    monkeypatch.setattr("realtime_trio.fleet._redis_host._TIMEOUT", 60.0)
    log = RedisLog(redis.url, shards=2)
    assert redis.process is not None
    with trio.fail_after(20), trio.CancelScope() as scope:
        async with fleet_on(realtime_server, log):
            redis.process.send_signal(signal.SIGSTOP)
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught


async def test_opening_that_is_cancelled_at_its_last_step_ends(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connections are closed, although nothing has got hold of them yet."""
    with trio.CancelScope() as scope:

        async def check(host: RedisHost) -> None:
            await real_check(host)
            scope.cancel()

        real_check = RedisHost.check
        monkeypatch.setattr(RedisHost, "check", check)
        async with RedisLog(redis.url).opened():
            await trio.sleep_forever()
    assert scope.cancelled_caught


async def test_a_removed_session_stays_removed(
    realtime_server: RealtimeServer, redis: RedisServer
) -> None:
    """Its node closes the connection; it does not take it for one that Redis has lost."""
    log = RedisLog(redis.url, shards=2)
    async with (
        fleet_on(realtime_server, log) as (node, session),
        node.changes() as changes,
        rt.fleet.open_fleet(log) as fleet,
    ):
        await fleet.remove(NAME)
        with trio.fail_after(20):
            change = await changes.receive()
        assert isinstance(change, rt.fleet.Lost)
        assert "removed" in change.why
        assert realtime_server.statistics().connections == 0
        await until(lambda: session.error)
        assert "no longer exists" in str(session.error)
        assert await fleet.sessions() == []
        assert await fleet.create(NAME)
        await until(lambda: session.owner == node.name and session.error is None)
        with trio.fail_after(20):
            await session.ready()
        await check_state(log, session)


async def test_redis_is_restarted_with_its_data(
    realtime_server: RealtimeServer, redis: RedisServer
) -> None:
    """Nothing is lost and nothing jumps; what happened meanwhile comes from the node's buffer."""
    realtime_server.script(long_turn(1.0))
    log = RedisLog(redis.url, shards=2)
    async with fleet_on(realtime_server, log) as (node, session):
        jumps = session.subscribe(rt.Jumped)
        async with session.ask("Long") as turn:
            assert await anext(aiter(turn.text)) == "x"
            redis.kill()
            await until(lambda: node.health().error and session.error)
            redis.start()
            with trio.fail_after(20):
                assert await anext(aiter(turn.text)) == "y"
        assert isinstance(turn.outcome, rt.TurnCompleted)
        await until(lambda: node.health().error is None and session.error is None)
        await check_state(log, session)
        info = await log.info(NAME)
        assert info is not None
        assert info.gaps == ()
        assert jumps.statistics().depth == 0


async def test_redis_is_restarted_without_its_data(
    realtime_server: RealtimeServer, forgetful: RedisServer
) -> None:
    """The node makes the session anew, with its labels, and the follower jumps to its state."""
    log = RedisLog(forgetful.url, shards=2)
    async with fleet_on(realtime_server, log) as (node, session):
        jumps = session.subscribe(rt.Jumped)
        assert isinstance(await ask(session, "Before"), rt.TurnCompleted)
        before, at = await log.info(NAME), session.position
        before_it = texts(session)
        forgetful.kill()
        await until(lambda: node.health().error and session.error)
        forgetful.start()
        with trio.fail_after(20):
            jump = await jumps.receive()
        assert (jump.first, jump.why) == (at + 1, "rewound")
        assert texts(session) == before_it
        assert isinstance(await ask(session, "After"), rt.TurnCompleted)
        await check_state(log, session)
        after, (seat,) = await log.info(NAME), await log.seats()
        assert before is not None
        assert after is not None
        assert after.epoch != before.epoch
        assert (seat.node, seat.spec.labels) == (node.name, {"user": "u1"})


async def test_redis_is_emptied(realtime_server: RealtimeServer, redis: RedisServer) -> None:
    """A command that only the queue had is not sent, and says so; the session goes on."""
    realtime_server.script(long_turn(0.5))
    log = RedisLog(redis.url, shards=2)
    async with fleet_on(realtime_server, log) as (node, session):
        jumps = session.subscribe(rt.Jumped)
        async with session.ask("Long") as turn:
            assert await anext(aiter(turn.text)) == "x"
            await log._redis.command("flushall")
            with trio.fail_after(20):
                jump = await jumps.receive()
        assert jump.why == "rewound"
        assert isinstance(turn.outcome, rt.TurnLost)
        with trio.fail_after(20):
            await session.ready()
        assert isinstance(await ask(session, "After"), rt.TurnCompleted)
        await check_state(log, session)
        assert session.owner == node.name


async def test_an_emptied_redis_without_an_owner_is_told(redis: RedisServer) -> None:
    """Nobody has the session then: the follower says so, and its commands were not sent."""
    log = RedisLog(redis.url, shards=2)
    async with rt.fleet.open_fleet(log) as fleet:
        await fleet.create(NAME)
        async with fleet.attach(NAME) as session:
            receipt = await session.send_text("Hello")
            assert session.owner is None
            await log._redis.command("flushall")
            await until(lambda: session.error)
            assert "'call-17' no longer exists" in str(session.error)
            with pytest.raises(rt.fleet.NoSuchSession):
                await session.send_text("again")
            await fleet.create(NAME)
            with trio.fail_after(20), pytest.raises(rt.NotSent, match="lost the command"):
                await receipt.sent()
            await until(lambda: session.error is None)


# -- without a node: the log is written by the test ----------------------------------------


@asynccontextmanager
async def written(redis: RedisServer) -> AsyncGenerator[tuple[RedisLog, Fleet, LogClaim], None]:
    """A session whose log the test writes."""
    log = RedisLog(redis.url, shards=1)
    async with rt.fleet.open_fleet(log) as fleet:
        await log.create(NAME, Spec())
        (seat,) = await log.seats()
        claim = await log.seize(seat, "n1")
        assert claim is not None
        yield log, fleet, claim


def ping(number: int) -> str:
    return f'{{"type": "ping", "id": "{number}"}}'


async def write(log: RedisLog, claim: LogClaim, first: int, last: int) -> None:
    for number in range(first, last + 1):
        await log.append(claim, number, [(float(number), [ping(number)])])


async def put_snapshot(log: RedisLog, claim: LogClaim, position: int) -> None:
    past = await recover_log(log, NAME)
    assert past is not None
    fold = past.fold if past.fold.position == position else LogFold()
    snapshot = StateSnapshot(position=position, at=1.0, cut=fold.cut())
    await log.put_snapshot(claim, StoredSnapshot(position=position, data=write_snapshot(snapshot)))


LOG, OWN, SNAP, QUEUE = (f"rt:{{0}}:{NAME}:{kind}" for kind in ("log", "own", "snap", "cmd"))
RESTORE = """
for i, key in ipairs(KEYS) do
  redis.call('DEL', key)
  if ARGV[i] ~= '' then redis.call('RESTORE', key, 0, ARGV[i]) end
end
"""


async def saved(log: RedisLog) -> list[bytes]:
    """What Redis has of the log, as a backup has it."""
    found = [await log._redis.command("dump", key) for key in (LOG, OWN, SNAP)]
    return [each or b"" for each in found]


async def restore(log: RedisLog, data: list[bytes]) -> None:
    """Let Redis have a log as it was saved, from one moment to the next."""
    await log._redis.run(lambda: log._redis._main.eval(RESTORE, keys=[LOG, OWN, SNAP], args=data))


async def trim(log: RedisLog, key: str, length: int) -> None:
    await log._redis.command("xtrim", key, trim_strategy=b"MAXLEN", threshold=length)


async def test_a_stream_that_is_trimmed_below_a_follower_jumps(redis: RedisServer) -> None:
    """The follower was too slow: it goes on from the snapshot, and says so."""
    async with written(redis) as (log, fleet, claim):
        await write(log, claim, 1, 5)
        early = await saved(log)
        await write(log, claim, 6, 20)
        await put_snapshot(log, claim, 20)
        await trim(log, LOG, 3)
        late = await saved(log)
        await restore(log, early)
        async with fleet.attach(NAME) as session:
            jumps = session.subscribe(rt.Jumped)
            await session.reached(5)
            await restore(log, late)
            with trio.fail_after(20):
                jump = await jumps.receive()
                await write(log, claim, 21, 22)
                await session.reached(22)
            assert (jump.first, jump.last, jump.why) == (6, 20, "trimmed")
            assert session.error is None
            await check_state(log, session)


async def test_a_trimmed_stream_without_a_snapshot_stands_still_and_says_so(
    redis: RedisServer,
) -> None:
    """Somebody else has trimmed it. A later snapshot lets the follower go on."""
    async with written(redis) as (log, fleet, claim):
        await write(log, claim, 1, 5)
        early = await saved(log)
        await write(log, claim, 6, 20)
        await trim(log, LOG, 3)
        late = await saved(log)
        await restore(log, early)
        async with fleet.attach(NAME) as session:
            jumps = session.subscribe(rt.Jumped)
            await session.reached(5)
            await restore(log, late)
            await until(lambda: session.error)
            assert "lost entries from 6 on" in str(session.error)
            assert session.position == 5
            await put_snapshot(log, claim, 20)
            with trio.fail_after(20):
                assert (await jumps.receive()).last == 20
            await until(lambda: session.error is None)


@asynccontextmanager
async def session_stands_still(session: RemoteSession) -> AsyncGenerator[None, None]:
    """Nothing is fed within this block, as in a process that is busy elsewhere."""
    async with session._follower.putting:
        yield


async def test_a_slow_follower_reads_on_by_itself(redis: RedisServer) -> None:
    """It misses nothing, and the others do not wait for it."""
    async with (
        written(redis) as (log, fleet, claim),
        fleet.attach(NAME) as slow,
        fleet.attach(NAME) as quick,
    ):
        jumps = slow.subscribe(rt.Jumped)
        async with session_stands_still(slow):
            await write(log, claim, 1, 150)
            with trio.fail_after(20):
                await quick.reached(150)
            assert slow.position == 0
        with trio.fail_after(20):
            await slow.reached(150)
        assert digest(slow.state) == digest(quick.state)
        assert jumps.statistics().depth == 0


async def test_a_queue_that_is_trimmed_is_told(redis: RedisServer) -> None:
    """The owner reads the next command, and so the one before it was lost."""
    async with written(redis) as (log, fleet, claim), fleet.attach(NAME) as session:
        lost = await session.send_text("lost")
        kept = await session.send_text("kept")
        await trim(log, QUEUE, 1)
        (found,) = await log.commands(NAME, 0)
        assert found.number == kept.number
        entry = RemoteEntry(found.number, "accepted")
        await log.append(claim, 1, [(1.0, [entry])])
        with trio.fail_after(20):
            await kept.accepted()
            with pytest.raises(rt.NotSent, match="lost the command"):
                await lost.sent()


async def test_a_store_that_came_back_older_is_not_continued(redis: RedisServer) -> None:
    """A new owner has continued an older state, past where the follower was: it begins anew."""
    async with written(redis) as (log, fleet, claim):
        await write(log, claim, 1, 3)
        old = redis.files()
        await write(log, claim, 4, 8)
        async with fleet.attach(NAME) as session:
            jumps = session.subscribe(rt.Jumped)
            await session.reached(8)
            async with session_stands_still(session):
                redis.kill()
                await until(lambda: session.error)
                redis.start(old)
                (seat,) = await log.seats()
                later = await log.seize(seat, "n2")
                assert later is not None
                for number in range(4, 11):
                    await log.append(later, number, [(100.0 + number, [ping(number)])])
            with trio.fail_after(20):
                jump = await jumps.receive()
                await session.reached(10)
            assert jump.why == "rewound"
            await check_state(log, session)


async def test_a_store_that_came_back_shorter_takes_the_follower_back(redis: RedisServer) -> None:
    """Nobody makes it a new epoch, so its owner is gone: what it has now counts."""
    async with written(redis) as (log, fleet, claim):
        await write(log, claim, 1, 3)
        old = await saved(log)
        await write(log, claim, 4, 8)
        async with fleet.attach(NAME) as session:
            jumps = session.subscribe(rt.Jumped)
            await session.reached(8)
            await restore(log, old)
            await until(lambda: session.error)
            assert "ends at 3, before 8" in str(session.error)
            with trio.fail_after(20):
                jump = await jumps.receive()
            assert (jump.first, jump.last, jump.why) == (4, 3, "rewound")
            await write(log, claim, 4, 5)
            with trio.fail_after(20):
                await session.reached(5)
            await check_state(log, session)


async def test_a_redis_that_is_full_is_told(
    realtime_server: RealtimeServer, redis: RedisServer
) -> None:
    """Writes are refused, so nothing is lost; they go on when there is room."""
    realtime_server.script(long_turn(0.5))
    log = RedisLog(redis.url, shards=2)
    async with fleet_on(realtime_server, log) as (node, session):
        receipt = await session.send_text("Long")
        with trio.fail_after(20):
            await receipt.sent()
        await log._redis.command("config_set", {"maxmemory": "1"})
        await until(lambda: node.health().error)
        assert "maxmemory" in str(node.health().error)
        with pytest.raises(rt.JournalError, match="maxmemory"):
            await session.send_text("Hello", key="k")
        await log._redis.command("config_set", {"maxmemory": "0"})
        receipt = await session.send_text("Hello", key="k")
        with trio.fail_after(20):
            await receipt.sent()
            await session.ready()
        await check_state(log, session)


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
async def test_redis_that_evicts_is_refused(policy: str) -> None:
    with (
        running_redis("--maxmemory", "50mb", "--maxmemory-policy", policy) as server,
        pytest.raises(rt.JournalError, match=f"maxmemory-policy {policy}"),
    ):
        async with RedisLog(server.url).opened():
            pass


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru"])
async def test_redis_that_keeps_what_does_not_expire_is_accepted(policy: str) -> None:
    with running_redis("--maxmemory", "50mb", "--maxmemory-policy", policy) as server:
        async with RedisLog(server.url).opened():
            pass


@pytest.mark.parametrize("login", ["", "?password=wrong", "?username=nobody&password=right"])
async def test_a_login_that_redis_refuses_is_told_at_the_start(login: str) -> None:
    """A node that waits for Redis to accept it would wait forever."""
    with running_redis("--requirepass", "right") as server:
        with pytest.raises(rt.JournalError, match=r"Redis at .*Authentication") as caught:
            async with RedisLog(f"{server.url}{login}").opened():
                pass
        assert "wrong" not in str(caught.value)
        async with RedisLog(f"{server.url}?password=right").opened():
            pass


@pytest.mark.parametrize("url", ["", "localhost:6379", "http://localhost", "redis://", "unix://"])
def test_another_url_is_refused_by_name(url: str) -> None:
    with pytest.raises(ValueError, match="redis://HOST:PORT"):
        RedisLog(url)
