"""A link from its dial to its proof, against a server that is played by hand."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from urllib.parse import quote_plus

import pytest
import trio

from realtime_trio import events as ev
from realtime_trio._client._client import open_client
from realtime_trio._config import ClientConfig, LaneBounds
from realtime_trio._connection._link import _EARLY_BYTES, _prove
from realtime_trio._connection._recorder import RecorderTap
from realtime_trio._core._codec import Codec
from realtime_trio._core._notifications import ProcessingFailed
from realtime_trio._core._shell_notifications import Disconnected, Reconnected, SessionRestored
from realtime_trio._exceptions import ConnectionFailed, ConnectionLost, InDoubt
from realtime_trio._rest._tokens import PasswordLogin
from realtime_trio._transports._memory import (
    MemoryAnswer,
    MemoryListener,
    MemoryTransport,
    memory_pair,
)
from realtime_trio.abc import Transport
from realtime_trio.server import open_server

PONG, START = '{"type":"pong"}', '{"type":"user_turn_start"}'


@asynccontextmanager
async def by_hand(
    serve: Callable[[MemoryTransport], Awaitable[object]], answer: MemoryAnswer | None = None
) -> AsyncGenerator[str, None]:
    """The address of a server that serves each link so, and REST as ``answer`` says."""

    async def accept(listener: MemoryListener) -> None:
        while True:
            _, transport = await listener.accept()
            nursery.start_soon(serve, transport)

    with MemoryListener() as listener:
        listener.answer = answer
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept, listener)
            yield listener.url
            nursery.cancel_scope.cancel()


async def test_a_link_that_ends_before_it_is_proven_is_dialled_again(
    autojump_clock: object,
) -> None:
    """It has never counted, so nobody is told of its end."""
    async with open_server() as server:
        server.faults.cut()
        async with open_client(server.url, auth="any") as client:
            news = client.subscribe(Reconnected)
            await client.ready()
            assert client.health.links == 1
            assert server.seen[-1].connection == 2
            assert news.statistics().depth == 0


async def test_a_dial_has_a_deadline_of_its_own(autojump_clock: object) -> None:
    """The proof is a part of it."""
    config = ClientConfig(connect_timeout=3, pong_timeout=1000, max_attempts=1)

    async def serve(transport: MemoryTransport) -> None:
        await trio.sleep_forever()

    async with by_hand(serve) as url:
        with pytest.raises(ConnectionFailed, match="within 3 s"):
            async with open_client(url, auth="any", config=config):
                raise AssertionError


async def test_what_comes_before_the_pong_is_kept(autojump_clock: object) -> None:
    """Speech and what nobody can read as well; each is handled when the client begins."""

    async def serve(transport: MemoryTransport) -> None:
        assert await transport.receive() == '{"type":"ping"}'
        await transport.send_text("{")
        await transport.send_bytes(b"\0\0")
        for frame in ('{"type":"text_delta"}', START, PONG):
            await transport.send_text(frame)
        await trio.sleep_forever()

    async with by_hand(serve) as url, open_client(url, auth="any") as client:
        audio, faults = client.subscribe(ev.AudioFrame), client.subscribe(ProcessingFailed)
        await client.ready()
        assert (await audio.receive()).data == b"\0\0"
        assert [(await faults.receive()).event_type for _ in range(2)] == [None, "text_delta"]


async def quiet(transport: MemoryTransport) -> None:
    """Answers a ping and lets the user speak; nothing else, not even who the session is."""
    with suppress(ConnectionLost):
        while True:
            if "ping" in str(await transport.receive()):
                await transport.send_text(PONG)
                await transport.send_text(START)


async def test_a_server_that_names_no_session_cannot_be_asked_by_rest(
    autojump_clock: object,
) -> None:
    """A cancel that it does not answer is in doubt, and says why."""
    async with by_hand(quiet) as url, open_client(url, auth="any") as client:
        await client.ready()
        with pytest.raises(InDoubt, match="not sent the id"):
            await client.cancel()


async def test_a_login_names_the_session_where_the_server_does_not(
    autojump_clock: object,
) -> None:
    """It was dialled with, and is what REST calls are about."""
    asked: list[tuple[str, bytes]] = []

    def answer(_: object, path: str, __: object, body: bytes) -> tuple[int, bytes]:
        asked.append((path.rpartition("/")[2], body))
        return 200, b'{"agent_c_token": "t", "ui_session_id": "ui-7", "id": "f"}'

    login = PasswordLogin("me", "secret")
    async with by_hand(quiet, answer) as url, open_client(url, auth=login) as client:
        await client.upload_file(b"x", filename="x")
        assert (await client.cancel()).via == "rest"
    assert [name for name, _ in asked] == ["login", "upload_file", "cancel"]
    assert all(b"ui-7" in body for _, body in asked[1:])


async def test_only_the_list_that_was_asked_for_makes_a_session_whole(
    autojump_clock: object,
) -> None:
    """Not another session's, and not none; after that it is told once."""
    links = 0

    def session(session_id: str | None) -> str:
        chat = None if session_id is None else {"session_id": session_id, "messages": []}
        return json.dumps({"type": "chat_session_changed", "chat_session": chat})

    async def serve(transport: MemoryTransport) -> None:
        nonlocal links
        links += 1
        await transport.receive()
        ids = {"session_id": "s", "parent_session_id": None, "user_session_id": "s"}
        middle = {"type": "text_delta", "role": "assistant", "content": "x", **ids}
        for frame in (session("s"), *([json.dumps(middle)] if links == 2 else ()), START, PONG):
            await transport.send_text(frame)
        if links == 1:
            await transport.aclose(1012)
            return
        assert await transport.receive() == '{"type":"resume_chat_session","session_id":"s"}'
        for each in ("other", None, "s", "s"):
            await trio.sleep(10)
            await transport.send_text(session(each))
        await trio.sleep_forever()

    async with by_hand(serve) as url, open_client(url, auth="any") as client:
        news = client.subscribe(SessionRestored)
        lists = client.subscribe(ev.ChatSessionChangedEvent)
        for _ in range(4):  # one on each link, another session's, and none
            await lists.receive()
            assert news.statistics().depth == 0
        assert await news.receive() == SessionRestored(session_id="s", reloaded=True)
        await trio.sleep(20)
        assert news.statistics().depth == 0


