"""Test clients: one drives a server core without trio, one uses a transport."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import trio

from realtime_trio._exceptions import RealtimeError
from realtime_trio._transports._memory import MemoryConnector
from realtime_trio._transports._trio_websocket import TrioWebsocketConnector
from realtime_trio.abc import Connector, Transport
from realtime_trio.server import RealtimeServer, ScriptedTurn, ServerConfig
from realtime_trio.server._server_core import Close, Effect, Send, ServerCore

Event = dict[str, Any]
TRIO_WEBSOCKET = TrioWebsocketConnector()


class DirectClient:
    """A client of a server core, without a network and on its own clock."""

    def __init__(self, config: ServerConfig | None = None, *scripts: ScriptedTurn) -> None:
        self.core = ServerCore(config or ServerConfig(), 0.0)
        self.core.script(scripts)
        self.now = 0.0
        self.inbox: dict[int, list[Any]] = {}
        self.closed: dict[int, int] = {}
        self._count = 0

    def dial(self, **query: str) -> int:
        """Open a connection and return its number."""
        self._count += 1
        self.inbox[self._count] = []
        self._take(self.core.connect(self._count, {"token": "any", **query}, self.now))
        return self._count

    def send(self, event: Event | str | bytes, connection: int = 1) -> Self:
        """Send one frame."""
        frame = json.dumps(event) if isinstance(event, dict) else event
        self._take(self.core.receive(connection, frame, self.now))
        return self

    def say(self, text: str, connection: int = 1) -> Self:
        """Send a text input."""
        return self.send({"type": "text_input", "text": text}, connection)

    def run(self, seconds: float = 3600.0) -> Self:
        """Advance turns for ``seconds``."""
        end = self.now + seconds
        while (due := self.core.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self._take(self.core.advance(self.now))
        self.now = end
        return self

    def until(self, type_: str, connection: int = 1) -> Self:
        """Advance turns until an event of that type arrives."""
        while not any(isinstance(e, dict) and e["type"] == type_ for e in self.inbox[connection]):
            due = self.core.next_deadline()
            assert due is not None, f"{type_} never came"
            self.now = max(self.now, due)
            self._take(self.core.advance(self.now))
        return self

    def hang_up(self, connection: int = 1) -> Self:
        """Drop a connection."""
        self.core.disconnect(connection, self.now)
        return self

    def take(self, connection: int = 1) -> list[Any]:
        """Return what has arrived since the last call."""
        events, self.inbox[connection] = self.inbox[connection], []
        return events

    def ask(self, event: Event | str | bytes, connection: int = 1) -> list[Any]:
        """Send one frame, run everything, and return what arrives."""
        self.take(connection)
        self.send(event, connection).run()
        return self.take(connection)

    def answer(self, text: str, connection: int = 1) -> list[Any]:
        """Send a text input, run everything, and return what arrives."""
        return self.ask({"type": "text_input", "text": text}, connection)

    def _take(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                frame = effect.frame
                # Copy through JSON, as on the wire: later changes do not affect what was sent.
                copy = frame if isinstance(frame, bytes | str) else json.loads(json.dumps(frame))
                self.inbox[effect.connection].append(copy)
            elif isinstance(effect, Close):
                self.closed[effect.connection] = effect.code


class WireClient:
    """A client over a transport."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.opening: list[Any] = []

    async def send(self, event: Event) -> None:
        """Send one event."""
        await self.transport.send_text(json.dumps(event))

    async def say(self, text: str) -> None:
        """Send a text input."""
        await self.send({"type": "text_input", "text": text})

    async def next(self) -> Any:
        """Return the next event or binary frame."""
        frame = await self.transport.receive()
        return json.loads(frame) if isinstance(frame, str) else frame

    async def until(self, type_: str) -> list[Any]:
        """Return everything up to the next event of that type."""
        found: list[Any] = []
        while True:
            event = await self.next()
            found.append(event)
            if isinstance(event, dict) and event["type"] == type_:
                return found

    async def answer(self, text: str) -> list[Any]:
        """Send a text input and return the whole turn."""
        await self.say(text)
        return await self.until("user_turn_start")


@asynccontextmanager
async def dial(server: RealtimeServer, **query: str) -> AsyncIterator[WireClient]:
    """Connect to a server in memory."""
    pairs = "&".join(f"{key}={value}" for key, value in {"token": "any", **query}.items())
    url = f"{server.url}/api/rt/ws?{pairs}"
    transport = await connect(url)
    try:
        yield WireClient(transport)
    finally:
        await transport.aclose()


async def connect(url: str) -> Transport:
    """Dial in memory; an error is raised bare."""
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        try:
            return await MemoryConnector().connect(url, nursery)
        except RealtimeError as exc:
            failure = exc
    raise failure


@asynccontextmanager
async def dial_socket(
    url: str, path: str = "/api/rt/ws", connector: Connector = TRIO_WEBSOCKET, **query: str
) -> AsyncIterator[WireClient]:
    """Connect over a socket and wait for the user's turn; errors are raised bare."""
    failure: BaseException | None = None
    pairs = "&".join(f"{k}={v}" for k, v in {"token": "any", **query}.items() if v)
    async with trio.open_nursery() as nursery:
        try:
            address = f"{url.replace('http', 'ws', 1)}{path}?{pairs}"
            transport = await connector.connect(address, nursery)
            try:
                client = WireClient(transport)
                client.opening = await client.until("user_turn_start")
                yield client
            finally:
                await transport.aclose()
        except trio.Cancelled:
            raise
        except BaseException as exc:
            failure = exc
    if failure is not None:
        raise failure


def text_of(events: list[Any]) -> str:
    """Return the text of all ``text_delta`` events."""
    deltas = [e for e in events if isinstance(e, dict) and e["type"] == "text_delta"]
    return "".join(delta["content"] for delta in deltas)
