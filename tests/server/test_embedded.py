"""The server in memory, on a virtual clock: access, timing, slow clients, restart."""

from __future__ import annotations

import json

import pytest
import trio
import trio.lowlevel
import trio.testing

from realtime_trio._exceptions import ConnectionFailed, ConnectionLost
from realtime_trio._transports import _memory as _transport_memory
from realtime_trio.server import RealtimeServer, Request, ServerConfig, open_server
from realtime_trio.server._server_core import Close, Send
from realtime_trio.testing import say, turn
from tests.server.clients import WireClient, connect, dial, text_of
from tests.server.wire_shapes import types


async def test_a_turn_is_streamed_at_its_pace(
    autojump_clock: object, server: RealtimeServer
) -> None:
    server.script(turn("Hello", say("Hi ", "there"), delay=2.0))
    async with dial(server) as client:
        assert types(await client.until("user_turn_start"))[-1] == "user_turn_start"
        start = trio.current_time()
        events = await client.answer("Hello")
        assert text_of(events) == "Hi there"
        turn_start = server.config.turn_start
        assert trio.current_time() - start == pytest.approx(4.0 + turn_start, abs=1e-9)


async def test_seen_records_frames_and_their_connections(
    autojump_clock: object, server: RealtimeServer
) -> None:
    async with dial(server) as one, dial(server) as other:
        await one.send({"type": "ping"})
        assert (await one.until("pong"))[-1] == {"type": "pong"}
        await other.transport.send_bytes(b"\x00\x00")
        await other.transport.send_text("{bad")
        await other.until("error")
    assert [(r.connection, r.type) for r in server.seen] == [(1, "ping"), (2, None), (2, None)]
    assert server.seen[1].frame == b"\x00\x00"
    assert "bad" not in repr(server.seen[2])


async def test_seen_is_bounded(autojump_clock: object) -> None:
    async with open_server(ServerConfig(max_seen=2)) as server, dial(server) as client:
        for _ in range(3):
            await client.send({"type": "ping"})
            await client.until("pong")
        assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("query", "status"), [({"token": ""}, 403), ({"agent_key": "no-such-agent"}, 500)]
)
async def test_invalid_dials_are_refused(
    autojump_clock: object, server: RealtimeServer, query: dict[str, str], status: int
) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        async with dial(server, **query):
            pass
    assert caught.value.status == status


async def test_tokens_are_checked_if_configured(autojump_clock: object) -> None:
    now = 1000.0
    config = ServerConfig(accept_any_token=False, token_lifetime=60.0, wall_clock=lambda: now)
    async with open_server(config) as server:
        with pytest.raises(ConnectionFailed) as caught:
            async with dial(server, token="any"):
                pass
        assert caught.value.status == 500
        token = server.issue_token()
        async with dial(server, token=token) as client:
            await client.until("user_turn_start")
        now += 61.0
        with pytest.raises(ConnectionFailed):
            async with dial(server, token=token):
                pass


async def test_an_error_in_the_block_is_raised_bare(autojump_clock: object) -> None:
    mine = ValueError("mine")
    with pytest.raises(ValueError, match="mine"):
        async with open_server() as server, dial(server):
            raise mine


async def test_leaving_ends_everything(autojump_clock: object) -> None:
    async with open_server() as server:
        client = await connect(f"{server.url}?token=any")
    with pytest.raises(ConnectionLost):
        await WireClient(client).until("nothing of the sort")
    with pytest.raises(ConnectionFailed):
        await connect(f"{server.url}?token=any")


async def test_a_cancelled_server_ends(autojump_clock: object) -> None:
    with trio.move_on_after(1.0):
        async with open_server() as server, dial(server) as client:
            while True:
                await client.next()


def shrink(server: RealtimeServer, max_message: int = 10**6) -> None:
    """Limit the buffers of clients that dial from now on to a few frames."""
    listener = _transport_memory._listeners[server.url.removeprefix("memory://")]
    listener._sizes = (2000, max_message)


