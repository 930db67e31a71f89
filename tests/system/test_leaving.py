"""Leaving a client in the middle of each thing that it may be about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_trio import events as ev
from realtime_trio._client._client import Client, open_client
from realtime_trio._config import ClientConfig
from realtime_trio._exceptions import ConnectionFailed, InDoubt
from realtime_trio._rest._tokens import AuthSource, PasswordLogin
from realtime_trio._transports._memory import MemoryConnector
from realtime_trio.abc import Transport
from realtime_trio.server import RealtimeServer, ServerConfig, open_server
from realtime_trio.testing import say, speak, tool, turn, use, wait

CONFIG = ClientConfig(max_attempts=None, max_commands=1)
LONG = 10_000.0


class Elsewhere:
    """A connector to a server in memory, whatever the address of the REST calls is."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._inner = MemoryConnector()

    async def connect(self, url: str, nursery: trio.Nursery) -> Transport:
        query = url.partition("/api/")[2]
        return await self._inner.connect(f"{self._url}/api/{query}", nursery)


class Hanging:
    """Neither a connection nor a token is ever to be had."""

    async def connect(self, url: str, nursery: trio.Nursery) -> Transport:
        await trio.sleep_forever()
        raise AssertionError

    async def token(self) -> str:
        await trio.sleep_forever()
        raise AssertionError


Act = Callable[[RealtimeServer, Client], Awaitable[object]]


@attrs.frozen
class Stage:
    """What goes on when the client is left: ``act``, or what comes before it can be used."""

    act: Act | None = None
    before: Callable[[RealtimeServer], object] = lambda server: None
    auth: AuthSource = "any"
    hangs: bool = False


async def ask(server: RealtimeServer, client: Client) -> None:
    async with client.ask("long") as asked:
        async for _ in asked.text:
            pass


async def cancel(server: RealtimeServer, client: Client) -> None:
    server.faults.drop({"cancelled"})
    async with client.ask("long") as asked:
        await asked.text.receive()
        while True:
            with suppress(InDoubt):
                await client.cancel()


async def be_away(server: RealtimeServer, client: Client) -> None:
    async with client.ask("long") as asked:
        await asked.text.receive()
        server.faults.refuse(503, times=1000)
        server.hang_up()


async def repair(server: RealtimeServer, client: Client) -> None:
    while True:
        async with client.ask("short") as asked:
            await asked.text.receive()
            server.hang_up()


async def upload(server: RealtimeServer, client: Client) -> None:
    while True:
        with suppress(ConnectionFailed):
            await client.upload_file(bytes(9 * 2**20), filename="x")


async def drain(server: RealtimeServer, client: Client) -> None:
    await client.text_input("long")
    await client.drain()


async def talk(server: RealtimeServer, client: Client) -> None:
    async with client.push_to_talk():
        while True:
            await client.audio.send(b"\0" * 3200)


async def find_no_room(server: RealtimeServer, client: Client) -> None:
    await client.text_input("long")
    while True:
        await client.send(ev.GetVoicesEvent())


async def read_pages(server: RealtimeServer, client: Client) -> None:
    await client.text_input("long")
    async for _ in client.sessions():
        pass


STAGES = {
    "a token": Stage(auth=Hanging()),
    "login": Stage(auth=PasswordLogin("me", "secret")),
    "dial": Stage(hangs=True),
    "refused dials": Stage(before=lambda server: server.faults.refuse(503, times=1000)),
    "proof": Stage(before=lambda server: server.faults.mute(times=None)),
    "initialisation": Stage(before=lambda server: server.faults.drop({"user_turn_start"})),
    "turn": Stage(ask),
    "cancel": Stage(cancel),
    "reconnection": Stage(be_away),
    "repair": Stage(repair),
    "upload": Stage(upload),
    "drain": Stage(drain),
    "push to talk": Stage(talk),
    "no room": Stage(find_no_room),
    "pages": Stage(read_pages),
}


class CancelAt(trio.abc.Instrument):
    """Cancels its scope so many steps of any task after it was told to begin."""

    def __init__(self, steps: int) -> None:
        self.scope = trio.CancelScope()
        self.at = float("inf")
        self._left = steps
        self._armed = False

    def begin(self) -> None:
        self._armed = True
        # What waits for ever takes no steps.
        self.scope.deadline = self.at = trio.current_time() + LONG

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._armed and self._left >= 0:
            self._left -= 1
            if self._left < 0:
                self.at = min(self.at, trio.current_time())
                self.scope.cancel()


class Rest:
    """A REST side that takes what a socket takes by itself, and answers nothing."""

    calls = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        self.calls += 1
        async with stream:
            await trio.sleep_forever()


async def leave(stage: Stage, cancel_at: CancelAt) -> None:
    async with (
        open_server(ServerConfig(pace=0.05, toolset_count=1)) as server,
        trio.open_nursery() as nursery,
    ):
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        rest = Rest()
        nursery.start_soon(trio.serve_listeners, rest.serve, [listener])
        port = cast("tuple[str, int]", listener.socket.getsockname())[1]
        long = say("one "), wait(5), use(tool("search", delay=60)), speak("x" * 50), wait(LONG)
        server.script(turn("long", *long, times=99), turn("short", say("x"), wait(3), times=9999))
        connector = Hanging() if stage.hangs else Elsewhere(server.url)
        stage.before(server)
        await trio.testing.wait_all_tasks_blocked()
        tasks = trio.lowlevel.current_statistics().tasks_living
        trio.lowlevel.add_instrument(cancel_at)
        with cancel_at.scope:
            if stage.act is None:
                cancel_at.begin()
            async with open_client(
                f"http://127.0.0.1:{port}", auth=stage.auth, transport=connector, config=CONFIG
            ) as client:
                await client.ready()
                if stage.act is not None:
                    cancel_at.begin()
                    await stage.act(server, client)
        trio.lowlevel.remove_instrument(cancel_at)
        assert cancel_at.scope.cancelled_caught
        assert trio.current_time() - cancel_at.at <= CONFIG.close_deadline
        server.faults.clear()
        await trio.sleep(1)
        await trio.testing.wait_all_tasks_blocked()
        assert server.statistics().connections == 0
        assert trio.lowlevel.current_statistics().tasks_living == tasks + rest.calls
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
@given(steps=st.integers(0, 120))
@settings(max_examples=25)
def test_leaving_at_any_step_of_it_returns(stage: Stage, steps: int) -> None:
    """Within the close deadline, with nothing left running and no link left open."""
    trio._core._run._r.seed(0)
    clock = trio.testing.MockClock(autojump_threshold=0)
    trio.run(leave, stage, CancelAt(steps), clock=clock)
