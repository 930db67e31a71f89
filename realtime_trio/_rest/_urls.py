"""A server's address and the URLs to dial.

The query of a websocket URL holds the token, so a URL with a query is used for one dial only:
messages name :attr:`Endpoint.place`, recordings contain the :func:`redacted` URL.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import Final

import attrs

__all__ = ["Endpoint", "endpoint", "redacted"]

_WEBSOCKET: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss", "memory": "memory"}
_REST: Final = {"ws": "http", "wss": "https", "memory": "http"}
_PATH: Final = "/api/rt/ws"
_SAFE: Final = "/%:@!$&'()*+,;="
_SECRET: Final = re.compile(r"([?&]token=)[^&#]*")


@attrs.frozen(slots=True, kw_only=True)
class Endpoint:
    """A server's address: ``websocket`` and ``rest`` are URLs without query.

    ``prefix`` is the base path of the server, for example behind a reverse proxy: ``""`` or
    ``/agents``.
    """

    websocket: str
    rest: str
    prefix: str = ""

    @property
    def in_memory(self) -> bool:
        """Whether the server is in this process; then ``rest`` is only a name."""
        return self.websocket.startswith("memory://")

    @property
    def place(self) -> str:
        """Host and port, safe for messages."""
        return self.websocket.partition("://")[2]

    def dial_url(
        self,
        token: str,
        *,
        ui_session_id: str | None = None,
        chat_session_id: str | None = None,
        agent_key: str | None = None,
    ) -> str:
        """Return the URL of one dial (protocol.md §1). It contains the token: never show it.

        A server that does not hold the session in memory assigns its default agent unless
        ``agent_key`` is given, so the URL has both if both are known.
        """
        query = {"token": token}
        if ui_session_id is not None:
            query["ui_session_id"] = ui_session_id
        if chat_session_id is not None:
            query["chat_session_id"] = chat_session_id
        if agent_key is not None:
            query["agent_key"] = agent_key
        # An id from the server can contain surrogates, which UTF-8 cannot encode; the dial reports
        # them.
        encoded = urllib.parse.urlencode(query, errors="replace")
        return f"{self.websocket}{self.prefix}{_PATH}?{encoded}"

    def rest_url(self, name: str) -> str:
        """Return the URL of the REST call ``name``."""
        return f"{self.rest}{self.prefix}/api/rt/{name}"


def endpoint(url: str) -> Endpoint:
    """Parse the base URL of a server: http, https, ws, wss or ``memory://name``.

    A path becomes the prefix of all paths on that server. Raises ``ValueError`` for a query, a
    fragment, a user, or an invalid URL; the message never quotes the URL.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        message = "the server url is invalid"
        raise ValueError(message) from None
    scheme = _WEBSOCKET.get(parts.scheme)
    if scheme is None or not host:
        message = "the server url must look like https://host, ws://host:port or memory://name"
        raise ValueError(message)
    if "@" in parts.netloc or "?" in url or "#" in url:
        message = (
            "the server url must not have a user, a query or a fragment: "
            "use auth=, agent_key=, chat_session_id="
        )
        raise ValueError(message)
    place = f"[{host}]" if ":" in host else host
    if port is not None:
        place = f"{place}:{port}"
    prefix = urllib.parse.quote(parts.path.rstrip("/"), safe=_SAFE)
    return Endpoint(
        websocket=f"{scheme}://{place}", rest=f"{_REST[scheme]}://{place}", prefix=prefix
    )


def redacted(url: str) -> str:
    """Return the URL without its token, safe to show and record."""
    return _SECRET.sub(r"\1<token>", url)
