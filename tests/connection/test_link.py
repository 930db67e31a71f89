"""A link from its dial to its confirmation, with a server that the test scripts."""

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
async def scripted_server(
    serve: Callable[[MemoryTransport], Awaitable[object]], answer: MemoryAnswer | None = None
) -> AsyncGenerator[str, None]:
    """Yield the address of a server with this code for each link and REST ``answer``."""

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


async def test_an_unconfirmed_link_that_ends_is_dialled_again(
    autojump_clock: object,
) -> None:
    """It never counted as a link, so its end is not reported."""
    async with open_server() as server:
        server.faults.cut()
        async with open_client(server.url, auth="any") as client:
            news = client.subscribe(Reconnected)
            await client.ready()
            assert client.health.links == 1
            assert server.seen[-1].connection == 2
            assert news.statistics().depth == 0


async def test_a_dial_has_a_deadline(autojump_clock: object) -> None:
    """It includes the confirmation."""
    config = ClientConfig(connect_timeout=3, pong_timeout=1000, max_attempts=1)

    async def serve(transport: MemoryTransport) -> None:
        await trio.sleep_forever()

    async with scripted_server(serve) as url:
        with pytest.raises(ConnectionFailed, match="within 3 s"):
            async with open_client(url, auth="any", config=config):
                raise AssertionError


async def test_frames_before_the_pong_are_kept(autojump_clock: object) -> None:
    """Also speech and malformed frames; they are handled when the client begins."""

    async def serve(transport: MemoryTransport) -> None:
        assert await transport.receive() == '{"type":"ping"}'
        await transport.send_text("{")
        await transport.send_bytes(b"\0\0")
        for frame in ('{"type":"text_delta"}', START, PONG):
            await transport.send_text(frame)
        await trio.sleep_forever()

    async with scripted_server(serve) as url, open_client(url, auth="any") as client:
        audio, faults = client.subscribe(ev.AudioFrame), client.subscribe(ProcessingFailed)
        await client.ready()
        assert (await audio.receive()).data == b"\0\0"
        assert [(await faults.receive()).event_type for _ in range(2)] == [None, "text_delta"]


async def quiet(transport: MemoryTransport) -> None:
    """Answer a ping and start the user's turn; do not even name the session."""
    with suppress(ConnectionLost):
        while True:
            if "ping" in str(await transport.receive()):
                await transport.send_text(PONG)
                await transport.send_text(START)


async def test_without_a_session_there_is_no_cancel_by_rest(
    autojump_clock: object,
) -> None:
    """An unanswered cancel is in doubt, and the error says why."""
    async with scripted_server(quiet) as url, open_client(url, auth="any") as client:
        await client.ready()
        with pytest.raises(InDoubt, match="not sent the id"):
            await client.cancel()


async def test_a_login_names_the_session_if_the_server_does_not(
    autojump_clock: object,
) -> None:
    """The dial and the REST calls use it."""
    asked: list[tuple[str, bytes]] = []

    def answer(_: object, path: str, __: object, body: bytes) -> tuple[int, bytes]:
        asked.append((path.rpartition("/")[2], body))
        return 200, b'{"agent_c_token": "t", "ui_session_id": "ui-7", "id": "f"}'

    login = PasswordLogin("me", "secret")
    async with scripted_server(quiet, answer) as url, open_client(url, auth=login) as client:
        await client.upload_file(b"x", filename="x")
        assert (await client.cancel()).via == "rest"
    assert [name for name, _ in asked] == ["login", "upload_file", "cancel"]
    assert all(b"ui-7" in body for _, body in asked[1:])


async def test_only_the_requested_list_completes_a_resync(
    autojump_clock: object,
) -> None:
    """Not another session's list, and not none; it is reported once."""
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

    async with scripted_server(serve) as url, open_client(url, auth="any") as client:
        news = client.subscribe(SessionRestored)
        lists = client.subscribe(ev.ChatSessionChangedEvent)
        for _ in range(4):  # one on each link, one for another session, and none
            await lists.receive()
            assert news.statistics().depth == 0
        assert await news.receive() == SessionRestored(session_id="s", reloaded=True)
        await trio.sleep(20)
        assert news.statistics().depth == 0


class Burst:
    """A transport, and its connector, with many frames available at the start."""

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
async def test_a_flood_lets_other_tasks_run(bound: int) -> None:
    """Frames are read in batches; frames without space in a lane wait."""
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
        # The few local events always fit.
        assert max(told.control.high_water, told.text.high_water) <= bound + 8
        nursery.cancel_scope.cancel()


async def test_a_link_that_never_stops_sending_is_not_mute(autojump_clock: object) -> None:
    """Frames before its pong are bounded, and none of them is lost."""
    many = 3000

    async def serve(transport: MemoryTransport) -> None:
        for number in range(many):
            await transport.send_text(f'{{"type":"of_no_known_type","n":{number}}}')
        await transport.send_text(START)
        await trio.sleep_forever()

    async with scripted_server(serve) as url, open_client(url, auth="any") as client:
        charts = client.subscribe(ev.UnknownEvent)
        await client.ready()
        assert [(await charts.receive()).payload["n"] for _ in range(many)] == list(range(many))


@pytest.mark.parametrize("frame", [bytes(2**22), "x" * 2**20 + "\U0001f600"])
async def test_frames_before_the_pong_are_bounded_in_memory(
    autojump_clock: object, frame: str | bytes
) -> None:
    """One wide character makes each character of a text take four bytes."""
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


async def test_the_clients_token_is_hidden_if_the_server_quotes_it(autojump_clock: object) -> None:
    """In the reason of a close frame, which an application can show, and in recordings."""
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
            scripted_server(serve) as url,
            open_client(url, auth=auth, recorder=recorder) as client,
        ):
            news = client.subscribe(Disconnected)
            told = await news.receive()
            assert (told.code, told.reason) == (4000, "bad <redacted>, <redacted>")
        assert set(recorder.hidden) == {token}
