"""Connect the sans-IO server to its connections: send effects through faults, run timers."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Final, Literal
from urllib.parse import parse_qsl, urlsplit

import attrs
import trio

from .._exceptions import ConnectionFailed
from ._client_connection import AbortableTransport, ClientConnection
from ._contain import contained
from ._fault_pipeline import Faults
from ._faults import Action, CutHow, Packet
from ._fields import BadCommand, BadJson, decode_event
from ._options import ServerConfig
from ._origin import origin_allowed
from ._rest_api import Request, Response, respond
from ._server_core import Effect, Refused, Send, ServerCore
from ._storage import SeenFrames

__all__ = ["Hub", "Received", "Traffic"]

_logger: Final = logging.getLogger("realtime_trio.server")

_REORDER_WINDOW = 0.05
"""Seconds that a frame waits for another frame to overtake it (the fault ``reorder``)."""


@attrs.frozen(slots=True, kw_only=True)
class Received:
    """One frame that the server received."""

    connection: int
    frame: str | bytes = attrs.field(repr=False)
    at: float

    @property
    def event(self) -> Mapping[str, object] | None:
        """The frame's content, decoded at each access; ``None`` if it is not an event."""
        return _decode_or_none(self.frame)

    @property
    def type(self) -> str | None:
        """The type of the event; ``None`` for speech and for a frame that cannot be decoded."""
        event = self.event
        return None if event is None else str(event["type"])


@attrs.frozen(slots=True, kw_only=True)
class Traffic:
    """One action of a server, for a log.

    ``kind`` is "open" and "close" for a websocket, "in" and "out" for a frame, before faults,
    and "http" for a request, whose ``frame`` is its method and path and ``status`` its answer.
    """

    kind: Literal["open", "close", "in", "out", "http"]
    connection: int = 0
    frame: str | bytes | Mapping[str, object] = attrs.field(default="", repr=False)
    status: int = 0


