"""The REST part of the protocol, without a network: a request in, a response out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast
from urllib.parse import parse_qs, urlsplit

import attrs

from ._catalog import User
from ._server_core import Brain, Effect

__all__ = ["Request", "Response", "answer"]

_FORM = "application/x-www-form-urlencoded"


@attrs.frozen(slots=True, kw_only=True)
class Request:
    """An HTTP request; the names of headers are in lower case."""

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
        """A response that is a JSON object."""
        return cls(status=status, body=json.dumps(value).encode())


@attrs.frozen(slots=True)
class _Part:
    """One part of a multipart form."""

    name: str
    filename: str | None
    mime_type: str
    data: bytes


class _Rejected(Exception):
    """A request that ends in an error."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.response = Response.json(status, {"detail": detail})


def answer(brain: Brain, request: Request, now: float) -> tuple[Response, list[Effect]]:
    """Answer one request; the effects are for the websockets."""
    routes = {
        ("POST", "/api/rt/login"): _login,
        ("GET", "/api/rt/refresh_token"): _refresh,
        ("POST", "/api/rt/upload_file"): _upload,
    }
    path = urlsplit(request.target).path
    try:
        if (request.method, path) == ("POST", "/api/rt/cancel"):
            return _cancel(brain, request, now)
        route = routes.get((request.method, path))
        if route is None:
            known = path == "/api/rt/cancel" or any(path == known for _, known in routes)
            raise _Rejected(405 if known else 404, "There is nothing here.")
        return route(brain, request), []
    except _Rejected as rejected:
        return rejected.response, []


def _login(brain: Brain, request: Request) -> Response:
    try:
        given: object = json.loads(request.body)
    except (ValueError, RecursionError) as exc:
        raise _Rejected(422, "The body is no JSON.") from exc
    fields = cast("dict[str, object]", given) if isinstance(given, dict) else {}
    user = brain.world.users.get(str(fields.get("username")))
    if user is None or user.password != fields.get("password"):
        raise _Rejected(401, "Invalid username or password")
    ui_session_id = f"UI-{user.user_id}-{brain.world.ids.words('ui')}"
    return Response.json(200, {**_tokens(brain, user), "ui_session_id": ui_session_id})


def _refresh(brain: Brain, request: Request) -> Response:
    return Response.json(200, _tokens(brain, _user(brain, request)))


def _tokens(brain: Brain, user: User) -> dict[str, object]:
    heygen = brain.world.ids.hex("heygen")
    return {"agent_c_token": brain.world.tokens.issue(user.user_id), "heygen_token": heygen}


def _user(brain: Brain, request: Request) -> User:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    user = brain.world.user_of(token) if scheme.lower() == "bearer" and token else None
    if user is None:
        raise _Rejected(401, "Invalid or expired token")
    return user


def _cancel(brain: Brain, request: Request, now: float) -> tuple[Response, list[Effect]]:
    _user(brain, request)
    ui_session_id = _form(request).get("ui_session_id", "")
    effects = brain.cancel(ui_session_id, now)
    if effects is None:
        raise _Rejected(404, "Session not found")
    message = f"Cancellation signal sent for session: {ui_session_id}"
    return Response.json(200, {"status": "success", "message": message}), effects


def _upload(brain: Brain, request: Request) -> Response:
    _user(brain, request)
    parts = {part.name: part for part in _multipart(request)}
    file, session = parts.get("file"), parts.get("ui_session_id")
    if file is None or session is None:
        raise _Rejected(422, "ui_session_id and file are needed.")
    if session.data.decode("utf-8", "replace") not in brain.world.sessions:
        raise _Rejected(404, "Session not found")
    uploads = brain.world.uploads
    facts: dict[str, object] = {
        "id": f"file-{brain.world.ids.hex('file')}",
        "filename": file.filename or "file",
        "mime_type": file.mime_type,
        "size": len(file.data),
    }
    while len(uploads) >= brain.config.max_uploads:
        del uploads[next(iter(uploads))]
    uploads[str(facts["id"])] = facts
    return Response.json(200, facts)


def _form(request: Request) -> dict[str, str]:
    """The fields of a form in either encoding."""
    if request.headers.get("content-type", _FORM).startswith(_FORM):
        fields = parse_qs(request.body.decode("utf-8", "replace"))
        return {name: values[-1] for name, values in fields.items()}
    return {part.name: part.data.decode("utf-8", "replace") for part in _multipart(request)}


def _multipart(request: Request) -> list[_Part]:
    content_type = request.headers.get("content-type", "")
    boundary = _parameters(content_type).get("boundary")
    if not content_type.startswith("multipart/form-data") or not boundary:
        raise _Rejected(422, "A multipart form is needed.")
    # The first delimiter may stand at the very start, so every one is given a line break.
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
    """The parameters of a header such as ``form-data; name="file"; filename="a.txt"``."""
    pairs = (item.strip().partition("=") for item in header.split(";")[1:])
    return {name.lower(): value.strip('"') for name, _, value in pairs}
