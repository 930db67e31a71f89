"""The turn gate of a follower, which sees no pings: they are not in the log."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
import trio
from hypothesis import given, settings

import realtime_trio as rt
from realtime_trio._core._fast_decoder import Incoming
from realtime_trio._outbound._turn_gate import TurnGate
from realtime_trio.events import (
    ErrorEvent,
    PingEvent,
    PongEvent,
    TextInputEvent,
    UserTurnEndEvent,
    UserTurnStartEvent,
)
from realtime_trio.fleet import MemoryLog
from realtime_trio.server import RealtimeServer

from .test_fleet import attached, check_follower

ANSWERS: dict[str, Incoming] = {
    "turn begins": UserTurnEndEvent(),
    "turn ends": UserTurnStartEvent(),
    "error": ErrorEvent(message="no"),
}


@pytest.fixture(autouse=True)
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The virtual clock does not wait for threads, so what they do is done in place."""

    async def run_sync(call: object, *args: object, **_: object) -> object:
        await trio.lowlevel.checkpoint()
        return call(*args)  # type: ignore[operator]

    monkeypatch.setattr(trio.to_thread, "run_sync", run_sync)


@given(st.lists(st.sampled_from(["ping", "pong", "input", "link", *ANSWERS]), max_size=40))
@settings(max_examples=500)
def test_it_is_where_the_owner_is(steps: list[str]) -> None:
    """However many of the owner's own pings are on their way when an input is written."""
    owner, follower = TurnGate(), TurnGate()
    pings = 0
    for step in ["link", *steps]:
        if step == "link":
            owner.link_opened()
            follower.link_opened()
            pings = 1  # every link is asked for a sign of life
        elif step == "ping":
            owner.writing(PingEvent())
            pings += 1
        elif step == "input":
            owner.writing(TextInputEvent(text="x"))
            follower.writing(TextInputEvent(text="x"))
            follower.input_sent(owner.ahead)
            pings += 2
        elif step in ANSWERS:
            assert owner.received(ANSWERS[step]) is follower.received(ANSWERS[step])
        elif pings:
            pings -= 1
            assert owner.received(PongEvent()) is follower.received(PongEvent())
        assert (owner.phase, owner.unit) == (follower.phase, follower.unit)


async def test_a_silent_turn_is_alive_while_its_node_is(
    realtime_server: RealtimeServer, autojump_clock: trio.testing.MockClock
) -> None:
    """Nothing is logged for minutes: the owner is named as long as its node sends heartbeats."""
    realtime_server.script(rt.testing.turn("Long", rt.testing.wait(200.0), rt.testing.say("done")))
    log = MemoryLog()
    config = rt.ClientConfig(ping_interval=5.0, pong_timeout=2.0, turn_silence=None)

    async def dial(claim: rt.fleet.Claim) -> rt.fleet.Dial:
        assert claim.session
        return rt.fleet.Dial(realtime_server.url, auth="any", config=config)

    async with attached(log) as session:
        assert session.owner is None
        with trio.CancelScope() as scope:
            async with rt.fleet.open_node(log, dial) as node:
                await session.ready()
                async with session.ask("Long") as turn:
                    await trio.sleep(150.0)
                    assert session.owner == node.name
                    assert session.error is None
                assert isinstance(turn.outcome, rt.TurnCompleted)
                assert turn.outcome.message is not None
                await check_follower(log, session)
                scope.cancel()
        await trio.sleep(15.0)
        assert session.owner is None
