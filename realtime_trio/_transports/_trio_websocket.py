"""The default transport: trio-websocket.

Only the connector is here. The library is imported at the first dial, so that importing
this module costs nothing.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import attrs
import trio

from .. import abc
from . import _dial as dial
from ._network import ENVIRONMENT, Network, OpenStream

__all__ = ["TrioWebsocketConnector"]


@attrs.frozen(slots=True, kw_only=True)
class TrioWebsocketConnector:
    """Opens websockets with the library ``trio-websocket``."""

    max_message_size: int = attrs.field(
        default=dial.MAX_MESSAGE_SIZE, validator=attrs.validators.ge(1)
    )
    """Bytes of a binary message, characters of a text; a larger one ends the link with 1009."""

    max_buffer: int = attrs.field(default=dial.MAX_BUFFER, validator=attrs.validators.ge(1))
    """Bytes (and 64 messages) to read ahead of ``receive`` before reading stops."""

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
        """Check the options now, not at the first dial."""
        self.network  # noqa: B018  raises

    async def connect(self, url: str, nursery: trio.Nursery) -> abc.Transport:
        """Open a websocket; its tasks run in ``nursery`` until ``aclose``.

        Raises :class:`~realtime_trio.ConnectionFailed`; ``ValueError`` if ``url`` is not a
        websocket URL. A cancelled call leaves nothing open.
        """
        from ._trio_websocket_link import open_link

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
