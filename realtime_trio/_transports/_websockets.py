"""The optional transport ``websockets`` (extra ``fast``): several times the default's throughput.

Only the connector is here. What needs the library is imported when a connector is made, so
that importing this module costs nothing and works without the extra.
"""

from __future__ import annotations

import importlib.util
import ssl

import attrs
import trio

from realtime_trio import abc
from realtime_trio._transports import _dial as dial

__all__ = ["WebsocketsConnector"]


@attrs.frozen(slots=True, kw_only=True)
class WebsocketsConnector:
    """Opens websockets with the parser of the library ``websockets`` and a trio pump of our own.

    Making one raises ``ImportError`` where the extra ``fast`` is not installed.
    """

    max_message_size: int = attrs.field(
        default=dial.MAX_MESSAGE_SIZE, validator=attrs.validators.ge(1)
    )
    """Bytes; a larger message ends the link with code 1009."""

    max_buffer: int = attrs.field(default=dial.MAX_BUFFER, validator=attrs.validators.ge(1))
    """Bytes of frames that wait for ``receive`` before the socket is no longer read."""

    connect_timeout: float = dial.CONNECT_TIMEOUT
    """Seconds for TCP, TLS and the upgrade together."""

    close_timeout: float = dial.CLOSE_TIMEOUT
    """Seconds that closing waits for the peer."""

    ssl_context: ssl.SSLContext | None = None
    """For ``wss``; ``None`` is the default context of :mod:`ssl`."""

    def __attrs_post_init__(self) -> None:
        """Find out now, not at the first dial, whether the library is there."""
        if importlib.util.find_spec("websockets") is None:
            message = (
                "WebsocketsConnector needs the library websockets: "
                "pip install 'realtime-trio[fast]'"
            )
            raise ImportError(message, name="websockets")

    async def connect(self, url: str, nursery: trio.Nursery) -> abc.Transport:
        """Open a websocket; its pump runs in ``nursery`` until ``aclose``.

        Raises :class:`~realtime_trio.ConnectionFailed`; ``ValueError`` where ``url`` is no
        websocket URL. A cancelled call leaves nothing open.
        """
        from realtime_trio._transports._websockets_link import open_link

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
