"""The public face of the embedded server: ``open_server`` and ``RealtimeServer``."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import cast
from urllib.parse import urlsplit

import attrs
import trio
from wsproto.utilities import RemoteProtocolError

from .._exceptions import ConnectionFailed, ConnectionLost
from .._needs_trio import check_trio
from .._transports._memory import MemoryAnswer, MemoryListener
from ._contain import contained
from ._fault_pipeline import Faults
from ._faults import CutHow
from ._http import Upgrade, refuse, serve_requests
from ._hub import Hub, Received, Traffic
from ._options import ServerConfig
from ._origin import origin_allowed
from ._rest_api import Request, Response
from ._server_core import Refused
from ._socket import ServerSocket
from ._turn_script import ScriptedAnswer, ScriptedTurn

__all__ = ["RealtimeServer", "ServerStatistics", "open_server"]

_PATH = "/api/rt/ws"


@attrs.frozen(slots=True, kw_only=True)
class ServerStatistics:
    """Counts of what a server holds.

    ``backlog`` counts the frames that are queued for clients and have not been sent.
    """

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
    """Run a server until the block ends.

    The server is reachable immediately at ``server.url`` (``memory://name``, only inside this
    ``trio.run``), and over TCP after :meth:`RealtimeServer.listen`. Leaving the block aborts
    every connection.

    ``chats`` restores the sessions that :meth:`RealtimeServer.export_chats` returned earlier.
    Raises ``ValueError`` if the name is already in use. An exception of the block leaves it
    unchanged, never wrapped in a group.
    """
    check_trio("server.open_server")
    hub = Hub(config or ServerConfig())
    hub.core.state.import_chats(chats)
    size = hub.config.max_message_bytes
    failure: BaseException | None = None
    with MemoryListener(name, refuse=hub.refusal_status, max_message_size=size) as listener:
        listener.answer = _without_http(hub)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hub.run_timers)
            nursery.start_soon(_accept, hub, listener, nursery)
            try:
                yield RealtimeServer(hub, listener.url, nursery)
            except trio.Cancelled:
                raise
            except BaseException as exc:  # raised again below, outside the nursery
                failure = exc
            finally:
                hub.hang_up("abort")
                nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


class RealtimeServer:
    """A running server; :func:`open_server` creates it.

    ``faults`` injects network faults. ``seen`` holds what the clients sent, oldest first, at
    most ``config.max_seen`` frames and ``config.max_seen_bytes`` bytes. Only ``listen`` and
    ``restart`` can block.
    """

    def __init__(self, hub: Hub, url: str, nursery: trio.Nursery) -> None:
        self.url: str = url
        """The ``memory://`` address; :meth:`listen` returns addresses for a network."""
        self._hub = hub
        self._nursery = nursery

    @property
    def config(self) -> ServerConfig:
        """The options that the server was opened with."""
        return self._hub.config

    @property
    def faults(self) -> Faults:
        """Fault injection; there are no faults until you call its methods."""
        return self._hub.faults

    @property
    def seen(self) -> deque[Received]:
        """The frames received on all connections, oldest first."""
        return self._hub.seen

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Serve on a TCP port as well (0 selects a free one), and return its ``http://`` address.

        The port serves HTTP and websockets until the server ends. Raises ``OSError`` if the port
        is in use. Call it again to add another port. A call that is cancelled opens no port.
        """
        listeners = await trio.open_tcp_listeners(port, host=host)
        self._nursery.start_soon(trio.serve_listeners, self._serve_tcp, listeners)
        address = cast("tuple[str, int]", listeners[0].socket.getsockname())
        address_host = f"[{host}]" if ":" in host else host
        return f"http://{address_host}:{address[1]}"

    def script(
        self, *scripts: ScriptedTurn | ScriptedAnswer | Iterable[ScriptedTurn | ScriptedAnswer]
    ) -> None:
        """Queue turns for future inputs, and answers to commands.

        An input takes the first turn written for its text, otherwise the first turn written for
        any text. The server echoes an input that no turn matches, answers a chat command such as
        ``!help`` outside any turn, and does not answer a blank text. A command takes the first
        answer written for it, an input before any turn.

        Raises ``ValueError`` for a delegation to an agent that the server does not have, and
        ``TypeError`` for a value that is not a step. Then nothing is queued.
        """
        single = (ScriptedTurn, ScriptedAnswer)
        each = [(one,) if isinstance(one, single) else one for one in scripts]
        self._hub.core.script([script for several in each for script in several])

    def unscript(self) -> None:
        """Drop all queued turns and answers."""
        self._hub.core.unscript()

    def handle(self, request: Request) -> Response:
        """Answer a REST request directly, without an HTTP connection."""
        return self._hub.handle(request)

    def issue_token(self, user_id: str | None = None) -> str:
        """Issue a token as a login does, by default for the first account."""
        return self._hub.core.state.tokens.issue(user_id or self.config.users[0].user_id)

    def hang_up(self, how: CutHow = "abort") -> None:
        """End every connection now; sessions and their turns keep running."""
        self._hub.hang_up(how)

    async def restart(self, downtime: float = 0.0) -> None:
        """Behave like a server that is killed and started again ``downtime`` seconds later.

        Every link is aborted. UI sessions and running turns are lost; chat sessions are kept.
        Connections are refused until the call returns. A cancelled call ends the downtime
        immediately, and of several concurrent calls the first to end does so.
        """
        hub = self._hub
        hub.down = True
        try:
            hub.hang_up("abort")
            hub.core.restart()
            await trio.sleep(downtime)
        finally:
            hub.down = False

    def transcript(self, session_id: str) -> list[dict[str, object]]:
        """Return the messages of a chat session in the vendor's format; ``KeyError`` if unknown."""
        return list(self._hub.core.state.chats[session_id].messages)

    def export_chats(self) -> list[dict[str, object]]:
        """Return the chat sessions as JSON values, for the ``chats`` of another server."""
        return [chat.to_wire() for chat in self._hub.core.state.chats.values()]

    def trace(self, observe: Callable[[Traffic], None]) -> None:
        """Call ``observe`` for each connection, frame and request from now on, in this task.

        It must not block or raise. A second call replaces the first.
        """
        self._hub.observe = observe

    def statistics(self) -> ServerStatistics:
        """Count what the server holds at the moment."""
        state = self._hub.core.state
        connections = self._hub.connections.values()
        return ServerStatistics(
            connections=len(connections),
            ui_sessions=len(state.sessions),
            chat_sessions=len(state.chats),
            backlog=sum(connection.backlog for connection in connections),
        )

    async def _serve_tcp(self, stream: trio.SocketStream) -> None:
        """Serve one TCP connection: HTTP requests, then possibly a websocket."""
        hub = self._hub
        ends = (trio.BrokenResourceError, trio.ClosedResourceError, ConnectionLost)
        with contained("a TCP connection"), suppress(*ends):
            async with stream:
                if hub.down:
                    return
                limit = hub.config.max_upload_bytes
                upgrade = await serve_requests(stream, hub.handle, limit)
                if upgrade is not None:
                    await _upgrade(hub, stream, upgrade)


