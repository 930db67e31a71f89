"""Network counterparts in this process: two proxies and TLS."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import trio
import trustme

__all__ = [
    "Handler",
    "connect_proxy",
    "contexts",
    "listening",
    "read_head",
    "relay",
    "socks_proxy",
    "tls_front",
]

Handler = Callable[[trio.SocketStream], Awaitable[None]]


@asynccontextmanager
async def listening(handler: Handler) -> AsyncGenerator[int, None]:
    """Serve TCP on 127.0.0.1; yields the port."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await handler(stream)

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def relay(stream: trio.abc.Stream, port: int, begun: bytes = b"") -> None:
    """Connect a stream to a local port until either side ends."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as inner, trio.open_nursery() as both:
        await inner.send_all(begun)

        async def until_over(source: trio.abc.Stream, sink: trio.abc.Stream) -> None:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                async for data in source:
                    await sink.send_all(data)
            both.cancel_scope.cancel()

        both.start_soon(until_over, stream, inner)
        both.start_soon(until_over, inner, stream)


async def read_head(stream: trio.SocketStream) -> bytes:
    """Read up to and including the empty line."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += await stream.receive_some()
    return head


def connect_proxy(port: int, heard: list[bytes], *, status: str = "200 OK") -> Handler:
    """An HTTP proxy that connects every host to ``port``."""

    async def handle(stream: trio.SocketStream) -> None:
        heard.append(await read_head(stream))
        await stream.send_all(f"HTTP/1.1 {status}\r\n\r\n".encode())
        if status.startswith("200"):
            await relay(stream, port)

    return handle


async def _exactly(stream: trio.SocketStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += await stream.receive_some(size - len(data))
    return data


def socks_proxy(port: int, heard: list[bytes]) -> Handler:
    """A SOCKS5 proxy with a password (RFC 1928, 1929) that connects every host to ``port``."""

    async def handle(stream: trio.SocketStream) -> None:
        await _exactly(stream, (await _exactly(stream, 2))[1])
        await stream.send_all(b"\x05\x02")
        name = await _exactly(stream, (await _exactly(stream, 2))[1])
        password = await _exactly(stream, (await _exactly(stream, 1))[0])
        heard.append(name + b":" + password)
        await stream.send_all(b"\x01\x00")
        await _exactly(stream, 4)
        heard.append(await _exactly(stream, (await _exactly(stream, 1))[0]))
        await _exactly(stream, 2)
        await stream.send_all(b"\x05\x00\x00\x01" + socket.inet_aton("127.0.0.1") + b"\0\0")
        await relay(stream, port)

    return handle


def tls_front(port: int, context: ssl.SSLContext) -> Handler:
    """TLS in front of ``port``."""

    async def handle(stream: trio.SocketStream) -> None:
        await relay(trio.SSLStream(stream, context, server_side=True, https_compatible=True), port)

    return handle


def contexts(host: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server's context for ``host``, and a client's that trusts its authority."""
    authority = trustme.CA()
    inside = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host).configure_cert(inside)
    outside = ssl.create_default_context()
    authority.configure_trust(outside)
    return inside, outside
