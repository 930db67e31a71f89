"""Where a server lives, and the URLs to dial.

The query of a websocket's URL holds the token, so an URL with a query is made for one dial
and goes nowhere else: messages name :attr:`Endpoint.place`, recordings get :func:`redacted`.
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
_SECRET: Final = re.compile(r"([?&]token=)[^&#]*")


@attrs.frozen(slots=True, kw_only=True)
class Endpoint:
    """A server's address: ``websocket`` and ``rest`` are URLs without path and query."""

    websocket: str
    rest: str

    @property
    def in_memory(self) -> bool:
        """Whether the server is in this process: ``rest`` is only a name then."""
        return self.websocket.startswith("memory://")

    @property
    def place(self) -> str:
        """Host and port, as messages may name them."""
        return self.websocket.partition("://")[2]

    def dial_url(
        self,
        token: str,
        *,
        ui_session_id: str | None = None,
        chat_session_id: str | None = None,
        agent_key: str | None = None,
    ) -> str:
        """The URL of one dial (protocol.md §1): holds the token, so show it to nobody.

        ``agent_key`` counts only where no ``chat_session_id`` is given: a server takes
        either, never both.
        """
        query = {"token": token}
        if ui_session_id is not None:
            query["ui_session_id"] = ui_session_id
        if chat_session_id is not None:
            query["chat_session_id"] = chat_session_id
        elif agent_key is not None:
            query["agent_key"] = agent_key
        # An id is the server's word and may hold what has no UTF-8; the dial tells what it is.
        return f"{self.websocket}{_PATH}?{urllib.parse.urlencode(query, errors='replace')}"

    def rest_url(self, name: str) -> str:
        """The URL of the REST call ``name``."""
        return f"{self.rest}/api/rt/{name}"


def endpoint(url: str) -> Endpoint:
    """Read the base URL of a server: http, https, ws, wss or ``memory://name``.

    Only scheme, host and port count; the path on a server is always the same. Raises
    ``ValueError``, which never quotes the URL.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        message = "the url of the server cannot be read"
        raise ValueError(message) from None
    scheme = _WEBSOCKET.get(parts.scheme)
    if scheme is None or not host:
        message = (
            "the url of the server must look like https://host, ws://host:port or memory://name"
        )
        raise ValueError(message)
    if parts.username is not None or parts.query:
        message = "the url of the server holds no credentials and no query: use auth=, agent_key="
        raise ValueError(message)
    place = f"[{host}]" if ":" in host else host
    if port is not None:
        place = f"{place}:{port}"
    return Endpoint(websocket=f"{scheme}://{place}", rest=f"{_REST[scheme]}://{place}")


def redacted(url: str) -> str:
    """The URL without its token, fit to be shown and recorded."""
    return _SECRET.sub(r"\1<token>", url)
