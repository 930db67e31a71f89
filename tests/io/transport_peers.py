"""Servers on 127.0.0.1 for the transports' tests: real websockets, and ones that misbehave."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, cast

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from realtime_trio import abc
from realtime_trio._exceptions import ConnectionLost
from realtime_trio._io._transport_memory import MemoryTransport, memory_pair
from realtime_trio._io._transport_trio_websocket import TrioWebsocketConnector
from realtime_trio._io._transport_websockets import WebsocketsConnector

Connector = TrioWebsocketConnector | WebsocketsConnector
CONNECTORS: Final = (TrioWebsocketConnector, WebsocketsConnector)
PATH: Final = "/ws?token=s3cr3t"

# Bounded buffers in the kernel make backpressure come soon; still smaller ones stall on
# delayed acknowledgements.
_SOCKET_BUFFER: Final = 256 * 2**10


class SocketPeer:
    """The server's end of a websocket, with what the conformance suite asks of a peer."""

    def __init__(
        self, ws: WebSocketConnection, stream: trio.SocketStream, nursery: trio.Nursery
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
        linger = struct.pack("ii", 1, 0)
        self.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.stream.socket.close()


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
) -> AsyncIterator[str]:
    """Serve TCP (or TLS) with ``handler``; give the URL to dial."""
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
) -> AsyncIterator[str]:
    """Serve websockets with ``handler``, one peer at a time; give the URL to dial."""

    async def serve(stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            request = await wrap_server_stream(
                nursery,
                stream,
                max_message_size=2**30,
                receive_buffer_size=2**16,
            )
            ws = await request.accept()
            peer = SocketPeer(ws, cast("trio.SocketStream", stream), nursery)
            await handler(peer)
            nursery.cancel_scope.cancel()
        await trio.aclose_forcefully(stream)

    async with raw_server(serve, ssl_context=ssl_context, url_host=url_host) as url:
        yield url


@contextlib.asynccontextmanager
async def socket_pair(
    connector: Connector,
    *,
    ssl_context: ssl.SSLContext | None = None,
    url_host: str = "127.0.0.1",
) -> AsyncIterator[tuple[abc.Transport, SocketPeer]]:
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
async def in_memory() -> AsyncIterator[tuple[abc.Transport, MemoryTransport]]:
    """An in-memory pair; nothing to clean up."""
    yield memory_pair()
