"""Small parts: ids, tokens, catalogue, scripting functions, chats, the connection."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio._exceptions import ClosedError, ConnectionLost
from realtime_trio._transports._memory import memory_pair
from realtime_trio.server import Account, Packet, ServerConfig, Silence
from realtime_trio.server._chat_sessions import StoredSession
from realtime_trio.server._client_connection import ClientConnection
from realtime_trio.server._http import Upgrade
from realtime_trio.server._ids import WORDS, IdGenerator
from realtime_trio.server._jwt import Tokens
from realtime_trio.server._socket import ServerSocket
from realtime_trio.server._turn_engine import Item, Pause, interleave
from realtime_trio.server._turn_script import Render, Say, ScriptedMedia, Think, UseTools
from realtime_trio.testing import (
    delegate,
    emit,
    fail,
    media,
    say,
    show,
    speak,
    think,
    tool,
    turn,
    use,
    wait,
)

# -- ids -----------------------------------------------------------------------------------


def test_ids_come_from_the_seed() -> None:
    assert [IdGenerator(1).words("chat") for _ in range(2)] == [IdGenerator(1).words("chat")] * 2
    assert IdGenerator(1).words("chat") != IdGenerator(2).words("chat")
    assert IdGenerator(1).words("chat") != IdGenerator(1).words("ui")
    assert len(IdGenerator(1).words("x", 3).split("-")) == 3
    assert len(IdGenerator(1).hex("call")) == 20


def test_ids_do_not_repeat() -> None:
    ids = IdGenerator(7)
    pairs = len(WORDS) ** 2
    found = {ids.words("chat") for _ in range(pairs + 10)}
    assert len(found) == pairs + 10
    assert len(WORDS) == len(set(WORDS))


# -- tokens --------------------------------------------------------------------------------


def test_tokens_contain_their_expiry() -> None:
    tokens = Tokens(b"secret", 60.0, lambda: 1000.0)
    body = tokens.issue("ann").split(".")[1]
    facts = json.loads(base64.urlsafe_b64decode(body + "=="))
    assert facts["exp"] == 1060
    assert facts["sub"] == "ann"


def test_tokens_are_checked() -> None:
    now = [1000.0]
    tokens = Tokens(b"secret", 60.0, lambda: now[0])
    token = tokens.issue("ann")
    assert tokens.issue("ann") != token
    assert tokens.user_of(token) == "ann"
    assert Tokens(b"other", 60.0, lambda: 0.0).user_of(token) is None
    now[0] = 1060.0
    assert tokens.user_of(token) is None


@given(st.text(max_size=30) | st.text(alphabet="abc.=", max_size=30))
def test_invalid_tokens_have_no_user(text: str) -> None:
    assert Tokens(b"secret", 60.0, lambda: 0.0).user_of(text) is None


@pytest.mark.parametrize("body", ["{}", "[", '{"exp": "soon", "sub": "a"}', '{"exp": 99}'])
def test_an_invalid_payload_is_refused_even_if_signed(body: str) -> None:
    tokens = Tokens(b"secret", 60.0, lambda: 0.0)
    encoded = base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")
    signature = base64.urlsafe_b64encode(tokens._sign(f"x.{encoded}")).decode().rstrip("=")
    assert tokens.user_of(f"x.{encoded}.{signature}") is None


def test_secrets_are_not_shown() -> None:
    assert "hidden" not in repr(Account(password="hidden"))
    assert "hidden" not in repr(ServerConfig(users=(Account(password="hidden"),)))


# -- catalogue -----------------------------------------------------------------------------


def test_the_catalogue_has_the_configured_sizes() -> None:
    config = ServerConfig(toolset_count=40, toolset_schemas=20, avatar_count=3, voice_names=("a",))
    assert len(config.tools()) == 40
    assert len(config.tools()[0]["schemas"]) == 20  # type: ignore[arg-type]
    assert len(json.dumps(config.tools())) > 180_000
    assert len(config.avatars()) == 3
    assert [voice["voice_id"] for voice in config.voices()] == ["none", "avatar", "a"]
    assert config.agent("nope") is None


def test_a_chat_survives_the_round_trip_over_the_wire() -> None:
    config = ServerConfig()
    agent = config.agent("gpt")
    assert agent is not None
    chat = StoredSession(
        session_id="s", user_id="u", agent=agent, created_at="c", updated_at="d", name="n"
    )
    chat.messages.append({"role": "user", "content": "x"})
    chat.metadata["a"] = 1
    again = StoredSession.from_wire(json.loads(json.dumps(chat.to_wire())), config)
    assert again.to_wire() == chat.to_wire()
    unknown = {**chat.to_wire(), "agent_config": {"key": "gone"}}
    assert StoredSession.from_wire(unknown, config).agent.key == "default"


# -- scripting functions -------------------------------------------------------------------


def test_the_scripting_functions_build_steps() -> None:
    assert say("a") == Say(text="a")
    assert say("a", "b") == Say(pieces=("a", "b"))
    assert say("abc", size=2).pieces == ("ab", "c")
    assert say("abc", size=2).whole == say("abc").whole == say("a", "bc").whole == "abc"
    assert think("a") == Think(text="a")
    assert show(media("x")) == Render(media=ScriptedMedia(content="x"))
    assert wait(1.0).seconds == 1.0
    assert emit({}, "x").frames == ({}, "x")
    assert speak("hi", frame=0.1).frame == 0.1
    assert fail().by == "system_message"
    assert use(tool("a")) == UseTools(calls=(tool("a"),))
    assert delegate("k", "r", text="t").reply == turn(text="t")


def test_a_single_item_stands_for_a_list() -> None:
    assert turn(thoughts="ab") == turn(thoughts=["ab"])
    assert turn(media=media("m")) == turn(media=[media("m")])
    assert turn(delegate=delegate()) == turn(delegate=[delegate()])
    assert turn().steps == ()


# -- interleaving --------------------------------------------------------------------------


def stream(name: str, *pauses: float, shielded: bool = False) -> Any:
    """Make a generator that yields its name after each pause."""
    for pause in pauses:
        yield Pause(pause, shielded)
        yield name


def test_interleaving_keeps_each_pace() -> None:
    items: list[Item] = list(interleave([stream("a", 1, 1, 1), stream("b", 2, 0.5)]))
    assert [i for i in items if not isinstance(i, Pause)] == ["a", "b", "a", "b", "a"]
    assert sum(i.seconds for i in items if isinstance(i, Pause)) == 3.0


def test_ties_alternate() -> None:
    items = list(interleave([stream(name, 0, 0, 0) for name in "abc"]))
    assert items == list("abcabcabc")


def test_a_shielded_pause_stays_shielded() -> None:
    items = list(interleave([stream("a", 2, shielded=True), stream("b", 1)]))
    assert [i.shielded for i in items if isinstance(i, Pause)] == [False, True]


# -- connection ----------------------------------------------------------------------------


def packet(number: int, at: float = 0.0) -> Packet:
    """Make a numbered packet."""
    return Packet(connection=1, frame=str(number), at=at)


async def test_packets_leave_in_order_at_their_time(autojump_clock: object) -> None:
    client, server = memory_pair()
    connection = ClientConnection(
        1, server, high_water=5, limit=10, max_bytes=10**6, on_drained=lambda: None
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.run, lambda frame: None)
        for number, at in enumerate((5.0, 2.0, 0.0)):
            connection.put(packet(number, at))
        assert [await client.receive() for _ in range(3)] == ["0", "1", "2"]
        assert trio.current_time() == pytest.approx(5.0)
        connection.close(1001, "later")
        with pytest.raises(ConnectionLost) as caught:
            await client.receive()
        assert (caught.value.code, caught.value.reason) == (1001, "later")
    connection.put(packet(9))
    assert connection.backlog == 0


async def test_closing_does_not_wait_for_a_stall(autojump_clock: object) -> None:
    client, server = memory_pair()
    connection = ClientConnection(
        1, server, high_water=5, limit=10, max_bytes=10**6, on_drained=lambda: None
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.run, lambda frame: None)
        connection.put(Silence(connection=1, seconds=1000.0))
        connection.put(packet(1))
        await trio.sleep(1.0)
        connection.close(1000, "")
        connection.close(1001, "only once")
        assert await client.receive() == "1"
        with pytest.raises(ConnectionLost) as caught:
            await client.receive()
        assert caught.value.code == 1000
        assert trio.current_time() < 2.0


async def test_closing_before_a_stall(autojump_clock: object) -> None:
    client, server = memory_pair()
    connection = ClientConnection(
        1, server, high_water=5, limit=10, max_bytes=10**6, on_drained=lambda: None
    )
    connection.put(Silence(connection=1, seconds=1000.0))
    connection.close(1000, "")
    await connection.run(lambda frame: None)
    assert trio.current_time() < 1.0
    with pytest.raises(ConnectionLost):
        await client.receive()


# -- the server side of a websocket --------------------------------------------------------

HEADERS = (
    (b"host", b"x"),
    (b"upgrade", b"websocket"),
    (b"connection", b"Upgrade"),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
)


def frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """Make a client's frame, masked with zeros."""
    return bytes([opcode | (0x80 if final else 0), 0x80 | len(payload)]) + bytes(4) + payload


