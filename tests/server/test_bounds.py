"""What a server keeps is bounded, and a failing connection does not affect others."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio.server import Request, ServerConfig, open_server
from realtime_trio.server._contain import contained
from realtime_trio.server._hub import Received
from realtime_trio.server._origin import origin_allowed
from realtime_trio.server._server_core import Refused, ServerCore
from realtime_trio.server._storage import SeenFrames, held_bytes
from realtime_trio.testing import emit, turn
from tests.server.clients import DirectClient, dial, text_of
from tests.server.wire_shapes import types

# -- bounds --------------------------------------------------------------------------------


def client_of(**options: Any) -> DirectClient:
    """Make an initialised client."""
    client = DirectClient(ServerConfig(**options))
    client.dial()
    client.take()
    return client


def test_nested_values_count() -> None:
    assert held_bytes({"a": ["x" * 1000, {"b": "y" * 1000}]}) > 2000


@given(st.lists(st.integers(0, 300), max_size=50))
def test_seen_keeps_the_latest_frames_within_its_bytes(sizes: list[int]) -> None:
    seen = SeenFrames(20, 4000)
    for number, size in enumerate(sizes):
        seen.add(Received(connection=number, frame=b"x" * size, at=0.0))
        held = sum(held_bytes(each.frame) + 256 for each in seen.frames)
        assert held <= 4000
        assert seen.frames[-1].connection == number
        assert len(seen.frames) <= 20


def test_seen_may_be_cleared_by_its_owner() -> None:
    seen = SeenFrames(100, 4000)
    for _ in range(8):
        seen.add(Received(connection=1, frame=b"x" * 1000, at=0.0))
        seen.frames.clear()
    for _ in range(3):
        seen.add(Received(connection=1, frame=b"x" * 1000, at=0.0))
    assert len(seen.frames) == 3


def test_the_chats_unused_for_longest_go_first() -> None:
    client = client_of(max_chats=3)
    for _ in range(5):
        client.answer("hello")
        client.ask({"type": "new_chat_session"})
    client.answer("last")
    (session,) = client.core.state.sessions.values()
    chats = client.core.state.chats
    assert len(chats) == 3
    assert session.chat.session_id in chats


def test_chats_are_bounded_in_bytes() -> None:
    client = client_of(max_stored_bytes=100_000)
    for _ in range(20):
        client.answer("x" * 5_000)
        client.ask({"type": "new_chat_session"})
    chats = client.core.state.chats.values()
    assert sum(chat.held for chat in chats) <= 100_000
    assert len(chats) > 2


@pytest.mark.parametrize(
    "command",
    [
        {"type": "text_input", "text": "x" * 20_000},
        {"type": "set_session_metadata", "meta": {"a": "x" * 20_000}},
        {"type": "set_session_messages", "messages": [{"a": "x" * 20_000}]},
        {"type": "set_chat_session_name", "session_name": "x" * 20_000},
        {"type": "add_workspace", "entry": {"name": "x" * 20_000}},
    ],
    ids=lambda command: command["type"],
)
def test_a_full_server_refuses_what_would_be_stored(command: dict[str, Any]) -> None:
    client = client_of(max_stored_bytes=20_000)
    error = client.ask(command)[-1]
    assert error["type"] == "error"
    assert "max_stored_bytes" in error["message"]
    assert text_of(client.answer("hello")) == "You said: hello"


def test_workspaces_are_bounded() -> None:
    client = client_of(max_workspaces=1)
    add = {"type": "add_workspace", "entry": {"name": "w"}}
    assert types(client.ask(add)) == ["workspace_added"]
    assert types(client.ask(add)) == ["error"]


def test_a_fork_needs_room() -> None:
    client = client_of(max_stored_bytes=50_000)
    client.answer("x" * 12_000)
    assert types(client.answer("!fork")) == ["error"]


def test_repeated_tools_are_kept_once() -> None:
    client = client_of()
    changed, _ = client.ask({"type": "set_agent_tools", "tools": ["Toolset0"] * 50})
    assert changed["agent_config"]["tools"] == ["Toolset0"]


def test_a_dial_beyond_the_sessions_with_sockets_is_refused() -> None:
    client = client_of(max_ui_sessions=1)
    with pytest.raises(Refused) as caught:
        client.dial()
    assert caught.value.status == 503
    (live,) = client.core.state.sessions
    client.dial(ui_session_id=live)
    with pytest.raises(Refused) as caught:
        client.dial(ui_session_id="x" * 257)
    assert caught.value.status == 400


# -- tokens and origins --------------------------------------------------------------------


@pytest.mark.parametrize("token", ["x", "a.b.c", "é.é.é", "\ud800", "..", ""])
def test_a_forged_token_is_refused(token: str) -> None:
    core = ServerCore(ServerConfig(accept_any_token=False), 0.0)
    with pytest.raises(Refused):
        core.authorize({"token": token})


def test_a_token_of_another_server_with_the_same_seed_is_refused() -> None:
    one, other = (ServerCore(ServerConfig(accept_any_token=False), 0.0) for _ in range(2))
    token = one.state.tokens.issue("admin")
    assert one.authorize({"token": token}).user_id == "admin"
    with pytest.raises(Refused):
        other.authorize({"token": token})


@pytest.mark.parametrize(
    ("origin", "allowed", "expected"),
    [
        (None, (), True),
        ("http://host:80", (), True),
        ("HTTP://HOST:80", (), True),
        ("http://host", (), False),
        ("http://evil", (), False),
        ("http://evil", ("http://evil",), True),
        ("http://evil", ("http://other",), False),
        ("http://evil", ("*",), True),
        ("null", (), False),
        ("", (), False),
        ("http://[x", (), False),
    ],
)
def test_origins_are_checked_against_the_host(
    origin: str | None, allowed: tuple[str, ...], expected: bool
) -> None:
    headers = [("host", "Host:80")]
    if origin is not None:
        headers.append(("origin", origin))
    assert origin_allowed(headers, allowed) is expected


async def raw(url: str, request: bytes) -> bytes:
    """Send one request to a server's port and return the first line of the answer."""
    host, _, port = url.removeprefix("http://").partition(":")
    stream = await trio.open_tcp_stream(host, int(port))
    async with stream:
        await stream.send_all(request.replace(b"HOST", f"{host}:{port}".encode()))
        return bytes(await stream.receive_some(4096)).partition(b"\r\n")[0]


