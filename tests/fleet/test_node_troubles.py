"""A node whose log fails at the worst moments, and one that has more to do than it can."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import realtime_trio as rt
from realtime_trio.fleet import MemoryLog, Seat
from realtime_trio.server import RealtimeServer

from .partition import PartitionedLog
from .test_fleet import attached, dial_to
from .test_fleet import no_threads as no_threads


async def test_a_full_node_tells_that_the_log_fails(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    """It claims nothing, and still looks whether its sessions are its own."""
    log = MemoryLog()
    view = PartitionedLog(log)
    async with (
        rt.fleet.open_node(view, dial_to(realtime_server), capacity=1) as node,
        attached(log) as session,
    ):
        await session.ready()
        view.away = True
        await trio.sleep(5.0)
        assert "away" in str(node.health().error)
        assert node.sessions == ("call-17",)
        view.away = False
        await trio.sleep(5.0)
        assert node.health().error is None


async def test_a_node_claims_no_more_than_it_can_dial_soon(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    """Another node claims the rest; the first goes on once its connections are open."""
    log = MemoryLog()
    held = trio.Event()

    async def slow(claim: rt.fleet.Claim) -> rt.fleet.Dial:
        assert claim.session
        await held.wait()
        return rt.fleet.Dial(realtime_server.url, auth="any")

    for number in range(10):
        await log.create(f"call-{number}", rt.fleet.Spec())
    async with rt.fleet.open_node(log, slow, dials=1) as first:
        await trio.sleep(5.0)
        assert len(first.sessions) == 4
        async with rt.fleet.open_node(log, dial_to(realtime_server), capacity=3) as second:
            await trio.sleep(5.0)
            assert second.health().open == 3
            held.set()
            await trio.sleep(5.0)
            assert (first.health().open, second.health().open) == (7, 3)


@pytest.mark.parametrize("answer", ["lost", "late"])
async def test_a_claim_that_fails_is_tried_again(
    realtime_server: RealtimeServer,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
) -> None:
    """Its answer is lost, or another node was faster and left again."""
    log = MemoryLog()
    real = log.seize
    failures = 2

    async def seize(seat: Seat, node: str) -> object:
        nonlocal failures
        if failures:
            failures -= 1
            if answer == "late":
                return None
            await real(seat, node)
            message = "the answer was lost"
            raise rt.JournalError(message)
        return await real(seat, node)

    monkeypatch.setattr(log, "seize", seize)
    async with (
        rt.fleet.open_node(log, dial_to(realtime_server)) as node,
        attached(log) as session,
    ):
        with trio.fail_after(30):
            await session.ready()
        assert node.health().error is None
        assert session.owner == node.name


async def test_a_node_that_leaves_while_the_log_is_away_is_followed(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    """It can neither release its sessions nor end its lease; both expire with it."""
    log = MemoryLog()
    view = PartitionedLog(log)
    dial = dial_to(realtime_server)
    async with attached(log) as session:
        async with rt.fleet.open_node(view, dial) as node, node.changes() as changes:
            await session.ready()
            view.away = True
            await node.drain()
            found = [await changes.receive()]
            while not isinstance(found[-1], rt.fleet.Lost):
                found.append(await changes.receive())
            assert "could not be released" in found[-1].why
        assert await log.nodes() == {node.name}
        async with rt.fleet.open_node(log, dial) as other:
            with trio.fail_after(30):
                while not other.health().takeovers:  # noqa: ASYNC110
                    await trio.sleep(0.1)
                await session.ready()


async def test_a_session_whose_log_cannot_be_read_is_given_back(
    realtime_server: RealtimeServer,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pause until the next try stays short: the session is not to blame."""
    log = MemoryLog()
    view = PartitionedLog(log)
    failures = 5

    async def info(name: str) -> object:
        nonlocal failures
        if failures:
            failures -= 1
            message = "the log is away"
            raise rt.JournalError(message)
        return await log.info(name)

    monkeypatch.setattr(view, "info", info, raising=False)
    async with (
        rt.fleet.open_node(view, dial_to(realtime_server)),
        attached(log) as session,
    ):
        with trio.fail_after(15):
            await session.ready()
    assert not failures
