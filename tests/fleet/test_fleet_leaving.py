"""Leave the blocks of a fleet at any moment: nothing but the cancellation is raised."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

import realtime_trio as rt
from realtime_trio import events as ev
from realtime_trio._session._unwrapping_nursery import outliving_nursery
from realtime_trio.fleet import MemoryLog, RemoteSession, Spec
from realtime_trio.server import RealtimeServer
from realtime_trio.testing import turn, wait

from .test_fleet import dial_to
from .test_fleet import no_threads as no_threads

TIMES = 4  # trio orders the tasks of a round at random


@pytest.mark.parametrize("around", ["the session", "the fleet"])
async def test_a_cancelled_ask_cancels_its_turn(
    around: str, realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    """Its process follows the session until the cancel is confirmed, at once."""
    realtime_server.script(turn("Long", wait(60.0), times=2 * TIMES))
    log = MemoryLog()
    began = 0.0
    async with rt.fleet.open_node(log, dial_to(realtime_server)):
        for number in range(1, 2 * TIMES + 1):
            inner, outer = trio.CancelScope(), trio.CancelScope()
            with outer:
                async with rt.fleet.open_fleet(log) as fleet:
                    await fleet.create("call-17")
                    with inner:
                        async with fleet.attach("call-17") as session:
                            await session.ready()
                            async with session.ask("Long") as asked:
                                await asked.receipt.sent()
                                await trio.sleep(1.0)
                                (inner if around == "the session" else outer).cancel()
                                began = trio.current_time()
            assert trio.current_time() - began < 1.0
            assert isinstance(asked.outcome, (rt.TurnCancelled, rt.TurnLost))
            cancels = [each for each in realtime_server.seen if each.type == "client_wants_cancel"]
            assert len(cancels) == number


async def _send(session: RemoteSession, _log: MemoryLog, _server: RealtimeServer) -> None:
    for number in range(3):
        await session.send(ev.RemoveWorkspaceEvent(name=str(number)))


async def _ask(session: RemoteSession, _log: MemoryLog, _server: RealtimeServer) -> None:
    async with session.ask("Hello") as asked:
        async for _ in asked.text:
            pass


async def _cancel(session: RemoteSession, _log: MemoryLog, _server: RealtimeServer) -> None:
    await session.send_text("Hello")
    await session.cancel()


async def _lose(session: RemoteSession, log: MemoryLog, _server: RealtimeServer) -> None:
    await session.send_text("Hello")
    log.claim_now("call-17")


async def _break(session: RemoteSession, _log: MemoryLog, server: RealtimeServer) -> None:
    await session.send_text("Hello")
    server.hang_up()


Act = Callable[[RemoteSession, MemoryLog, RealtimeServer], Awaitable[None]]
ACTS: tuple[Act, ...] = (_send, _ask, _cancel, _lose, _break)


@pytest.mark.parametrize("act", ACTS)
async def test_a_fleet_is_cancelled_at_any_moment(
    act: Act, realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    """Frames, entries and commands arrive at the node and at the process that follows."""
    for rounds in range(13):
        for _ in range(TIMES):
            log = MemoryLog()
            with trio.CancelScope() as scope:
                async with (
                    rt.fleet.open_fleet(log) as fleet,
                    rt.fleet.open_node(log, dial_to(realtime_server)),
                ):
                    await fleet.create("call-17")
                    async with fleet.attach("call-17") as session, trio.open_nursery() as nursery:
                        await session.ready()
                        nursery.start_soon(act, session, log, realtime_server)
                        for _ in range(rounds):
                            await trio.lowlevel.checkpoint()
                        scope.cancel()
            assert scope.cancelled_caught


@pytest.mark.parametrize("rounds", range(8))
async def test_entering_is_cancelled_at_any_moment(
    rounds: int, autojump_clock: trio.testing.MockClock
) -> None:
    """The tasks that outlive the body end also if there is no body yet."""
    for _ in range(TIMES):
        log = MemoryLog()
        await log.create("call-17", Spec())

        async def enter(log: MemoryLog = log) -> None:
            async with rt.fleet.open_fleet(log) as fleet, fleet.attach("call-17"):
                await trio.sleep_forever()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(enter)
            for _ in range(rounds):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()


async def test_a_nursery_that_outlives_its_body_is_not_entered_when_cancelled() -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        async with outliving_nursery():
            pytest.fail("it was entered")
    assert scope.cancelled_caught


async def test_an_ask_that_waits_behind_another_turn_cancels_nothing(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    """Its text is sent later, since it is in the queue."""
    realtime_server.script(turn("Long", wait(30.0)))
    log = MemoryLog()
    async with (
        rt.fleet.open_node(log, dial_to(realtime_server)),
        rt.fleet.open_fleet(log) as fleet,
    ):
        await fleet.create("call-17")
        async with fleet.attach("call-17") as first, fleet.attach("call-17") as second:
            async with first.ask("Long") as long:
                await long.receipt.sent()
                with trio.move_on_after(1.0):
                    async with second.ask("Later") as later:
                        pass
            assert isinstance(long.outcome, rt.TurnCompleted)
            assert isinstance(later.outcome, rt.TurnLost)
            await later.receipt.sent()
    assert "client_wants_cancel" not in {each.type for each in realtime_server.seen}
