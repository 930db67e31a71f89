"""How commands end when something is missing, unreadable, late, or taken over."""

from __future__ import annotations

from collections import Counter

import pytest
import trio
import trio.testing

import realtime_trio as rt
from realtime_trio._journal._log_store import LogClaim, LogGap, StoredSnapshot
from realtime_trio._journal._recovery import recover_log
from realtime_trio._log._log_block import encode_block
from realtime_trio._log._log_entries import RemoteEntry
from realtime_trio._log._state_snapshot import StateSnapshot, write_snapshot
from realtime_trio.events import GetAgentsEvent
from realtime_trio.fleet import MemoryLog
from realtime_trio.server import RealtimeServer

from .partition import PartitionedLog
from .test_fleet import attached, check_follower, commands_of, dial_to, hold_node, served
from .test_fleet import no_threads as no_threads
from .test_followers import DELTA, NAME, written


def texts_at(server: RealtimeServer) -> Counter[object]:
    """What reached the server."""
    events = [frame.event for frame in server.seen if frame.type == "text_input"]
    return Counter(event["text"] for event in events if event is not None)


def long_turn(seconds: float) -> rt.server.ScriptedTurn:
    """Answer "Long" slowly."""
    return rt.testing.turn("Long", rt.testing.say("x"), rt.testing.wait(seconds))


# -- the owner -----------------------------------------------------------------------------


