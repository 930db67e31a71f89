"""Open a stream to a server: by TCP or through a proxy, with TLS if it is secure.

The websocket and the REST calls open their streams here, so they share one trust store, one
proxy and one style of error messages.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
import socket
import ssl
import urllib.parse
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal, TypeAlias, cast, final

import attrs
import trio

from .._exceptions import ConnectionFailed

__all__ = ["ENVIRONMENT", "Network", "OpenStream", "default_context", "place_of"]

OpenStream: TypeAlias = Callable[..., Awaitable[trio.abc.Stream]]
"""Returns an open stream; called with host and port, or without arguments if it takes none."""

ENVIRONMENT: Final = "environment"
"""The default of ``proxy``: use ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY``."""

_USUAL: Final = {"http": 8080, "socks5": 1080}
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS: Final = frozenset(
    (
        *("connection", "content-length", "host", "transfer-encoding", "upgrade"),
        *("accept-encoding", "content-type", "expect", "te", "trailer"),
    )
)


def place_of(host: str, port: int) -> str:
    """Return host and port, for messages."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _check_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    kept: dict[str, str] = {}
    for name, value in dict(headers or {}).items():
        known: Any = (name, value)
        if not all(isinstance(each, str) for each in known):
            message = "headers= must map names to values, both str"
            raise TypeError(message)
        lower = name.lower()
        if not _NAME.fullmatch(name) or lower in _OURS or lower.startswith("sec-websocket-"):
            message = f"headers= cannot hold {name!r}"
            raise ValueError(message)
        if not value.isascii() or not value.isprintable() or value != value.strip():
            message = f"the value of the header {name!r} must be printable ASCII"
            raise ValueError(message)
        kept[name] = value
    return kept


@attrs.frozen(slots=True)
class _Proxy:
    kind: Literal["http", "socks5"]
    host: str
    port: int
    username: str | None = attrs.field(default=None, repr=False)
    password: str | None = attrs.field(default=None, repr=False)


def _read_proxy(url: str) -> _Proxy:
    """Parse the URL of a proxy; raises ``ValueError``, which never quotes it."""
    message = "a proxy must look like http://host:port or socks5://host:port"
    try:
        parts = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
        kind = "socks5" if parts.scheme in ("socks5", "socks5h", "socks") else parts.scheme
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(message) from None
    if kind not in _USUAL or not host:
        raise ValueError(message)
    name, password = (
        None if each is None else urllib.parse.unquote(each)
        for each in (parts.username, parts.password)
    )
    known = cast("Literal['http', 'socks5']", kind)
    return _Proxy(known, host, _USUAL[kind] if port is None else port, name, password)


def _check_proxy(proxy: object) -> str | None:
    if proxy is not None and not isinstance(proxy, str):
        message = "proxy= must be a URL or None"
        raise TypeError(message)
    if proxy is not None and proxy != ENVIRONMENT:
        _read_proxy(proxy)
    return proxy


