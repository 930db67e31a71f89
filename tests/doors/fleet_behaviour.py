"""How a fleet behaves, described once: ``test_three_doors.py`` runs it through each door."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import realtime_trio as rt
from realtime_trio import events as ev

BEAT = 0.1


def dial_to(kit: Any, server: Any) -> Any:
    async def dial(claim: rt.fleet.Claim) -> rt.fleet.Dial:
        assert claim.session == "call-17"
        await kit.pause()
        return rt.fleet.Dial(server.url, auth=kit.Auth())

    return dial


async def a_session_is_asked_from_anywhere(kit: Any) -> None:
    log = rt.fleet.MemoryLog()
    async with kit.open_server() as server:
        async with kit.open_node(log, dial_to(kit, server), heartbeat=BEAT, name="a") as node:
            async with kit.open_fleet(log) as fleet:
                assert await fleet.create("call-17", labels={"user": "u1"}, agent_key="default")
                assert not await fleet.create("call-17")
                async with fleet.attach("call-17") as session:
                    await session.ready()
                    assert session.name == "call-17"
                    assert session.owner == node.name
                    async with session.ask("Hello") as turn:
                        with pytest.raises(rt.TurnError):
                            _ = turn.outcome
                        pieces = [piece async for piece in turn.text]
                    assert "".join(pieces) == "You said: Hello"
                    assert isinstance(turn.outcome, rt.TurnCompleted)
                    assert turn.outcome == await turn.wait()
                    assert turn.receipt.status == "sent"
                    assert session.state.current_session.messages[-1].content == "You said: Hello"
                    assert session.exact
                    assert session.error is None
                    assert "RemoteTurn" in repr(turn)


async def a_repeated_key_is_the_same_command(kit: Any) -> None:
    log = rt.fleet.MemoryLog()
    async with kit.open_server() as server:
        async with kit.open_node(log, dial_to(kit, server), heartbeat=BEAT):
            async with kit.open_fleet(log) as fleet:
                await fleet.create("call-17")
                async with fleet.attach("call-17") as session, fleet.attach("call-17") as other:
                    receipt = await session.send_text("Hi", key="request-1")
                    await receipt.accepted()
                    await receipt.sent()
                    await receipt.durable()
                    await session.reached(receipt.position)
                    again = await other.send_text("Hi", key="request-1")
                    assert (again.key, again.number) == ("request-1", receipt.number)
                    await again.sent()
                    assert (receipt.status, again.status) == ("sent", "sent")
                    await session.ready()
                    asked = [seen.type for seen in server.seen].count("text_input")
                    assert asked == 1


async def a_session_is_watched_and_subscribed(kit: Any) -> None:
    log = rt.fleet.MemoryLog()
    async with kit.open_server() as server:
        async with kit.open_node(log, dial_to(kit, server), heartbeat=BEAT):
            async with kit.open_fleet(log, config=rt.ClientConfig()) as fleet:
                await fleet.create("call-17")
                async with fleet.attach("call-17", config=rt.ClientConfig()) as session:
                    await session.ready()
                    lane = session.text.subscribe()
                    notes = session.subscribe(rt.MessageComplete, ev.UserTurnStartEvent)
                    async with session.watch(lambda state: state.turn.can_send_input) as changes:
                        assert await changes.receive() is True
                        receipt = await session.send(ev.TextInputEvent(text="one"))
                        await receipt.sent()
                        assert isinstance(await notes.receive(), (rt.MessageComplete, ev.Event))
                        await session.reached(receipt.position)
                    assert session.position >= receipt.position
                    assert session.statistics().text.events > 0
                    assert session.control is session.control
                    assert session.audio.subscribe(overflow=rt.Latest()) is not None
                names = [note.name async for note in lane]
                assert "message-complete" in names
                with pytest.raises(rt.EndOfChannel):
                    lane.receive_nowait()


async def a_turn_of_a_session_is_cancelled(kit: Any) -> None:
    log = rt.fleet.MemoryLog()
    async with kit.open_server() as server:
        server.script(rt.testing.turn("Hello", rt.testing.say("x"), rt.testing.wait(60)))
        async with kit.open_node(log, dial_to(kit, server), heartbeat=BEAT):
            async with kit.open_fleet(log) as fleet:
                await fleet.create("call-17")
                async with fleet.attach("call-17") as session:
                    async with session.ask("Hello") as turn:
                        assert await turn.text.receive() == "x"
                        await session.cancel()
                    assert isinstance(turn.outcome, rt.TurnCancelled)
                    server.unscript()
                    with pytest.raises(KeyError):
                        async with session.ask("Again") as turn:
                            raise KeyError
                    with pytest.raises(rt.TurnError, match="inside another"):
                        async with session.ask("One"):
                            async with session.ask("Two"):
                                pass


async def turns_of_a_session_run_one_after_another(kit: Any) -> None:
    log = rt.fleet.MemoryLog()
    async with kit.open_server() as server:
        async with kit.open_node(log, dial_to(kit, server), heartbeat=BEAT):
            async with kit.open_fleet(log) as fleet:
                await fleet.create("call-17")
                async with fleet.attach("call-17") as session:
                    outcomes = []

                    async def one() -> None:
                        async with session.ask("Hello") as turn:
                            pass
                        outcomes.append(turn.outcome)

                    await kit.together(one, one, one)
                    assert [type(outcome) for outcome in outcomes] == [rt.TurnCompleted] * 3


async def two_sessions_are_asked_by_one_task(kit: Any) -> None:
    log = rt.fleet.MemoryLog()
    async with kit.open_server() as server:

        async def dial(claim: rt.fleet.Claim) -> rt.fleet.Dial:
            return rt.fleet.Dial(server.url, auth=f"token-of-{claim.session}")

        async with kit.open_node(log, dial, heartbeat=BEAT):
            async with kit.open_fleet(log) as fleet:
                await fleet.create("one")
                await fleet.create("two")
                async with fleet.attach("one") as one, fleet.attach("two") as two:
                    async with one.ask("Hello") as first, two.ask("Hello") as second:
                        pass
                    assert isinstance(first.outcome, rt.TurnCompleted)
                    assert isinstance(second.outcome, rt.TurnCompleted)


async def a_node_tells_what_it_holds(kit: Any) -> None:
    log = rt.fleet.MemoryLog()
    async with kit.open_server() as server, kit.open_fleet(log) as fleet:
        async with kit.open_node(log, dial_to(kit, server), heartbeat=BEAT, capacity=5) as node:
            async with node.changes() as changes:
                await fleet.create("call-17")
                assert await changes.receive() == rt.fleet.Claimed(session="call-17")
                await kit.until(lambda: node.health().open == 1)
                assert node.sessions == ("call-17",)
                assert await fleet.nodes() == {node.name}
                (seat,) = await fleet.sessions()
                assert (seat.name, seat.node) == ("call-17", node.name)
                health = node.health()
                assert (health.sessions, health.capacity, health.error) == (1, 5, None)
                with pytest.raises(rt.WouldBlock):
                    changes.receive_nowait()
                await node.drain()
                assert node.health().draining
                assert isinstance(changes.receive_nowait(), rt.fleet.Released)
            with pytest.raises(rt.ClosedError):
                await changes.receive()
            async with node.changes() as last:
                pass
        await fleet.remove("call-17")
        assert list(await fleet.sessions()) == []
        assert await fleet.nodes() == frozenset()
        assert last is not changes


async def the_changes_of_a_node_end_with_it(kit: Any) -> None:
    log = rt.fleet.MemoryLog()
    async with kit.open_server() as server, kit.open_fleet(log) as fleet:
        node_block = kit.open_node(log, dial_to(kit, server), heartbeat=BEAT)
        async with node_block as node:
            changes_block = node.changes()
            changes = await changes_block.__aenter__()
            await fleet.create("call-17")
            assert isinstance(await changes.receive(), rt.fleet.Claimed)
        assert [type(change) async for change in changes] == [rt.fleet.Released]
        await changes_block.__aexit__(None, None, None)


async def a_dial_function_that_fails_releases_the_session(kit: Any) -> None:
    async def dial(claim: rt.fleet.Claim) -> rt.fleet.Dial:
        await kit.pause()
        raise LookupError(claim.labels["user"])

    log = rt.fleet.MemoryLog()
    async with kit.open_fleet(log) as fleet:
        async with kit.open_node(log, dial, heartbeat=BEAT) as node, node.changes() as changes:
            await fleet.create("call-17", labels={"user": "nobody"})
            assert isinstance(await changes.receive(), rt.fleet.Claimed)
            released = await changes.receive()
            why = "it ended with LookupError"
            assert released == rt.fleet.Released(session="call-17", why=why)


async def what_a_fleet_does_not_have(kit: Any) -> None:
    log = rt.fleet.MemoryLog()
    async with kit.open_fleet(log) as fleet:
        with pytest.raises(rt.fleet.NoSuchSession, match="create it first"):
            async with fleet.attach("nothing"):
                pass
        with pytest.raises(ValueError, match="without braces"):
            await fleet.create("{")
        with pytest.raises(KeyError, match="mine"):
            async with kit.open_fleet(log):
                msg = "mine"
                raise KeyError(msg)
    with pytest.raises(ValueError, match="capacity"):
        async with kit.open_node(log, dial_to(kit, None), capacity=0):
            pass
    with pytest.raises(TypeError):
        kit.open_fleet(log, shards=3)


async def a_session_that_was_left_is_closed(kit: Any) -> None:
    log = rt.fleet.MemoryLog()
    async with kit.open_server() as server:
        async with kit.open_node(log, dial_to(kit, server), heartbeat=BEAT):
            async with kit.open_fleet(log) as fleet:
                await fleet.create("call-17")
                async with fleet.attach("call-17") as session:
                    await session.ready()
                with pytest.raises(rt.ClosedError):
                    await session.send_text("Hi")
                with pytest.raises(rt.ClosedError):
                    await session.reached(10**6)
                with pytest.raises(rt.ClosedError):
                    async with session.ask("Hi"):
                        pass
                assert session.state.turn.can_send_input
                async with fleet.attach("call-17") as session:
                    await session.ready()


@contextmanager
def _file() -> Any:
    with TemporaryDirectory() as folder:
        yield Path(folder) / "fleet.db"


async def a_log_is_a_file_of_several_processes(kit: Any) -> None:
    with _file() as path:
        async with kit.open_server() as server:
            log = rt.fleet.SqliteLog(path)
            async with kit.open_node(log, dial_to(kit, server), heartbeat=BEAT):
                async with kit.open_fleet(rt.fleet.SqliteLog(path)) as fleet:
                    await fleet.create("call-17")
                    async with fleet.attach("call-17") as session:
                        async with session.ask("Hello") as turn:
                            pass
                        assert isinstance(turn.outcome, rt.TurnCompleted)


async def a_wait_of_a_session_is_cancelled(kit: Any) -> None:
    log = rt.fleet.MemoryLog()
    async with kit.open_fleet(log) as fleet:
        await fleet.create("call-17")
        async with fleet.attach("call-17") as session:

            async def reach() -> None:
                await session.reached(10**6)

            await kit.cancelled(reach)
            await kit.cancelled(session.ready)
            receipt = await session.send_text("Hi")
            await kit.cancelled(receipt.accepted)
            assert receipt.status == "queued"