async def test_a_slow_client_pauses_its_turn_only(autojump_clock: object) -> None:
    config = ServerConfig(soft_queue=8, pace=0.0)
    flood = turn("flood", say("x" * 5000, size=1))
    async with open_server(config) as server:
        shrink(server)
        server.script(flood)
        async with dial(server) as slow, dial(server) as quick:
            await slow.until("user_turn_start")
            await quick.until("user_turn_start")
            await slow.say("flood")
            for _ in range(20):
                await trio.sleep(1.0)
            assert 0 < server.statistics().backlog < 200
            assert text_of(await quick.answer("hello")) == "You said: hello"
            assert text_of(await slow.until("user_turn_start")) == "x" * 5000


async def flood(client: WireClient) -> ConnectionLost:
    """Send without ever reading, until that ends the link."""
    try:
        while True:
            await client.send({"type": "get_voices"})
    except ConnectionLost as lost:
        return lost


async def test_a_client_that_never_reads_is_aborted_at_the_limit(autojump_clock: object) -> None:
    async with open_server(ServerConfig(hard_queue=50)) as server:
        shrink(server)
        async with dial(server) as client:
            lost = await flood(client)
            await trio.sleep(1.0)
            assert server.statistics().connections == 0
            assert lost.code is None


async def test_a_client_that_never_reads_is_aborted_at_its_bytes(autojump_clock: object) -> None:
    """Far fewer frames than ``hard_queue`` allows: each of these is a catalogue."""
    config = ServerConfig(
        max_queued_bytes=2_000_000, voice_names=tuple(f"v{n}" for n in range(500))
    )
    async with open_server(config) as server:
        shrink(server)
        async with dial(server) as client:
            lost = await flood(client)
            await trio.sleep(1.0)
            assert server.statistics().connections == 0
            assert lost.code is None
            assert len(server.seen) < 200


async def test_large_frames_pause_the_turn_of_a_slow_client(autojump_clock: object) -> None:
    config = ServerConfig(max_queued_bytes=4_000_000, pace=0.0)
    text = "x" * 3_000_000
    async with open_server(config) as server:
        shrink(server, max_message=10**7)
        server.script(turn("flood", say(text, size=50_000), delay=0.0))
        async with dial(server) as slow:
            await slow.until("user_turn_start")
            await slow.say("flood")
            for _ in range(20):
                await trio.sleep(1.0)
                assert 0 < server.statistics().backlog < 50
            assert text_of(await slow.until("user_turn_start")) == text


async def test_a_flood_does_not_block_other_sessions(
    autojump_clock: object, server: RealtimeServer
) -> None:
    server.script(turn("flood", say("x" * 5_000, size=1), delay=0.0))
    async with dial(server) as one, dial(server) as other:
        await one.until("user_turn_start")
        await other.until("user_turn_start")
        await one.say("flood")
        assert text_of(await other.answer("hello")) == "You said: hello"
        assert len(await one.until("user_turn_start")) > 5_000


async def test_a_session_outlives_its_socket(
    autojump_clock: object, server: RealtimeServer
) -> None:
    server.script(turn("long", say(*"abcdefghij"), delay=1.0))
    async with dial(server, ui_session_id="mine") as client:
        await client.until("user_turn_start")
        await client.say("long")
        await trio.sleep(2.5)
        await client.transport.aclose()
    await trio.sleep(3.0)
    async with dial(server, ui_session_id="mine") as client:
        events = await client.until("user_turn_start")
    assert events[0]["type"] == "chat_session_changed"
    assert text_of(events) == "fghij"


async def test_a_detached_session_expires(autojump_clock: object) -> None:
    async with open_server(ServerConfig(ui_session_ttl=10.0)) as server:
        for pause, expected in ((9.0, "chat_session_changed"), (11.0, "ui_session_id_changed")):
            async with dial(server, ui_session_id="mine") as client:
                await client.until("user_turn_start")
            await trio.sleep(pause)
            async with dial(server, ui_session_id="mine") as client:
                assert (await client.next())["type"] == expected


async def test_sessions_are_bounded(autojump_clock: object) -> None:
    async with open_server(ServerConfig(max_ui_sessions=3)) as server:
        for number in range(5):
            async with dial(server, ui_session_id=f"s{number}") as client:
                await client.until("user_turn_start")
            await trio.sleep(1.0)
        assert server.statistics().ui_sessions == 3


