"""Draining, health and statistics, recording, and the client over a real socket."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from realtime_trio import events as ev
from realtime_trio._client._client import open_client
from realtime_trio._connection._recorder import RecordKind
from realtime_trio._core._notifications import MessageComplete, RequestUserSessions, VoiceChanged
from realtime_trio._core._shell_notifications import Reconnected
from realtime_trio._exceptions import ClosedError, ProtocolError
from realtime_trio._transports._websockets import WebsocketsConnector
from realtime_trio._turns._outcome import TurnCompleted
from realtime_trio.abc import Connector
from realtime_trio.server import open_server
from realtime_trio.testing import say, turn, wait


async def test_drain_finishes_running_work(autojump_clock: object) -> None:
    """The turn ends, queued commands are sent, no new one is taken, subscriptions end."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        server.script(turn("slow", say("one"), wait(5), say("two")))
        heard = client.subscribe(MessageComplete)
        outcomes: list[object] = []

        async def ask() -> None:
            async with client.ask("slow") as asked:
                pass
            outcomes.append(asked.outcome)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(1)
            receipt = await client.get_voices()
            nursery.start_soon(client.drain)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(ClosedError):
                await client.get_voices()
        assert isinstance(outcomes[0], TurnCompleted)
        assert receipt.status == "sent"
        contents = [note.message.content async for note in heard]
        assert contents == ["onetwo"]
        assert client.health.status == "closed"
        with pytest.raises(ClosedError):
            await client.get_voices()


async def test_a_cancelled_drain_leaves_the_client_open(autojump_clock: object) -> None:
    """Sending still works."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        server.script(turn("slow", say("one"), wait(5), say("two")))
        await client.text_input("slow")
        with trio.move_on_after(1):
            await client.drain()
        await (await client.get_voices()).sent()


async def test_health_describes_the_link(autojump_clock: object) -> None:
    """Open, with traffic and statistics."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        health = client.health
        assert (health.status, health.links) == ("open", 1)
        assert health.traffic
        assert client.statistics().control.events > 0
        assert client.statistics().total.malformed == 0


class Memory:
    """A recorder that keeps everything."""

    def __init__(self) -> None:
        self.lines: list[tuple[RecordKind, str | bytes, int]] = []
        self.open_now = False

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None, None]:
        self.open_now = True
        try:
            yield
        finally:
            self.open_now = False

    def record(self, kind: RecordKind, payload: str | bytes, *, conn: int, at: float) -> None:
        assert self.open_now
        self.lines.append((kind, payload, conn))


async def test_a_recorder_gets_everything_but_the_token(autojump_clock: object) -> None:
    """It opens and closes with the client and gets each connection's frames and end."""
    memory = Memory()
    async with (
        open_server() as server,
        open_client(server.url, auth="hush-hush", recorder=memory) as client,
    ):
        await client.ready()
        await client.audio.send(b"\0\0")
        await client._shell.outbox.flushed()
        server.hang_up()
        await trio.sleep(5)
    kinds = [(kind, conn) for kind, _, conn in memory.lines]
    assert kinds[0] == ("open", 1)
    assert ("drop", 1) in kinds
    assert ("open", 2) in kinds
    assert kinds[-1] == ("close", 2)
    assert ("out", b"\0\0", 1) in memory.lines
    assert not any("hush" in str(payload) for _, payload, _ in memory.lines)
    assert not memory.open_now


async def test_lanes_emit_the_results_of_requests(autojump_clock: object) -> None:
    """A change of voice names the client as its source; a page of sessions arrives."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        notes = client.subscribe(VoiceChanged, RequestUserSessions)
        await client.set_agent_voice("coral")
        await client.get_user_sessions(limit=5)
        changed = await notes.receive()
        assert isinstance(changed, RequestUserSessions)
        told = await notes.receive()
        assert isinstance(told, VoiceChanged)
        assert told.source == "client"


async def test_a_refused_session_list_raises(autojump_clock: object) -> None:
    """One clear error, not an endless wait."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        server.faults.drop(["get_user_sessions_response"])
        async with contextlib.aclosing(client.sessions()) as pages, trio.open_nursery() as nursery:

            async def refuse() -> None:
                await trio.sleep(1)
                error = ev.ErrorEvent(message="no", source="get_user_sessions")
                client._shell.pipeline.feed_nowait([client._shell.codec.encode(error)])

            nursery.start_soon(refuse)
            with pytest.raises(ProtocolError):
                await anext(pages)


async def test_the_session_list_is_requested_again_after_a_lost_link(
    autojump_clock: object,
) -> None:
    """The request changes nothing, so repeating it is safe."""
    async with open_server() as server, open_client(server.url, auth="any") as client:
        await client.ready()
        async with client.ask("a"):
            pass
        server.faults.drop(["get_user_sessions_response"], times=1)
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:

                async def cut() -> None:
                    await trio.sleep(1)
                    server.hang_up()

                nursery.start_soon(cut)
                assert len([entry async for entry in client.sessions()]) == 1


@pytest.mark.parametrize("connector", [None, WebsocketsConnector()])
async def test_the_client_over_a_real_socket(connector: Connector | None) -> None:
    """Ask, cancel, lose the link and continue, with both websocket libraries."""
    with trio.fail_after(30):
        async with open_server() as server:
            url = await server.listen()
            async with open_client(url, auth="any", transport=connector) as client:
                await client.ready()
                async with client.ask("hello") as asked:
                    text = "".join([piece async for piece in asked.text])
                assert text == "You said: hello"
                assert (await client.cancel()).via == "socket"
                async with client.ask("after a cancel of nothing") as asked:
                    pass
                assert isinstance(asked.outcome, TurnCompleted)
                notes = client.subscribe(Reconnected)
                server.hang_up()
                await notes.receive()
                async with client.ask("again") as asked:
                    pass
                assert isinstance(asked.outcome, TurnCompleted)
                assert client.health.links == 2


async def test_every_command_has_a_method(autojump_clock: object) -> None:
    """All 28 methods: each sends its type."""
    calls: dict[str, tuple[object, ...]] = {
        "ping": (),
        "get_agents": (),
        "get_avatars": (),
        "get_voices": (),
        "get_tool_catalog": (),
        "list_workspaces": (),
        "set_agent": ("default",),
        "set_agent_tools": (["a"],),
        "set_agent_voice": ("coral",),
        "set_avatar": ("a",),
        "set_avatar_session": ("token", "id"),
        "clear_avatar_session": ("id",),
        "text_input": ("x",),
        "new_chat_session": (),
        "resume_chat_session": ("s",),
        "set_chat_session_name": ("n",),
        "set_session_metadata": ({"a": 1},),
        "set_session_messages": ([],),
        "get_user_sessions": (),
        "delete_chat_session": (),
        "ptt_start": (),
        "ptt_end": (),
        "set_voice_input_mode": ("vad",),
        "audio_input_delta": (b"\0\0",),
        "add_workspace": ({"name": "w"},),
        "remove_workspace": ("w",),
    }
    wanted = {row.type for row in ev.REGISTRY if ev.Direction.CLIENT in row.direction}
    assert wanted - set(calls) == {"pong", "client_wants_cancel"}
    async with open_server() as server, open_client(server.url, auth="any") as client:
        for name, arguments in calls.items():
            await client.ready()
            receipt = await getattr(client, name)(*arguments)
            await receipt.sent()
            await trio.sleep(1)
        assert {seen.type for seen in server.seen} >= set(calls)
