"""Read the answer of a server that refuses an upgrade to a websocket or a REST call.

The text is untrusted. It is read up to a bound and for a limited time; only one short line of it
is shown, without control characters and without the secrets of the dial.
"""

from __future__ import annotations

import email.utils
import json
import re
import time
import unicodedata
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, cast

import attrs
import h11
import trio

__all__ = ["UpgradeAnswer", "clean_line", "read_answer", "refusal_text", "retry_after"]

_MAX_BODY: Final = 16 * 1024
_MAX_WORDS: Final = 200
_PATIENCE: Final = 1.0
"""Seconds for the rest of a refusal: its body may never end."""

_FIELDS: Final = ("detail", "message", "error", "title", "reason", "msg", "error_description")
_MAX_DEPTH: Final = 4
_HIDDEN: Final = "<redacted>"
_LONG: Final = 6
_SHORT: Final = 3
"""Least length of secrets removed as whole words only; from ``_LONG`` on, removed anywhere."""


@attrs.frozen(slots=True, kw_only=True)
class UpgradeAnswer:
    """A refusal, as far as it was read. ``words`` contains no secret that the reader knew."""

    status: int
    words: str = ""
    location: str | None = attrs.field(default=None, repr=False)
    retry_after: float | None = None


async def read_answer(
    receive: Callable[[], Awaitable[bytes | bytearray]], begun: bytes, secrets: Iterable[str]
) -> UpgradeAnswer | None:
    """Read a refusal that began with ``begun``; ``None`` if it is not HTTP.

    It reads until the end, the bound, or the time limit. Errors of the stream end it.
    """
    wire = h11.Connection(h11.CLIENT)
    wire.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
    wire.send(h11.EndOfMessage())
    head: h11.Response | None = None
    body = b""
    data: bytes | None = begun
    with trio.move_on_after(_PATIENCE):
        try:
            while data is not None and len(body) < _MAX_BODY:
                wire.receive_data(data)
                while True:
                    event = wire.next_event()
                    if isinstance(event, h11.Response):
                        head = event
                    elif isinstance(event, h11.Data):
                        body += bytes(event.data)
                    elif not isinstance(event, h11.InformationalResponse):
                        break
                done = event is not h11.NEED_DATA or (not data and head is None)
                data = None if done else bytes(await receive())
        except (h11.RemoteProtocolError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
    if head is None:
        return None
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
    plain = headers.get("content-encoding", "identity").strip().lower() == "identity"
    return UpgradeAnswer(
        status=head.status_code,
        words=refusal_text(body if plain else b"", head.reason.decode("latin-1"), secrets),
        location=headers.get("location"),
        retry_after=retry_after(headers),
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait according to ``Retry-After`` (RFC 9110 §10.2.3)."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        when = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return max(0.0, when - time.time())


def refusal_text(body: bytes, reason: str, secrets: Iterable[str]) -> str:
    """Return the server's text in one line: from its body, else the reason of the status line."""
    text = _text_of(body[:_MAX_BODY])
    line = clean_line(text, secrets) or clean_line(reason, secrets)
    return line if len(line) <= _MAX_WORDS else line[: _MAX_WORDS - 1] + "…"


def clean_line(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` on one line, without control characters and secrets."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _LONG:
            text = text.replace(secret, _HIDDEN)
        elif len(secret) >= _SHORT:  # it may be a part of other words
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", _HIDDEN, text)
    kept = [" " if char.isspace() else char for char in text if char.isspace() or _shown(char)]
    from .._redact import redact_text  # compiling its patterns is slow

    return redact_text(" ".join("".join(kept).split()))


def _shown(char: str) -> bool:
    return unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _text_of(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        # An HTML page contains no text that fits on a line.
        return "" if text.lstrip().startswith("<") else text
    # A body that happens to be a number is text as well.
    return text if value is None or isinstance(value, (bool, int, float)) else _said(value, 0)


def _said(value: object, depth: int) -> str:
    """Return the text in an error object. For FastAPI's list of faults: place and message only."""
    if isinstance(value, str):
        return value
    if depth >= _MAX_DEPTH:
        return ""
    if isinstance(value, list):
        parts = [_said(item, depth + 1) for item in cast("list[object]", value)[:8]]
        return "; ".join(part for part in parts if part)
    if not isinstance(value, dict):
        return ""
    fields = cast("dict[str, object]", value)
    said = next((text for name in _FIELDS if (text := _said(fields.get(name), depth + 1))), "")
    place = fields.get("loc")
    if said and isinstance(place, list):
        path = ".".join(str(part) for part in cast("list[object]", place)[:8])
        return f"{path}: {said}"
    return said
