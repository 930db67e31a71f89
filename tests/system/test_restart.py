"""The server's own process, killed and started again under a client that runs."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE

import trio

from realtime_trio._client._client import Client, open_client
from realtime_trio._config import ClientConfig
from realtime_trio._core._shell_notifications import Reconnected
from realtime_trio._turns._outcome import TurnCompleted, TurnLost
from tests.source import PACKAGE, ROOT

CONFIG = ClientConfig(
    max_attempts=None,
    backoff_initial=0.05,
    backoff_max=0.1,
    # What is to be noticed is noticed by the link's end; a busy machine is not to be.
    ping_interval=None,
    turn_silence=None,
)

# A server whose chats outlive it: a real one keeps them in a data base, this one in a file, when
# it is told to. To "long" it never says all of its answer.
PROGRAM = """
import json, pathlib, sys, trio
from realtime_trio.server import ServerConfig, open_server
from realtime_trio.testing import say, turn, wait

async def main(port, store):
    store = pathlib.Path(store)
    chats = json.loads(store.read_text()) if store.exists() else []
    async with open_server(ServerConfig(pace=0), chats=chats) as server:
        server.script(turn("long", say("begin"), wait(100_000)))
        print(await server.listen(port=port), flush=True)
        while await trio.to_thread.run_sync(sys.stdin.readline):
            store.write_text(json.dumps(server.export_chats()))
            print("kept", flush=True)

trio.run(main, int(sys.argv[1]), sys.argv[2])
"""


class Host:
    """Runs one server process at a time, always on the same port."""

    def __init__(self) -> None:
        self.port = "0"
        self._process: trio.Process | None = None

    async def start(self, *command: str) -> str:
        """Start a server and wait until it listens; gives its address."""
        command = tuple(self.port if word == "PORT" else word for word in command)
        self._process = child = await trio.lowlevel.open_process(
            [sys.executable, *command], stdin=PIPE, stdout=PIPE, cwd=ROOT
        )
        said = await self._line(child)
        url = next(word for word in said.split() if word.startswith("http"))
        self.port = url.rpartition(":")[2]
        return url

    async def keep(self) -> None:
        """Have the chats written down."""
        assert self._process is not None
        assert self._process.stdin is not None
        await self._process.stdin.send_all(b"keep\n")
        assert await self._line(self._process) == "kept\n"

    async def _line(self, child: trio.Process) -> str:
        assert child.stdout is not None
        said = b""
        while b"\n" not in said:
            more = await child.stdout.receive_some()
            assert more, "the server ended before it spoke"
            said += more
        return said.decode()

    async def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                await pipe.aclose()
            self._process = None


@asynccontextmanager
async def open_host() -> AsyncGenerator[Host, None]:
    """A host without a server yet; none is left behind."""
    host = Host()
    try:
        yield host
    finally:
        with trio.CancelScope(shield=True):
            await host.kill()


async def say(client: Client, text: str) -> str:
    """Ask, and give the answer."""
    async with client.ask(text) as turn:
        said = "".join([piece async for piece in turn.text])
    assert isinstance(turn.outcome, TurnCompleted)
    return said


async def test_the_conversation_goes_on_after_a_restart(tmp_path: Path) -> None:
    """The server forgets the UI session and keeps the chat; the client brings both together."""
    server = ("-c", PROGRAM, "PORT", str(tmp_path / "chats.json"))
    async with open_host() as host:
        url = await host.start(*server)
        async with open_client(url, auth="any", config=CONFIG) as client:
            links = client.subscribe(Reconnected)
            assert await say(client, "one") == "You said: one"
            session_id = client.state.current_session_id
            await host.keep()
            await host.kill()
            assert await host.start(*server) == url
            await links.receive()
            assert await say(client, "two") == "You said: two"
            session = client.state.current_session
            assert session is not None
            assert session.id == session_id
            said = [message.content for message in session.messages]
            assert said == ["one", "You said: one", "two", "You said: two"]


async def test_a_turn_that_the_restart_kills_ends(tmp_path: Path) -> None:
    """Its ask does not wait for ever, and the next one is answered."""
    server = ("-c", PROGRAM, "PORT", str(tmp_path / "chats.json"))
    async with open_host() as host:
        url = await host.start(*server)
        async with open_client(url, auth="any", config=CONFIG) as client:
            await client.ready()
            async with client.ask("long") as turn:
                await turn.text.receive()
                await host.kill()
                await host.start(*server)
            assert isinstance(turn.outcome, TurnLost)
            assert await say(client, "after") == "You said: after"


async def test_the_command_can_be_restarted_too() -> None:
    """``serve`` forgets the chats; the client goes on in a new one."""
    server = ("-m", PACKAGE, "serve", "--port", "PORT", "--pace", "0")
    async with open_host() as host:
        url = await host.start(*server)
        async with open_client(url, auth="any", config=CONFIG) as client:
            links = client.subscribe(Reconnected)
            assert await say(client, "one") == "You said: one"
            await host.kill()
            await host.start(*server)
            await links.receive()
            assert await say(client, "two") == "You said: two"
