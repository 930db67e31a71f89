"""Network options of a client, each with a real counterpart, for websocket and REST."""

from __future__ import annotations

import os
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

import realtime_trio as rt
from realtime_trio._transports._network import Network
from realtime_trio._transports._upgrade_answer import (
    UpgradeAnswer,
    read_answer,
    refusal_text,
    retry_after,
)
from realtime_trio.server import Account, ServerConfig, open_server
from tests.connection.networks import (
    Handler,
    connect_proxy,
    contexts,
    listening,
    read_head,
    relay,
    socks_proxy,
    tls_front,
)
from tests.transports.peers import CONNECTORS, Connector, accept_answer, frame

LOGIN = rt.PasswordLogin("me", "secret")
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@asynccontextmanager
async def serving() -> AsyncGenerator[int, None]:
    """The embedded server on a port."""
    config = ServerConfig(users=(Account(user_id="me", password="secret"),))
    async with open_server(config) as server:
        yield int((await server.listen()).rpartition(":")[2])


async def talk(url: str, connector: Connector | None = None, **options: Any) -> None:
    """Use REST and the websocket once, with a single attempt."""
    config = rt.ClientConfig(max_attempts=1)
    options.setdefault("auth", LOGIN)
    async with rt.open_client(url, config=config, transport=connector, **options) as client:
        await client.ready()


@pytest.mark.parametrize("kind", CONNECTORS)
async def test_through_a_connect_proxy(kind: type[Connector]) -> None:
    """The proxy resolves the name; the login and the upgrade both go through it."""
    heard: list[bytes] = []
    async with serving() as port, listening(connect_proxy(port, heard)) as proxy:
        await talk("http://agents.invalid", kind(), proxy=f"http://me:pw@127.0.0.1:{proxy}")
    assert [head.split(b"\r\n")[0] for head in heard] == [b"CONNECT agents.invalid:80 HTTP/1.1"] * 2
    assert all(b"proxy-authorization: basic" in head.lower() for head in heard)


async def test_through_a_socks_proxy() -> None:
    """With user name and password; the proxy resolves the server's name."""
    heard: list[bytes] = []
    async with serving() as port, listening(socks_proxy(port, heard)) as proxy:
        await talk("http://agents.invalid", proxy=f"socks5://me:pw@127.0.0.1:{proxy}")
    assert heard == [b"me:pw", b"agents.invalid"] * 2


async def test_a_proxy_that_fails_is_named() -> None:
    """The error names what failed and contains no secret."""
    async with listening(connect_proxy(0, [], status="407 no")) as proxy:
        with pytest.raises(rt.ConnectionFailed, match=r"proxy 127\.0\.0\.1.*status 407") as caught:
            await talk("http://a.invalid", proxy=f"http://me:hush@127.0.0.1:{proxy}")
    assert "hush" not in str(caught.value)
    network = Network(proxy="socks5://127.0.0.1:1")
    with pytest.raises(rt.ConnectionFailed, match=r"proxy 127\.0\.0\.1:1"):
        await network.open("a.invalid", 80, secure=False)


async def test_the_environment_names_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Per scheme, then ALL_PROXY; NO_PROXY and None take precedence."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    heard: list[bytes] = []
    async with serving() as port, listening(connect_proxy(port, heard)) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy}")
        await talk("http://agents.invalid")
        assert len(heard) == 2
        await talk(f"http://127.0.0.1:{port}", proxy=None)
        monkeypatch.setenv("NO_PROXY", "example.com, 127.0.0.1")
        await talk(f"http://127.0.0.1:{port}")
        assert len(heard) == 2
    monkeypatch.setenv("HTTPS_PROXY", "ftp://nonsense")
    with pytest.raises(rt.ConnectionFailed, match="environment variables name a proxy"):
        await Network().open("agents.invalid", 443, secure=True)