async def test_what_a_dead_node_had_accepted_and_the_queue_has_lost_is_not_sent(
    realtime_server: RealtimeServer,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The log fails at first; the queue is asked again until it answers."""
    log = MemoryLog()
    view = PartitionedLog(log)
    await log.create(NAME, rt.fleet.Spec())
    (seat,) = await log.seats()
    dead = await log.seize(seat, "dead")
    assert dead is not None
    lost = RemoteEntry(7, "accepted")
    await log.append(dead, 1, [(1.0, [lost])])
    failures = 2

    async def commands(name: str, after: int, limit: int = 64) -> object:
        nonlocal failures
        if failures:
            failures -= 1
            message = "the log is away"
            raise rt.JournalError(message)
        return await log.commands(name, after, limit)

    monkeypatch.setattr(view, "commands", commands, raising=False)
    async with (
        attached(log) as session,
        rt.fleet.open_node(view, dial_to(realtime_server)),
    ):
        with trio.fail_after(60):
            await session.ready()
        await trio.sleep(5.0)
        assert (7, "not-sent") in await commands_of(log, NAME)
        assert not failures


async def test_a_command_of_a_later_version_is_not_sent(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    """Those behind it are."""
    log = MemoryLog()
    async with served(realtime_server, log) as session:
        for key, frame in (("no json", "{"), ("no object", "[]"), ("no type", "{}")):
            await log.put_command(NAME, key, "event", frame)
            with pytest.raises(rt.NotSent):
                await (await session.send_text("x", key=key)).sent()
        await (await session.send_text("Hello")).sent()
        assert texts_at(realtime_server) == {"Hello": 1}
        await check_follower(log, session)


async def test_a_forced_command_does_not_wait_for_the_turn(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    realtime_server.script(long_turn(30.0))
    log = MemoryLog()
    async with served(realtime_server, log) as session:
        await (await session.send_text("Long")).sent()
        with trio.fail_after(5.0):
            await (await session.send(GetAgentsEvent(), force=True)).sent()


async def test_a_queue_that_cannot_be_shortened_is_still_sent(
    realtime_server: RealtimeServer,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = MemoryLog()
    asked = 0

    async def forget_commands(claim: LogClaim, upto: int) -> None:
        nonlocal asked
        asked += 1
        message = "the log is away"
        raise rt.JournalError(message)

    monkeypatch.setattr(log, "forget_commands", forget_commands)
    async with served(realtime_server, log) as session:
        receipts = [await session.send(GetAgentsEvent(), force=True) for _ in range(130)]
        with trio.fail_after(60):
            for receipt in receipts:
                await receipt.sent()
    assert asked == 2


async def test_a_node_that_drains_leaves_the_queue_to_the_next(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    """What it has accepted, and what arrives while the turn ends."""
    realtime_server.script(long_turn(10.0))
    log = MemoryLog()
    dial = dial_to(realtime_server)
    async with attached(log) as session:
        async with (
            rt.fleet.open_node(log, dial, name="a") as first,
            trio.open_nursery() as nursery,
        ):
            await session.ready()
            await (await session.send_text("Long")).sent()
            accepted = await session.send_text("accepted")
            await accepted.accepted()
            nursery.start_soon(first.drain)
            await trio.sleep(1.0)
            late = await session.send_text("late")
            await trio.sleep(2.0)
            assert (accepted.status, late.status) == ("accepted", "queued")
        async with rt.fleet.open_node(log, dial, name="b"):
            with trio.fail_after(60):
                await accepted.sent()
                await late.sent()
        assert texts_at(realtime_server) == {"Long": 1, "accepted": 1, "late": 1}


@pytest.mark.parametrize("kind", ["event", "cancel"])
async def test_a_command_is_not_sent_by_a_node_that_has_lost_the_session(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock, kind: str
) -> None:
    """It reads the command before it knows; the log refuses its word, so nothing goes out."""
    log = MemoryLog()
    async with (
        rt.fleet.open_node(log, dial_to(realtime_server), capacity=1) as node,
        attached(log) as session,
        node.changes() as changes,
    ):
        await session.ready()
        (seat,) = await log.seats()
        await log.beat_node("other", lease=600.0)
        assert await log.seize(seat, "other") is not None
        if kind == "cancel":
            await log.put_command(NAME, "k", "cancel", '{"type": "client_wants_cancel"}')
        else:
            await session.send_text("Hello")
        while not isinstance(await changes.receive(), rt.fleet.Lost):
            pass
        sent = [frame.type for frame in realtime_server.seen]
        assert "text_input" not in sent
        assert "client_wants_cancel" not in sent


# -- a follower ----------------------------------------------------------------------------


async def test_a_command_before_the_kept_ones_is_in_doubt(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The owner has read past it, and the log no longer says how it ended."""
    async with written() as it:
        await it.write(RemoteEntry(10, "cursor"))
        receipt = await it.session.send_text("Hello", key="old")
        with pytest.raises(rt.InDoubt, match="no longer contains"):
            await receipt.sent()
        async with it.session.ask("Hello", key="old") as turn:
            pass
        assert isinstance(turn.outcome, rt.TurnLost)


async def test_a_store_with_another_past_settles_what_it_knows(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It came back with the entries of another owner: what those say of commands counts."""
    async with written() as it:
        jumps = it.session.subscribe(rt.Jumped)
        sent = await it.session.send_text("sent")
        read = await it.session.send_text("read")
        async with it.session.ask("asked") as turn:
            await it.write(DELTA % "one", DELTA % "two", DELTA % "three")
            words = [
                RemoteEntry(sent.number, "sent"),
                RemoteEntry(read.number, "accepted"),
                RemoteEntry(turn.receipt.number, "sent"),
            ]
            kept = it.log._logs[NAME]
            kept.blocks, kept.position = [encode_block(1, [(1.0, list(words))])], 3
            it.log.nudge(0)
            jump = await jumps.receive()
        assert jump.why == "rewound"
        assert isinstance(turn.outcome, rt.TurnLost)
        await sent.sent()
        assert read.status == "accepted"


async def test_detaching_ends_a_turn_that_was_asked(
    autojump_clock: trio.testing.MockClock,
) -> None:
    outcomes: list[rt.Outcome] = []
    async with trio.open_nursery() as nursery, written() as it:

        async def ask() -> None:
            async with it.session.ask("Hello") as turn:
                pass
            outcomes.append(turn.outcome)

        nursery.start_soon(ask)
        await trio.sleep(1.0)
    assert [type(outcome) for outcome in outcomes] == [rt.TurnLost]


async def test_a_follower_that_attaches_later_knows_what_was_queued(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    realtime_server.script(long_turn(5.0))
    log = MemoryLog()
    async with served(realtime_server, log) as early:
        await (await early.send_text("Hello")).sent()
        await early.ready()
        await (await early.send_text("Long", key="k")).sent()
        async with attached(log) as late:
            assert (await late.send_text("Long", key="k")).status == "sent"
            await late.cancel()
            await late.ready()
            await check_follower(log, late)


async def test_no_command_is_sent_again_after_an_unfinished_jump(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    """Its node died before it had repeated behind the jump what became of the commands."""
    log = MemoryLog()
    async with trio.open_nursery() as nursery, attached(log) as session:
        await nursery.start(hold_node, log, dial_to(realtime_server))
        first = await session.send_text("first")
        await first.sent()
        nursery.cancel_scope.cancel()
    past = await recover_log(log, "call-17")
    assert past is not None
    end = past.info.position + 3
    cut = StateSnapshot(position=end, at=0.0, cut=past.fold.cut())
    await log.put_gap(
        await log.claim("call-17"),
        LogGap(first=past.info.position + 1, last=end, why="jumped"),
        StoredSnapshot(position=end, data=write_snapshot(cut)),
    )
    async with served(realtime_server, log) as session:
        second = await session.send_text("second")
        await second.sent()
        assert texts_at(realtime_server) == {"first": 1, "second": 1}
