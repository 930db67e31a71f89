"""REST calls next to the websocket (protocol.md §1): login, refresh, upload, cancel.

Calls are rare, so each opens its own connection and leaves nothing to close. A token is only sent
to the server's own host: a redirect to another host is rejected. httpx is imported at the first
call, since most programs never make one.

A response is untrusted. It is requested without compression and rejected if compressed. It is read
only up to a size limit, within ``rest_timeout``, also after an upload. Any error of the libraries
that read it counts as a failed call.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Final, cast, final

import attrs
import trio

from .._exceptions import AuthenticationError, ConnectionFailed, ProtocolError, RealtimeError
from .._transports._memory import MemoryAnswer, memory_answer
from .._transports._network import Network
from .._transports._upgrade_answer import refusal_text, retry_after
from ._upload import Body, Form, Progress, UploadedFile, uploaded
from ._urls import Endpoint

if TYPE_CHECKING:
    import httpx

__all__ = ["Grant", "Rest"]

_log: Final = logging.getLogger("realtime_trio.rest")

_MAX_ANSWER: Final = 1024 * 1024
_MAX_WORDS: Final = 16 * 1024
_WORDS_PATIENCE: Final = 1.0
_MAX_TOKEN: Final = 64 * 1024
_MAX_ID: Final = 1024
_MAX_REDIRECTS: Final = 3
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_REFUSED: Final = (401, 403)

_HEADERS: Final = {
    "accept": "application/json",
    "accept-encoding": "identity",
    "connection": "close",
    "user-agent": "realtime-trio",
}


@attrs.frozen(slots=True)
class Grant:
    """The result of a login or a refresh; only a login has a ``ui_session_id``."""

    token: str = attrs.field(repr=False)
    heygen_token: str | None = attrs.field(default=None, repr=False)
    ui_session_id: str | None = None


@final
class Rest:
    """The REST side of one server.

    Every call raises :class:`~realtime_trio.ConnectionFailed` if the server cannot be reached or
    responds with an error (its ``status``), :class:`~realtime_trio.AuthenticationError` for 401 and
    403, and :class:`~realtime_trio.ProtocolError` for an invalid response.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        timeout: float,
        network: Network | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._network = Network() if network is None else network

    async def login(self, username: str, password: str) -> Grant:
        """Log in with a name and a password."""
        body = json.dumps({"username": username, "password": password}).encode()
        headers = {"content-type": "application/json"}
        answer = await self._call("POST", "login", headers, body, secrets=(password,))
        return _grant("login", answer)

    async def refresh(self, token: str) -> Grant:
        """Exchange a valid token for a new one."""
        answer = await self._call("GET", "refresh_token", _bearer(token), secrets=(token,))
        return _grant("refresh_token", answer)

    async def cancel(self, token: str, ui_session_id: str) -> None:
        """Cancel the running turn of a UI session."""
        form = Form({"ui_session_id": ui_session_id})
        headers = {**_bearer(token), "content-type": form.content_type}
        await self._call("POST", "cancel", headers, form.whole(), secrets=(token,))

    async def upload(self, token: str, form: Form, progress: Progress | None) -> UploadedFile:
        """Send a file in chunks; ``progress`` receives the bytes sent and the total.

        There is no limit on the total time, only on each pause and on the response.
        """
        headers = {
            **_bearer(token),
            "content-type": form.content_type,
            "content-length": str(form.size),
        }
        async with form.body(progress) as body:
            answer = await self._call("POST", "upload_file", headers, body, secrets=(token,))
        return uploaded(answer)

    async def _call(
        self,
        method: str,
        name: str,
        headers: Mapping[str, str],
        body: bytes | Body = b"",
        *,
        secrets: Iterable[str],
    ) -> Mapping[str, object]:
        with trio.move_on_after(self._timeout) as scope:

            def pause(reading: bool) -> None:
                # Time only the server, not the disk.
                now = trio.current_time()
                scope.deadline = math.inf if reading else now + self._timeout

            if isinstance(body, Body):
                body.on_reading = pause
            sent = {**_HEADERS, **_lower(self._network.headers), **headers}
            hidden = (*secrets, *self._network.secrets)
            call = _Call(method, self._endpoint.rest_url(name), sent, body, hidden)
            return await self._send(call, name)
        limit = f"{self._timeout:g} s (rest_timeout)"
        _log.info("%s: no answer from %s within %s", name, self._endpoint.place, limit)
        message = f"{self._endpoint.place} did not answer {name} within {limit}"
        raise ConnectionFailed(message)

    async def _send(self, call: _Call, name: str) -> Mapping[str, object]:
        body = call.body
        place = self._endpoint.place
        _log.debug("%s: asking %s", name, place)
        try:
            answer = await self._follow(self._transport(), call, name)
            _log.info("%s: %s answered with status %d", name, place, answer.status_code)
            try:
                return await self._read(answer, name, call.secrets)
            finally:
                await answer.aclose()
        except RealtimeError:
            raise
        except Exception as exc:
            # The boundary to libraries that parse untrusted data: invalid addresses, names without
            # IDNA, headers that are not ASCII, and unknown errors.
            if isinstance(body, Body) and body.reading:
                raise  # from the file or the progress callback
            # Not chained: its request holds the token.
            fault = _describe_error(exc)
        _log.info("%s: the request to %s failed: %s", name, place, fault)
        message = f"the {name} request to {place} failed: {fault}"
        raise ConnectionFailed(message)

    def _transport(self) -> httpx.AsyncBaseTransport:
        """Return the transport for one request, below httpx's client, which would do more.

        It has no cookies and no .netrc, like the websocket.
        """
        if self._endpoint.in_memory:
            return _memory_transport(memory_answer(self._endpoint.websocket))
        from ._http_transport import NetworkTransport

        return NetworkTransport(self._network)

    async def _follow(
        self, transport: httpx.AsyncBaseTransport, call: _Call, name: str
    ) -> httpx.Response:
        """Send, and follow redirects on the same host, except with a one-time body."""
        for _ in range(_MAX_REDIRECTS + 1):
            request = call.request()
            try:
                answer = await transport.handle_async_request(request)
            except ConnectionFailed as exc:
                _log.info("%s: %s", name, exc)
                message = f"{name} failed: {exc}"
                raise ConnectionFailed(message) from exc.__cause__
            status = answer.status_code
            if status not in _REDIRECTS or "location" not in answer.headers:
                return answer
            await answer.aclose()
            url = request.url.join(answer.headers["location"])
            if isinstance(call.body, Body) or _origin(url) != _origin(request.url):
                message = f"{self._endpoint.place} redirects {name} to another host"
                raise ConnectionFailed(message, status=status)
            call = call.redirected(str(url), status)
        message = f"{self._endpoint.place} redirects {name} more than {_MAX_REDIRECTS} times"
        raise ConnectionFailed(message)

    async def _read(
        self, answer: httpx.Response, name: str, secrets: Iterable[str]
    ) -> Mapping[str, object]:
        status = answer.status_code
        if not answer.is_success:
            detail = await _server_message(answer, secrets)
            said = f": {detail}" if detail else ""
            if status in _REFUSED:
                message = f"{self._endpoint.place} refused {name} with status {status}{said}"
                raise AuthenticationError(message)
            message = f"{self._endpoint.place} answered {name} with status {status}{said}"
            wait = retry_after(answer.headers)
            raise ConnectionFailed(message, status=status, retry_after=wait)
        if answer.headers.get("content-encoding", "identity").strip().lower() != "identity":
            message = f"the answer to {name} is compressed, although the request did not allow that"
            raise ProtocolError(message)
        try:
            value: object = json.loads(await _body(answer, name))
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            message = f"the answer to {name} is not a JSON object"
            raise ProtocolError(message)
        return cast("dict[str, object]", value)