@final
@attrs.frozen(slots=True, kw_only=True)
class Network:
    """The network options that all links and REST calls of a client share."""

    ssl_context: ssl.SSLContext | None = None
    """``None`` means the default context of :mod:`ssl`, with the system's authorities."""

    proxy: str | None = attrs.field(default=ENVIRONMENT, converter=_check_proxy, repr=False)
    """The URL of a proxy, ``None`` for none, or :data:`ENVIRONMENT`."""

    headers: Mapping[str, str] | None = attrs.field(
        default=None, converter=_check_headers, repr=False
    )
    """Sent with each upgrade and each REST call."""

    open_stream: OpenStream | None = None
    """Opens the stream instead of TCP; then no proxy is used."""

    def __attrs_post_init__(self) -> None:
        """Refuse options that contradict each other."""
        if self.open_stream is not None and self.proxy not in (None, ENVIRONMENT):
            message = "give proxy= or open_stream=, not both"
            raise ValueError(message)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values of the headers and their words: a server's message may quote them."""
        values = (self.headers or {}).values()
        return (*values, *(word for value in values for word in value.split()))

    async def open(self, host: str, port: int, *, secure: bool) -> trio.abc.Stream:
        """Open a stream, with TLS if ``secure``.

        Raises :class:`~realtime_trio.ConnectionFailed`, which names the place and the
        failure. If cancelled, it closes the socket immediately.
        """
        stream = await self._open_plain(host, port, secure=secure)
        if not secure:
            return stream
        context = default_context() if self.ssl_context is None else self.ssl_context
        secured = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
        ready = False
        try:
            await secured.do_handshake()
            ready = True
        except (trio.BrokenResourceError, OSError) as error:
            message = f"no TLS with {place_of(host, port)}: {_tls_fault(error)}"
            raise ConnectionFailed(message) from error
        finally:
            if not ready:
                await trio.aclose_forcefully(secured)
        return secured

    async def _open_plain(self, host: str, port: int, *, secure: bool) -> trio.abc.Stream:
        if self.open_stream is not None:
            return await self._open_own(self.open_stream, host, port)
        proxy = self._proxy_for(host, port, secure=secure)
        if proxy is not None:
            return await _through(proxy, host, port)
        try:
            return await trio.open_tcp_stream(host, port)
        except (OSError, UnicodeError) as error:
            message = f"no TCP connection to {place_of(host, port)}: {_tcp_fault(error)}"
            raise ConnectionFailed(message) from error

    async def _open_own(self, opener: OpenStream, host: str, port: int) -> trio.abc.Stream:
        try:
            if _takes_nothing(opener):
                return await opener()
            return await opener(host, port)
        except (OSError, trio.BrokenResourceError) as error:
            fault = getattr(error, "strerror", None) or type(error).__name__
            message = f"open_stream= opened no connection to {place_of(host, port)}: {fault}"
            raise ConnectionFailed(message) from error

    def _proxy_for(self, host: str, port: int, *, secure: bool) -> _Proxy | None:
        if self.proxy != ENVIRONMENT:
            return None if self.proxy is None else _read_proxy(self.proxy)
        found = urllib.request.getproxies_environment()
        url = found.get("https" if secure else "http") or found.get("all")
        if not url or _is_exempt(host, port, found.get("no", "")):
            return None
        try:
            return _read_proxy(url)
        except ValueError as exc:
            message = f"the environment variables name a proxy that cannot be used: {exc}"
            raise ConnectionFailed(message) from None


def _is_exempt(host: str, port: int, exempt: str) -> bool:
    """Whether ``NO_PROXY`` names the host: itself, a parent domain, with or without a port."""
    names = (host.lower(), place_of(host, port).lower())
    for entry in exempt.lower().replace(",", " ").split():
        wanted = entry.lstrip("*").lstrip(".")
        if entry == "*" or any(name == wanted for name in names):
            return True
        if wanted and any(name.endswith(f".{wanted}") for name in names):
            return True
    return False


def _takes_nothing(opener: OpenStream) -> bool:
    try:
        inspect.signature(opener).bind("host", 0)
    except TypeError:
        return True
    except ValueError:  # a callable without a signature
        return False
    return False


async def _through(proxy: _Proxy, host: str, port: int) -> trio.abc.Stream:
    """Open a stream through a proxy; the proxy resolves the name."""
    import python_socks
    from python_socks.async_.trio import Proxy

    kinds = {"http": python_socks.ProxyType.HTTP, "socks5": python_socks.ProxyType.SOCKS5}
    dialler = Proxy(
        kinds[proxy.kind], proxy.host, proxy.port, proxy.username, proxy.password, rdns=True
    )
    place, target = place_of(proxy.host, proxy.port), place_of(host, port)
    try:
        sock = await dialler.connect(host, port, timeout=float("inf"))
    except python_socks.ProxyConnectionError as error:
        cause = error.__cause__
        fault = _tcp_fault(cause if isinstance(cause, OSError) else error)
        message = f"no TCP connection to the proxy {place}: {fault}"
        raise ConnectionFailed(message) from cause
    except python_socks.ProxyError as error:
        said = f" (status {error.error_code})" if error.error_code else ""
        message = f"the proxy {place} opened no connection to {target}{said}"
        raise ConnectionFailed(message) from None  # its text is the proxy's, and may quote
    except (OSError, UnicodeError, ValueError) as error:
        message = f"no connection through the proxy {place}: {_tcp_fault(error)}"
        raise ConnectionFailed(message) from None
    return trio.SocketStream(sock)


@functools.cache
def default_context() -> ssl.SSLContext:
    """Return the shared context for TLS: loading the authorities is slow."""
    return ssl.create_default_context()


def _tcp_fault(error: BaseException) -> str:
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return "the name of the host is not known"
    # trio reports all attempts in one OSError without a number; the first is the cause.
    first: BaseException = error
    if error.__cause__ is not None:
        first = getattr(error.__cause__, "exceptions", (error,))[0]
    number: int | None = getattr(first, "errno", None)
    if number is not None and number > 0:
        return os.strerror(number)  # trio's own text repeats the address
    return getattr(first, "strerror", None) or "the attempt failed"


def _tls_fault(error: BaseException) -> str:
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"certificate refused: {cause.verify_message}"
    return getattr(cause, "reason", None) or "the peer broke off the handshake"
