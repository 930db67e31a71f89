"""Fault injection, plan by plan and on connections."""

from __future__ import annotations

import json
import math
from random import Random
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio._exceptions import ConnectionFailed, ConnectionLost
from realtime_trio.server import (
    Action,
    Faults,
    HangUp,
    Packet,
    Plan,
    RealtimeServer,
    Reorder,
    Silence,
    SlowDrain,
    Stage,
)
from realtime_trio.testing import emit, fault_plans, say, turn
from tests.server.clients import WireClient, dial, text_of
from tests.server.wire_shapes import types


def packet(number: int, *, connection: int = 1, at: float = 0.0, type_: str = "x") -> Packet:
    """Make a numbered packet."""
    return Packet(connection=connection, frame={"type": type_, "n": number}, at=at)


def pass_through(faults: Faults, count: int, **more: Any) -> list[Action]:
    """Pass ``count`` packets through."""
    return [action for n in range(count) for action in faults.apply(packet(n, **more))]


def numbers(actions: list[Action]) -> list[object]:
    """Return the numbers of the packets, and the class names of other actions."""
    return [
        json.loads(a.encoded())["n"] if isinstance(a, Packet) else type(a).__name__ for a in actions
    ]


@pytest.fixture
def faults() -> Faults:
    """A pipeline without plans."""
    return Faults(seed=1)


# -- plans ---------------------------------------------------------------------------------


def test_there_are_no_faults_at_first(faults: Faults) -> None:
    assert numbers(pass_through(faults, 3)) == [0, 1, 2]
    assert faults.refusal() == (False, None)
    assert not faults.holding
    assert faults.flush() == []


def test_drop(faults: Faults) -> None:
    faults.drop(["lost"])
    assert pass_through(faults, 3, type_="lost") == []
    assert numbers(pass_through(faults, 3)) == [0, 1, 2]


def test_probability_and_times_limit_a_plan(faults: Faults) -> None:
    faults.drop(probability=0.5)
    through = len(pass_through(faults, 1000))
    assert 400 < through < 600
    faults.clear()
    faults.drop(times=2)
    assert numbers(pass_through(faults, 4)) == [2, 3]


def test_one_type_may_be_given_as_a_string(faults: Faults) -> None:
    faults.drop("lost")
    assert pass_through(faults, 1, type_="lost") == []


def test_duplicate(faults: Faults) -> None:
    faults.duplicate(times=1)
    assert numbers(pass_through(faults, 2)) == [0, 0, 1]


def test_delay_and_jitter(faults: Faults) -> None:
    faults.delay(2.0, jitter=1.0)
    times = [a.at for a in pass_through(faults, 100, at=10.0) if isinstance(a, Packet)]
    assert all(12.0 <= time <= 13.0 for time in times)
    assert len(set(times)) == 100


def test_garbled_text_is_invalid_json(faults: Faults) -> None:
    faults.garble()
    for action in pass_through(faults, 50):
        assert isinstance(action, Packet)
        with pytest.raises(ValueError, match="Expecting value"):
            json.loads(action.encoded())
    (binary,) = faults.apply(Packet(connection=1, frame=b"abcd", at=0.0))
    assert isinstance(binary, Packet)
    assert len(binary.encoded()) == 3
    (empty,) = faults.apply(Packet(connection=1, frame=b"", at=0.0))
    assert isinstance(empty, Packet)
    assert empty.encoded() == b""


def test_oversized_events_stay_valid(faults: Faults) -> None:
    faults.oversized(1000)
    (action,) = faults.apply(packet(7))
    assert isinstance(action, Packet)
    assert len(action.encoded()) == 1000
    assert json.loads(action.encoded())["n"] == 7
    assert faults.apply(Packet(connection=1, frame=b"ab", at=0.0)) == [
        Packet(connection=1, frame=b"ab", at=0.0)
    ]


def test_slow_drain_spaces_frames(faults: Faults) -> None:
    faults.slow_drain(10.0)
    frames = [Packet(connection=c, frame="x" * 20, at=5.0) for c in (1, 1, 2)]
    times = [a.at for frame in frames for a in faults.apply(frame) if isinstance(a, Packet)]
    assert times == [7.0, 9.0, 7.0]


def test_slow_drain_can_be_limited_to_types(faults: Faults) -> None:
    faults.install(SlowDrain(bytes_per_second=1.0, types=frozenset({"slow"})))
    assert pass_through(faults, 1) == [packet(0)]