async def _server_message(answer: httpx.Response, secrets: Iterable[str]) -> str:
    """Return the server's message in an error response; only its start is read, briefly."""
    import httpcore

    body = bytearray()
    plain = answer.headers.get("content-encoding", "identity").strip().lower() == "identity"
    # Cancelled on purpose: an iterator that is left early in another way stays open.
    with trio.move_on_after(_WORDS_PATIENCE) as scope:
        try:
            async for piece in answer.aiter_raw():
                body += piece if plain else b""
                if len(body) >= _MAX_WORDS or not plain:
                    scope.cancel()
        except (httpcore.NetworkError, httpcore.ProtocolError):
            body.clear()  # the status is enough
    return refusal_text(bytes(body), answer.reason_phrase, secrets)


def _describe_error(exc: Exception) -> str:
    """Describe an error: the names of httpcore's errors are not helpful."""
    import httpcore
    import httpx

    match exc:
        case httpcore.ReadError() | httpcore.WriteError():
            return "the connection broke"
        case httpcore.RemoteProtocolError() if "disconnected" in str(exc):
            return "the server closed the connection without an answer"
        case httpcore.RemoteProtocolError() | httpcore.LocalProtocolError():
            return "the answer is not HTTP"
        case httpx.ConnectError():
            return str(exc)
        case _:
            return type(exc).__name__


