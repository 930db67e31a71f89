"""Cancellation in the door of asyncio: storms of it, and what stands on it in the library."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from random import Random
from typing import Any

import pytest

import realtime_trio as rt
from realtime_trio import events as ev

STORM = 200
LONGEST = 0.004
ENTERING = 40


async def _after(delay: float, work: Coroutine[Any, Any, object]) -> bool:
    """Cancel ``work`` after a delay; return whether it was cancelled in fact."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(delay)
    task.cancel()
    (result,) = await asyncio.gather(task, return_exceptions=True)
    if isinstance(result, asyncio.CancelledError):
        return True
    if isinstance(result, BaseException):
        raise result
    return False


async def _converse(url: str) -> None:
    async with rt.aio.open_client(url, auth="any") as client:
        await client.ready()
        async with client.ask("Hello") as turn:
            async for _ in turn.text:
                pass


Storm = Callable[[rt.aio.Client, rt.aio.RealtimeServer, Random], Awaitable[None]]


def _with_client(storm: Storm, seed: int) -> None:
    async def main() -> None:
        async with (
            rt.aio.open_server() as server,
            rt.aio.open_client(server.url, auth="any") as client,
        ):
            await client.ready()
            await storm(client, server, Random(seed))
            async with client.ask("Goodbye") as turn:
                pass
            assert isinstance(turn.outcome, rt.TurnCompleted)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_whole_conversations_are_cancelled_anywhere() -> None:
    """Nothing stays behind: no task, no connection."""

    async def main() -> None:
        random = Random(1)
        async with rt.aio.open_server() as server:
            for _ in range(STORM):
                await _after(random.uniform(0, 10 * LONGEST), _converse(server.url))
            assert server.statistics().connections == 0
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_entering_is_cancelled_at_every_step() -> None:
    """Also where it starts the run of trio, and where that has to end again."""

    async def main(steps: int, url: str) -> int:
        task = asyncio.ensure_future(_converse(url))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks()) == 1
        return task.cancelling()

    async def beside_a_server() -> None:
        async with rt.aio.open_server() as server:
            server.script(rt.testing.turn("Hello", rt.testing.wait(60), times=ENTERING))
            for steps in range(ENTERING):
                assert await main(steps, server.url) == 1

    asyncio.run(beside_a_server())
    for steps in range(0, ENTERING, 4):
        assert asyncio.run(main(steps, "memory://nobody")) == 1


def test_a_cancelled_receive_loses_nothing() -> None:
    async def storm(client: rt.aio.Client, server: rt.aio.RealtimeServer, random: Random) -> None:
        got: list[str] = []
        with client.subscribe(rt.MessageComplete) as notes:

            async def read() -> None:
                got.append(str((await notes.receive()).message.content))

            async def feed() -> None:
                for number in range(30):
                    async with client.ask(str(number)):
                        pass

            feeding = asyncio.ensure_future(feed())
            while not feeding.done():
                await _after(random.uniform(0, LONGEST), read())
            while len(got) < 30:
                got.append(str(notes.receive_nowait().message.content))
        assert got == [f"You said: {number}" for number in range(30)]

    _with_client(storm, 2)


def test_readers_of_one_channel_pass_a_wake_up_on() -> None:
    """An item that woke a reader which was cancelled goes to the other reader."""

    async def storm(client: rt.aio.Client, server: rt.aio.RealtimeServer, random: Random) -> None:
        for _ in range(20):
            got: list[str] = []
            async with client.ask("Hello") as turn:

                async def read(got: list[str] = got, turn: rt.aio.Turn = turn) -> None:
                    async for piece in turn.text:
                        got.append(piece)  # noqa: PERF401  a cancelled one keeps what it has

                steady = asyncio.ensure_future(read())
                for _ in range(3):
                    await _after(random.uniform(0, LONGEST), read())
                await steady
            assert "".join(sorted("".join(got))) == "".join(sorted("You said: Hello"))

    _with_client(storm, 3)


def test_a_cancelled_send_has_queued_once_or_not_at_all() -> None:
    async def storm(client: rt.aio.Client, server: rt.aio.RealtimeServer, random: Random) -> None:
        sent = [f"w{number}" for number in range(STORM)]
        for name in sent:
            await _after(random.uniform(0, LONGEST), client.remove_workspace(name))
        async with client.ask("And now"):
            pass
        seen = [
            each.event["name"]
            for each in server.seen
            if each.event is not None and each.type == "remove_workspace"
        ]
        assert len(set(seen)) == len(seen)
        assert seen == [name for name in sent if name in set(seen)]

    _with_client(storm, 4)


def test_three_cancels_while_leaving() -> None:
    async def storm(client: rt.aio.Client, server: rt.aio.RealtimeServer, random: Random) -> None:
        for _ in range(ENTERING):

            async def ask() -> None:
                async with client.ask("Hello"):
                    await asyncio.sleep(random.uniform(0, LONGEST))

            task = asyncio.ensure_future(ask())
            await asyncio.sleep(random.uniform(0, LONGEST))
            for _ in range(3):
                task.cancel()
                await asyncio.sleep(random.uniform(0, LONGEST / 4))
            await asyncio.gather(task, return_exceptions=True)

    _with_client(storm, 5)