async def test_a_restart_loses_turns_and_keeps_chats(
    autojump_clock: object, server: RealtimeServer
) -> None:
    server.script(turn("slow", say(*"abc"), delay=100.0))
    async with dial(server, ui_session_id="mine") as client:
        opening = await client.until("user_turn_start")
        chat = opening[6]["chat_session"]["session_id"]
        await client.answer("hello")
        await client.say("slow")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.restart, 5.0)
            await trio.sleep(1.0)
            with pytest.raises(ConnectionLost):
                await client.until("user_turn_start")
            with pytest.raises(ConnectionFailed) as caught:
                async with dial(server):
                    pass
            assert caught.value.status is None
    async with dial(server, ui_session_id="mine", chat_session_id=chat) as client:
        events = await client.until("user_turn_start")
        assert events[0] == {"type": "ui_session_id_changed", "ui_session_id": "mine"}
        messages = events[6]["chat_session"]["messages"]
        assert [message["role"] for message in messages] == ["user", "assistant"]
        assert messages == server.transcript(chat)


async def test_chats_move_to_another_server(autojump_clock: object, server: RealtimeServer) -> None:
    async with dial(server) as client:
        opening = await client.until("user_turn_start")
        await client.answer("hello")
    exported = json.loads(json.dumps(server.export_chats()))
    chat = opening[6]["chat_session"]["session_id"]
    async with open_server(chats=exported) as other:
        assert other.transcript(chat) == server.transcript(chat)
        async with dial(other) as client:  # a new session does not reuse the id of a restored one
            fresh = (await client.until("user_turn_start"))[6]["chat_session"]["session_id"]
        assert fresh != chat


@pytest.mark.parametrize(("how", "code"), [("clean", 1000), ("abort", None)])
async def test_hang_up(
    autojump_clock: object, server: RealtimeServer, how: str, code: int | None
) -> None:
    async with dial(server) as client:
        await client.until("user_turn_start")
        server.hang_up(how)  # type: ignore[arg-type]
        with pytest.raises(ConnectionLost) as caught:
            await client.next()
        assert caught.value.code == code


async def test_a_mute_takeover(autojump_clock: object) -> None:
    async with open_server(ServerConfig(mute_takeover=True)) as server:
        async with dial(server, ui_session_id="mine") as one:
            await one.until("user_turn_start")
            async with dial(server, ui_session_id="mine") as two:
                with pytest.raises(ConnectionLost) as caught:
                    await one.next()
                assert caught.value.clean
                await two.until("user_turn_start")
                await two.say("are you there")
                with trio.move_on_after(60.0) as scope:
                    await two.next()
                assert scope.cancelled_caught
            async with dial(server, ui_session_id="mine") as three:
                opening = await three.next()
        assert len(opening["chat_session"]["messages"]) == 2


async def test_rest_without_a_socket(autojump_clock: object, server: RealtimeServer) -> None:
    async with dial(server, ui_session_id="mine") as client:
        await client.until("user_turn_start")
        form = {"authorization": "Bearer any"}
        request = Request(
            method="POST", target="/api/rt/cancel", headers=form, body=b"ui_session_id=mine"
        )
        assert server.handle(request).status == 200
        assert (await client.next())["type"] == "cancelled"


async def test_a_name_can_be_chosen_once(autojump_clock: object) -> None:
    async with open_server(name="chosen") as server:
        assert server.url == "memory://chosen"
        with pytest.raises(ValueError, match="already"):
            async with open_server(name="chosen"):
                pass


async def test_queued_turns_can_be_dropped(autojump_clock: object, server: RealtimeServer) -> None:
    server.script(turn(text="scripted"))
    server.unscript()
    async with dial(server) as client:
        await client.until("user_turn_start")
        assert text_of(await client.answer("hello")) == "You said: hello"


async def test_a_frame_of_a_lost_connection_changes_nothing(
    autojump_clock: object, server: RealtimeServer
) -> None:
    async with dial(server, ui_session_id="mine") as client:
        await client.until("user_turn_start")
        number = next(iter(server._hub.connections))
    await trio.sleep(1.0)
    assert server._hub.core.receive(number, '{"type": "ping"}', 0.0) == []
    server._hub.apply([Send(number, {"type": "x"}), Close(number)])
    assert server.statistics().connections == 0
