"""REST over real sockets: where a token must not go, and servers that misbehave."""

from __future__ import annotations

import gzip
import json
import logging
import math
import os
import re
import ssl
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio

import realtime_trio as rt
from realtime_trio._rest._calls import Rest
from realtime_trio._rest._upload import Form, open_upload
from realtime_trio._rest._urls import endpoint
from realtime_trio._transports._network import Network
from realtime_trio.server import ServerConfig, open_server
from tests.connection.networks import contexts

Serve = Callable[[trio.abc.Stream], Awaitable[None]]


def replies(reply: Callable[[bytes], bytes]) -> Serve:
    """Answer each request with this function."""

    async def serve(stream: trio.abc.Stream) -> None:
        async with stream:
            await stream.send_all(reply(await whole(stream)))

    return serve


async def whole(stream: trio.abc.Stream) -> bytes:
    """Read one request with its body."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += await stream.receive_some()
    length = re.search(rb"content-length: (\d+)", request, re.IGNORECASE)
    end = request.index(b"\r\n\r\n") + 4 + (int(length[1]) if length else 0)
    while len(request) < end:
        request += await stream.receive_some()
    return request


def answer(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """Return one HTTP response, after which the connection ends."""
    lines = [f"HTTP/1.1 {status}", "connection: close", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def serving(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncGenerator[str, None]:
    """Yield ``127.0.0.1:port`` of such a server."""
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
    """It is refused for every call; one on the same host is followed."""
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
        with pytest.raises(rt.ConnectionFailed, match="another host"):
            await rest.refresh("good")
        assert not seen
        target = f"http://{house}/moved"
        assert (await rest.refresh("good")).token == "new"


async def test_redirects_are_bounded() -> None:
    """A loop is an error; one that turns a login into a GET is followed."""

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
        with pytest.raises(rt.ConnectionFailed, match="more than 3 times"):
            await rest.refresh("good")


async def test_a_response_that_is_too_long_is_an_error() -> None:
    """It is read up to the bound and no further."""
    piece = b"10000\r\n" + b"x" * 2**16 + b"\r\n"
    sent = 0

    async def serve(stream: trio.abc.Stream) -> None:
        nonlocal sent
        await whole(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        with suppress(trio.BrokenResourceError):
            while True:
                await stream.send_all(piece)
                sent += 1

    async with serving(serve) as house:
        with pytest.raises(rt.ProtocolError, match="limit of 1048576 bytes"):
            await Rest(endpoint(f"http://{house}"), timeout=math.inf).refresh("good")
        assert sent < 2000  # the rest is in the buffers of the system


@pytest.mark.parametrize("coding", ["gzip", "gzip, gzip", "br", "deflate", "zstd", "x"])
async def test_a_compressed_response_is_refused(coding: str) -> None:
    """The client did not ask for it, and it can inflate a thousand times."""
    asked: list[bytes] = []

    def reply(request: bytes) -> bytes:
        asked.append(request)
        body = gzip.compress(b'{"agent_c_token": "new"}')
        return answer(body, **{"content-encoding": coding})

    async with serving(replies(reply)) as house:
        with pytest.raises(rt.ProtocolError, match="compressed"):
            await Rest(endpoint(f"http://{house}"), timeout=10).refresh("good")
    assert b"accept-encoding: identity\r\n" in asked[0].lower()


async def test_a_response_in_single_bytes_uses_linear_memory() -> None:
    """Chunks are not stored in a list."""
    body = json.dumps({"agent_c_token": "new", "more": "x" * 20_000}).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    async with serving(replies(lambda request: head + chunks)) as house:
        grant = await Rest(endpoint(f"http://{house}"), timeout=60).refresh("good")
    assert grant.token == "new"


LOCATIONS = [
    b"javascript:alert(1)",
    b"http://[::1",
    b"//",
    b"http://\xe9\xe9.example/",
    b"http://xn--zzzzzzzz.example/",
    b"http://a..b/",
    b"http://127.0.0.1:99999/",
    b"http://127.0.0.1:port/",
    b"http://%00/",
    b"http://" + b"a" * 300 + b".example/",
    b"/" + b"a" * 70_000,
    b"\xff\xfe",
    b"?\xe2\x82",
    b"data:,x",
    b"",
]


@pytest.mark.parametrize("location", LOCATIONS)
async def test_a_redirect_to_an_invalid_address_is_a_failed_call(location: bytes) -> None:
    """Whichever library rejects the address."""
    head = b"HTTP/1.1 302 x\r\ncontent-length: 0\r\nconnection: close\r\nlocation: "
    async with serving(replies(lambda request: head + location + b"\r\n\r\n")) as house:
        rest = Rest(endpoint(f"http://{house}"), timeout=10)
        secret = "-".join(["hush"] * 2)  # no line of this file may contain it
        with pytest.raises(rt.ConnectionFailed):
            await rest.refresh(secret)
        with pytest.raises(rt.ConnectionFailed) as caught:
            await rest.login("me", secret)
    assert secret not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\0" * 100,
        b"HTTP/1.1 999999 x\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffffff\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 50_000,
        b"HTTP/1.1 200 OK\r\nset-cookie: " + b"a=b; expires=" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\xff: \xff\r\n\r\n{}",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n\xff\xfe{",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 500_000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b'{"agent_c_token":' + b"9" * 10_000 + b"}",
        b"HTTP/1.1 200 OK\r\n\r\n" + b'{"agent_c_token": NaN}',
        b'HTTP/1.1 200 OK\r\n\r\n{"agent_c_token": "a\\nb"}',
        b'HTTP/1.1 200 OK\r\n\r\n{"agent_c_token": " a"}',
        b'HTTP/1.1 200 OK\r\n\r\n{"agent_c_token": "\\ud800"}',
        b'HTTP/1.1 200 OK\r\n\r\n{"agent_c_token": "' + b"a" * 70_000 + b'"}',
    ],
)
async def test_an_invalid_response_is_a_failed_call(reply: bytes) -> None:
    """Invalid HTTP or JSON raises an error of this library."""
    answering = replies(lambda request: reply)

    async def serve(stream: trio.abc.Stream) -> None:
        with suppress(trio.BrokenResourceError):  # the client hangs up when it has read enough
            await answering(stream)

    async with serving(serve) as house:
        with pytest.raises((rt.ConnectionFailed, rt.ProtocolError)):
            await Rest(endpoint(f"http://{house}"), timeout=10).refresh("good")


@pytest.mark.parametrize(
    "token", ["", "t\u00f6k", "tok\nx", "tok\r\nX-Evil: 1", " tok", "\ud800", "\0"]
)
async def test_a_token_that_no_header_can_hold_is_refused(token: str) -> None:
    """It is not sent, and no error quotes it."""
    rest = Rest(endpoint("http://127.0.0.1:9"), timeout=10)
    with pytest.raises(rt.AuthenticationError, match="a header cannot hold"):
        await rest.refresh(token)


async def test_invalid_ids_of_a_login_count_as_absent() -> None:
    """Only the token matters; the server then assigns a session."""
    odd: list[object] = ["\ud800", "\0", "a\r\nb", "a" * 2000, 7, None, []]
    said: list[object] = []

    def reply(request: bytes) -> bytes:
        value = {"agent_c_token": "t", "ui_session_id": said[0], "heygen_token": said.pop(0)}
        return answer(json.dumps(value).encode())

    async with serving(replies(reply)) as house:
        rest = Rest(endpoint(f"http://{house}"), timeout=10)
        for value in odd:
            said.append(value)
            grant = await rest.login("me", "secret")
            assert grant.ui_session_id is None
            assert grant.heygen_token == (value if value == "a" * 2000 else None)


async def test_the_response_to_an_upload_has_a_deadline(autojump_clock: object) -> None:
    """Single bytes that keep arriving do not extend it."""

    async def serve(stream: trio.abc.Stream) -> None:
        await whole(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        with suppress(trio.BrokenResourceError):
            for _ in range(1000):
                await trio.sleep(5)
                await stream.send_all(b" ")

    async with serving(serve) as house:
        rest = Rest(endpoint(f"http://{house}"), timeout=7)
        upload = await open_upload(b"x" * 100, filename="x", mime_type=None, limit=100)
        began = trio.current_time()
        with pytest.raises(rt.ConnectionFailed, match="did not answer upload_file within 7 s"):
            await rest.upload("t", Form({}, upload), None)
        assert trio.current_time() - began == 7


async def test_an_error_of_the_progress_callback_is_raised() -> None:
    """It is the program's error, not the network's."""

    def stop(done: int, size: int) -> None:
        raise ValueError(done, size)

    async with serving(replies(lambda request: answer(b"{}"))) as house:
        rest = Rest(endpoint(f"http://{house}"), timeout=10)
        upload = await open_upload(b"x", filename="x", mime_type=None, limit=10)
        with pytest.raises(ValueError, match=r"\(1, 1\)"):
            await rest.upload("t", Form({}, upload), stop)


async def test_a_file_name_with_invalid_bytes_is_sent(tmp_path: Path) -> None:
    """Python represents such bytes as surrogates."""
    got: list[bytes] = []
    said = json.dumps({"id": "f", "filename": "\ud800", "mime_type": "\udfff", "size": True})

    def reply(request: bytes) -> bytes:
        got.append(request)
        return answer(said.encode())

    async with serving(replies(reply)) as house:
        rest = Rest(endpoint(f"http://{house}"), timeout=10)
        upload = await open_upload(b"x", filename="a\udcff", mime_type="t", limit=10)
        file = await rest.upload("t", Form({"ui_session_id": "\ud800"}, upload), None)
    assert b'filename="a?"' in got[0]
    assert (file.filename, file.mime_type, file.size) == ("\ufffd", "\ufffd", 0)


async def test_a_call_without_an_answer_ends(autojump_clock: object) -> None:
    """After the timeout, with the host and the call in the error, without the token."""

    async def serve(stream: trio.abc.Stream) -> None:
        async with stream:
            await trio.sleep_forever()

    async with serving(serve) as house:
        rest = Rest(endpoint(f"http://{house}"), timeout=7)
        began = trio.current_time()
        with pytest.raises(rt.ConnectionFailed) as caught:
            await rest.refresh("hush-hush")
        assert trio.current_time() - began == 7
        assert (
            str(caught.value) == f"{house} did not answer refresh_token within 7 s (rest_timeout)"
        )


async def test_rest_trusts_the_certificates_of_the_websocket() -> None:
    """The connector's certificates count; without them, an unknown server is refused."""
    inside, known = contexts("127.0.0.1")
    reply = replies(lambda request: answer(b'{"agent_c_token": "new"}'))

    async def serve(stream: trio.abc.Stream) -> None:
        with suppress(trio.BrokenResourceError):  # a client that does not trust the server hangs up
            await reply(stream)

    async with serving(serve, inside) as house:
        url = f"https://{house}"
        assert (
            await Rest(endpoint(url), timeout=10, network=Network(ssl_context=known)).refresh("t")
        ).token == "new"
        with pytest.raises(
            rt.ConnectionFailed, match=r"refresh_token failed: no TLS .*certificate refused"
        ):
            await Rest(endpoint(url), timeout=10).refresh("t")


