"""Time paced events in many sessions of one process. Every function opens the sessions, starts the
server and returns the CPU seconds of this process until each session has received all its events.
This includes the kernel's share: at a pace, waking up is most of the cost.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import cast
from urllib.parse import urlsplit

import attrs
import trio
import trio.testing
import trio_websocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

import realtime_trio as rt
from realtime_trio._core._codec import Codec
from realtime_trio._core._fast_decoder import Incoming
from realtime_trio._transports._websockets_frames import FrameReader, FrameWriter
from realtime_trio.events import GetAgentsEvent

from ._consumers import Application, pydantic_reader
from ._sockets import DIAL, GO, client, opened_transport
from .stream import text_deltas

__all__ = ["Pace", "asyncio_by_hand", "bare_transport", "bare_trio_websocket", "floor", "library"]

_names = itertools.count()
# Characters of text in every event.
_LENGTH = len(json.loads(text_deltas(1)[0])["content"])


@attrs.frozen(slots=True)
class Pace:
    """The number of sessions, of events for each, and of events per second."""

    url: str
    sessions: int
    rate: int
    count: int

    def scenario(self) -> str:
        """Return a name for the server's scenario that no other run uses."""
        name = f"{os.getpid()}x{next(_names)}"
        return f"choir-{self.rate}-{self.count}-{self.sessions}-{name}"


async def asyncio_by_hand(pace: Pace) -> float:
    """Time the usual alternative: websockets, json, pydantic, a dict of handlers."""
    reader = pydantic_reader()
    read, scenario = reader.read, pace.scenario()

    async def consume(socket: ClientConnection) -> None:
        handlers = Application(reader.classes).handlers
        left = pace.count
        async for frame in socket:
            event = read(cast("str", frame))
            handlers[type(event)](event)
            left -= 1
            if not left:
                break

    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(
                connect(f"{pace.url}{DIAL}{scenario}", ping_interval=None, compression=None)
            )
            for _ in range(pace.sessions)
        ]
        gc.collect()
        tasks = [asyncio.create_task(consume(socket)) for socket in sockets]
        for socket in sockets:
            await socket.send(GO)
        began = time.process_time()
        await asyncio.gather(*tasks)
        return time.process_time() - began


async def _together(
    members: Iterable[Callable[[], Awaitable[object]]],
    begin: Iterable[Callable[[], Awaitable[object]]],
) -> float:
    """Start the receivers, then the server; return the seconds from there to the end of all."""
    async with trio.open_nursery() as nursery:
        for member in members:
            nursery.start_soon(member)
        await trio.testing.wait_all_tasks_blocked()
        gc.collect()  # work that is left from opening is not part of the cost of an event
        for go in begin:
            await go()
        began = time.process_time()
    return time.process_time() - began


async def library(pace: Pace, transport: rt.Connector) -> float:
    """Time the library's clients, each with one subscriber of its text lane."""
    scenario = pace.scenario()
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(client(pace.url, transport, scenario))
            for _ in range(pace.sessions)
        ]
        subscriptions = [opened.text.subscribe() for opened in clients]
        return await _together(
            [partial(_hear_out, notes, pace.count * _LENGTH) for notes in subscriptions],
            [partial(opened.send, GetAgentsEvent(), force=True) for opened in clients],
        )


async def _hear_out(notes: rt.Subscription[rt.Notification], length: int) -> None:
    """Read until so much text was received: deltas may have been coalesced."""
    async for note in notes:
        if type(note) is rt.MessageStreaming:
            length -= len(note.delta)
            if not length:
                break


async def bare_transport(pace: Pace, transport: rt.Connector) -> float:
    """Time one of the library's transports with a loop that ignores the frames."""
    scenario = pace.scenario()

    async def consume(link: rt.Transport) -> None:
        for _ in range(pace.count):
            await link.receive()

    async with AsyncExitStack() as stack:
        links = [
            await stack.enter_async_context(opened_transport(pace.url, transport, scenario))
            for _ in range(pace.sessions)
        ]
        return await _together(
            [partial(consume, link) for link in links],
            [partial(link.send_text, GO) for link in links],
        )


async def bare_trio_websocket(pace: Pace) -> float:
    """Time the simplest loop over trio-websocket's public interface."""
    scenario = pace.scenario()

    async def consume(link: trio_websocket.WebSocketConnection) -> None:
        for _ in range(pace.count):
            await link.get_message()

    async with AsyncExitStack() as stack:
        links = [
            await stack.enter_async_context(
                trio_websocket.open_websocket_url(f"{pace.url}{DIAL}{scenario}")
            )
            for _ in range(pace.sessions)
        ]
        return await _together(
            [partial(consume, link) for link in links],
            [partial(link.send_message, GO) for link in links],
        )


async def floor(pace: Pace) -> float:
    """Time trio itself: one task reads and decodes, another one is woken. This is the minimum for
    the task steps of the library's fast path. No trio client can cost less, and nothing that a
    client does is included.
    """
    scenario = pace.scenario()
    async with AsyncExitStack() as stack:
        links = [
            await stack.enter_async_context(_raw_link(pace.url, scenario))
            for _ in range(pace.sessions)
        ]
        pairs = [_Pair(link, pace.count) for link in links]
        members = [member for pair in pairs for member in (pair.read, pair.hear)]
        return await _together(members, [partial(link.send_all, _RAW_GO) for link in links])


_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_RAW_GO = FrameWriter().message(GO)


@asynccontextmanager
async def _raw_link(url: str, scenario: str) -> AsyncGenerator[trio.SocketStream, None]:
    """Return a socket on which frames follow."""
    place = urlsplit(url)
    async with await trio.open_tcp_stream(str(place.hostname), place.port or 80) as stream:
        await stream.send_all(
            f"GET {DIAL}{scenario} HTTP/1.1\r\nHost: {place.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {_KEY}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += await stream.receive_some(1)
        yield stream


class _Pair:
    """Run the two tasks of one session."""

    def __init__(self, stream: trio.SocketStream, events: int) -> None:
        self._socket = stream.socket
        self._events = events
        self._reader = FrameReader(ClientProtocol(parse_uri("ws://floor")), 2**20)
        self._items: deque[Incoming] = deque()
        self._waiting: trio.lowlevel.Task | None = None

    async def read(self) -> None:
        """Wait for the socket, read, decode and pass on."""
        socket, feed, read = self._socket, self._reader.feed, Codec().read
        left = self._events
        while left:
            await trio.lowlevel.wait_readable(socket)
            data = os.read(socket.fileno(), 65536)
            for frame in feed(data):
                self._items.append(read(frame))
                left -= 1
            task, self._waiting = self._waiting, None
            if task is not None:
                trio.lowlevel.reschedule(task)

    async def hear(self) -> None:
        """Take the passed items."""
        left = self._events
        while left:
            if not self._items:
                self._waiting = trio.lowlevel.current_task()
                await trio.lowlevel.wait_task_rescheduled(self._abort)
            self._items.popleft()
            left -= 1

    def _abort(self, _raise: object) -> trio.lowlevel.Abort:
        self._waiting = None
        return trio.lowlevel.Abort.SUCCEEDED
