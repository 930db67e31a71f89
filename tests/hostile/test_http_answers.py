"""Answers of HTTP that no honest server gives: to a call by REST, and to the upgrade."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import traceback
from collections.abc import Callable
from contextlib import suppress

import pytest
import trio

import realtime_trio as rt
from realtime_trio._rest._calls import Rest
from realtime_trio._rest._upload import Form, open_upload
from realtime_trio._rest._urls import endpoint
from tests.rest.test_calls import Serve, replies, serving, whole

SECRET = "-".join(["hush"] * 3)
GRANT = b'{"agent_c_token": "new"}'
PACKED = gzip.compress(GRANT)
MIB = 2**20

Reply = Callable[[bytes], bytes]


def reply(*lines: bytes, body: bytes = GRANT, status: bytes = b"200 OK") -> bytes:
    length = b"content-length: %d" % len(body)
    return b"\r\n".join([b"HTTP/1.1 " + status, b"connection: close", length, *lines, b"", body])


def answering(made: Reply) -> Serve:
    inner = replies(made)

    async def serve(stream: trio.abc.Stream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # it has hung up
            await inner(stream)

    return serve


# -- REST ----------------------------------------------------------------------------------

TAKEN = {
    "identity": reply(b"content-encoding: identity"),
    "hints before it": b"HTTP/1.1 103 x\r\nlink: x\r\n\r\n" * 1000 + reply(),
    "bytes that are no text": reply("x: \ud800".encode("utf-8", "surrogatepass")),
    "cookies": reply(*[b"set-cookie: a%d=b" % n for n in range(2000)]),
}
REFUSED = {
    "an encoding behind identity": reply(b"content-encoding: identity, gzip", body=PACKED),
    "an encoding in a second line": reply(
        b"content-encoding: identity", b"content-encoding: gzip", body=PACKED
    ),
    "a hundred encodings": reply(b"content-encoding: " + b"gzip," * 99 + b"gzip", body=PACKED),
    "an old name": reply(b"content-encoding: x-gzip", body=PACKED),
    "packed words": reply(b"content-encoding: gzip", body=PACKED, status=b"422 x"),
    "a long line": reply(b"x: " + b"a" * MIB),
    "NUL in a line": reply(b"x: a\0b"),
    "NUL in the reason": reply(status=b"200 \0"),
    "trailers": (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n18\r\n"
        + GRANT
        + b"\r\n0\r\n"
        + b"x: y\r\n" * 50_000
        + b"\r\n"
    ),
    "no time to wait": reply(b"retry-after: 1e999", status=b"503 x"),
    "a long time to wait": reply(b"retry-after: " + b"9" * 5000, status=b"503 x"),
    "no date": reply(b"retry-after: Thu, 99 Foo 99999 99:99:99 GMT", status=b"429 x"),
    "elsewhere with a password": (
        b"HTTP/1.1 307 x\r\ncontent-length: 0\r\nlocation: http://u:p@127.0.0.1:9/\r\n\r\n"
    ),
}


@pytest.mark.parametrize("name", list(TAKEN))
async def test_an_odd_answer_that_says_what_it_should_is_taken(name: str) -> None:
    async with serving(answering(lambda _: TAKEN[name])) as house:
        grant = await Rest(endpoint(f"http://{house}"), timeout=30).refresh(SECRET)
    assert grant.token == "new"


@pytest.mark.parametrize("name", list(REFUSED))
async def test_an_answer_that_is_none_is_a_failed_call(name: str) -> None:
    async with serving(answering(lambda _: REFUSED[name])) as house:
        rest = Rest(endpoint(f"http://{house}"), timeout=30)
        for call in (rest.refresh(SECRET), rest.login("me", SECRET)):
            with pytest.raises((rt.ConnectionFailed, rt.ProtocolError)) as caught:
                await call
            assert SECRET not in "".join(traceback.format_exception(caught.value))


async def test_words_of_a_refusal_hold_no_control_characters() -> None:
    body = "\x1b[31m\u202e\u061c\u200e said \u200f\x9b\0".encode()
    made = reply(body=body, status=b"400 x")
    async with serving(answering(lambda _: made)) as house:
        with pytest.raises(rt.ConnectionFailed) as caught:
            await Rest(endpoint(f"http://{house}"), timeout=30).refresh(SECRET)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


async def hints_without_end(stream: trio.abc.Stream) -> None:
    await whole(stream)
    with suppress(trio.BrokenResourceError):
        while True:
            await trio.sleep(1)
            await stream.send_all(b"HTTP/1.1 103 x\r\nx: y\r\n\r\n" * 100)


async def test_hints_without_end_are_no_answer(autojump_clock: object) -> None:
    async with serving(hints_without_end) as house:
        rest = Rest(endpoint(f"http://{house}"), timeout=7)
        began = trio.current_time()
        with pytest.raises(rt.ConnectionFailed, match="did not answer refresh_token within 7 s"):
            await rest.refresh(SECRET)
        upload = await open_upload(b"x", filename="x\0\ud800\r\n", mime_type=None, limit=9)
        with pytest.raises(rt.ConnectionFailed, match="did not answer upload_file within 7 s"):
            await rest.upload(SECRET, Form({}, upload), None)
        assert trio.current_time() - began == 14


# -- the upgrade ---------------------------------------------------------------------------


def accepted(*lines: bytes) -> Reply:
    """The upgrade is accepted, with these lines beside."""

    def made(request: bytes) -> bytes:
        key = re.search(rb"sec-websocket-key: (\S+)", request, re.IGNORECASE)
        assert key is not None
        digest = hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        head = b"HTTP/1.1 101 x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        accept = b"sec-websocket-accept: " + base64.b64encode(digest)
        return head + b"\r\n".join([accept, *lines, b"", b""])

    return made


def said(*lines: bytes, body: bytes = b"", status: bytes = b"422 x") -> Reply:
    return lambda _request: reply(*lines, body=body, status=status)


UPGRADES: dict[str, Reply] = {
    "a long line": accepted(b"x: " + b"a" * MIB),
    "lines without end": accepted(*[b"a: b"] * 50_000),
    "NUL in a line": accepted(b"x: a\0b"),
    "bytes that are no text": accepted(b"x: \xed\xa0\x80"),
    "a name that is none": accepted(b"\xff\xff: y"),
    "a protocol that is none": accepted(b"sec-websocket-protocol: \xff\xfe"),
    "an extension that is none": accepted(b"sec-websocket-extensions: \xff; x=\xff"),
    "cookies": said(*[b"set-cookie: a=b"] * 50_000),
    "packed words": said(b"content-encoding: gzip", body=PACKED),
    "no status": said(status=b"999 x"),
    "control characters": said(body=b"\x1b[31m\xe2\x80\xae\xd8\x9c", status=b"418 \x1b[31m"),
    "a long time to wait": said(b"retry-after: " + b"9" * 6000, status=b"503 x"),
    "elsewhere with a password": said(b"location: http://u:p@127.0.0.1:9/", status=b"302 x"),
    "elsewhere, no address": said(b"location: ws://[::1/\xff", status=b"302 x"),
    "elsewhere, no name": said(b"location: http://" + b"a" * 300 + b".example/", status=b"307 x"),
    "no HTTP": lambda _: b"\0" * 1000,
    "a chunk without end": lambda _: (
        b"HTTP/1.1 422 x\r\ntransfer-encoding: chunked\r\n\r\n" + b"f" * 22 + b"\r\n"
    ),
}


@pytest.mark.parametrize("connector", [rt.TrioWebsocketConnector, rt.WebsocketsConnector])
@pytest.mark.parametrize("name", list(UPGRADES))
async def test_an_answer_to_the_upgrade_that_is_none_is_a_failed_connection(
    name: str, connector: type[rt.TrioWebsocketConnector] | type[rt.WebsocketsConnector]
) -> None:
    config = rt.ClientConfig(max_attempts=1)
    async with serving(answering(UPGRADES[name])) as house:
        with pytest.raises(rt.ConnectionFailed) as caught:
            async with rt.open_client(
                f"http://{house}", auth=SECRET, transport=connector(), config=config
            ) as client:
                await client.ready()
    assert str(caught.value).isprintable()
    assert SECRET not in "".join(traceback.format_exception(caught.value))


# -- interim answers before the last one ---------------------------------------------------

HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n"
INTERIM: dict[str, bytes] = {
    "hints": HINTS,
    "a hundred hints": HINTS * 100,
    "go on, and it works on it": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 x\r\na: b\r\n\r\n",
    "lines that end with LF": b"HTTP/1.1 103 x\nlink: x\n\n",
    "an old version": b"HTTP/1.0 199\r\n\r\n",
}
CONNECTORS = [rt.TrioWebsocketConnector, rt.WebsocketsConnector]
AnyConnector = type[rt.TrioWebsocketConnector] | type[rt.WebsocketsConnector]
GREETING = b"\x81\x05Hello"


def parts_of(answer: bytes, size: int) -> list[bytes]:
    return [answer[at : at + size] for at in range(0, len(answer), size)]


@pytest.mark.parametrize("connector", CONNECTORS)
@pytest.mark.parametrize("size", [1, 7, 2**16])
@pytest.mark.parametrize("name", list(INTERIM))
async def test_interim_answers_before_the_upgrade_are_skipped(
    name: str, size: int, connector: AnyConnector
) -> None:
    """However they arrive, and whatever follows the answer."""

    async def serve(stream: trio.abc.Stream) -> None:
        answer = INTERIM[name] + accepted()(await whole(stream)) + GREETING
        for part in parts_of(answer, max(size, len(answer) // 200)):
            await stream.send_all(part)
            await trio.lowlevel.checkpoint()
        await trio.sleep_forever()

    async with serving(serve) as house, trio.open_nursery() as nursery:
        with trio.fail_after(10):
            link = await connector(close_timeout=0.0).connect(f"ws://{house}/", nursery)
            assert await link.receive() == "Hello"
            await link.aclose()


@pytest.mark.parametrize("connector", CONNECTORS)
async def test_a_refusal_after_interim_answers_says_its_status(connector: AnyConnector) -> None:
    made = HINTS + reply(b"retry-after: 7", body=b"too busy", status=b"503 x")
    async with serving(answering(lambda _: made)) as house, trio.open_nursery() as nursery:
        with pytest.raises(rt.ConnectionFailed, match="503: too busy") as caught:
            await connector().connect(f"ws://{house}/", nursery)
    assert (caught.value.status, caught.value.retry_after) == (503, 7.0)


@pytest.mark.parametrize("connector", CONNECTORS)
@pytest.mark.parametrize(
    "answer",
    [HINTS, HINTS[:-2], HINTS[:20], HINTS[:9], b"HTTP/1.1 103 " + b"x" * MIB, HINTS * 9999],
)
async def test_interim_answers_alone_are_no_answer(answer: bytes, connector: AnyConnector) -> None:
    """A server may also send them without end."""
    async with serving(answering(lambda _: answer)) as house, trio.open_nursery() as nursery:
        with pytest.raises(rt.ConnectionFailed, match="did not complete the upgrade") as caught:
            await connector().connect(f"ws://{house}/", nursery)
    assert caught.value.status is None