def _without_http(hub: Hub) -> MemoryAnswer:
    """Return the REST API as the in-memory transport calls it."""

    def answer(
        method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        response = hub.handle(Request(method=method, target=target, headers=headers, body=body))
        return response.status, response.body

    return answer


async def _accept(hub: Hub, listener: MemoryListener, nursery: trio.Nursery) -> None:
    while True:
        url, transport = await listener.accept()
        nursery.start_soon(hub.serve, url, transport)


async def _upgrade(hub: Hub, stream: trio.SocketStream, upgrade: Upgrade) -> None:
    """Accept a websocket, or refuse it with the status that a real server sends."""
    try:
        if urlsplit(upgrade.target).path != _PATH:
            raise hub.refuse(404, f"websockets are served at {_PATH}")
        headers = (
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in upgrade.headers
        )
        if not origin_allowed(headers, hub.config.allowed_origins):
            raise hub.refuse(403, "the origin is not allowed (ServerConfig.allowed_origins)")
        hub.authorize(upgrade.target)
    except Refused as refused:
        await refuse(stream, refused.status)
        return
    except ConnectionFailed:
        return
    try:
        link = ServerSocket(stream, upgrade, hub.config.max_message_bytes)
    except (RemoteProtocolError, UnicodeError):  # wsproto reads some headers as ASCII
        hub.refuse(400, "the upgrade is not complete, or its headers are not ASCII")
        await refuse(stream, 400)
        return
    await link.accept()
    await hub.serve(upgrade.target, link)
