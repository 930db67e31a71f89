"""REST over real sockets: what a token must not follow, and servers that do not behave."""

from __future__ import annotations

import json
import logging
import os
import re
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio

import realtime_trio as rt
from realtime_trio._rest._calls import Rest
from realtime_trio._rest._upload import Form, open_upload
from realtime_trio._rest._urls import endpoint
from realtime_trio.server import ServerConfig, open_server

CERTIFICATE = Path(__file__).parent.parent / "transports" / "loopback.pem"

Serve = Callable[[trio.abc.Stream], Awaitable[None]]


def replies(reply: Callable[[bytes], bytes]) -> Serve:
    """Answer each request so."""

    async def serve(stream: trio.abc.Stream) -> None:
        async with stream:
            await stream.send_all(reply(await whole(stream)))

    return serve


async def whole(stream: trio.abc.Stream) -> bytes:
    """One request with its body."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += await stream.receive_some()
    length = re.search(rb"content-length: (\d+)", request, re.IGNORECASE)
    end = request.index(b"\r\n\r\n") + 4 + (int(length[1]) if length else 0)
    while len(request) < end:
        request += await stream.receive_some()
    return request


def answer(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """One HTTP answer, after which the connection ends."""
    lines = [f"HTTP/1.1 {status}", "connection: close", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def serving(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncGenerator[str, None]:
    """``127.0.0.1:port`` of such a server."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        listeners: list[trio.abc.Listener[trio.abc.Stream]] = [
            listener if context is None else trio.SSLListener(listener, context)
        ]
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield f"127.0.0.1:{port}"
        nursery.cancel_scope.cancel()


async def test_a_redirect_to_another_host_gets_no_token() -> None:
    """It is refused, whatever it asks for; one on the same host is followed."""
    seen: list[bytes] = []
    target = ""

    def steal(request: bytes) -> bytes:
        seen.append(request)
        return answer(b"{}")

    def reply(request: bytes) -> bytes:
        if b"GET /moved" in request:
            assert b"Bearer good" in request
            return answer(b'{"agent_c_token": "new"}')
        return answer(b"", "307 Moved", location=target)

    async with serving(replies(steal)) as thief, serving(replies(reply)) as house:
        rest = Rest(endpoint(f"http://{house}"), timeout=10)
        target = f"http://{thief}/api/rt/refresh_token"
        with pytest.raises(rt.ConnectionFailed, match="no token goes"):
            await rest.refresh("good")
        assert not seen
        target = f"http://{house}/moved"
        assert (await rest.refresh("good")).token == "new"


async def test_redirects_come_to_an_end() -> None:
    """One that leads to itself is an error; one that makes a question of a login is followed."""

    def reply(request: bytes) -> bytes:
        if b"POST /api/rt/login" in request:
            assert b"secret" in request
            return answer(b"", "303 See Other", location="/granted")
        if b"GET /granted" in request:
            assert b"secret" not in request
            return answer(b'{"agent_c_token": "new"}')
        return answer(b"", "308 Moved", location="/api/rt/refresh_token")

    async with serving(replies(reply)) as house:
        rest = Rest(endpoint(f"http://{house}"), timeout=10)
        assert (await rest.login("me", "secret")).token == "new"
        with pytest.raises(rt.ConnectionFailed, match="in circles"):
            await rest.refresh("good")


async def test_an_answer_that_is_too_long_is_no_answer() -> None:
    """It is read to its end and forgotten on the way."""
    long = json.dumps({"agent_c_token": "x" * 4_000_000}).encode()
    async with serving(replies(lambda request: answer(long))) as house:
        with pytest.raises(rt.ProtocolError, match="no JSON object"):
            await Rest(endpoint(f"http://{house}"), timeout=60).refresh("good")


async def test_who_does_not_answer_is_given_up(autojump_clock: object) -> None:
    """After the timeout, with a word about whom and what was asked, and without the token."""

    async def serve(stream: trio.abc.Stream) -> None:
        async with stream:
            await trio.sleep_forever()

    async with serving(serve) as house:
        rest = Rest(endpoint(f"http://{house}"), timeout=7)
        began = trio.current_time()
        with pytest.raises(rt.ConnectionFailed) as caught:
            await rest.refresh("hush-hush")
        assert trio.current_time() - began == 7
        assert str(caught.value) == f"{house} did not answer refresh_token within 7 s"


