"""The REST API of the protocol without a network: a request in, a response out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast
from urllib.parse import parse_qs, urlsplit

import attrs

from ._catalog import Account
from ._server_core import Effect, ServerCore

__all__ = ["Request", "Response", "respond"]

_FORM = "application/x-www-form-urlencoded"
_MAX_FIELD = 255
"""Characters that are kept of a file's name and of its type."""


@attrs.frozen(slots=True, kw_only=True)
class Request:
    """An HTTP request; the names of its headers are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


@attrs.frozen(slots=True, kw_only=True)
class Response:
    """An HTTP response."""

    status: int
    body: bytes
    content_type: str = "application/json"

    @classmethod
    def json(cls, status: int, value: Mapping[str, object]) -> Response:
        """Make a response from a JSON object."""
        return cls(status=status, body=json.dumps(value).encode())


@attrs.frozen(slots=True)
class _Part:
    """One part of a multipart form."""

    name: str
    filename: str | None
    mime_type: str
    data: bytes


class _Rejected(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.response = Response.json(status, {"detail": detail})


def respond(core: ServerCore, request: Request, now: float) -> tuple[Response, list[Effect]]:
    """Answer one request; also return the effects for the websockets."""
    routes = {
        ("POST", "/api/rt/login"): _login,
        ("GET", "/api/rt/refresh_token"): _refresh,
        ("POST", "/api/rt/upload_file"): _upload,
    }
    path = urlsplit(request.target).path
    try:
        if (request.method, path) == ("POST", "/api/rt/cancel"):
            return _cancel(core, request, now)
        route = routes.get((request.method, path))
        if route is None:
            known = path == "/api/rt/cancel" or any(path == known for _, known in routes)
            raise _Rejected(405 if known else 404, "Method not allowed" if known else "Not found")
        return route(core, request), []
    except _Rejected as rejected:
        return rejected.response, []


def _login(core: ServerCore, request: Request) -> Response:
    try:
        body: object = json.loads(request.body)
    except (ValueError, RecursionError) as exc:
        raise _Rejected(422, "The body is not JSON.") from exc
    fields = cast("dict[str, object]", body) if isinstance(body, dict) else {}
    user = core.state.users.get(str(fields.get("username")))
    if user is None or user.password != fields.get("password"):
        raise _Rejected(401, "Invalid username or password")
    ui_session_id = f"UI-{user.user_id}-{core.state.ids.words('ui')}"
    return Response.json(200, {**_tokens(core, user), "ui_session_id": ui_session_id})


def _refresh(core: ServerCore, request: Request) -> Response:
    return Response.json(200, _tokens(core, _authenticate(core, request)))


def _tokens(core: ServerCore, user: Account) -> dict[str, object]:
    heygen = core.state.ids.hex("heygen")
    return {"agent_c_token": core.state.tokens.issue(user.user_id), "heygen_token": heygen}


def _authenticate(core: ServerCore, request: Request) -> Account:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    user = core.state.user_for_token(token) if scheme.lower() == "bearer" and token else None
    if user is None:
        raise _Rejected(401, "Invalid or expired token")
    return user


def _cancel(core: ServerCore, request: Request, now: float) -> tuple[Response, list[Effect]]:
    _authenticate(core, request)
    ui_session_id = _form_fields(request).get("ui_session_id", "")
    effects = core.cancel(ui_session_id, now)
    if effects is None:
        raise _Rejected(404, "Session not found")
    message = f"Cancellation signal sent for session: {ui_session_id}"
    return Response.json(200, {"status": "success", "message": message}), effects


def _upload(core: ServerCore, request: Request) -> Response:
    _authenticate(core, request)
    parts = {part.name: part for part in _multipart(request)}
    file, session = parts.get("file"), parts.get("ui_session_id")
    if file is None or session is None:
        raise _Rejected(422, "The form must have the fields ui_session_id and file.")
    if session.data.decode("utf-8", "replace") not in core.state.sessions:
        raise _Rejected(404, "Session not found")
    uploads = core.state.uploads
    record: dict[str, object] = {
        "id": f"file-{core.state.ids.hex('file')}",
        "filename": (file.filename or "file")[:_MAX_FIELD],
        "mime_type": file.mime_type[:_MAX_FIELD],
        "size": len(file.data),
    }
    while len(uploads) >= core.config.max_uploads:
        del uploads[next(iter(uploads))]
    uploads[str(record["id"])] = record
    return Response.json(200, record)


def _form_fields(request: Request) -> dict[str, str]:
    """Return the fields of a form in either encoding."""
    if request.headers.get("content-type", _FORM).startswith(_FORM):
        fields = parse_qs(request.body.decode("utf-8", "replace"))
        return {name: values[-1] for name, values in fields.items()}
    return {part.name: part.data.decode("utf-8", "replace") for part in _multipart(request)}


def _multipart(request: Request) -> list[_Part]:
    content_type = request.headers.get("content-type", "")
    boundary = _parameters(content_type).get("boundary")
    if not content_type.startswith("multipart/form-data") or not boundary:
        raise _Rejected(422, "The body must be a multipart form.")
    # The first delimiter may be at the very start, so put a line break before it.
    sections = (b"\r\n" + request.body).split(b"\r\n--" + boundary.encode("latin-1"))
    return [_part(section) for section in sections[1:] if not section.startswith(b"--")]


def _part(section: bytes) -> _Part:
    head, _, data = section.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    lines = head.decode("utf-8", "replace").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    disposition = _parameters(headers.get("content-disposition", ""))
    mime_type = headers.get("content-type", "application/octet-stream")
    return _Part(disposition.get("name", ""), disposition.get("filename"), mime_type, data)


def _parameters(header: str) -> dict[str, str]:
    """Parse the parameters of a header such as ``form-data; name="file"; filename="a.txt"``."""
    pairs = (item.strip().partition("=") for item in header.split(";")[1:])
    return {name.lower(): value.strip('"') for name, _, value in pairs}