UPGRADE = (
    b"GET /api/rt/ws?token=x HTTP/1.1\r\nHost: HOST\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Version: 13\r\n%s\r\n"
)
LOGIN = b"POST /api/rt/login HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n%s\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (UPGRADE % b"Origin: http://HOST\r\n", b"101"),
        (UPGRADE % b"Origin: http://evil\r\n", b"403"),
        (UPGRADE % b"Sec-WebSocket-Protocol: \xff\r\n", b"400"),
        (LOGIN % b"Origin: http://evil\r\n", b"403"),
        (LOGIN % b"", b"422"),
    ],
)
async def test_hostile_headers_cost_only_their_connection(request_: bytes, status: bytes) -> None:
    async with open_server() as server:
        url = await server.listen()
        assert status in await raw(url, request_)
        assert b"422" in await raw(url, LOGIN % b"")


# -- failures ------------------------------------------------------------------------------


def test_a_contained_failure_is_logged_without_its_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR, "realtime_trio.server"), contained("it"):
        group = "several"
        raise ExceptionGroup(group, [ValueError("secret")])
    assert "it: ValueError" in caplog.text
    assert "secret" not in caplog.text


async def test_a_frame_that_cannot_be_encoded_ends_only_its_connection(
    autojump_clock: object,
) -> None:
    async with open_server() as server:
        server.script(turn("bad", emit({"type": "x", "value": object()})))
        async with dial(server) as one, dial(server) as other:
            await one.until("user_turn_start")
            await other.until("user_turn_start")
            await one.say("bad")
            await trio.sleep(1.0)
            assert server.statistics().connections == 1
            assert text_of(await other.answer("hello")) == "You said: hello"


async def test_a_turn_that_raises_ends_only_its_connection(
    autojump_clock: object,
) -> None:
    async with open_server() as server:
        server.script(turn("bad", start=1.0, text=5))  # type: ignore[arg-type]
        async with dial(server) as one, dial(server) as other:
            await one.until("user_turn_start")
            await other.until("user_turn_start")
            await one.say("bad")
            await trio.sleep(2.0)
            assert server.statistics().connections == 1
            assert text_of(await other.answer("hello")) == "You said: hello"


async def test_a_request_that_raises_is_answered_with_500(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_server() as server:

        def fail(user_id: str) -> str:
            raise RuntimeError(user_id)

        monkeypatch.setattr(server._hub.core.state.tokens, "issue", fail)
        headers = {"authorization": "Bearer x"}
        request = Request(method="GET", target="/api/rt/refresh_token", headers=headers)
        assert server.handle(request).status == 500
