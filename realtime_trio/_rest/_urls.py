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
_SAFE: Final = "/%:@!$&'()*+,;="
_SECRET: Final = re.compile(r"([?&]token=)[^&#]*")


@attrs.frozen(slots=True, kw_only=True)
class Endpoint:
    """A server's address: ``websocket`` and ``rest`` are URLs without query.

    ``prefix`` is the path below which the server is found, as with a reverse proxy: ``""`` or
    ``/agents``.
    """

    websocket: str
    rest: str
    prefix: str = ""

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

        A server that does not hold the session in memory gives it its default agent unless
        ``agent_key`` names another, so both are named where both are known.
        """
        query = {"token": token}
        if ui_session_id is not None:
            query["ui_session_id"] = ui_session_id
        if chat_session_id is not None:
            query["chat_session_id"] = chat_session_id
        if agent_key is not None:
            query["agent_key"] = agent_key
        # An id is the server's word and may hold what has no UTF-8; the dial tells what it is.
        asked = urllib.parse.urlencode(query, errors="replace")
        return f"{self.websocket}{self.prefix}{_PATH}?{asked}"

    def rest_url(self, name: str) -> str:
        """The URL of the REST call ``name``."""
        return f"{self.rest}{self.prefix}/api/rt/{name}"


def endpoint(url: str) -> Endpoint:
    """Read the base URL of a server: http, https, ws, wss or ``memory://name``.

    A path is the prefix of all paths on that server. Raises ``ValueError`` for a query, a
    fragment, a user, or what cannot be read; it never quotes the URL.
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
    if "@" in parts.netloc or "?" in url or "#" in url:
        message = (
            "the url of the server holds no user, no query and no fragment: "
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
    """The URL without its token, fit to be shown and recorded."""
    return _SECRET.sub(r"\1<token>", url)
