"""The embedded server's trio shell: listeners, connections, and the one task that keeps time."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import cast
from urllib.parse import parse_qsl, urlsplit

import attrs
import trio

from realtime_trio._exceptions import ConnectionFailed, ConnectionLost
from realtime_trio._io._transport_memory import MemoryListener
from realtime_trio.server import _rest
from realtime_trio.server._brain import Brain, Effect, Refused, Send
from realtime_trio.server._config import ServerConfig
from realtime_trio.server._connection import Connection, Link
from realtime_trio.server._faults import Action, CutHow, Packet
from realtime_trio.server._fields import BadCommand, BadJson, parse
from realtime_trio.server._http import Upgrade, refuse, serve_requests
from realtime_trio.server._pipeline import Faults
from realtime_trio.server._rest import Request, Response
from realtime_trio.server._script import Turn
from realtime_trio.server._socket import ServerSocket

__all__ = ["RealtimeServer", "Received", "ServerStatistics", "open_server"]

_PATH = "/api/rt/ws"
_OVERTAKE = 0.05
"""Seconds that a frame waits for another one to overtake it (the fault ``reorder``)."""


@attrs.frozen(slots=True, kw_only=True)
class Received:
    """One frame that the server got. ``event`` is what it says, if it is an event at all."""

    connection: int
    frame: str | bytes = attrs.field(repr=False)
    event: Mapping[str, object] | None
    at: float

    @property
    def type(self) -> str | None:
        """The type of the event; ``None`` for speech and for what could not be read."""
        return None if self.event is None else str(self.event["type"])


@attrs.frozen(slots=True, kw_only=True)
class ServerStatistics:
    """What a server holds at the moment."""

    connections: int
    ui_sessions: int
    chat_sessions: int
    backlog: int


@asynccontextmanager
async def open_server(
    config: ServerConfig | None = None,
    *,
    name: str | None = None,
    chats: Iterable[Mapping[str, object]] = (),
) -> AsyncGenerator[RealtimeServer, None]:
    """Run a server until the block ends; its connections are cut off then.

    It can be reached at once under ``server.url`` (``memory://name``, in this ``trio.run``
    only), and over TCP after :meth:`RealtimeServer.listen`. ``chats`` are the sessions that
    :meth:`RealtimeServer.export_chats` of an earlier server gave. What the block raises comes
    out as it is, never in a group.
    """
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        server = RealtimeServer(config or ServerConfig(), name, nursery)
        server.import_chats(chats)
        with server._listener:
            nursery.start_soon(server._keep_time)
            nursery.start_soon(server._accept_memory)
            try:
                yield server
            except trio.Cancelled:
                raise
            except BaseException as exc:  # given on below, outside the nursery, which would wrap it
                failure = exc
            finally:
                server._hang_up_all("abort")
                nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


class RealtimeServer:
    """A running server; made by :func:`open_server`.

    ``faults`` lets things go wrong, ``seen`` is what the clients sent, the oldest first
    (bounded by ``config.max_seen``). Nothing here blocks unless it says so.
    """

    def __init__(self, config: ServerConfig, name: str | None, nursery: trio.Nursery) -> None:
        self.config = config
        self.faults = Faults(config.seed)
        self.seen: deque[Received] = deque(maxlen=config.max_seen)
        self._brain = Brain(config, trio.current_time())
        self._nursery = nursery
        self._connections: dict[int, Connection] = {}
        self._count = 0
        self._down = False
        self._wake = trio.Event()
        self._flush_at: float | None = None
        self._listener = MemoryListener(
            name, refuse=self._refuse_memory, max_message_size=config.max_message_bytes
        )

    # -- for the application ----------------------------------------------------------

    @property
    def url(self) -> str:
        """The address for clients in the same ``trio.run``: ``memory://…``."""
        return self._listener.url

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Serve on a TCP port too (0: a free one), and give its ``http://`` address.

        It serves HTTP and websockets on that one port until the server ends. Raises
        ``OSError`` where the port is taken.
        """
        listeners = await trio.open_tcp_listeners(port, host=host)
        self._nursery.start_soon(trio.serve_listeners, self._serve_tcp, listeners)
        address = cast("tuple[str, int]", listeners[0].socket.getsockname())
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{address[1]}"

    def script(self, *turns: Turn) -> None:
        """Queue turns: an input takes the first one for its text, else the first for any text.

        An input for which there is none is echoed.
        """
        self._brain.script(turns)

    def unscript(self) -> None:
        """Forget the turns that wait."""
        self._brain.unscript()

    def handle(self, request: Request) -> Response:
        """Answer an HTTP request without HTTP: the REST part for whoever has no socket."""
        response, effects = _rest.answer(self._brain, request, trio.current_time())
        self._apply(effects)
        return response

    def issue_token(self, user_id: str | None = None) -> str:
        """Give a token, as a login would; of the first user unless named."""
        return self._brain.world.tokens.issue(user_id or self.config.users[0].user_id)

    def hang_up(self, how: CutHow = "abort") -> None:
        """End every connection now; the sessions and their turns go on."""
        self._hang_up_all(how)

    async def restart(self, downtime: float = 0.0) -> None:
        """Behave as a server that is killed and started again ``downtime`` seconds later.

        Links break without a word, UI sessions and running turns are gone, the chat sessions
        are there again. Meanwhile nobody gets in. Cancelled early, it is up at once.
        """
        self._down = True
        try:
            self._hang_up_all("abort")
            self._brain.restart()
            await trio.sleep(downtime)
        finally:
            self._down = False

    def transcript(self, session_id: str) -> list[dict[str, object]]:
        """The vendor's messages of a chat session; raises ``KeyError`` where there is none."""
        return list(self._brain.world.chats[session_id].messages)

    def export_chats(self) -> list[dict[str, object]]:
        """The chat sessions as JSON-able values, for another server's ``chats``."""
        return [chat.wire() for chat in self._brain.world.chats.values()]

    def import_chats(self, chats: Iterable[Mapping[str, object]]) -> None:
        """Take over what :meth:`export_chats` gave."""
        self._brain.world.import_chats(chats)

    def statistics(self) -> ServerStatistics:
        """Count what the server holds."""
        world = self._brain.world
        return ServerStatistics(
            connections=len(self._connections),
            ui_sessions=len(world.sessions),
            chat_sessions=len(world.chats),
            backlog=sum(connection.backlog for connection in self._connections.values()),
        )

    # -- time -------------------------------------------------------------------------

    async def _keep_time(self) -> None:
        """Let turns go on when they are due, unless their client is behind with reading."""
        while True:
            held = {
                connection.number
                for connection in self._connections.values()
                if connection.backlog >= self.config.soft_queue
            }
            self._wake = trio.Event()
            times = (self._brain.next_deadline(held), self._flush_at)
            deadline = min((time for time in times if time is not None), default=float("inf"))
            with trio.move_on_at(deadline):
                await self._wake.wait()
            now = trio.current_time()
            if self._flush_at is not None and now >= self._flush_at:
                self._flush_at = None
                self._route(self.faults.flush())
            self._apply(self._brain.advance(now, held))

    def _poke(self) -> None:
        self._wake.set()

    def _apply(self, effects: Iterable[Effect]) -> None:
        """Send what the brain says, through the faults."""
        now = trio.current_time()
        for effect in effects:
            if isinstance(effect, Send):
                packet = Packet(connection=effect.connection, frame=effect.frame, at=now)
                self._route(self.faults.apply(packet))
            elif (connection := self._connections.get(effect.connection)) is not None:
                connection.close(effect.code, effect.reason)
        if self._flush_at is None and self.faults.holding:
            self._flush_at = now + _OVERTAKE
        self._poke()

    def _route(self, actions: Iterable[Action]) -> None:
        for action in actions:
            connection = self._connections.get(action.connection)
            if connection is not None:
                connection.put(action)

    # -- connections ------------------------------------------------------------------

    def _check(self, url: str) -> None:
        """Refuse what must not come in; raises :class:`Refused`, or ``ConnectionFailed``."""
        refused, status = self.faults.refusal()
        if self._down or (refused and status is None):
            message = "nobody answers"
            raise ConnectionFailed(message)
        if refused and status is not None:
            raise Refused(status, "refused on purpose")
        self._brain.admit(_query(url))

    def _refuse_memory(self, url: str) -> int | None:
        try:
            self._check(url)
        except Refused as refused:
            return refused.status
        return None

    async def _accept_memory(self) -> None:
        while True:
            url, transport = await self._listener.accept()
            self._nursery.start_soon(self._serve_link, url, transport)

    async def _serve_tcp(self, stream: trio.SocketStream) -> None:
        """Serve one TCP connection: requests, and perhaps a websocket at last."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, ConnectionLost):
            async with stream:
                if self._down:
                    return
                limit = self.config.max_upload_bytes
                upgrade = await serve_requests(stream, self.handle, limit)
                if upgrade is not None:
                    await self._upgrade(stream, upgrade)

    async def _upgrade(self, stream: trio.SocketStream, upgrade: Upgrade) -> None:
        try:
            if urlsplit(upgrade.target).path != _PATH:
                raise Refused(404, "no such path")
            self._check(upgrade.target)
        except Refused as refused:
            await refuse(stream, refused.status)
            return
        except ConnectionFailed:
            return
        link = ServerSocket(stream, upgrade, self.config.max_message_bytes)
        await link.accept()
        await self._serve_link(upgrade.target, link)

    async def _serve_link(self, url: str, link: Link) -> None:
        """Serve one websocket until it ends."""
        self._count += 1
        number = self._count
        connection = Connection(number, link, self.config.hard_queue, self._drained)
        self._connections[number] = connection

        def received(frame: str | bytes) -> None:
            now = trio.current_time()
            self.seen.append(Received(connection=number, frame=frame, event=_event(frame), at=now))
            self._apply(self._brain.receive(number, frame, now))

        try:
            self._apply(self._brain.connect(number, _query(url), trio.current_time()))
            await connection.run(received)
        finally:
            del self._connections[number]
            self._brain.disconnect(number, trio.current_time())

    def _drained(self) -> None:
        self._poke()

    def _hang_up_all(self, how: CutHow) -> None:
        for connection in list(self._connections.values()):
            connection.hang_up(how)


def _query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def _event(frame: str | bytes) -> Mapping[str, object] | None:
    """The event of a frame, for ``seen``."""
    if isinstance(frame, bytes):
        return None
    try:
        return parse(frame)
    except (BadJson, BadCommand):
        return None