def _lower(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {name.lower(): value for name, value in (headers or {}).items()}


async def _body(answer: httpx.Response, name: str) -> bytes:
    """Read a body; raise an error as soon as it is too long."""
    body = bytearray()
    too_long = False
    # Cancelled on purpose: an iterator that is left early in another way stays open.
    with trio.CancelScope() as scope:
        async for piece in answer.aiter_raw():
            too_long = too_long or len(body) + len(piece) > _MAX_ANSWER
            if too_long:
                scope.cancel()
            else:
                body += piece
    if too_long:
        message = f"the answer to {name} is larger than the limit of {_MAX_ANSWER} bytes"
        raise ProtocolError(message)
    return bytes(body)


@attrs.frozen(slots=True)
class _Call:
    """One request."""

    method: str
    url: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes | Body = attrs.field(repr=False)
    secrets: tuple[str, ...] = attrs.field(repr=False)

    def request(self) -> httpx.Request:
        """Create the httpx request."""
        import httpx

        request = httpx.Request(self.method, self.url, headers=self.headers, content=self.body)
        request.stream = _stream(self.body)
        return request

    def redirected(self, url: str, status: int) -> _Call:
        """Return the redirected call: most redirects change it to GET (RFC 9110 §15.4)."""
        if status in (307, 308) or self.method == "GET":
            return attrs.evolve(self, url=url)
        headers = {name: value for name, value in self.headers.items() if name != "content-type"}
        return _Call("GET", url, headers, b"", self.secrets)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _bearer(token: str) -> dict[str, str]:
    if not _is_visible(token):
        message = "the token is empty or has characters that a header cannot hold"
        raise AuthenticationError(message)
    return {"authorization": f"Bearer {token}"}


def _is_visible(token: str) -> bool:
    """Whether a header can hold a token: ASCII without controls or surrounding spaces."""
    return bool(token) and token.isascii() and token.isprintable() and token.strip() == token


def _grant(name: str, answer: Mapping[str, object]) -> Grant:
    token = answer.get("agent_c_token")
    heygen, ui_session_id = answer.get("heygen_token"), answer.get("ui_session_id")
    if not isinstance(token, str) or not token:
        message = f"the answer to {name} has no token"
        raise ProtocolError(message)
    if len(token) > _MAX_TOKEN or not _is_visible(token):
        message = f"the answer to {name} has a token that a header cannot hold"
        raise ProtocolError(message)
    return Grant(
        token=token,
        heygen_token=_usable_text(heygen, _MAX_TOKEN),
        ui_session_id=_usable_text(ui_session_id, _MAX_ID),
    )


def _usable_text(value: object, longest: int) -> str | None:
    """Return a usable string from a response; anything else counts as absent."""
    fits = isinstance(value, str) and len(value) <= longest and value.isprintable()
    return cast("str", value) if fits else None


class _SingleChunk(AsyncIterator[bytes]):
    """A body in a single chunk."""

    def __init__(self, body: bytes) -> None:
        self._chunks = [body] if body else []

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if not self._chunks:
            raise StopAsyncIteration
        return self._chunks.pop()


def _stream(body: bytes | Body) -> httpx.AsyncByteStream:
    """A body for httpx. Its own bodies are generators, which a cancelled call leaves open."""
    import httpx

    class Stream(httpx.AsyncByteStream):
        def __aiter__(self) -> AsyncIterator[bytes]:
            return body if isinstance(body, Body) else _SingleChunk(body)

    return Stream()


def _memory_transport(answer: MemoryAnswer | None) -> httpx.AsyncBaseTransport:
    """Return a transport to a server in this process, without a network."""
    import httpx

    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            body = await request.aread()
            await trio.lowlevel.checkpoint()
            if answer is None:
                message = "no server"
                raise httpx.ConnectError(message)
            target = request.url.raw_path.decode()
            status, content = answer(request.method, target, dict(request.headers), body)
            return httpx.Response(status, stream=_stream(content))

    return Transport()
