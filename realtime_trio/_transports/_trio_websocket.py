"""The default transport: trio-websocket.

Only the connector is here. The library is imported at the first dial, so that importing
this module costs nothing.
"""

from __future__ import annotations

import ssl

import attrs
import trio

from realtime_trio import abc
from realtime_trio._transports import _dial as dial

__all__ = ["TrioWebsocketConnector"]


@attrs.frozen(slots=True, kw_only=True)
class TrioWebsocketConnector:
    """Opens websockets with the library ``trio-websocket``."""

    max_message_size: int = attrs.field(
        default=dial.MAX_MESSAGE_SIZE, validator=attrs.validators.ge(1)
    )
    """Bytes of a binary message, characters of a text; a larger one ends the link with 1009."""

    max_buffer: int = attrs.field(default=dial.MAX_BUFFER, validator=attrs.validators.ge(1))
    """Bytes (and 64 messages) read ahead of ``receive`` before the socket is no longer read."""

    connect_timeout: float = dial.CONNECT_TIMEOUT
    """Seconds for TCP, TLS and the upgrade together."""

    close_timeout: float = dial.CLOSE_TIMEOUT
    """Seconds that closing waits for the peer."""

    ssl_context: ssl.SSLContext | None = None
    """For ``wss``; ``None`` is the default context of :mod:`ssl`."""

    async def connect(self, url: str, nursery: trio.Nursery) -> abc.Transport:
        """Open a websocket; its tasks run in ``nursery`` until ``aclose``.

        Raises :class:`~realtime_trio.ConnectionFailed`; ``ValueError`` where ``url`` is no
        websocket URL. A cancelled call leaves nothing open.
        """
        from realtime_trio._transports._trio_websocket_link import open_link

        target = dial.parse_url(url)
        with trio.move_on_after(self.connect_timeout):
            stream = await dial.open_stream(target, self.ssl_context)
            return await open_link(
                stream,
                target,
                nursery,
                max_message_size=self.max_message_size,
                max_buffer=self.max_buffer,
                close_timeout=self.close_timeout,
            )
        raise dial.timed_out(target.place, self.connect_timeout)
