"""A TCP proxy that misbehaves: it cuts, stalls, delays and chops what passes through it."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Literal, TypeAlias, cast
from urllib.parse import urlsplit

import trio

Direction: TypeAlias = Literal["up", "down"]
"""``up``: from the client to the server."""


class Proxy:
    """Hands bytes on between clients and one server, until it is told otherwise."""

    def __init__(self, target: str) -> None:
        self.url = ""
        self.links = 0
        """How many connections it has taken, refused ones too."""
        self.refusals = 0
        """So many of the next dials are hung up on."""
        self.delay = 0.0
        """Seconds that each piece waits."""
        self.chop: int | None = None
        """The largest piece that is handed on at once."""
        self._port = urlsplit(target).port or 0
        self._streams: set[trio.SocketStream] = set()
        self._vanished: set[trio.SocketStream] = set()
        self._stalled: dict[Direction, trio.Event] = {}
        self._budget: dict[Direction, int] = {}

    def cut(self, *, rude: bool = True) -> None:
        """End every connection: with a reset, or as a process does that ends in peace."""
        for stream in self._streams:
            if rude:
                reset = struct.pack("ii", 1, 0)
                stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            stream.socket.close()
        self._streams.clear()

    def cut_after(self, size: int, way: Direction) -> None:
        """Hand on so many bytes more, then end every connection."""
        self._budget[way] = size

    def stall(self, way: Direction) -> None:
        """Hand nothing on, and say nothing about it."""
        self._stalled.setdefault(way, trio.Event())

    def vanish(self) -> None:
        """Make the network of the open connections vanish: no byte, FIN or reset passes any more.

        New connections work. So it is when a laptop changes its Wi-Fi.
        """
        self._vanished |= self._streams
        self._streams.clear()

    @property
    def stalled(self) -> bool:
        """Whether anything is held back."""
        return bool(self._stalled)

    def go_on(self) -> None:
        """Hand on what was held back."""
        for event in self._stalled.values():
            event.set()
        self._stalled.clear()

    async def serve(self, client: trio.SocketStream) -> None:
        """Serve one connection."""
        self.links += 1
        async with client:
            if self.refusals:
                self.refusals -= 1
                return
            server = await trio.open_tcp_stream("127.0.0.1", self._port)
            self._streams |= {client, server}
            async with server, trio.open_nursery() as nursery:
                scope = nursery.cancel_scope
                nursery.start_soon(self._pump, client, server, "up", scope)
                nursery.start_soon(self._pump, server, client, "down", scope)
            self._streams -= {client, server}

    async def _pump(
        self,
        source: trio.SocketStream,
        sink: trio.SocketStream,
        way: Direction,
        scope: trio.CancelScope,
    ) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while data := await source.receive_some(self.chop or 65_536):
                await self._hold(way)
                if source in self._vanished:
                    continue
                left = self._budget.get(way)
                await sink.send_all(data if left is None else data[:left])
                if left is not None:
                    self._budget[way] = left - len(data)
                    if left <= len(data):
                        del self._budget[way]
                        self.cut()
        if source in self._vanished:
            await trio.sleep_forever()  # the other side never learns that this one has ended
        scope.cancel()

    async def _hold(self, way: Direction) -> None:
        if self.delay:
            await trio.sleep(self.delay)
        while (stalled := self._stalled.get(way)) is not None:
            await stalled.wait()


@asynccontextmanager
async def open_proxy(target: str) -> AsyncGenerator[Proxy, None]:
    """Run a proxy in front of a server's address until the block is left."""
    proxy = Proxy(target)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    address = cast("tuple[str, int]", listener.socket.getsockname())
    proxy.url = f"http://127.0.0.1:{address[1]}"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, proxy.serve, [listener])
        try:
            yield proxy
        finally:
            nursery.cancel_scope.cancel()
