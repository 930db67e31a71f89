"""From an URL to an open stream, and the sizes and deadlines that the transports share.

The query of an URL holds the token. So an URL is taken apart here, once, and from then on
only ``place`` (host and port) is ever put into a message.
"""

from __future__ import annotations

import functools
import re
import socket
import ssl
import urllib.parse
from typing import Final

import attrs
import trio

from realtime_trio._exceptions import ConnectionFailed

__all__ = [
    "CHUNK",
    "CLOSE_TIMEOUT",
    "CONNECT_TIMEOUT",
    "MAX_BUFFER",
    "MAX_FRAGMENTS",
    "MAX_MESSAGE_SIZE",
    "Target",
    "close_frame",
    "default_context",
    "http_status",
    "open_stream",
    "parse_url",
    "refusal",
    "timed_out",
]

MAX_MESSAGE_SIZE: Final = 64 * 2**20
"""Bytes: the largest message that is accepted. A long session's history passes 1 MiB."""

MAX_FRAGMENTS: Final = 2**20
"""Fragments of one message: far more than any sender makes, and soon reached by an endless one."""

MAX_BUFFER: Final = 2**20
"""Bytes read ahead of ``receive`` before the transport stops reading the socket."""

CONNECT_TIMEOUT: Final = 10.0
"""Seconds for TCP, TLS and the upgrade together."""

CLOSE_TIMEOUT: Final = 1.0
"""Seconds that ``aclose`` waits for the peer's half of the closing handshake."""

CHUNK: Final = 64 * 2**10
"""Bytes asked of the socket at a time."""

# The delimiters of RFC 3986 and the sign of what is quoted already.
_SAFE: Final = ":/?#[]@!$&'()*+,;=%"
_CLOSE_CODES: Final = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015)))
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] (\d{3})")


@attrs.frozen(slots=True, kw_only=True)
class Target:
    """Where to dial: an URL taken apart."""

    secure: bool
    host: str
    port: int
    resource: str = attrs.field(repr=False)
    """Path and query, quoted; holds the token."""

    @property
    def place(self) -> str:
        """Host and port, as messages name them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def host_header(self) -> str:
        """The value of the ``Host`` header: the port only where it is not the usual one."""
        place = self.place
        usual = f":{443 if self.secure else 80}"
        return place.removesuffix(usual)


def parse_url(url: str) -> Target:
    """Take a websocket URL apart.

    Raises ``ValueError``, which never quotes the URL: no retry would make it a good one.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        host = host if host.isascii() else host.encode("idna").decode("ascii")
        port = parts.port
    except ValueError:
        message = "the url of the server cannot be read"
        raise ValueError(message) from None
    if parts.scheme not in ("ws", "wss") or not host:
        message = "the url of the server must look like ws://host/path or wss://host/path"
        raise ValueError(message)
    secure = parts.scheme == "wss"
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(
        secure=secure,
        host=host,
        port=(443 if secure else 80) if port is None else port,
        resource=urllib.parse.quote(resource, safe=_SAFE),
    )


async def open_stream(target: Target, ssl_context: ssl.SSLContext | None) -> trio.abc.Stream:
    """Open TCP and, for ``wss``, TLS; ``None`` is the default context of :mod:`ssl`."""
    try:
        stream = await trio.open_tcp_stream(target.host, target.port)
    except (OSError, UnicodeError) as error:
        message = f"no TCP connection to {target.place}: {_tcp_fault(error)}"
        raise ConnectionFailed(message) from error
    if not target.secure:
        return stream
    context = default_context() if ssl_context is None else ssl_context
    secured = trio.SSLStream(stream, context, server_hostname=target.host, https_compatible=True)
    ready = False
    try:
        await secured.do_handshake()
        ready = True
    except (trio.BrokenResourceError, OSError) as error:
        message = f"no TLS with {target.place}: {_tls_fault(error)}"
        raise ConnectionFailed(message) from error
    finally:
        if not ready:
            await trio.aclose_forcefully(secured)
    return secured


@functools.cache
def default_context() -> ssl.SSLContext:
    """Make the context for ``wss``: one for all, since loading the authorities takes long."""
    return ssl.create_default_context()


def _tcp_fault(error: OSError | UnicodeError) -> str:
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return "the name of the host is not known"
    # trio tells of all attempts in one OSError without a number; the first is the fault.
    first: BaseException = error
    if error.__cause__ is not None:
        first = getattr(error.__cause__, "exceptions", (error,))[0]
    return getattr(first, "strerror", None) or "the attempt failed"


def _tls_fault(error: BaseException) -> str:
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"certificate refused: {cause.verify_message}"
    return getattr(cause, "reason", None) or "the peer broke the handshake off"


def http_status(head: bytes) -> int | None:
    """Read the status from the first bytes of an answer; ``None`` while they do not tell."""
    match = _STATUS_LINE.match(head)
    return None if match is None else int(match[1])


def refusal(place: str, status: int | None) -> ConnectionFailed:
    """Make the error of an upgrade that did not come about."""
    if status is None or status == 101:
        return ConnectionFailed(f"{place} did not complete the upgrade to a websocket")
    message = f"{place} refused the upgrade to a websocket with status {status}"
    return ConnectionFailed(message, status=status)


def timed_out(place: str, seconds: float) -> ConnectionFailed:
    """Make the error of a dial that took too long."""
    return ConnectionFailed(f"{place} did not open a websocket within {seconds:g} s")


def close_frame(code: int, reason: str) -> tuple[int, str]:
    """Fit code and reason into a close frame (RFC 6455 §5.5.1, §7.4): ``aclose`` may not fail.

    Codes that may not travel become 1000; the reason is cut at 123 bytes, between characters.
    """
    allowed = code in _CLOSE_CODES or 3000 <= code < 5000
    text = reason.encode("utf-8", "replace")[:123].decode("utf-8", "ignore")
    return (code if allowed else 1000), text
