"""The REST calls beside the websocket (protocol.md §1): login, refresh, upload, cancel.

A connection is opened for each call: they are rare, and nothing is left to be closed. A token
goes to the server's own host and nowhere else: a redirect to another one is refused, whatever
it asks for. httpx is imported at the first call, since most programs never make one.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, cast, final

import attrs
import trio

from .._exceptions import AuthenticationError, ConnectionFailed, ProtocolError
from .._transports._memory import MemoryAnswer, memory_answer
from ._upload import Body, Form, Progress, UploadedFile, uploaded
from ._urls import Endpoint

if TYPE_CHECKING:
    import httpx

__all__ = ["Grant", "Rest"]

_MAX_ANSWER: Final = 1024 * 1024
_MAX_REDIRECTS: Final = 3
_REFUSED: Final = (401, 403)


@attrs.frozen(slots=True)
class Grant:
    """What a login or a refresh gives; ``ui_session_id`` comes with a login only."""

    token: str = attrs.field(repr=False)
    heygen_token: str | None = attrs.field(default=None, repr=False)
    ui_session_id: str | None = None


@final
class Rest:
    """The REST side of one server.

    Every call raises :class:`~realtime_trio.ConnectionFailed` where the server cannot be
    reached or answers with an error (its ``status``),
    :class:`~realtime_trio.AuthenticationError` for 401 and 403, and
    :class:`~realtime_trio.ProtocolError` for an answer of another shape.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        timeout: float,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._ssl_context = ssl_context

    async def login(self, username: str, password: str) -> Grant:
        """Log in with a name and a password."""
        body = json.dumps({"username": username, "password": password}).encode()
        headers = {"content-type": "application/json"}
        return _grant("login", await self._call("POST", "login", headers, body))

    async def refresh(self, token: str) -> Grant:
        """Have a new token for one that is still good."""
        return _grant("refresh_token", await self._call("GET", "refresh_token", _bearer(token)))

    async def cancel(self, token: str, ui_session_id: str) -> None:
        """Cancel the turn that runs in a UI session."""
        form = Form({"ui_session_id": ui_session_id})
        headers = {**_bearer(token), "content-type": form.content_type}
        await self._call("POST", "cancel", headers, form.whole())

    async def upload(self, token: str, form: Form, progress: Progress | None) -> UploadedFile:
        """Send a file, a piece at a time; ``progress`` hears the bytes that left, and of how many.

        There is no limit on the whole, only on each pause in it.
        """
        headers = {
            **_bearer(token),
            "content-type": form.content_type,
            "content-length": str(form.size),
        }
        async with form.body(progress) as body:
            answer = await self._send("POST", "upload_file", headers, body, self._timeout)
        return uploaded(answer)

    async def _call(
        self, method: str, name: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Mapping[str, object]:
        with trio.move_on_after(self._timeout):
            return await self._send(method, name, headers, body, None)
        message = f"{self._endpoint.place} did not answer {name} within {self._timeout:g} s"
        raise ConnectionFailed(message)

    async def _send(
        self,
        method: str,
        name: str,
        headers: Mapping[str, str],
        body: bytes | Body,
        pause: float | None,
    ) -> Mapping[str, object]:
        import httpx

        try:
            async with self._client(pause) as client:
                request = client.build_request(
                    method, self._endpoint.rest_url(name), headers=dict(headers), content=body
                )
                request.stream = _stream(body)
                answer = await self._follow(client, request, name, once=isinstance(body, Body))
                try:
                    return await self._read(answer, name)
                finally:
                    await answer.aclose()
        except httpx.HTTPError as exc:
            # Not as the cause: its request holds the token.
            fault = type(exc).__name__
        message = f"{self._endpoint.place} could not be asked for {name}: {fault}"
        raise ConnectionFailed(message)

    @asynccontextmanager
    async def _client(self, pause: float | None) -> AsyncGenerator[httpx.AsyncClient, None]:
        import httpx

        transport: httpx.AsyncBaseTransport | None = None
        verify: ssl.SSLContext | bool = False
        if self._endpoint.in_memory:
            transport = _memory_transport(memory_answer(self._endpoint.websocket))
        elif self._endpoint.rest.startswith("https"):
            if self._ssl_context is None:
                # It reads all certificates there are, which takes long enough to be heard.
                self._ssl_context = await trio.to_thread.run_sync(httpx.create_ssl_context)
            verify = self._ssl_context
        # No proxies, no .netrc: the websocket knows none either.
        async with httpx.AsyncClient(
            transport=transport, verify=verify, timeout=pause, trust_env=False
        ) as client:
            yield client

    async def _follow(
        self, client: httpx.AsyncClient, request: httpx.Request, name: str, *, once: bool
    ) -> httpx.Response:
        """Send, and follow redirects that stay on this host; not with a body that is read once."""
        for _ in range(_MAX_REDIRECTS + 1):
            answer = await client.send(request, stream=True)
            following = answer.next_request
            if following is None:
                return answer
            await answer.aclose()
            if once or _origin(following) != _origin(request):
                message = f"{self._endpoint.place} sends {name} elsewhere, where no token goes"
                raise ConnectionFailed(message, status=answer.status_code)
            if following.stream is not request.stream:
                following.stream = _stream(b"")  # the redirect makes it a GET
            request = following
        message = f"{self._endpoint.place} redirects {name} in circles"
        raise ConnectionFailed(message)

    async def _read(self, answer: httpx.Response, name: str) -> Mapping[str, object]:
        status = answer.status_code
        if status in _REFUSED:
            message = f"{self._endpoint.place} refused {name} with status {status}"
            raise AuthenticationError(message)
        if not answer.is_success:
            message = f"{self._endpoint.place} answered {name} with status {status}"
            raise ConnectionFailed(message, status=status)
        body = b""
        async for piece in answer.aiter_bytes():
            # To the end even where it is too long: an iterator that is left half-way stays open.
            if len(body) <= _MAX_ANSWER:
                body += piece
        try:
            value: object = json.loads(body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            message = f"the answer to {name} is no JSON object"
            raise ProtocolError(message)
        return cast("dict[str, object]", value)


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def _origin(request: httpx.Request) -> tuple[str, str, int | None]:
    return request.url.scheme, request.url.host, request.url.port


def _grant(name: str, answer: Mapping[str, object]) -> Grant:
    token = answer.get("agent_c_token")
    heygen, ui_session_id = answer.get("heygen_token"), answer.get("ui_session_id")
    if not isinstance(token, str) or not token:
        message = f"the answer to {name} holds no token"
        raise ProtocolError(message)
    return Grant(
        token=token,
        heygen_token=heygen if isinstance(heygen, str) else None,
        ui_session_id=ui_session_id if isinstance(ui_session_id, str) else None,
    )


class _Once(AsyncIterator[bytes]):
    """A body in one piece."""

    def __init__(self, body: bytes) -> None:
        self._pieces = [body] if body else []

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if not self._pieces:
            raise StopAsyncIteration
        return self._pieces.pop()


def _stream(body: bytes | Body) -> httpx.AsyncByteStream:
    """A body as httpx reads it. Its own are generators, and a cancelled call leaves them open."""
    import httpx

    class Stream(httpx.AsyncByteStream):
        def __aiter__(self) -> AsyncIterator[bytes]:
            return body if isinstance(body, Body) else _Once(body)

    return Stream()


def _memory_transport(answer: MemoryAnswer | None) -> httpx.AsyncBaseTransport:
    """HTTP to a server in this process, without a network."""
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
            return httpx.Response(status, content=content, request=request)

    return Transport()