class Burst:
    """A transport, and its connector, to which much has come before anybody looked."""

    bytes_received = 0

    def __init__(self, *frames: str) -> None:
        self._frames = deque([PONG, *frames])

    async def connect(self, url: str, nursery: trio.Nursery) -> Transport:
        await trio.lowlevel.checkpoint()
        return self

    def receive_nowait(self) -> str | bytes:
        if not self._frames:
            raise trio.WouldBlock
        return self._frames.popleft()

    async def receive(self) -> str | bytes:
        await trio.lowlevel.checkpoint()
        if not self._frames:
            await trio.sleep_forever()
        return self._frames.popleft()

    async def send_text(self, text: str) -> None:
        await trio.lowlevel.checkpoint()

    async def send_bytes(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def ping(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("bound", [8, 100_000])
async def test_a_flood_leaves_others_their_turn(bound: int) -> None:
    """It is read in batches; and what a lane has no room for waits until there is some."""
    many, steps = 3200, 0

    async def count() -> None:
        nonlocal steps
        while True:
            await trio.lowlevel.checkpoint()
            steps += 1

    chart = '{"type":"of_no_known_type"}'
    config = ClientConfig(control=LaneBounds(max_items=bound), text=LaneBounds(max_items=bound))
    burst = Burst(*[chart] * many, START)
    async with (
        trio.open_nursery() as nursery,
        open_client("ws://nobody", auth="any", transport=burst, config=config) as client,
    ):
        charts = client.subscribe(ev.UnknownEvent)
        nursery.start_soon(count)
        await client.ready()
        assert steps >= many / 32
        assert charts.statistics().depth == many
        told = client.statistics()
        # The shell's own few words to its user always find room.
        assert max(told.control.high_water, told.text.high_water) <= bound + 8
        nursery.cancel_scope.cancel()


async def test_a_link_that_talks_without_end_is_not_mute(autojump_clock: object) -> None:
    """What may come before its pong has a bound, and nothing of it is lost."""
    many = 3000

    async def serve(transport: MemoryTransport) -> None:
        for number in range(many):
            await transport.send_text(f'{{"type":"of_no_known_type","n":{number}}}')
        await transport.send_text(START)
        await trio.sleep_forever()

    async with by_hand(serve) as url, open_client(url, auth="any") as client:
        charts = client.subscribe(ev.UnknownEvent)
        await client.ready()
        assert [(await charts.receive()).payload["n"] for _ in range(many)] == list(range(many))


@pytest.mark.parametrize("frame", [bytes(2**22), "x" * 2**20 + "\U0001f600"])
async def test_what_comes_before_the_pong_is_bounded_in_memory(
    autojump_clock: object, frame: str | bytes
) -> None:
    """Whatever its frames are: one odd character makes each of a text take four bytes."""
    client, server = memory_pair()

    async def flood() -> None:
        while True:
            await (server.send_text if isinstance(frame, str) else server.send_bytes)(frame)  # type: ignore[arg-type]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(flood)
        early = await _prove(client, ClientConfig(), Codec(), RecorderTap(None))
        nursery.cancel_scope.cancel()
    held = sum(map(sys.getsizeof, early))
    assert _EARLY_BYTES <= held < _EARLY_BYTES + sys.getsizeof(frame)


async def test_the_own_token_is_hidden_where_the_server_quotes_it(autojump_clock: object) -> None:
    """In the reason of a close frame, which an application may show; and from the recorder."""
    token = "opaque/token value"

    class Recorder:
        def __init__(self) -> None:
            self.hidden: list[str] = []

        def open(self) -> AbstractAsyncContextManager[None]:
            return nullcontext()

        def record(self, kind: str, payload: str | bytes, *, conn: int, at: float) -> None:
            pass

        def hide(self, secret: str) -> None:
            self.hidden.append(secret)

    class Source:
        async def token(self) -> str:
            await trio.lowlevel.checkpoint()
            return token

    async def serve(transport: MemoryTransport) -> None:
        assert await transport.receive() == '{"type":"ping"}'
        await transport.send_text(PONG)
        await transport.send_text(START)
        await transport.aclose(4000, f"bad {token}, {quote_plus(token)}")

    for auth in (token, Source()):
        recorder = Recorder()
        async with (
            by_hand(serve) as url,
            open_client(url, auth=auth, recorder=recorder) as client,
        ):
            news = client.subscribe(Disconnected)
            told = await news.receive()
            assert (told.code, told.reason) == (4000, "bad <redacted>, <redacted>")
        assert set(recorder.hidden) == {token}
