"""Parsing a URL, errors of dialling, and the contents of a close frame."""

from __future__ import annotations

import socket
import ssl

import pytest
import trio

from realtime_trio._exceptions import ConnectionFailed
from realtime_trio._transports import _dial as dial
from realtime_trio._transports._network import Network, default_context


@pytest.mark.parametrize(
    ("url", "place", "host_header", "resource"),
    [
        ("ws://a.example", "a.example:80", "a.example", "/"),
        ("wss://a.example/", "a.example:443", "a.example", "/"),
        ("ws://a.example:8080/p/q?t=1&u=2", "a.example:8080", "a.example:8080", "/p/q?t=1&u=2"),
        ("wss://A.example:80/x", "a.example:80", "a.example:80", "/x"),
        ("ws://[::1]:9/x?", "[::1]:9", "[::1]:9", "/x"),
        ("ws://[::1]", "[::1]:80", "[::1]", "/"),
        ("ws://bücher.example/ž?q=€ %41", "xn--bcher-kva.example:80", "xn--bcher-kva.example", ""),
        ("ws://me:pw@a.example/x#part", "a.example:80", "a.example", "/x"),
    ],
)
def test_a_url_is_parsed(url: str, place: str, host_header: str, resource: str) -> None:
    """Host, port and resource, in the forms for HTTP and for messages."""
    target = dial.parse_url(url)
    assert target.place == place
    assert target.host_header == host_header
    assert target.resource == (resource or "/%C5%BE?q=%E2%82%AC%20%41")
    assert target.secure == url.startswith("wss")
    assert target.resource not in repr(target) or target.resource == "/"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "http://a.example/s3cr3t",
        "ws:///s3cr3t",
        "ws://[::1/s3cr3t",
        "ws://a:b/s3cr3t",
    ],
)
def test_a_bad_url_is_not_quoted(url: str) -> None:
    """The message says what a URL looks like, not what this one was."""
    with pytest.raises(ValueError, match="URL of the server") as caught:
        dial.parse_url(url)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (1000, "", (1000, "")),
        (1001, "bye", (1001, "bye")),
        (4999, "mine", (4999, "mine")),
        (1005, "", (1000, "")),
        (1006, "", (1000, "")),
        (1015, "", (1000, "")),
        (2999, "", (1000, "")),
        (99999, "", (1000, "")),
        (-1, "", (1000, "")),
        (1000, "x" * 200, (1000, "x" * 123)),
        (1000, "é" * 100, (1000, "é" * 61)),
        (1000, "\ud800", (1000, "?")),
    ],
)
def test_a_close_frame_is_adapted(code: int, reason: str, expected: tuple[int, str]) -> None:
    """Closing must not fail, so an invalid code or reason is changed."""
    assert dial.close_frame(code, reason) == expected


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"", None),
        (b"HTTP/1.1 40", None),
        (b"HTTP/1.1 403 F", 403),
        (b"HTTP/1.0 500\r\n", 500),
        (b"SSH-2.0-x", None),
    ],
)
def test_the_status_of_an_answer(head: bytes, status: int | None) -> None:
    """Read from the first bytes, as soon as they contain it."""
    assert dial.http_status(head) == status


def test_refusals_name_the_status() -> None:
    """If there is a status; 101 is not a refusal."""
    assert dial.refusal("a:80", 403).status == 403
    assert "403" in str(dial.refusal("a:80", 403))
    assert dial.refusal("a:80", None).status is None
    assert dial.refusal("a:80", 101).status is None
    assert "a:80" in str(dial.timed_out("a:80", 10.0))


class _Resolver(trio.abc.HostnameResolver):
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def getaddrinfo(self, *_: object, **__: object) -> list[object]:  # type: ignore[override]
        raise self._error

    async def getnameinfo(self, sockaddr: object, flags: int) -> tuple[str, str]:
        raise AssertionError


@pytest.mark.parametrize(
    "error",
    [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")],
)
async def test_an_unknown_host(error: Exception) -> None:
    """A name that cannot be resolved, or is invalid."""
    trio.socket.set_custom_hostname_resolver(_Resolver(error))
    target = dial.parse_url("ws://nowhere.example/?t=s3cr3t")
    with pytest.raises(ConnectionFailed, match=r"nowhere\.example:80") as caught:
        await Network(proxy=None).open(target.host, target.port, secure=target.secure)
    assert caught.value.status is None
    assert "s3cr3t" not in str(caught.value) + str(caught.value.__cause__)


async def test_a_port_without_a_listener() -> None:
    """The error reports the refused TCP connection."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        target = dial.parse_url(f"ws://127.0.0.1:{port}/?t=s3cr3t")
        with pytest.raises(ConnectionFailed, match="refused") as caught:
            await Network(proxy=None).open(target.host, target.port, secure=target.secure)
    assert "s3cr3t" not in str(caught.value) + str(caught.value.__cause__)


@pytest.mark.parametrize("cause", [None, ValueError()])
async def test_tcp_that_fails_without_a_reason(
    cause: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error without a number or a known cause still has a message."""

    async def fail(*_: object) -> trio.SocketStream:
        await trio.lowlevel.checkpoint()
        raise OSError from cause

    monkeypatch.setattr(trio, "open_tcp_stream", fail)
    with pytest.raises(ConnectionFailed, match="the attempt failed"):
        await Network(proxy=None).open("a.example", 80, secure=False)


def test_the_default_context_verifies_and_is_created_once() -> None:
    """``wss`` without a custom context checks names and certificates."""
    context = default_context()
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert default_context() is context