def test_reorder(faults: Faults) -> None:
    faults.reorder(times=1)
    assert numbers(pass_through(faults, 3)) == [1, 0, 2]
    faults.reorder(times=1)
    assert faults.apply(packet(0)) == []
    assert faults.holding
    assert numbers(faults.flush()) == [0]
    assert not faults.holding


def test_a_frame_overtakes_only_within_its_connection(faults: Faults) -> None:
    faults.reorder(times=1)
    assert faults.apply(packet(0, connection=1)) == []
    assert numbers(faults.apply(packet(1, connection=2))) == [0, 1]


def test_flushed_frames_pass_through_later_plans(faults: Faults) -> None:
    faults.reorder(times=1)
    faults.duplicate()
    assert faults.apply(packet(0)) == []
    assert numbers(faults.flush()) == [0, 0]


@pytest.mark.parametrize("how", ["clean", "abort"])
def test_cut_happens_after_a_frame(faults: Faults, how: Any) -> None:
    faults.cut(after=2, how=how)
    assert numbers(pass_through(faults, 4)) == [0, 1, "HangUp", 2, 3]


def test_cut_immediately_and_in_mid_frame(faults: Faults) -> None:
    faults.cut()
    assert numbers(pass_through(faults, 2)) == ["HangUp", 1]
    faults.cut(after=1, how="mid-frame")
    actions = pass_through(faults, 2)
    assert numbers(actions) == [0, "HangUp"]
    assert isinstance(actions[1], HangUp)
    assert actions[1].frame == '{"type":"x","n":1}'


def test_cut_repeatedly(faults: Faults) -> None:
    faults.cut(after=2, times=None)
    assert numbers(pass_through(faults, 5)) == [0, 1, "HangUp", 2, 3, "HangUp", 4]


def test_stall_and_mute(faults: Faults) -> None:
    faults.stall(5.0, after=1, times=2)
    actions = pass_through(faults, 5)
    assert numbers(actions) == [0, "Silence", 1, 2, "Silence", 3, 4]
    faults.clear()
    faults.mute()
    (silence, _) = faults.apply(packet(0))
    assert silence == Silence(connection=1, seconds=math.inf)


def test_plans_apply_in_sequence(faults: Faults) -> None:
    faults.duplicate(times=1)
    faults.drop(times=1)
    assert numbers(pass_through(faults, 2)) == [0, 1]
    faults.cut()
    faults.duplicate()
    assert numbers(faults.apply(packet(0))) == ["HangUp"]


def test_a_custom_plan(faults: Faults) -> None:
    class Renumber(Stage):
        def __call__(self, packet: Packet) -> list[Action]:
            return [attrs.evolve(packet, frame={"n": 99})]

    class Plan:
        def start(self, rng: Random) -> Stage:
            return Renumber()

    faults.install(Plan())
    assert numbers(pass_through(faults, 1)) == [99]
    (passed,) = Stage()(packet(1))
    assert passed == packet(1)


def test_types_of_frames() -> None:
    assert packet(0, type_="mine").type == "mine"
    assert Packet(connection=1, frame={"type": 3}, at=0.0).type is None
    assert Packet(connection=1, frame="text", at=0.0).type is None


def test_lone_surrogates_are_escaped() -> None:
    frame = {"type": "x", "text": "é\ud800"}
    encoded = Packet(connection=1, frame=frame, at=0.0).encoded()
    assert isinstance(encoded, str)
    assert encoded.isascii()
    assert json.loads(encoded.encode()) == frame


SHARES = st.floats(0.0, 1.0)


@given(fault_plans(max_plans=4), st.integers(0, 9))
def test_the_same_traffic_meets_the_same_faults(plans: tuple[Plan, ...], seed: int) -> None:
    def run() -> list[Action]:
        faults = Faults(seed)
        faults.install(*plans)
        return [*pass_through(faults, 20), *faults.flush()]

    assert run() == run()


@given(st.lists(st.builds(Reorder, probability=SHARES), max_size=3), st.integers(0, 9))
def test_reordering_loses_nothing(plans: list[Any], seed: int) -> None:
    faults = Faults(seed)
    faults.install(*plans)
    found = numbers(pass_through(faults, 30))
    while faults.holding:
        found += numbers(faults.flush())
    assert sorted(found, key=str) == sorted(range(30), key=str)


# -- on connections ------------------------------------------------------------------------


async def ready(client: WireClient) -> None:
    """Wait for the user's turn."""
    await client.until("user_turn_start")