async def accepted(*, limit: int = 1000) -> tuple[Any, Any]:
    """Accept a socket; return the client's end of its stream and the server's link."""
    client, server = trio.testing.memory_stream_pair()
    link = ServerSocket(server, Upgrade("/api/rt/ws?token=x", HEADERS, b""), limit)  # type: ignore[arg-type]
    await link.accept()
    assert (await client.receive_some()).startswith(b"HTTP/1.1 101")
    return client, link


async def test_fragments_become_one_message() -> None:
    client, link = await accepted()
    await client.send_all(frame(1, b"ab", final=False) + frame(0, b"cd"))
    assert await link.receive() == "abcd"
    await client.send_all(frame(2, b"ab", final=False) + frame(0, b"cd") + frame(1, b"x"))
    assert await link.receive() == b"abcd"
    assert link.receive_nowait() == "x"
    with pytest.raises(trio.WouldBlock):
        link.receive_nowait()
    assert link.bytes_received == len(frame(1, b"ab")) * 4 + len(frame(1, b"x"))


async def test_pings_are_answered_unless_ignored() -> None:
    client, link = await accepted()
    await client.send_all(frame(10, b"unasked") + frame(9, b"hi") + frame(1, b"x"))
    assert await link.receive() == "x"
    assert await client.receive_some() == b"\x8a\x02hi"
    link.ignore_pings = True
    await client.send_all(frame(9, b"hi") + frame(1, b"y"))
    assert await link.receive() == "y"
    link.ignore_pings = False
    await link.ping()
    assert await client.receive_some() == b"\x89\x00"


