"""Servers on 127.0.0.1 for the tests of transports: real websockets and misbehaving ones."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final, cast

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from realtime_trio import abc
from realtime_trio._exceptions import ConnectionLost
from realtime_trio._transports._memory import MemoryTransport, memory_pair
from realtime_trio._transports._trio_websocket import TrioWebsocketConnector
from realtime_trio._transports._websockets import WebsocketsConnector

Connector = TrioWebsocketConnector | WebsocketsConnector
CONNECTORS: Final = (TrioWebsocketConnector, WebsocketsConnector)
PATH: Final = "/ws?token=s3cr3t"

# Small kernel buffers cause backpressure early; even smaller ones stall on
# delayed acknowledgements.
_SOCKET_BUFFER: Final = 256 * 2**10


class SocketPeer:
    """The server's end of a websocket, as the conformance suite requires."""

    def __init__(
        self, ws: WebSocketConnection, stream: trio.abc.Stream, nursery: trio.Nursery
    ) -> None:
        self.ws = ws
        self.stream = stream
        self.nursery = nursery

    async def send_text(self, text: str) -> None:
        await self._send(text)

    async def send_bytes(self, data: bytes) -> None:
        await self._send(data)

    async def _send(self, message: str | bytes) -> None:
        try:
            await self.ws.send_message(message)
        except ConnectionClosed as closed:
            raise _lost(closed) from None

    async def receive(self) -> str | bytes:
        try:
            return await self.ws.get_message()
        except ConnectionClosed as closed:
            raise _lost(closed) from None

    async def ping(self) -> None:
        async def ping() -> None:
            with contextlib.suppress(ConnectionClosed):
                await self.ws.ping()

        self.nursery.start_soon(ping)
        await trio.lowlevel.checkpoint()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await self.ws.aclose(code, reason)

    def abort(self) -> None:
        """Reset the TCP connection."""
        reset(self.stream)


def reset(stream: trio.abc.Stream) -> None:
    """Close a TCP connection like a crash: with a reset, without FIN."""
    if isinstance(stream, trio.SSLStream):
        stream = cast("trio.SSLStream[trio.SocketStream]", stream).transport_stream
    assert isinstance(stream, trio.SocketStream)
    linger = struct.pack("ii", 1, 0)
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    stream.socket.close()


def _lost(closed: ConnectionClosed) -> ConnectionLost:
    reason = closed.reason
    if reason is None:
        return ConnectionLost("lost")
    return ConnectionLost("lost", code=reason.code, reason=reason.reason or "")


@contextlib.asynccontextmanager
async def raw_server(
    handler: Callable[[trio.abc.Stream], Awaitable[None]],
    *,
    ssl_context: ssl.SSLContext | None = None,
    url_host: str = "127.0.0.1",
) -> AsyncGenerator[str, None]:
    """Serve TCP (or TLS) with ``handler``; yield the URL to dial."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    listener = listeners[0]
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        listener.socket.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER)
    port = listener.socket.getsockname()[1]
    serving: trio.abc.Listener[trio.abc.Stream] = listener
    if ssl_context is not None:
        serving = trio.SSLListener(listener, ssl_context, https_compatible=True)
    scheme = "ws" if ssl_context is None else "wss"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, handler, [serving])
        yield f"{scheme}://{url_host}:{port}{PATH}"
        nursery.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def websocket_server(
    handler: Callable[[SocketPeer], Awaitable[None]],
    *,
    ssl_context: ssl.SSLContext | None = None,
    url_host: str = "127.0.0.1",
) -> AsyncGenerator[str, None]:
    """Serve websockets with ``handler``, one peer at a time; yield the URL to dial."""

    async def serve(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            request = await wrap_server_stream(
                nursery,
                stream,
                max_message_size=2**30,
                receive_buffer_size=2**16,
            )
            ws = await request.accept()
            await handler(SocketPeer(ws, stream, nursery))
            nursery.cancel_scope.cancel()
        await trio.aclose_forcefully(stream)

    async with raw_server(serve, ssl_context=ssl_context, url_host=url_host) as url:
        yield url


async def read_request(stream: trio.abc.Stream) -> bytes:
    """Read the client's upgrade request."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += await stream.receive_some()
    return request


def accept_answer(request: bytes) -> bytes:
    """Return the response that accepts this upgrade request."""
    lines = request.lower().split(b"\r\n")
    at = next(n for n, line in enumerate(lines) if line.startswith(b"sec-websocket-key:"))
    key = request.split(b"\r\n")[at].split(b":", 1)[1].strip()
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """Return a small frame of a server; ``opcode`` can include reserved bits."""
    assert len(payload) < 126
    return bytes([(0x80 if fin else 0) | opcode, len(payload)]) + payload


TEXT, BINARY, CONTINUATION, CLOSE, PING = 1, 2, 0, 8, 9


@contextlib.asynccontextmanager
async def frame_server(
    handler: Callable[[trio.abc.Stream], Awaitable[None]], *, with_answer: bytes = b""
) -> AsyncGenerator[str, None]:
    """Accept the websocket, then pass its raw stream to ``handler``."""

    async def serve(stream: trio.abc.Stream) -> None:
        answer = accept_answer(await read_request(stream))
        await stream.send_all(answer + with_answer)
        await handler(stream)

    async with raw_server(serve) as url:
        yield url


@contextlib.asynccontextmanager
async def socket_pair(
    connector: Connector,
    *,
    ssl_context: ssl.SSLContext | None = None,
    url_host: str = "127.0.0.1",
) -> AsyncGenerator[tuple[abc.Transport, SocketPeer], None]:
    """Connect a transport over loopback to a peer in this process."""
    send_peer, receive_peer = trio.open_memory_channel[SocketPeer](1)

    async def handle(peer: SocketPeer) -> None:
        await send_peer.send(peer)
        await trio.sleep_forever()

    async with (
        websocket_server(handle, ssl_context=ssl_context, url_host=url_host) as url,
        trio.open_nursery() as nursery,
    ):
        transport = await connector.connect(url, nursery)
        yield transport, await receive_peer.receive()
        await transport.aclose()


@contextlib.asynccontextmanager
async def in_memory() -> AsyncGenerator[tuple[abc.Transport, MemoryTransport], None]:
    """An in-memory pair; it needs no cleanup."""
    yield memory_pair()