class Hub:
    """One server core with its connections and faults."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.core: ServerCore = ServerCore(config, trio.current_time())
        self.faults: Faults = Faults(config.seed)
        self._seen = SeenFrames(config.max_seen, config.max_seen_bytes)
        self.connections: dict[int, ClientConnection] = {}
        self.down = False
        self.observe: Callable[[Traffic], None] = _ignore
        """Called for everything that happens; it must not block or raise."""
        self._count = 0
        self._wake = trio.Event()
        self._flush_at: float | None = None

    @property
    def seen(self) -> deque[Received]:
        """The frames received on all connections, oldest first."""
        return self._seen.frames

    async def run_timers(self) -> None:
        """Advance turns when they are due, except on backlogged connections."""
        while True:
            paused = {number for number, each in self.connections.items() if each.backlogged}
            self._wake = trio.Event()
            times = (self.core.next_deadline(paused), self._flush_at)
            deadline = min((time for time in times if time is not None), default=float("inf"))
            with trio.move_on_at(deadline):
                await self._wake.wait()
            now = trio.current_time()
            if self._flush_at is not None and now >= self._flush_at:
                self._flush_at = None
                self._route(self.faults.flush())
            self._advance(now, paused)

    def _advance(self, now: float, paused: Container[int | None]) -> None:
        with contained("a turn"):
            self.apply(self.core.advance(now, paused))
            return
        # The turn that raised has ended, and its connection is to be closed.
        self.apply(self.core.state.take_effects())

    def apply(self, effects: Iterable[Effect]) -> None:
        """Send the effects of the core, through the faults."""
        now = trio.current_time()
        for effect in effects:
            if isinstance(effect, Send):
                self.observe(Traffic(kind="out", connection=effect.connection, frame=effect.frame))
                packet = Packet(connection=effect.connection, frame=effect.frame, at=now)
                self._route(self.faults.apply(packet))
            elif (connection := self.connections.get(effect.connection)) is not None:
                connection.close(effect.code, effect.reason)
        self._wake_timers()
        if self._flush_at is None and self.faults.holding:
            self._flush_at = now + _REORDER_WINDOW

    def handle(self, request: Request) -> Response:
        """Answer one HTTP request; one that fails here is answered with 500."""
        response = self._answer(request)
        what = f"{request.method} {urlsplit(request.target).path}"
        self.observe(Traffic(kind="http", frame=what, status=response.status))
        return response

    def _answer(self, request: Request) -> Response:
        if not origin_allowed(request.headers.items(), self.config.allowed_origins):
            return Response.json(403, {"detail": "The origin is not allowed."})
        with contained("a request"):
            response, effects = respond(self.core, request, trio.current_time())
            self.apply(effects)
            return response
        return Response.json(500, {"detail": "Internal server error"})

    def authorize(self, url: str) -> None:
        """Check a dial; raises :class:`Refused`, or ``ConnectionFailed`` if there is no answer."""
        try:
            self._authorize(url)
        except Refused as refused:
            self.refuse(refused.status, refused.reason)
            raise
        except ConnectionFailed as failed:
            _logger.warning("a connection gets no answer: %s", failed)
            raise

    def refuse(self, status: int, reason: str) -> Refused:
        """Log that a connection is refused; ``reason`` must not quote the client."""
        _logger.warning("refused a connection with status %d: %s", status, reason)
        return Refused(status, reason)

    def _authorize(self, url: str) -> None:
        refused, status = self.faults.refusal()
        if self.down or (refused and status is None):
            message = "the server does not answer: it is restarting, or a fault breaks this dial"
            raise ConnectionFailed(message)
        if refused and status is not None:
            raise Refused(status, "refused by server.faults.refuse()")
        self.core.authorize(_query(url))

    def refusal_status(self, url: str) -> int | None:
        """Return the status that refuses a dial; ``ConnectionFailed`` if there is no answer."""
        try:
            self.authorize(url)
        except Refused as refused:
            return refused.status
        return None

    async def serve(self, url: str, link: AbortableTransport) -> None:
        """Serve one websocket until it ends, then close it; an exception ends only this one."""
        self._count += 1
        number = self._count
        connection = ClientConnection(
            number,
            link,
            high_water=self.config.soft_queue,
            limit=self.config.hard_queue,
            max_bytes=self.config.max_queued_bytes,
            on_drained=self._wake_timers,
        )
        self.connections[number] = connection
        _logger.info("connection %d is open", number)

        def on_frame(frame: str | bytes) -> None:
            now = trio.current_time()
            self.observe(Traffic(kind="in", connection=number, frame=frame))
            self._seen.add(Received(connection=number, frame=frame, at=now))
            self.apply(self.core.receive(number, frame, now))

        self.observe(Traffic(kind="open", connection=number))
        try:
            with contained(f"connection {number}"):
                self.apply(self.core.connect(number, _query(url), trio.current_time()))
                await connection.run(on_frame)
        finally:
            del self.connections[number]
            _logger.info("connection %d is closed", number)
            self.core.disconnect(number, trio.current_time())
            self.observe(Traffic(kind="close", connection=number))

    def hang_up(self, how: CutHow) -> None:
        """End every connection now."""
        for connection in list(self.connections.values()):
            connection.hang_up(how)

    def _wake_timers(self) -> None:
        self._wake.set()

    def _route(self, actions: Iterable[Action]) -> None:
        for action in actions:
            connection = self.connections.get(action.connection)
            if connection is not None:
                connection.put(action)


def _ignore(_: Traffic) -> None:
    """Ignore traffic: there is no log."""


def _query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def _decode_or_none(frame: str | bytes) -> Mapping[str, object] | None:
    """Return the event of a frame, for ``seen``."""
    if isinstance(frame, bytes):
        return None
    try:
        return decode_event(frame)
    except (BadJson, BadCommand):
        return None