async def test_half_a_frame() -> None:
    client, link = await accepted()
    await link.send_half_frame("0123456789")
    assert await client.receive_some() == b"\x81\x0a0123"
    _, link = await accepted()
    await link.send_half_frame(b"")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(8, b"\x03\xe9bye"), 1001),
        (frame(3, b""), 1002),
        (frame(1, b"\xff"), 1007),
    ],
)
async def test_a_close_or_a_malformed_frame_ends_the_link(sent: bytes, code: int) -> None:
    client, link = await accepted()
    await client.send_all(frame(1, b"x"))
    assert await link.receive() == "x"
    await client.send_all(sent)
    with pytest.raises(ConnectionLost) as caught:
        await link.receive()
    assert caught.value.code == code
    with pytest.raises(ConnectionLost):
        link.receive_nowait()
    with pytest.raises(ConnectionLost):
        await link.send_text("x")
    await link.aclose()


async def test_a_link_that_ends_without_a_close_frame() -> None:
    client, link = await accepted()
    await client.aclose()
    with pytest.raises(ConnectionLost) as caught:
        await link.receive()
    assert caught.value.code is None
    client, link = await accepted()
    await client.aclose()
    with pytest.raises(ConnectionLost):
        await link.send_bytes(b"x")
    await link.aclose()


async def test_closing_after_the_client_has_gone() -> None:
    client, link = await accepted()
    await client.aclose()
    await link.aclose()


async def test_calls_after_closing_raise_closed_error(autojump_clock: object) -> None:
    client, link = await accepted()
    await link.aclose(1001, "later")
    assert await client.receive_some() == b"\x88\x07\x03\xe9later"
    assert trio.current_time() == pytest.approx(1.0)  # the client never answered
    await link.aclose()
    with pytest.raises(ClosedError):
        await link.send_text("x")
    with pytest.raises(ClosedError):
        await link.receive()


async def test_closing_while_another_task_reads(autojump_clock: object) -> None:
    client, link = await accepted()
    async with trio.open_nursery() as nursery:

        async def read() -> None:
            with pytest.raises(ClosedError):
                await link.receive()

        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(link.aclose)
        await client.receive_some()
        await client.send_all(frame(8, b"\x03\xe8"))
    assert trio.current_time() < 1.0