async def test_a_cut_in_a_turn(autojump_clock: object, server: RealtimeServer) -> None:
    async with dial(server, ui_session_id="mine") as client:
        await ready(client)
        server.faults.cut(after=3)
        await client.say("hello")
        received = [(await client.next())["type"] for _ in range(3)]
        assert received == ["user_turn_end", "chat_session_added", "anthropic_user_message"]
        with pytest.raises(ConnectionLost) as caught:
            await client.next()
        assert caught.value.code is None
    async with dial(server, ui_session_id="mine") as client:
        assert (await client.next())["type"] == "chat_session_changed"
        await ready(client)


async def test_a_clean_cut(autojump_clock: object, server: RealtimeServer) -> None:
    async with dial(server) as client:
        await ready(client)
        server.faults.cut(how="clean")
        await client.send({"type": "ping"})
        with pytest.raises(ConnectionLost) as caught:
            await client.next()
        assert caught.value.clean


async def test_delayed_frames_keep_their_order(
    autojump_clock: object, server: RealtimeServer
) -> None:
    server.script(turn(text="abcdefghijklmnopqrstuvwxyz" * 4))
    async with dial(server) as client:
        await ready(client)
        server.faults.delay(1.0, jitter=5.0)
        start = trio.current_time()
        assert text_of(await client.answer("go")) == "abcdefghijklmnopqrstuvwxyz" * 4
        assert trio.current_time() - start > 1.0


async def test_a_stall_loses_nothing(autojump_clock: object, server: RealtimeServer) -> None:
    async with dial(server) as client:
        await ready(client)
        server.faults.stall(50.0, after=2)
        start = trio.current_time()
        assert text_of(await client.answer("hello")) == "You said: hello"
        assert 50.0 <= trio.current_time() - start < 51.0


async def test_a_mute_connection_still_carries_out_commands(
    autojump_clock: object, server: RealtimeServer
) -> None:
    async with dial(server, ui_session_id="mine") as client:
        await ready(client)
        server.faults.mute()
        await client.say("hello")
        with trio.move_on_after(1000.0) as scope:
            await client.next()
        assert scope.cancelled_caught
    async with dial(server, ui_session_id="mine") as client:
        chat = (await client.next())["chat_session"]
    assert len(chat["messages"]) == 2


async def test_a_takeover_ends_even_a_mute_connection(
    autojump_clock: object, server: RealtimeServer
) -> None:
    async with dial(server, ui_session_id="mine") as one:
        await ready(one)
        server.faults.mute()
        await one.send({"type": "ping"})
        await trio.sleep(1.0)
        async with dial(server, ui_session_id="mine") as two:
            await ready(two)
            with pytest.raises(ConnectionLost) as caught:
                await one.next()
            assert caught.value.clean


async def test_a_frame_that_is_not_overtaken_arrives_anyway(
    autojump_clock: object, server: RealtimeServer
) -> None:
    async with dial(server) as client:
        await ready(client)
        server.faults.reorder(times=1)
        await client.send({"type": "ping"})
        start = trio.current_time()
        assert await client.next() == {"type": "pong"}
        assert trio.current_time() - start == pytest.approx(0.05)
        server.faults.reorder(["agent_list"], times=1)
        await client.send({"type": "get_agents"})
        await client.send({"type": "ping"})
        assert types([await client.next(), await client.next()]) == ["pong", "agent_list"]


async def test_a_slow_connection(autojump_clock: object, server: RealtimeServer) -> None:
    server.script(turn(None, say("x" * 100, size=1), delay=0.0))
    async with dial(server) as client:
        await ready(client)
        server.faults.slow_drain(1000.0)
        start = trio.current_time()
        await client.answer("go")
        assert trio.current_time() - start > 10.0


async def test_refused_dials(autojump_clock: object, server: RealtimeServer) -> None:
    server.faults.refuse(401, times=2)
    server.faults.refuse(None)
    statuses = []
    for _ in range(3):
        with pytest.raises(ConnectionFailed) as caught:
            async with dial(server):
                pass
        statuses.append(caught.value.status)
    assert statuses == [401, 401, None]
    async with dial(server) as client:
        await ready(client)


async def test_raw_frames_arrive_unchanged(autojump_clock: object, server: RealtimeServer) -> None:
    server.script(turn(None, emit('{"type": "x" ', b"\1\2")))
    async with dial(server) as client:
        await ready(client)
        await client.say("go")
        frames: list[str | bytes] = []
        while b"\1\2" not in frames:
            frames.append(await client.transport.receive())
    assert '{"type": "x" ' in frames
