"""HTTP/1.1 over h11 on one TCP stream: REST requests and the websocket upgrade."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol
from urllib.parse import urlsplit

import attrs
import h11
import trio

from ._rest_api import Request, Response

__all__ = ["Upgrade", "refuse", "serve_requests"]

_CHUNK = 65_536
_IDLE_TIMEOUT = 60.0
_MAX_HEAD = 65_536

_REASONS = {400: b"Bad Request", 401: b"Unauthorized", 403: b"Forbidden", 404: b"Not Found"}


@attrs.frozen(slots=True)
class Upgrade:
    """A request to become a websocket; ``trailing`` is data that arrived right after it."""

    target: str
    headers: tuple[tuple[bytes, bytes], ...]
    trailing: bytes


class _Stream(Protocol):
    async def send_all(self, data: bytes) -> None: ...

    async def receive_some(self, max_bytes: int) -> bytes | bytearray: ...


class _TooLarge(Exception):
    """The body of a request is larger than the limit."""


async def serve_requests(
    stream: _Stream, respond: Callable[[Request], Response], max_body: int
) -> Upgrade | None:
    """Answer requests until the client leaves (``None``) or asks for a websocket.

    It gives up on a client that is idle for a minute. Cancellation can leave a response half
    written, so close the stream afterwards.
    """
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
    try:
        with trio.move_on_after(_IDLE_TIMEOUT) as idle:
            while True:
                idle.deadline = trio.current_time() + _IDLE_TIMEOUT
                event = await _next_event(stream, connection)
                if not isinstance(event, h11.Request):
                    return None
                if not _is_url(event.target):
                    await refuse(stream, 400)
                    return None
                if _is_upgrade(event):
                    trailing = bytes(connection.trailing_data[0])
                    return Upgrade(event.target.decode("latin-1"), _headers(event), trailing)
                response = await _respond(stream, connection, event, respond, max_body)
                await _send(stream, connection, response)
                if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                    return None
                connection.start_next_cycle()
    except h11.RemoteProtocolError as exc:
        await refuse(stream, exc.error_status_hint)
    return None


async def refuse(stream: _Stream, status: int) -> None:
    """Answer with ``status`` and an empty body; the connection cannot be used afterwards."""
    reason = _REASONS.get(status, b"Refused")
    head = b"HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % (status, reason)
    await stream.send_all(head)


async def _respond(
    stream: _Stream,
    connection: h11.Connection,
    request: h11.Request,
    respond: Callable[[Request], Response],
    max_body: int,
) -> Response:
    try:
        body = await _body(stream, connection, max_body)
    except _TooLarge:
        return Response.json(
            413,
            {"detail": f"The body exceeds {max_body} bytes (ServerConfig.max_upload_bytes)."},
        )
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
    method, target = request.method.decode("latin-1"), request.target.decode("latin-1")
    return respond(Request(method=method, target=target, headers=headers, body=body))


async def _body(stream: _Stream, connection: h11.Connection, limit: int) -> bytes:
    if connection.they_are_waiting_for_100_continue:
        interim = h11.InformationalResponse(status_code=100, headers=[])
        await stream.send_all(connection.send(interim) or b"")
    body, size = bytearray(), 0
    while isinstance(event := await _next_event(stream, connection), h11.Data):
        size += len(event.data)
        if size <= limit:
            body += event.data
    if size > limit:
        # Read the rest anyway: a client that is still sending would not read the answer.
        raise _TooLarge
    return bytes(body)


async def _send(stream: _Stream, connection: h11.Connection, response: Response) -> None:
    headers = [
        ("Content-Type", response.content_type),
        ("Content-Length", str(len(response.body))),
    ]
    events: Sequence[h11.Event] = (
        h11.Response(status_code=response.status, headers=headers),
        h11.Data(data=response.body),
        h11.EndOfMessage(),
    )
    await stream.send_all(b"".join(connection.send(event) or b"" for event in events))


async def _next_event(
    stream: _Stream, connection: h11.Connection
) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(bytes(await stream.receive_some(_CHUNK)))
    return event


def _is_url(target: bytes) -> bool:
    try:
        urlsplit(target)
    except ValueError:
        return False
    return True


def _headers(request: h11.Request) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((bytes(name), bytes(value)) for name, value in request.headers)


def _is_upgrade(request: h11.Request) -> bool:
    return any(
        name == b"upgrade" and value.lower() == b"websocket" for name, value in request.headers
    )