async def test_rest_trusts_whom_the_websocket_trusts() -> None:
    """The connector's own certificates count; without them a server nobody knows is refused."""
    inside = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    inside.load_cert_chain(CERTIFICATE)
    known = ssl.create_default_context(cafile=str(CERTIFICATE))
    reply = replies(lambda request: answer(b'{"agent_c_token": "new"}'))

    async def serve(stream: trio.abc.Stream) -> None:
        with suppress(trio.BrokenResourceError):  # who does not trust us hangs up
            await reply(stream)

    async with serving(serve, inside) as house:
        url = f"https://{house}"
        assert (
            await Rest(endpoint(url), timeout=10, ssl_context=known).refresh("t")
        ).token == "new"
        with pytest.raises(rt.ConnectionFailed, match="ConnectError"):
            await Rest(endpoint(url), timeout=10).refresh("t")


async def test_a_file_that_shrinks_while_it_is_sent(tmp_path: Path) -> None:
    """Its length was promised: the transfer ends with an error instead of waiting for more."""
    path = tmp_path / "shrinks"
    path.write_bytes(b"x" * 1_000_000)
    async with open_server() as server:
        rest = Rest(endpoint(await server.listen()), timeout=10)
        upload = await open_upload(path, filename=None, mime_type=None, limit=10_000_000)
        form = Form({"ui_session_id": "u"}, upload)
        with pytest.raises(OSError, match="became shorter"):
            await rest.upload(server.issue_token(), form, lambda done, size: os.truncate(path, 1))


@pytest.mark.parametrize("said", [{}, {"id": ""}, {"id": 7}])
async def test_an_upload_without_an_id_is_of_no_use(said: dict[str, object]) -> None:
    """And is told apart from one that failed."""
    async with serving(replies(lambda request: answer(json.dumps(said).encode()))) as house:
        upload = await open_upload(b"x", filename="x", mime_type=None, limit=10)
        with pytest.raises(rt.ProtocolError, match="no id"):
            await Rest(endpoint(f"http://{house}"), timeout=10).upload("t", Form({}, upload), None)


async def test_a_token_that_ends_while_it_is_used_is_renewed() -> None:
    """By the call that is refused, once; where that does not help, the refusal comes out."""
    now = 1_000_000.0
    config = ServerConfig(accept_any_token=False, wall_clock=lambda: now)
    login = rt.PasswordLogin("admin", "admin")
    async with open_server(config) as server:
        url = await server.listen()
        async with rt.open_client(url, auth=login) as client:
            await client.ready()
            now += 10_000
            assert (await client.upload_file(b"x", filename="x")).size == 1
            now += 10_000
            with pytest.raises(rt.AuthenticationError):
                await client._shell.tokens.call(_refused)


async def _refused(token: str) -> None:
    await trio.lowlevel.checkpoint()
    message = "refused"
    raise rt.AuthenticationError(message)


async def test_no_secret_is_written_down(caplog: pytest.LogCaptureFixture) -> None:
    """Neither in a log, whatever is logged, nor in what the client says of itself."""
    caplog.set_level(logging.DEBUG)
    config = ServerConfig(accept_any_token=False)
    async with open_server(config) as server:
        url = await server.listen()
        bad = rt.PasswordLogin("admin", "password-of-nobody")
        with pytest.raises(rt.AuthenticationError) as caught:
            async with rt.open_client(url, auth=bad):
                raise AssertionError
        async with rt.open_client(url, auth=rt.PasswordLogin("admin", "admin")) as client:
            tokens = [await client._shell.tokens.token()]
            server.faults.refuse(401)
            server.hang_up()
            async with client.ask("hello"):
                await client.upload_file(b"x", filename="x")
            tokens.append(await client._shell.tokens.token())
            assert tokens[0] != tokens[1]
            written = [caplog.text, repr(caught.value), repr(client), repr(client.health)]
    for secret in (*tokens, "password-of-nobody"):
        assert not any(secret in text for text in written)