async def test_tls_with_a_custom_trust_store() -> None:
    """The same one for REST and websocket; without it, the certificate is refused."""
    inside, outside = contexts("localhost")
    async with serving() as port, listening(tls_front(port, inside)) as front:
        await talk(f"https://localhost:{front}", ssl_context=outside)
        with pytest.raises(rt.ConnectionFailed, match=r"login failed: .*certificate refused"):
            await talk(f"https://localhost:{front}")


@pytest.mark.parametrize("named", [True, False])
async def test_a_unix_socket(tmp_path: Path, named: bool) -> None:
    """``open_stream`` can take host and port, or no arguments."""
    asked: list[tuple[str, int]] = []
    path = tmp_path / "socket"
    sock = trio.socket.socket(trio.socket.AF_UNIX)
    await sock.bind(os.fspath(path))
    sock.listen()

    async def with_names(host: str, port: int) -> trio.abc.Stream:
        asked.append((host, port))
        return await trio.open_unix_socket(path)

    async def without() -> trio.abc.Stream:
        return await trio.open_unix_socket(path)

    async with serving() as port, trio.open_nursery() as nursery:

        async def serve(stream: trio.SocketStream) -> None:
            async with stream:
                await relay(stream, port)

        nursery.start_soon(trio.serve_listeners, serve, [trio.SocketListener(sock)])
        await talk("http://inside", open_stream=with_names if named else without)
        nursery.cancel_scope.cancel()
    assert asked == ([("inside", 80)] * 2 if named else [])


@pytest.mark.parametrize("kind", CONNECTORS)
async def test_headers_are_sent_with_rest_and_the_upgrade(kind: type[Connector]) -> None:
    """Each once and unchanged."""
    heads: list[bytes] = []
    async with serving() as port:

        async def tap(stream: trio.SocketStream) -> None:
            head = await read_head(stream)
            heads.append(head.lower())
            await relay(stream, port, head)

        async with listening(tap) as front:
            headers = {"X-Gateway-Key": "k-1", "User-Agent": "mine"}
            await talk(f"http://127.0.0.1:{front}", kind(), headers=headers)
    assert len(heads) == 2
    for head in heads:
        assert head.count(b"x-gateway-key: k-1\r\n") == 1
        assert head.count(b"user-agent: mine\r\n") == 1


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"headers": {"Host": "x"}}, ValueError),
        ({"headers": {"a": "b\r\nc: d"}}, ValueError),
        ({"headers": {"a": 1}}, TypeError),
        ({"proxy": "ftp://x"}, ValueError),
        ({"proxy": "http://x:y"}, ValueError),
        ({"proxy": 1}, TypeError),
    ],
)
def test_invalid_options_are_refused_at_the_call(
    options: dict[str, Any], fault: type[Exception]
) -> None:
    """Before anything is opened."""
    with pytest.raises(fault):
        rt.open_client("http://host", auth="t", **options)


# -- what a server says --------------------------------------------------------------------


def refusing(*answers: bytes) -> tuple[Handler, list[bytes]]:
    """Answer with these responses in order, then always with the last."""
    heads: list[bytes] = []

    async def handle(stream: trio.SocketStream) -> None:
        heads.append(await read_head(stream))
        await stream.send_all(answers[min(len(heads), len(answers)) - 1])

    return handle, heads


