"""The server on a real port: HTTP with httpx, websockets with two libraries and by hand."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx
import pytest
import trio

from realtime_trio._exceptions import ConnectionFailed, ConnectionLost
from realtime_trio._transports._trio_websocket import TrioWebsocketConnector
from realtime_trio._transports._websockets import WebsocketsConnector
from realtime_trio.abc import Connector
from realtime_trio.server import RealtimeServer, ServerConfig, open_server
from realtime_trio.testing import say, tool, turn
from tests.server.clients import dial_socket, text_of
from tests.server.wire_shapes import types

BEARER = {"Authorization": "Bearer any"}


@pytest.fixture
async def base() -> AsyncGenerator[tuple[RealtimeServer, str], None]:
    """A server and its address."""
    async with open_server(ServerConfig(pace=0.0)) as server:
        yield server, await server.listen()


@pytest.mark.parametrize("connector", [TrioWebsocketConnector(), WebsocketsConnector()])
async def test_a_conversation(base: tuple[RealtimeServer, str], connector: Connector) -> None:
    server, url = base
    server.script(turn("Hello", tools=[tool("search", result="3 hits")], text="Hi there"))
    async with dial_socket(url, connector=connector) as client:
        assert types(client.opening)[0] == "ui_session_id_changed"
        events = await client.answer("Hello")
    assert text_of(events) == "Hi there"
    assert "tool_call" in types(events)


async def eventually(holds: Callable[[], bool]) -> None:
    """Let other tasks run until the condition is true."""
    while not holds():
        await trio.lowlevel.checkpoint()


async def test_the_clients_close_frame_is_answered(base: tuple[RealtimeServer, str]) -> None:
    server, url = base
    async with dial_socket(url):
        assert server.statistics().connections == 1
    await eventually(lambda: server.statistics().connections == 0)


@pytest.mark.parametrize(("how", "code"), [("clean", 1000), ("abort", None), ("mid-frame", None)])
async def test_a_cut_ends_the_link(base: tuple[RealtimeServer, str], how: Any, code: Any) -> None:
    server, url = base
    async with dial_socket(url) as client:
        server.faults.cut(how=how)
        await client.send({"type": "get_voices"})
        with pytest.raises(ConnectionLost) as caught:
            await client.next()
        assert caught.value.code == code
    async with dial_socket(url):
        pass


async def test_large_messages_arrive(base: tuple[RealtimeServer, str]) -> None:
    server, url = base
    large = "x" * 3_000_000
    async with dial_socket(url) as client:
        server.faults.oversized(2_000_000, types=["user_turn_end"])
        server.script(turn(large, say(large, size=1_500_000)))
        events = await client.answer(large)
    assert text_of(events) == large


async def test_a_message_beyond_the_limit_ends_the_link() -> None:
    async with open_server(ServerConfig(max_message_bytes=1000)) as server:
        async with dial_socket(await server.listen()) as client:
            await client.transport.send_text("x" * 2000)
            with pytest.raises(ConnectionLost) as caught:
                await client.next()
        assert caught.value.code == 1009


async def test_speech_travels_both_ways(base: tuple[RealtimeServer, str]) -> None:
    async with dial_socket(base[1]) as client:
        await client.send({"type": "set_voice_input_mode", "mode": "realtime"})
        await client.until("server_listening")
        await client.transport.send_bytes(b"\x01\x02" * 160)
        assert await client.next() == b"\x01\x02" * 160


@pytest.mark.parametrize(
    ("query", "status"),
    [({"token": ""}, 403), ({"agent_key": "nope"}, 500), ({"token": "bad.token.here"}, 500)],
)
async def test_refused_upgrades(query: dict[str, str], status: int) -> None:
    async with open_server(ServerConfig(accept_any_token=False)) as server:
        url = await server.listen()
        token = query.get("token", server.issue_token())
        with pytest.raises(ConnectionFailed) as caught:
            async with dial_socket(url, token=token, agent_key=query.get("agent_key", "")):
                pass
        assert caught.value.status == status


@pytest.mark.parametrize("status", [401, 403, 500, 503, None])
async def test_upgrades_refused_by_a_fault(base: tuple[RealtimeServer, str], status: Any) -> None:
    server, url = base
    server.faults.refuse(status)
    with pytest.raises(ConnectionFailed) as caught:
        async with dial_socket(url):
            pass
    assert caught.value.status == status
    async with dial_socket(url):
        pass


async def test_an_upgrade_at_another_path_is_refused(base: tuple[RealtimeServer, str]) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        async with dial_socket(base[1], "/api/rt/other"):
            pass
    assert caught.value.status == 404


async def test_data_after_the_upgrade_is_not_lost(base: tuple[RealtimeServer, str]) -> None:
    """A client can send its first frame in the same packet as its upgrade."""
    host, _, port = base[1].removeprefix("http://").partition(":")
    frame = b'{"type": "ping"}'
    masked = bytes([0x81, 0x80 | len(frame), 0, 0, 0, 0]) + frame
    head = (
        b"GET /api/rt/ws?token=any HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        await stream.send_all(head + masked)
        answer = b""
        while b'{"type":"pong"}' not in answer:
            answer += await stream.receive_some()
    assert answer.startswith(b"HTTP/1.1 101")


async def test_an_upgrade_without_its_key_is_refused(base: tuple[RealtimeServer, str]) -> None:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    async with httpx.AsyncClient(base_url=base[1]) as http:
        answer = await http.get("/api/rt/ws", params={"token": "any"}, headers=headers)
    assert answer.status_code == 400


async def test_a_stall_on_a_socket(base: tuple[RealtimeServer, str]) -> None:
    server, url = base
    async with dial_socket(url) as client:
        server.faults.stall(0.0, after=1)
        await client.send({"type": "get_agents"})
        await client.send({"type": "ping"})
        assert types([await client.next(), await client.next()]) == ["agent_list", "pong"]


async def test_hanging_up_twice(base: tuple[RealtimeServer, str]) -> None:
    server, url = base
    async with dial_socket(url) as client:
        server.hang_up()
        server.hang_up()
        with pytest.raises(ConnectionLost):
            await client.next()


async def test_downtime_breaks_links_and_refuses_dials(base: tuple[RealtimeServer, str]) -> None:
    server, url = base
    async with trio.open_nursery() as nursery:
        async with dial_socket(url) as client:
            nursery.start_soon(server.restart, 3600.0)
            with pytest.raises(ConnectionLost):
                await client.next()
        async with httpx.AsyncClient(base_url=url) as http:
            with pytest.raises(httpx.TransportError):
                await http.get("/api/rt/refresh_token", headers=BEARER)
        nursery.cancel_scope.cancel()
    async with dial_socket(url):
        pass


# -- REST ----------------------------------------------------------------------------------


async def test_login_and_refresh() -> None:
    async with open_server(ServerConfig(accept_any_token=False)) as server:
        url = await server.listen()
        async with httpx.AsyncClient(base_url=url) as http:
            login = await http.post(
                "/api/rt/login", json={"username": "admin", "password": "admin"}
            )
            assert login.status_code == 200
            tokens = login.json()
            assert list(tokens) == ["agent_c_token", "heygen_token", "ui_session_id"]
            bearer = {"Authorization": f"Bearer {tokens['agent_c_token']}"}
            fresh = (await http.get("/api/rt/refresh_token", headers=bearer)).json()
            assert list(fresh) == ["agent_c_token", "heygen_token"]
            assert fresh["agent_c_token"] != tokens["agent_c_token"]
            refused = await http.get("/api/rt/refresh_token", headers=BEARER)
            assert refused.status_code == 401
        token, session = fresh["agent_c_token"], tokens["ui_session_id"]
        async with dial_socket(url, token=token, ui_session_id=session) as client:
            opening = client.opening
        assert opening[0]["ui_session_id"] == tokens["ui_session_id"]


@pytest.mark.parametrize(
    "given", [{"username": "admin", "password": "wrong"}, {"username": "nobody"}, []]
)
async def test_bad_credentials(base: tuple[RealtimeServer, str], given: object) -> None:
    async with httpx.AsyncClient(base_url=base[1]) as http:
        assert (await http.post("/api/rt/login", json=given)).status_code == 401


async def test_invalid_requests(base: tuple[RealtimeServer, str]) -> None:
    async with httpx.AsyncClient(base_url=base[1]) as http:
        assert (await http.get("/")).status_code == 404
        assert (await http.get("/api/rt/login")).status_code == 405
        assert (await http.get("/api/rt/cancel")).status_code == 405
        assert (await http.post("/api/rt/login", content=b"{bad")).status_code == 422
        deep = await http.post("/api/rt/login", content=b"[" * 100_000)
        assert deep.status_code == 422
        assert (await http.get("/api/rt/refresh_token")).status_code == 401


async def test_one_request_per_connection(base: tuple[RealtimeServer, str]) -> None:
    async with httpx.AsyncClient(base_url=base[1], headers={"Connection": "close"}) as http:
        for _ in range(2):
            answer = await http.get("/")
            assert answer.headers["connection"] == "close"


async def test_bytes_that_are_not_http(base: tuple[RealtimeServer, str]) -> None:
    host, _, port = base[1].removeprefix("http://").partition(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        await stream.send_all(b"\x00\x01\x02\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 400")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        await stream.send_all(b"GET //[ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 400")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        await stream.send_all(
            b"POST /api/rt/login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
        )
        await stream.send_eof()
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 400")


async def test_a_request_with_expect_100_continue(base: tuple[RealtimeServer, str]) -> None:
    host, _, port = base[1].removeprefix("http://").partition(":")
    head = (
        b"POST /api/rt/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        await stream.send_all(head)
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 100")
        await stream.send_all(b"{}")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 401")


async def test_an_upload_becomes_part_of_a_message(base: tuple[RealtimeServer, str]) -> None:
    server, url = base
    content = bytes(range(256)) * 10 + b"\r\n--not-a-boundary\r\n"
    async with (
        dial_socket(url, ui_session_id="mine") as client,
        httpx.AsyncClient(base_url=url, headers=BEARER) as http,
    ):
        response = await http.post(
            "/api/rt/upload_file",
            data={"ui_session_id": "mine"},
            files={"file": ("note.bin", content, "application/x-note")},
        )
        facts = response.json()
        assert list(facts) == ["id", "filename", "mime_type", "size"]
        assert facts["filename"] == "note.bin"
        assert facts["mime_type"] == "application/x-note"
        assert facts["size"] == len(content)
        await client.send({"type": "text_input", "text": "look", "file_ids": [facts["id"]]})
        await client.until("user_turn_start")
        await client.send({"type": "text_input", "text": "look", "file_ids": ["no-such-file"]})
        events = await client.until("user_turn_start")
        assert types(events) == [
            "user_turn_end",
            "chat_session_added",
            "error",
            "user_turn_start",
        ]
        assert "not found" in events[2]["message"]
    chat = client.opening[6]["chat_session"]["session_id"]
    message = server.transcript(chat)[0]
    assert [block["type"] for block in message["content"]] == ["document", "text"]  # type: ignore[attr-defined]


async def test_uploads_that_are_refused() -> None:
    async with open_server(ServerConfig(max_upload_bytes=1000)) as server:
        url = await server.listen()
        async with httpx.AsyncClient(base_url=url, headers=BEARER) as http:
            path = "/api/rt/upload_file"
            files = {"file": ("a", b"x", "text/plain")}
            assert (await http.post(path, files=files)).status_code == 422
            unknown = await http.post(path, data={"ui_session_id": "nope"}, files=files)
            assert unknown.status_code == 404
            assert (await http.post(path, content=b"x")).status_code == 422
            large = {"file": ("a", b"x" * 2000, "text/plain")}
            assert (await http.post(path, files=large)).status_code == 413


async def test_uploads_are_bounded() -> None:
    async with open_server(ServerConfig(max_uploads=2)) as server:
        url = await server.listen()
        async with (
            dial_socket(url, ui_session_id="mine"),
            httpx.AsyncClient(base_url=url, headers=BEARER) as http,
        ):
            for _ in range(3):
                await http.post(
                    "/api/rt/upload_file",
                    data={"ui_session_id": "mine"},
                    files={"file": ("a", b"x", "text/plain")},
                )
        assert len(server._hub.core.state.uploads) == 2


async def test_a_cancel_through_rest(base: tuple[RealtimeServer, str]) -> None:
    server, url = base
    server.script(turn("slow", say("word " * 100), delay=0.02))
    async with (
        dial_socket(url, ui_session_id="mine") as client,
        httpx.AsyncClient(base_url=url, headers=BEARER) as http,
    ):
        await client.say("slow")
        await client.until("text_delta")
        form = {"ui_session_id": "mine"}
        answer = await http.post("/api/rt/cancel", data=form)
        assert answer.json() == {
            "status": "success",
            "message": "Cancellation signal sent for session: mine",
        }
        await client.until("cancelled")
        await client.until("user_turn_start")
        missing = await http.post("/api/rt/cancel", data={"ui_session_id": "nope"})
        assert missing.status_code == 404
        multipart = await http.post("/api/rt/cancel", files={"ui_session_id": (None, "mine")})
        assert multipart.status_code == 200


async def test_listening_on_two_ports_and_on_one_in_use(base: tuple[RealtimeServer, str]) -> None:
    server, url = base
    other = await server.listen()
    assert other != url
    port = int(url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        await server.listen(port=port)
