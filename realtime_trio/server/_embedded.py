"""The embedded server as its users see it: ``open_server`` and ``RealtimeServer``."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import cast
from urllib.parse import urlsplit

import attrs
import trio
from wsproto.utilities import RemoteProtocolError

from .._exceptions import ConnectionFailed, ConnectionLost
from .._io._transport_memory import MemoryAnswer, MemoryListener
from ._fault_pipeline import Faults
from ._faults import CutHow
from ._http import Upgrade, refuse, serve_requests
from ._hub import Hub, Received
from ._options import ServerConfig
from ._rest_api import Request, Response
from ._server_core import Refused
from ._socket import ServerSocket
from ._turn_script import ScriptedTurn

__all__ = ["RealtimeServer", "ServerStatistics", "open_server"]

_PATH = "/api/rt/ws"


@attrs.frozen(slots=True, kw_only=True)
class ServerStatistics:
    """What a server holds at the moment; ``backlog`` are frames that no client has taken yet."""

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
    :meth:`RealtimeServer.export_chats` of an earlier server gave. Raises ``ValueError`` where
    the name is taken. What the block raises comes out as it is, never in a group.
    """
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
            except BaseException as exc:  # raised again below, where no nursery wraps it
                failure = exc
            finally:
                hub.hang_up("abort")
                nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


class RealtimeServer:
    """A running server; made by :func:`open_server`. Only ``listen`` and ``restart`` block.

    ``faults`` lets things go wrong; ``seen`` is what the clients sent, the oldest first, and
    holds at most ``config.max_seen`` frames.
    """

    def __init__(self, hub: Hub, url: str, nursery: trio.Nursery) -> None:
        self.url = url
        self._hub = hub
        self._nursery = nursery

    @property
    def config(self) -> ServerConfig:
        """The options it was opened with."""
        return self._hub.config

    @property
    def faults(self) -> Faults:
        """What goes wrong: nothing, until its methods are called."""
        return self._hub.faults

    @property
    def seen(self) -> deque[Received]:
        """What came, over all connections, in order."""
        return self._hub.seen

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Serve on a TCP port too (0: a free one), and give its ``http://`` address.

        HTTP and websockets are served on that one port until the server ends. Raises
        ``OSError`` where the port is taken. It may be called again, for another port.
        """
        listeners = await trio.open_tcp_listeners(port, host=host)
        self._nursery.start_soon(trio.serve_listeners, self._serve_tcp, listeners)
        address = cast("tuple[str, int]", listeners[0].socket.getsockname())
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{address[1]}"

    def script(self, *turns: ScriptedTurn) -> None:
        """Queue turns: an input takes the first one for its text, else the first for any text.

        An input for which there is none is echoed.
        """
        self._hub.core.script(turns)

    def unscript(self) -> None:
        """Forget the turns that wait."""
        self._hub.core.unscript()

    def handle(self, request: Request) -> Response:
        """Answer an HTTP request without HTTP: the REST part for who has no socket."""
        return self._hub.handle(request)

    def issue_token(self, user_id: str | None = None) -> str:
        """Give a token, as a login would; of the first user unless named."""
        return self._hub.core.state.tokens.issue(user_id or self.config.users[0].user_id)

    def hang_up(self, how: CutHow = "abort") -> None:
        """End every connection now; the sessions and their turns go on."""
        self._hub.hang_up(how)

    async def restart(self, downtime: float = 0.0) -> None:
        """Behave as a server that is killed and started again ``downtime`` seconds later.

        Links break without a word; UI sessions and running turns are gone, chat sessions are
        not. Nobody gets in meanwhile. Cancelled, it is up again at once.
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
        """The vendor's messages of a chat session; raises ``KeyError`` where there is none."""
        return list(self._hub.core.state.chats[session_id].messages)

    def export_chats(self) -> list[dict[str, object]]:
        """The chat sessions as JSON-able values, for another server's ``chats``."""
        return [chat.to_wire() for chat in self._hub.core.state.chats.values()]

    def statistics(self) -> ServerStatistics:
        """Count what the server holds."""
        state = self._hub.core.state
        connections = self._hub.connections.values()
        return ServerStatistics(
            connections=len(connections),
            ui_sessions=len(state.sessions),
            chat_sessions=len(state.chats),
            backlog=sum(connection.backlog for connection in connections),
        )

    async def _serve_tcp(self, stream: trio.SocketStream) -> None:
        """Serve one TCP connection: requests, and perhaps a websocket at last."""
        hub = self._hub
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, ConnectionLost):
            async with stream:
                if hub.down:
                    return
                limit = hub.config.max_upload_bytes
                upgrade = await serve_requests(stream, hub.handle, limit)
                if upgrade is not None:
                    await _upgrade(hub, stream, upgrade)


def _without_http(hub: Hub) -> MemoryAnswer:
    """The REST part for clients in this process."""

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
    """Let a websocket in, or refuse it with the status that real servers give."""
    try:
        if urlsplit(upgrade.target).path != _PATH:
            raise Refused(404, "no such path")
        hub.authorize(upgrade.target)
    except Refused as refused:
        await refuse(stream, refused.status)
        return
    except ConnectionFailed:
        return
    try:
        link = ServerSocket(stream, upgrade, hub.config.max_message_bytes)
    except RemoteProtocolError:
        await refuse(stream, 400)
        return
    await link.accept()
    await hub.serve(upgrade.target, link)