def status(line: str, *headers: str, body: bytes = b"") -> bytes:
    """Return a complete response."""
    lines = [f"HTTP/1.1 {line}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.mark.parametrize("kind", CONNECTORS)
@pytest.mark.parametrize("code", [400, 404, 422])
async def test_a_final_status_ends_the_client_immediately(kind: type[Connector], code: int) -> None:
    """One dial; the error has the status and the server's message, without the token."""
    body = b'{"detail": "no\\u001b such thing for hush-hush-1"}'
    handle, heads = refusing(status(f"{code} x", body=body))
    async with listening(handle) as port:
        url = f"http://127.0.0.1:{port}"
        with pytest.raises(rt.ConnectionFailed, match=f"status {code}: no such") as caught:
            async with rt.open_client(url, auth="hush-hush-1", transport=kind()):
                pass
    assert len(heads) == 1
    assert (caught.value.status, caught.value.final) == (code, True)
    assert "hush" not in str(caught.value)


def errors_of(exc: BaseException | None) -> list[BaseException]:
    """An error, and all that it can be traced back to."""
    found: list[BaseException] = []
    waiting = [exc]
    while waiting:
        error = waiting.pop()
        if error is not None and error not in found:
            found.append(error)
            waiting += [error.__cause__, error.__context__]
    return found


@pytest.mark.parametrize("kind", CONNECTORS)
@pytest.mark.parametrize("auth", ["hush-hush-1", LOGIN])
async def test_a_refusal_does_not_quote_the_headers(
    kind: type[Connector], auth: str | rt.PasswordLogin
) -> None:
    """A server or a proxy that quotes the request gets no secret of the application shown."""
    body = b"no: X-Key: hush-value-1 Authorization: hush-basic-2 Cookie: sid=hush-cookie-3"
    handle, _ = refusing(*[status("400 x", body=body)] * 2)
    headers = {
        "X-Key": "hush-value-1",
        "X-Auth": "Basic hush-basic-2",
        "Cookie": "sid=hush-cookie-3",
    }
    async with listening(handle) as port:
        with pytest.raises(rt.ConnectionFailed, match="status 400: no") as caught:
            await talk(f"http://127.0.0.1:{port}", kind(), auth=auth, headers=headers)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("kind", CONNECTORS)
async def test_no_error_holds_the_token_of_a_redirect(kind: type[Connector]) -> None:
    """Not in any attribute of the error, or of one that it was raised in place of."""
    location = "Location: http://other.example/ws?token=hush-hush-1"
    handle, _ = refusing(status("302 x", location))
    async with listening(handle) as port:
        with pytest.raises(rt.ConnectionFailed, match="another server") as caught:
            await talk(f"http://127.0.0.1:{port}", kind(), auth="hush-hush-1")
    assert not any("hush" in repr(vars(exc)) for exc in errors_of(caught.value))


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("kind", CONNECTORS)
async def test_no_error_holds_the_token_of_a_reason(kind: type[Connector], at_once: bool) -> None:
    """A server that closes the new link may quote the token, even together with its answer."""

    async def serve(stream: trio.SocketStream) -> None:
        answer = accept_answer(await read_head(stream))
        close = frame(0x88, b"\x03\xf0bad hush-hush-1")
        for data in (answer + close,) if at_once else (answer, close):
            await stream.send_all(data)
        while await stream.receive_some():  # closing with unread input would reset the connection
            pass

    async with listening(serve) as port:
        with pytest.raises(rt.ConnectionFailed, match="code 1008") as caught:
            await talk(f"http://127.0.0.1:{port}", kind(), auth=Always("hush-hush-1"))
    errors = [exc for exc in errors_of(caught.value) if isinstance(exc, rt.RealtimeError)]
    assert len(errors) > 1
    assert not any("hush" in repr(vars(exc)) for exc in errors)


class Always:
    """A source of one token."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self) -> str:
        await trio.lowlevel.checkpoint()
        return self._token


async def test_a_final_status_of_the_login_ends_the_client() -> None:
    """422 says what was wrong, and never what was sent."""
    body = (
        b'{"detail": [{"type": "string_too_short", "loc": ["body", "password"],'
        b' "msg": "String should have at least 6 characters", "input": "abc"}]}'
    )
    handle, heads = refusing(status("422 x", body=body))
    async with listening(handle) as port:
        login = rt.PasswordLogin("me", "abc")
        with pytest.raises(rt.ConnectionFailed) as caught:
            async with rt.open_client(f"http://127.0.0.1:{port}", auth=login):
                pass
    assert len(heads) == 1
    assert str(caught.value) == (
        f"127.0.0.1:{port} answered login with status 422: "
        "body.password: String should have at least 6 characters"
    )


@pytest.mark.parametrize("kind", CONNECTORS)
async def test_redirects_on_the_same_server_are_followed(kind: type[Connector]) -> None:
    """Up to five; none to another server."""
    answers = [status("307 x", f"Location: /{n}?token=t") for n in range(5)]
    handle, heads = refusing(*answers, status("404 x"))
    async with listening(handle) as port, trio.open_nursery() as nursery:
        with pytest.raises(rt.ConnectionFailed, match="404"):
            await kind().connect(f"ws://127.0.0.1:{port}/ws?token=t", nursery)
    assert [head.split(b" ")[1] for head in heads[1:]] == [b"/%d?token=t" % n for n in range(5)]
    for location, said in (("/again", "circles"), ("http://other.example/", "another server")):
        handle, heads = refusing(status("302 x", f"Location: {location}"))
        async with listening(handle) as port, trio.open_nursery() as nursery:
            with pytest.raises(rt.ConnectionFailed, match=said):
                await kind().connect(f"ws://127.0.0.1:{port}/ws", nursery)
        assert len(heads) == (6 if said == "circles" else 1)


@pytest.mark.parametrize("kind", CONNECTORS)
@pytest.mark.parametrize("size", [10_000, 100_001])
async def test_compression_inflates_up_to_the_bound(kind: type[Connector], size: int) -> None:
    """A message of that size arrives; a larger one ends the link with a reason."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = (deflate.compress(b"x" * size) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]

    async def serve(stream: trio.SocketStream) -> None:
        request = await read_head(stream)
        assert b"permessage-deflate" in request
        extension = b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        await stream.send_all(accept_answer(request)[:-2] + extension)
        small = len(packed) < 126
        length = b"\xc1\x7e" + len(packed).to_bytes(2, "big")
        await stream.send_all(frame(0x41, packed) if small else length + packed)
        await trio.sleep_forever()

    async with listening(serve) as port, trio.open_nursery() as nursery:
        connector = kind(compression=True, max_message_size=100_000, close_timeout=0.01)
        link = await connector.connect(f"ws://127.0.0.1:{port}/ws", nursery)
        if size <= 100_000:
            assert await link.receive() == "x" * size
        else:
            with pytest.raises(rt.ConnectionLost, match="max_message_size"):
                await link.receive()
        await link.aclose()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("2", 2.0), ("0", 0.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0), ("soon", None), ("-1", None)],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    """A number of seconds or a date (RFC 9110 §10.2.3); anything else is ignored."""
    assert retry_after({"retry-after": value}) == seconds


def test_a_servers_message_is_one_short_clean_line() -> None:
    """From any body; for an HTML page, the reason of the status line."""
    assert refusal_text(b"a\n\tb\x00\xe2\x80\xaec", "", ()) == "a bc"
    assert refusal_text(b"<html>no</html>", "Not Here", ()) == "Not Here"
    assert len(refusal_text(b"x " * 50_000, "", ())) == 200
    assert refusal_text(b'{"error": {"message": "why"}}', "", ()) == "why"
    assert refusal_text(b"bad key abc, abcd", "", ("abc",)) == "bad key <redacted>, abcd"


async def test_a_refusal_is_read_up_to_its_bound(autojump_clock: object) -> None:
    """In pieces, in chunks, or endless: the message is there within a second."""
    pieces = [b"b\r\n12345678901\r\n"] * 3

    async def receive() -> bytes:
        if not pieces:
            await trio.sleep_forever()
        return pieces.pop()

    head = b"HTTP/1.1 503 x\r\nRetry-After: 7\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await read_answer(receive, head, ())
    assert answer == UpgradeAnswer(status=503, words="12345678901" * 3, retry_after=7.0)
    assert await read_answer(receive, b"nonsense\r\n\r\n", ()) is None
