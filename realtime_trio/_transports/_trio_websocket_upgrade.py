"""The opening handshake of trio-websocket, and its options."""

from __future__ import annotations

import sys
from typing import Final, cast

import attrs
import trio
from trio_websocket import WebSocketConnection, wrap_client_stream
from wsproto import ConnectionType, WSConnection
from wsproto.extensions import Extension

from . import _dial as dial
from ._trio_websocket_stream import CHUNK

__all__ = ["UpgradeRequest", "begin"]

# The library's reader never waits for room: WatchedStream bounds the read-ahead in bytes.
_QUEUE: Final = sys.maxsize


@attrs.frozen(slots=True, kw_only=True)
class UpgradeRequest:
    """The options of an upgrade."""

    headers: list[tuple[bytes, bytes]] = attrs.field(repr=False)
    max_message_size: int
    compression: bool


async def begin(
    nursery: trio.Nursery,
    wire: trio.abc.Stream,
    target: dial.Target,
    request: UpgradeRequest,
    deflate: Extension | None,
) -> WebSocketConnection:
    """Let the library open the websocket; its reader runs in ``nursery``."""
    # The library needs less than its annotation demands.
    stream = cast("trio.SocketStream", wire)
    if deflate is None:
        return await wrap_client_stream(
            nursery,
            stream,
            target.host_header,
            target.resource,
            message_queue_size=_QUEUE,
            extra_headers=request.headers,
            max_message_size=request.max_message_size,
            receive_buffer_size=CHUNK,
        )
    # Take the steps of the library here: it has no parameter for extensions.
    ws = WebSocketConnection(
        stream,
        WSConnection(ConnectionType.CLIENT),
        host=target.host_header,
        path=target.resource,
        client_extra_headers=request.headers,
        message_queue_size=_QUEUE,
        max_message_size=request.max_message_size,
        receive_buffer_size=CHUNK,
    )
    asked = ws._initial_request  # pyright: ignore[reportPrivateUsage]
    assert asked is not None
    cast("list[Extension]", asked.extensions).append(deflate)
    nursery.start_soon(ws._reader_task)  # pyright: ignore[reportPrivateUsage]
    await ws._open_handshake.wait()  # pyright: ignore[reportPrivateUsage]
    return ws
