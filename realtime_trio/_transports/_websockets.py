"""The optional transport ``websockets`` (extra ``fast``): several times the default's throughput.

Only the connector is here. What needs the library is imported when a connector is made, so
that importing this module costs nothing and works without the extra.
"""

from __future__ import annotations

import importlib.util
import ssl
from collections.abc import Mapping

import attrs
import trio

from .. import abc
from . import _dial as dial
from ._network import ENVIRONMENT, Network, OpenStream

__all__ = ["WebsocketsConnector"]


@attrs.frozen(slots=True, kw_only=True)
class WebsocketsConnector:
    """Opens websockets with the parser of the library ``websockets`` and our own trio tasks.

    Creating one raises ``ImportError`` if the extra ``fast`` is not installed.
    """

    max_message_size: int = attrs.field(
        default=dial.MAX_MESSAGE_SIZE, validator=attrs.validators.ge(1)
    )
    """Bytes; a larger message ends the link with code 1009."""

    max_buffer: int = attrs.field(default=dial.MAX_BUFFER, validator=attrs.validators.ge(1))
    """Bytes of frames that wait for ``receive`` before reading stops."""

    connect_timeout: float = dial.CONNECT_TIMEOUT
    """Seconds for TCP, TLS and the upgrade together."""

    close_timeout: float = dial.CLOSE_TIMEOUT
    """Seconds that closing waits for the peer."""

    compression: bool = False
    """Whether to offer ``permessage-deflate``; a message may inflate to ``max_message_size``."""

    ssl_context: ssl.SSLContext | None = None
    """For ``wss``; ``None`` is the default context of :mod:`ssl`."""

    proxy: str | None = attrs.field(default=ENVIRONMENT, repr=False)
    """``http://…`` (CONNECT) or ``socks5://…``, ``None`` for none; by default the environment
    decides (``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY``, ``NO_PROXY``)."""

    headers: Mapping[str, str] | None = attrs.field(default=None, repr=False)
    """Sent with the upgrade, in addition to the websocket headers."""

    open_stream: OpenStream | None = None
    """Opens the stream instead of TCP: an async callable of host and port, or of nothing."""

    def __attrs_post_init__(self) -> None:
        """Check the options and the extra now, not at the first dial."""
        self.network  # noqa: B018  raises
        if importlib.util.find_spec("websockets") is None:
            message = (
                "WebsocketsConnector needs the library websockets: "
                "pip install 'realtime-trio[fast]'"
            )
            raise ImportError(message, name="websockets")

    async def connect(self, url: str, nursery: trio.Nursery) -> abc.Transport:
        """Open a websocket; its pump runs in ``nursery`` until ``aclose``.

        Raises :class:`~realtime_trio.ConnectionFailed`; ``ValueError`` if ``url`` is not a
        websocket URL. A cancelled call leaves nothing open.
        """
        from ._websockets_link import open_link

        network = self.network

        async def upgrade(stream: trio.abc.Stream, target: dial.Target) -> abc.Transport:
            return await open_link(
                stream,
                target,
                nursery,
                max_message_size=self.max_message_size,
                max_buffer=self.max_buffer,
                close_timeout=self.close_timeout,
                headers=network.headers,
                compression=self.compression,
            )

        return await dial.open_websocket(url, network, self.connect_timeout, upgrade)

    @property
    def network(self) -> Network:
        """The network options as one value; raises ``ValueError`` for invalid ones."""
        return Network(
            ssl_context=self.ssl_context,
            proxy=self.proxy,
            headers=self.headers,
            open_stream=self.open_stream,
        )
