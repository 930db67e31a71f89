"""One HTTP request over a stream opened by the transports' network layer.

REST therefore uses the same trust store, proxy and error messages as the websocket. httpx builds
the request and the response; httpcore implements HTTP.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any, cast, final

import httpcore
import httpx
import trio

from .._transports._network import Network

__all__ = ["NetworkTransport"]


@final
class _ResponseStream(httpcore.AsyncNetworkStream):
    """A trio stream for httpcore. Its timeouts are unused: whole calls are timed."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        try:
            return bytes(await self._stream.receive_some(max_bytes))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            message = "the connection broke"
            raise httpcore.ReadError(message) from None

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> None:
        try:
            await self._stream.send_all(buffer)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # The response may have arrived nevertheless: httpcore tries to read it.
            message = "the connection broke"
            raise httpcore.WriteError(message) from None

    async def aclose(self) -> None:
        await trio.aclose_forcefully(self._stream)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        raise NotImplementedError  # the network layer has done this

    def get_extra_info(self, info: str) -> Any:
        return None


@final
class _Answer(httpx.AsyncByteStream):
    """The body of a response; closing it closes the connection."""

    def __init__(self, body: AsyncIterable[bytes], connection: httpcore.AsyncHTTP11Connection):
        self._body = body
        self._connection = connection

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._body.__aiter__()

    async def aclose(self) -> None:
        await self._connection.aclose()


@final
class NetworkTransport(httpx.AsyncBaseTransport):
    """Opens a connection for each request.

    Raises :class:`~realtime_trio.ConnectionFailed` if no connection can be opened, and httpcore's
    errors if it breaks.
    """

    def __init__(self, network: Network) -> None:
        self._network = network

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the caller must close the response."""
        url = request.url
        secure = url.scheme == "https"
        port = url.port or (443 if secure else 80)
        host = url.raw_host.decode("ascii").strip("[]")
        stream = await self._network.open(host, port, secure=secure)
        target = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=port, target=url.raw_path
        )
        connection = httpcore.AsyncHTTP11Connection(target.origin, _ResponseStream(stream))
        try:
            answer = await connection.handle_async_request(
                httpcore.Request(
                    request.method,
                    target,
                    headers=request.headers.raw,
                    content=cast("AsyncIterable[bytes]", request.stream),
                )
            )
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return httpx.Response(
            answer.status,
            headers=list(answer.headers),
            stream=_Answer(answer.aiter_stream(), connection),
            extensions={"reason_phrase": _reason(answer)},
        )


def _reason(answer: httpcore.Response) -> bytes:
    extensions = cast("Mapping[str, object]", answer.extensions)  # pyright: ignore[reportUnknownMemberType]
    reason = extensions.get("reason_phrase", b"")
    return reason if isinstance(reason, bytes) else b""