async def test_a_file_that_shrinks_while_it_is_sent(tmp_path: Path) -> None:
    """Its length was announced, so the transfer ends with an error."""
    path = tmp_path / "shrinks"
    path.write_bytes(b"x" * 1_000_000)
    async with open_server() as server:
        rest = Rest(endpoint(await server.listen()), timeout=10)
        upload = await open_upload(path, filename=None, mime_type=None, limit=10_000_000)
        form = Form({"ui_session_id": "u"}, upload)
        with pytest.raises(OSError, match="became shorter"):
            await rest.upload(server.issue_token(), form, lambda done, size: os.truncate(path, 1))


@pytest.mark.parametrize("said", [{}, {"id": ""}, {"id": 7}, {"id": "\ud800"}])
async def test_an_upload_without_an_id_is_an_error(said: dict[str, object]) -> None:
    """It differs from the error of a failed upload."""
    async with serving(replies(lambda request: answer(json.dumps(said).encode()))) as house:
        upload = await open_upload(b"x", filename="x", mime_type=None, limit=10)
        with pytest.raises(rt.ProtocolError, match="no id"):
            await Rest(endpoint(f"http://{house}"), timeout=10).upload("t", Form({}, upload), None)


async def test_a_token_that_expires_during_use_is_renewed() -> None:
    """By the refused call, once; if that does not help, the refusal is raised."""
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


async def test_no_secret_is_logged_or_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Neither in logs at any level nor in any repr."""
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
            with client.subscribe(rt.Reconnected) as reconnected:
                server.hang_up()
                await reconnected.receive()
            async with client.ask("hello"):
                await client.upload_file(b"x", filename="x")
            tokens.append(await client._shell.tokens.token())
            assert tokens[0] != tokens[1]
            written = [caplog.text, repr(caught.value), repr(client), repr(client.health)]
    for secret in (*tokens, "password-of-nobody"):
        assert not any(secret in text for text in written)