def test_timeouts_groups_and_wait_for() -> None:
    async def storm(client: rt.aio.Client, server: rt.aio.RealtimeServer, random: Random) -> None:
        server.script(rt.testing.turn("Long", rt.testing.wait(60), text="never", times=3))
        task = asyncio.current_task()
        assert task is not None
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02), client.ask("Long") as turn:
                await turn.wait()
        assert isinstance(turn.outcome, (rt.TurnCancelled, rt.TurnLost))
        with client.subscribe(rt.MessageComplete) as notes, pytest.raises(TimeoutError):
            await asyncio.wait_for(notes.receive(), 0.02)

        async def fail() -> None:
            await asyncio.sleep(0.01)
            message = "mine"
            raise KeyError(message)

        async def ask() -> None:
            async with client.ask("Long") as turn:
                await turn.wait()

        assert task.cancelling() == 0
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(ask())
                group.create_task(fail())
        assert [type(each) for each in caught.value.exceptions] == [KeyError]
        await client.ready()

    _with_client(storm, 6)


BODIES: dict[str, Callable[[rt.aio.Client], Coroutine[Any, Any, object]]] = {
    "sleeping": lambda client: asyncio.sleep(60),
    "reading": lambda client: client.subscribe(rt.AudioOutput).receive(),
    "in a group": lambda client: _in_a_group(),
    "with a deadline": lambda client: asyncio.wait_for(asyncio.sleep(60), 60),
}


async def _in_a_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(60))
        await asyncio.sleep(60)


async def _end(client: rt.aio.Client, server: rt.aio.RealtimeServer) -> None:
    await client.ready()
    server.faults.refuse(404, times=9)
    server.hang_up()


@pytest.mark.parametrize("body", BODIES)
def test_the_body_gets_the_reason_for_which_the_client_ended(body: str) -> None:
    """In the place of a cancellation, which is taken back."""

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        async with rt.aio.open_server() as server:
            with pytest.raises(rt.ConnectionFailed):
                async with rt.aio.open_client(server.url, auth="any") as client:
                    await _end(client, server)
                    await BODIES[body](client)
            assert task.cancelling() == 0
            await asyncio.sleep(0)

    asyncio.run(main())


def test_a_body_that_swallows_its_cancellation_gets_the_reason_too() -> None:
    async def main() -> None:
        async with rt.aio.open_server() as server:
            with pytest.raises(rt.ConnectionFailed):
                async with rt.aio.open_client(server.url, auth="any") as client:
                    await _end(client, server)
                    with suppress(asyncio.CancelledError):
                        await asyncio.sleep(60)
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0

    asyncio.run(main())


def test_a_cancellation_of_the_application_wins() -> None:
    async def main() -> None:
        async with rt.aio.open_server() as server:
            bodies: list[asyncio.Task[None]] = []

            async def body() -> None:
                async with rt.aio.open_client(server.url, auth="any") as client:
                    await _end(client, server)
                    try:
                        await asyncio.sleep(60)
                    finally:
                        bodies[0].cancel()

            bodies.append(asyncio.ensure_future(body()))
            with pytest.raises(asyncio.CancelledError):
                await bodies[0]

    asyncio.run(main())


class _Broken:
    format = rt.AudioFormat()

    async def write(self, chunk: bytes) -> None:
        await asyncio.sleep(0)
        message = "no device"
        raise OSError(message)


def test_a_sink_that_fails_ends_its_block() -> None:
    async def storm(client: rt.aio.Client, server: rt.aio.RealtimeServer, random: Random) -> None:
        with pytest.raises(OSError, match="no device"):
            async with client.audio.play_to(_Broken()) as playback:
                playback.feed(bytes(32_000), rt.AudioFormat())
                playback.end_answer()
                await asyncio.sleep(60)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    _with_client(storm, 7)


# -- a fleet -------------------------------------------------------------------------------

FleetStorm = Callable[[rt.aio.Fleet, rt.aio.RealtimeServer, Random], Awaitable[None]]


def _with_fleet(storm: FleetStorm, seed: int) -> None:
    async def main() -> None:
        log = rt.fleet.MemoryLog()
        async with rt.aio.open_server() as server:

            async def dial(claim: rt.fleet.Claim) -> rt.fleet.Dial:
                await asyncio.sleep(0)
                return rt.fleet.Dial(server.url, auth="any")

            async with (
                rt.aio.open_node(log, dial, heartbeat=0.1),
                rt.aio.open_fleet(log) as fleet,
            ):
                await fleet.create("call-17")
                async with fleet.attach("call-17") as session:
                    await session.ready()
                await storm(fleet, server, Random(seed))
                async with fleet.attach("call-17") as session, session.ask("Goodbye") as turn:
                    pass
                assert isinstance(turn.outcome, rt.TurnCompleted)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_a_cancelled_command_that_is_repeated_with_its_key_is_sent_once() -> None:
    async def storm(fleet: rt.aio.Fleet, server: rt.aio.RealtimeServer, random: Random) -> None:
        names = [f"w{number}" for number in range(STORM // 2)]
        async with fleet.attach("call-17") as session:

            async def put(name: str) -> None:
                await (await session.send(ev.RemoveWorkspaceEvent(name=name), key=name)).sent()

            for name in names:
                while await _after(random.uniform(0, LONGEST), put(name)):
                    pass
        seen = [
            each.event["name"]
            for each in server.seen
            if each.event is not None and each.type == "remove_workspace"
        ]
        assert seen == names

    _with_fleet(storm, 7)


def test_attaching_and_asking_are_cancelled_anywhere() -> None:
    async def storm(fleet: rt.aio.Fleet, server: rt.aio.RealtimeServer, random: Random) -> None:
        async def converse() -> None:
            async with fleet.attach("call-17") as session, session.ask("Hello") as turn:
                async for _ in turn.text:
                    pass

        for _ in range(STORM // 4):
            await _after(random.uniform(0, 10 * LONGEST), converse())

    _with_fleet(storm, 8)
