"""Nodes and attached sessions on the virtual clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import pytest
import trio
import trio.testing

import realtime_trio as rt
from realtime_trio._journal._log_store import LogClaim
from realtime_trio._journal._log_writer import LogWriter
from realtime_trio._journal._recovery import recover_log
from realtime_trio._log._log_entries import RemoteEntry
from realtime_trio._log._state_snapshot import digest
from realtime_trio.fleet import MemoryLog, Node, RemoteSession, Seat
from realtime_trio.server import RealtimeServer

from .partition import PartitionedLog


@pytest.fixture(autouse=True)
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The virtual clock does not wait for threads, so what they do is done in place."""

    async def run_sync(call: Callable[..., object], *args: object, **_: object) -> object:
        await trio.lowlevel.checkpoint()
        return call(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", run_sync)


def lose_one(writer: LogWriter) -> None:
    """Drop an entry that was not written, as when the log was away for too long."""
    writer.append(writer._at, [RemoteEntry(0, "cursor")], 1)
    writer._drop()


DialTo = Callable[[rt.fleet.Claim], Awaitable[rt.fleet.Dial]]


def dial_to(server: RealtimeServer) -> DialTo:
    async def dial(claim: rt.fleet.Claim) -> rt.fleet.Dial:
        assert claim.session
        return rt.fleet.Dial(server.url, auth="any")

    return dial


@asynccontextmanager
async def attached(log: MemoryLog, name: str = "call-17") -> AsyncGenerator[RemoteSession, None]:
    async with rt.fleet.open_fleet(log) as fleet:
        await fleet.create(name)
        async with fleet.attach(name) as session:
            yield session


@asynccontextmanager
async def served(server: RealtimeServer, log: MemoryLog) -> AsyncGenerator[RemoteSession, None]:
    """Attach to a session that a node holds, and wait until it is ready."""
    async with rt.fleet.open_node(log, dial_to(server)), attached(log) as session:
        await session.ready()
        yield session


async def check_follower(log: MemoryLog, session: RemoteSession) -> None:
    """A follower has at its position what folding the log gives there."""
    while True:
        past = await recover_log(log, session.name)
        assert past is not None
        await session.reached(past.info.position)
        if past.fold.position == session.position:  # else something was written meanwhile
            break
    assert digest(past.fold.state) == digest(session.state)


async def commands_of(log: MemoryLog, name: str) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for block in await log.read(name, 0, 100_000):
        for _, _, item in block.items():
            if isinstance(item, RemoteEntry) and item.status != "cursor":
                found.append((item.number, item.status))
    return found


async def hold_node(
    log: MemoryLog,
    dial: DialTo,
    task_status: trio.TaskStatus[Node] = trio.TASK_STATUS_IGNORED,
) -> None:
    async with rt.fleet.open_node(log, dial) as node:
        task_status.started(node)
        await trio.sleep_forever()


async def test_a_session_is_asked_from_another_process(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    realtime_server.script(rt.testing.turn("Hello", text="Hi there, how are you?"))
    log = MemoryLog()
    async with (
        rt.fleet.open_node(log, dial_to(realtime_server)) as node,
        attached(log) as session,
    ):
        await session.ready()
        assert session.owner == node.name
        assert node.sessions == ("call-17",)
        async with session.ask("Hello") as turn:
            pieces = [piece async for piece in turn.text]
        assert "".join(pieces) == "Hi there, how are you?"
        assert isinstance(turn.outcome, rt.TurnCompleted)
        await check_follower(log, session)
        health = node.health()
        assert (health.sessions, health.open, health.error) == (1, 1, None)


async def test_the_same_key_is_sent_once(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    log = MemoryLog()
    async with (
        rt.fleet.open_node(log, dial_to(realtime_server)),
        attached(log) as session,
        rt.fleet.open_fleet(log) as other,
        other.attach("call-17") as elsewhere,
    ):
        first = await session.send_text("Hi", key="request-1")
        await first.accepted()
        await first.sent()
        await session.reached(first.position)
        again = await session.send_text("Hi", key="request-1")
        third = await elsewhere.send_text("Hi", key="request-1")
        assert first.number == again.number == third.number
        await again.sent()
        await third.sent()
        await third.durable()
        await session.ready()
        words = [word for _, word in await commands_of(log, "call-17")]
        assert words == ["accepted", "reserved", "sending", "sent"]
        async with session.ask("Hi", key="request-1") as turn:
            pass
        assert isinstance(turn.outcome, rt.TurnLost)


async def test_a_cancel_overtakes_what_waits(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    realtime_server.script(
        rt.testing.turn("Long", rt.testing.say("x"), rt.testing.wait(30.0), rt.testing.say("y"))
    )
    log = MemoryLog()
    async with (
        rt.fleet.open_node(log, dial_to(realtime_server)),
        attached(log) as session,
    ):
        async with session.ask("Long") as turn:
            assert await anext(aiter(turn.text)) == "x"
            waiting = await session.send_text("Later")
            await session.cancel()
            assert waiting.status == "accepted"
        assert isinstance(turn.outcome, rt.TurnCancelled)
        await waiting.sent()


async def leave_an_ask(session: RemoteSession) -> None:
    async with session.ask("Long") as turn:
        assert await anext(aiter(turn.text)) == "x"
        raise KeyError


async def test_leaving_an_ask_cancels_its_turn(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    realtime_server.script(rt.testing.turn("Long", rt.testing.say("x"), rt.testing.wait(20.0)))
    log = MemoryLog()
    async with (
        rt.fleet.open_node(log, dial_to(realtime_server)),
        attached(log) as session,
    ):
        with pytest.raises(KeyError):
            await leave_an_ask(session)
        with trio.fail_after(10):
            await session.ready()


async def test_a_drained_node_hands_its_sessions_over(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    log = MemoryLog()
    dial = dial_to(realtime_server)
    async with (
        attached(log) as session,
        rt.fleet.open_node(log, dial, name="a") as first,
        first.changes() as changes,
    ):
        await session.ready()
        async with rt.fleet.open_node(log, dial, name="b") as second:
            await first.drain()
            assert first.health().draining
            assert isinstance(await changes.receive(), rt.fleet.Claimed)
            released = await changes.receive()
            assert released == rt.fleet.Released(session="call-17", why="drained")
            with trio.fail_after(5):
                while "call-17" not in second.sessions:  # noqa: ASYNC110
                    await trio.sleep(0.1)
            async with session.ask("Hello") as turn:
                pass
            assert isinstance(turn.outcome, rt.TurnCompleted)
            assert session.owner == second.name
            await check_follower(log, session)


async def test_a_node_that_is_cut_off_is_followed(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    """It cannot write any more, closes its connection, and the turn's followers see the scar."""
    log = MemoryLog()
    cut_off = PartitionedLog(log)
    dial = dial_to(realtime_server)
    async with (
        attached(log) as session,
        rt.fleet.open_node(cut_off, dial, name="a") as first,
        first.changes() as changes,
    ):
        await session.ready()
        cut_off.pause()
        async with rt.fleet.open_node(log, dial, name="b") as second:
            began = trio.current_time()
            while "call-17" not in second.sessions:  # noqa: ASYNC110
                await trio.sleep(0.1)
            assert trio.current_time() - began < 4.0
            async with session.ask("Hello") as turn:
                pass
            assert isinstance(turn.outcome, rt.TurnCompleted)
            cut_off.wake()
            await changes.receive()
            with trio.fail_after(5):
                lost = await changes.receive()
            assert isinstance(lost, rt.fleet.Lost)
            assert first.sessions == ()
            await check_follower(log, session)


async def test_a_log_that_is_away_stops_nothing(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    log = MemoryLog()
    view = PartitionedLog(log)
    async with (
        attached(log) as session,
        rt.fleet.open_node(view, dial_to(realtime_server)) as node,
    ):
        await session.ready()
        view.away = True
        await trio.sleep(10.0)
        assert node.health().error == "the log is away"
        assert node.health().open == 1
        view.away = False
        await trio.sleep(10.0)
        assert node.health().error is None
        receipt = await session.send_text("Hello")
        with trio.fail_after(10):
            await receipt.sent()
        await check_follower(log, session)


async def test_a_lost_answer_of_the_log_is_no_gap(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    log = MemoryLog()
    view = PartitionedLog(log, seed=3)
    async with (
        attached(log) as session,
        rt.fleet.open_node(view, dial_to(realtime_server)),
    ):
        await session.ready()
        view.loses = 0.3
        for number in range(10):
            receipt = await session.send_text(f"Hello {number}")
            with trio.fail_after(60):
                await receipt.sent()
                await session.ready()
        view.loses = 0.0
        await trio.sleep(5)
        info = await log.info("call-17")
        assert info is not None
        assert info.gaps == ()
        await check_follower(log, session)


async def test_a_follower_that_is_slow_reads_on_by_itself(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    log = MemoryLog()
    config = rt.ClientConfig(text=rt.LaneBounds(max_items=8))
    async with (
        rt.fleet.open_node(log, dial_to(realtime_server)),
        rt.fleet.open_fleet(log) as fleet,
    ):
        await fleet.create("call-17")
        async with fleet.attach("call-17") as quick, fleet.attach("call-17", config=config) as slow:
            news = slow.text.subscribe(overflow=rt.Block(1))
            for number in range(200):
                receipt = await quick.send_text(f"Hello {number}")
                await receipt.sent()
                await quick.ready()
            news.close()
            await check_follower(log, quick)
            await check_follower(log, slow)
            assert digest(quick.state) == digest(slow.state)


async def test_a_jump_is_told(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    log = MemoryLog()
    async with attached(log) as session:
        jumps = session.subscribe(rt.Jumped)
        async with rt.fleet.open_node(log, dial_to(realtime_server)) as node:
            await session.ready()
            (run,) = node._runs.values()
            assert run.life is not None
            at = session.position
            lose_one(run.life.writer)
            receipt = await session.send_text("Hello")
            with trio.fail_after(20):
                await receipt.sent()
                jump = await jumps.receive()
            assert (jump.first, jump.why) == (at + 1, "jumped")
            await session.ready()
            await check_follower(log, session)


async def test_what_a_dead_node_had_reserved_is_in_doubt(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    log = MemoryLog()
    view = PartitionedLog(log)
    dial = dial_to(realtime_server)
    realtime_server.script(rt.testing.turn("Long", rt.testing.say("x"), rt.testing.wait(20.0)))
    async with attached(log) as session:
        async with rt.fleet.open_node(view, dial, name="a"):
            await session.ready()
            await (await session.send_text("Long")).sent()
            queued = await session.send_text("Hello")
            await queued.accepted()
            view.pause()
            async with rt.fleet.open_node(log, dial, name="b"):
                with trio.fail_after(60):
                    await queued.sent()  # accepted only, so the next owner sends it
            view.wake()
        words = await commands_of(log, "call-17")
        assert words.count((queued.number, "sending")) == 1
    async with rt.fleet.open_fleet(log) as fleet:
        (seat,) = await fleet.sessions()
        claim = await log.seize(seat, "n9")
        assert claim is not None
        info = await log.info("call-17")
        assert info is not None
        command = await log.put_command("call-17", "k", "event", '{"type": "ping"}')
        entries = [RemoteEntry(command.number, "accepted"), RemoteEntry(command.number, "reserved")]
        await log.append(claim, info.position + 1, [(1.0, list(entries))])
        async with fleet.attach("call-17") as session, rt.fleet.open_node(log, dial):
            receipt = await session.send_text("again", key="k")
            with trio.fail_after(10), pytest.raises(rt.InDoubt):
                await receipt.sent()


@pytest.mark.parametrize("how", ["cancelled", "raises"])
async def test_a_node_that_ends_early_does_not_wait_for_its_lease(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock, how: str
) -> None:
    """Its connections are closed, then its lease ends: another node takes over at once."""
    log = MemoryLog()
    dial = dial_to(realtime_server)
    async with attached(log) as session, trio.open_nursery() as nursery:
        with trio.CancelScope() as scope, suppress(KeyError):
            async with rt.fleet.open_node(log, dial, heartbeat=60.0) as node:
                await session.ready()
                other = await nursery.start(hold_node, log, dial)
                await trio.sleep(5.0)
                assert session.owner == node.name
                if how == "raises":
                    raise KeyError
                scope.cancel()
                await trio.sleep_forever()
        assert await log.nodes() == {other.name}
        assert realtime_server.statistics().connections == 0
        with trio.fail_after(5.0):
            while not other.health().takeovers:  # noqa: ASYNC110
                await trio.sleep(0.1)
            await session.ready()
        nursery.cancel_scope.cancel()


class CountedLog(MemoryLog):  # type: ignore[misc]  # final for users
    """Counts what a node asks of the log while nothing happens."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()

    async def beat(self, claim: LogClaim) -> None:
        """Count the check of a claim."""
        self.asked["beat"] += 1
        await super().beat(claim)

    async def seats(self) -> Sequence[Seat]:
        """Count the look at all seats."""
        self.asked["seats"] += 1
        return await super().seats()


@pytest.mark.parametrize("capacity", [40, 500])
async def test_idle_sessions_ask_nothing_of_the_log(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock, capacity: int
) -> None:
    """A node looks at all of them at once, whether it has room or not."""
    log = CountedLog()
    async with (
        rt.fleet.open_fleet(log) as fleet,
        rt.fleet.open_node(log, dial_to(realtime_server), capacity=capacity) as node,
    ):
        for number in range(40):
            await fleet.create(f"call-{number}")
        while node.health().open < 40:  # noqa: ASYNC110
            await trio.sleep(0.1)
        await trio.sleep(5.0)
        log.asked.clear()
        await trio.sleep(20.0)
        assert log.asked["beat"] == 0
        assert 9 <= log.asked["seats"] <= 70


@pytest.mark.parametrize("how", ["taken", "removed"])
@pytest.mark.parametrize("capacity", [1, 500])
async def test_a_node_notices_that_an_idle_session_is_no_longer_its_own(
    realtime_server: RealtimeServer,
    autojump_clock: trio.testing.MockClock,
    how: str,
    capacity: int,
) -> None:
    """Nothing is written, and no write is refused: it looks every two seconds at the latest."""
    log = MemoryLog()
    async with (
        attached(log) as session,
        rt.fleet.open_node(log, dial_to(realtime_server), capacity=capacity) as node,
        node.changes() as changes,
    ):
        await session.ready()
        await trio.sleep(3.0)
        began = trio.current_time()
        await log.beat_node("other", lease=600.0)
        if how == "taken":
            (seat,) = await log.seats()
            assert await log.seize(seat, "other") is not None
        else:
            await log.remove("call-17")
        while not isinstance(await changes.receive(), rt.fleet.Lost):
            pass
        assert trio.current_time() - began <= 2.5
        assert realtime_server.statistics().connections == 0


async def test_a_dial_that_fails_gives_the_session_back(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    log = MemoryLog()
    refused = 2

    async def dial(claim: rt.fleet.Claim) -> rt.fleet.Dial:
        nonlocal refused
        assert claim.labels == {"user": "u1"}
        if refused:
            refused -= 1
            message = "no such user"
            raise KeyError(message)
        return rt.fleet.Dial(realtime_server.url, auth="any")

    async with (
        rt.fleet.open_node(log, dial) as node,
        rt.fleet.open_fleet(log) as fleet,
        node.changes() as changes,
    ):
        await fleet.create("call-17", labels={"user": "u1"})
        async with fleet.attach("call-17") as session:
            await session.ready()
            assert await fleet.nodes() == {node.name}
        assert isinstance(await changes.receive(), rt.fleet.Claimed)
        assert await changes.receive() == rt.fleet.Released(
            session="call-17", why="it ended with KeyError"
        )


async def test_a_session_that_is_not_there_is_named(autojump_clock: trio.testing.MockClock) -> None:
    async with rt.fleet.open_fleet(MemoryLog()) as fleet:
        with pytest.raises(rt.fleet.NoSuchSession, match="call-17"):
            async with fleet.attach("call-17"):
                pass
        with pytest.raises(ValueError, match="braces"):
            await fleet.create("{x}")


async def test_errors_of_bodies_come_out_bare(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    log = MemoryLog()
    with pytest.raises(KeyError):
        async with rt.fleet.open_node(log, dial_to(realtime_server)), attached(log):
            raise KeyError
    with pytest.raises(ValueError, match="capacity"):
        async with rt.fleet.open_node(log, dial_to(realtime_server), capacity=0):
            pass
