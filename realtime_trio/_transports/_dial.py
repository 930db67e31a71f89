"""From a URL to an open websocket, and the sizes and deadlines that the transports share.

The query of a URL holds the token. So a URL is parsed once, here, and from then on messages
contain only ``place`` (host and port).
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar, final

import attrs
import trio

from .._exceptions import ConnectionFailed
from ._network import Network, place_of
from ._upgrade_answer import UpgradeAnswer

__all__ = [
    "CHUNK",
    "CLOSE_TIMEOUT",
    "CONNECT_TIMEOUT",
    "MAX_BUFFER",
    "MAX_FRAGMENTS",
    "MAX_MESSAGE_SIZE",
    "Redirected",
    "Target",
    "close_frame",
    "http_status",
    "open_websocket",
    "parse_url",
    "refusal",
    "timed_out",
]

T = TypeVar("T")

MAX_MESSAGE_SIZE: Final = 64 * 2**20
"""Bytes: the largest accepted message. The history of a long session exceeds 1 MiB."""

MAX_FRAGMENTS: Final = 2**20
"""Fragments of one message: more than any normal sender makes; stops an endless message."""

MAX_BUFFER: Final = 2**20
"""Bytes read ahead of ``receive`` before the transport stops reading the socket."""

CONNECT_TIMEOUT: Final = 10.0
"""Seconds for TCP, TLS and the upgrade together."""

CLOSE_TIMEOUT: Final = 1.0
"""Seconds that ``aclose`` waits for the peer's half of the closing handshake."""

CHUNK: Final = 64 * 2**10
"""Bytes requested from the socket at a time."""

# The delimiters of RFC 3986 and the sign of text that is already quoted.
_SAFE: Final = ":/?#[]@!$&'()*+,;=%"
_CLOSE_CODES: Final = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015)))
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_MAX_REDIRECTS: Final = 5
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] (\d{3})")


@attrs.frozen(slots=True, kw_only=True)
class Target:
    """The parsed URL to dial."""

    secure: bool
    host: str
    port: int
    resource: str = attrs.field(repr=False)
    """Path and query, quoted; holds the token."""
    hidden: tuple[str, ...] = attrs.field(default=(), repr=False)
    """Other values that no message may quote: those of the application's headers."""

    @property
    def place(self) -> str:
        """Host and port, for messages."""
        return place_of(self.host, self.port)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The token, both quoted and unquoted, and what else is sent and must not be quoted."""
        query = self.resource.partition("?")[2]
        raw = [pair.partition("=")[2] for pair in query.split("&") if pair.startswith("token=")]
        return (*raw, *(urllib.parse.unquote_plus(each) for each in raw), *self.hidden)

    @property
    def host_header(self) -> str:
        """The value of the ``Host`` header: with the port only if it is not the default."""
        place = self.place
        usual = f":{443 if self.secure else 80}"
        return place.removesuffix(usual)


def parse_url(url: str) -> Target:
    """Parse a websocket URL.

    Raises ``ValueError``, which never quotes the URL; retrying cannot help.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        host = host if host.isascii() else host.encode("idna").decode("ascii")
        port = parts.port
    except ValueError:
        message = "the URL of the server cannot be parsed"
        raise ValueError(message) from None
    if parts.scheme not in ("ws", "wss") or not host:
        message = "the URL of the server must look like ws://host/path or wss://host/path"
        raise ValueError(message)
    secure = parts.scheme == "wss"
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(
        secure=secure,
        host=host,
        port=(443 if secure else 80) if port is None else port,
        resource=urllib.parse.quote(resource, safe=_SAFE),
    )


def http_status(head: bytes | bytearray) -> int | None:
    """Read the status from the first bytes of an answer; ``None`` if they do not contain it yet."""
    match = _STATUS_LINE.match(head)
    return None if match is None else int(match[1])


def refusal(
    place: str, status: int | None, answer: UpgradeAnswer | None = None
) -> ConnectionFailed:
    """Return the error of a failed upgrade."""
    if status is None or status == 101:
        return ConnectionFailed(f"{place} did not complete the upgrade to a websocket")
    words = f": {answer.words}" if answer is not None and answer.words else ""
    message = f"{place} refused the upgrade to a websocket with status {status}{words}"
    wait = None if answer is None else answer.retry_after
    if status in _REDIRECTS and answer is not None and answer.location is not None:
        return Redirected(message, status=status, location=answer.location)
    return ConnectionFailed(message, status=status, retry_after=wait)


@final
class Redirected(ConnectionFailed):
    """The server redirects the upgrade; ``location`` may hold the token."""

    def __init__(self, message: str, *, status: int, location: str) -> None:
        super().__init__(message, status=status)
        self.location = location


async def open_websocket(
    url: str,
    network: Network,
    patience: float,
    open_link: Callable[[trio.abc.Stream, Target], Awaitable[T]],
) -> T:
    """Open a websocket with ``open_link``, following redirects that stay on the server.

    Raises :class:`~realtime_trio.ConnectionFailed`; ``ValueError`` if ``url`` is not a
    websocket URL. A cancelled call leaves nothing open.
    """
    target = attrs.evolve(parse_url(url), hidden=network.secrets)
    with trio.move_on_after(patience):
        for _ in range(_MAX_REDIRECTS + 1):
            stream = await network.open(target.host, target.port, secure=target.secure)
            try:
                return await open_link(stream, target)
            except Redirected as exc:
                location, status = exc.location, exc.status
            # Not in the handler: an error's context would hold the location, and so the token.
            target = _moved(target, location, status)
        message = f"{target.place} redirects the upgrade in circles"
        raise ConnectionFailed(message)
    raise timed_out(target.place, patience)


def _moved(target: Target, location: str, status: int | None) -> Target:
    """Return the target of a redirect; only the same origin, since the query holds the token."""
    here = f"{'wss' if target.secure else 'ws'}://{target.place}{target.resource}"
    message = f"{target.place} redirects the upgrade to another server: it must not get the token"
    try:
        # urljoin does not resolve relative ws and wss references before Python 3.14.
        there = urllib.parse.urljoin("http" + here[2:], location)
        moved = parse_url(re.sub(r"^http", "ws", there))
    except ValueError:
        raise ConnectionFailed(message, status=status) from None
    if (moved.secure, moved.host, moved.port) != (target.secure, target.host, target.port):
        raise ConnectionFailed(message, status=status)
    return attrs.evolve(moved, hidden=target.hidden)


def timed_out(place: str, seconds: float) -> ConnectionFailed:
    """Return the error of a dial that took too long."""
    return ConnectionFailed(f"{place} did not open a websocket within {seconds:g} s")


def close_frame(code: int, reason: str) -> tuple[int, str]:
    """Fit code and reason into a close frame (RFC 6455 §5.5.1, §7.4): ``aclose`` must not fail.

    Codes that must not be sent become 1000; the reason is cut at 123 bytes, between characters.
    """
    allowed = code in _CLOSE_CODES or 3000 <= code < 5000
    text = reason.encode("utf-8", "replace")[:123].decode("utf-8", "ignore")
    return (code if allowed else 1000), text
