"""Secrets taken out of text, JSON values and frames before they are written or shown.

What counts as a secret: the value of a field or a query parameter whose name says so
(``…token``, ``password``, ``password_hash``, ``authorization``, ``api_key``, ``secret``), a
JSON Web Token wherever it stands, bearer credentials, and the user part of an URL. JSON that
stands inside a string is looked through too.

Too much is better than too little here: a word that merely looks like a secret goes as well.
One thing cannot be seen: a secret that a model spells out over several deltas.
"""

from __future__ import annotations

import json
import re
from typing import TypeAlias, cast

__all__ = ["REDACTED", "redact", "redact_frame", "redact_text"]

REDACTED = "<redacted>"

_Json: TypeAlias = "dict[str, object] | list[object] | str | int | float | bool | None"

_NAME = r"[\w.-]*(?:token|password|password_hash|passwd|authorization|api[_-]?key|secret)"
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)

# JSON's escapes can hide a name or a token, so text that has any is read, not searched.
_SUSPECT = re.compile(
    r"token|passw|authorization|bearer|api[_-]?key|secret|eyJ|://[^/\s]*@|\\u", re.IGNORECASE
)

# A run of base64url that holds the beginning of a JSON object, and two to four further parts.
_JWT = re.compile(
    r"(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]*?eyJ[A-Za-z0-9_-]{7})"
    r"[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]*+){2,4}"
)
_QUERY = re.compile(rf"((?:^|[?&;#\s\"'(])\\*{_NAME}=)[^&\s\"'<>\\#)]+", re.IGNORECASE)
_HEADER = re.compile(
    r"(\bauthorization\b\\*[\"']?\s*[:=]\s*\\*[\"']?)(?:(?:bearer|basic|token)\s+)?[^\s,;\"'\\<>]+",
    re.IGNORECASE,
)
_BEARER = re.compile(
    r"(\bbearer\s+)(?:(?=[^\s\"'\\]*\d)[\w.~+/=-]{6,}|[\w.~+/=-]{20,})", re.IGNORECASE
)
_USER = re.compile(r"(://)[^/\s@\"'<>]+@")
_PAIR = re.compile(
    rf"((?P<quote>\\*[\"']){_NAME}(?P=quote)\s*:\s*(?P<open>\\*[\"']))"
    r"(?P<value>(?:(?!(?P=open)).)*)(?=(?P=open)|$)",
    re.IGNORECASE | re.DOTALL,
)
_NUMBER = re.compile(rf"(\\*[\"']{_NAME}\\*[\"']\s*:\s*)-?\d[\d.eE+-]*", re.IGNORECASE)


def redact_text(text: str) -> str:
    """``text`` without the secrets in it."""
    if _SUSPECT.search(text) is None:
        return text
    text = _JWT.sub(REDACTED, text)
    text = _PAIR.sub(rf"\1{REDACTED}", text)
    text = _NUMBER.sub(rf'\1"{REDACTED}"', text)
    text = _QUERY.sub(rf"\1{REDACTED}", text)
    text = _HEADER.sub(rf"\1{REDACTED}", text)
    text = _BEARER.sub(rf"\1{REDACTED}", text)
    return _USER.sub(rf"\1{REDACTED}@", text)


def redact(value: object) -> object:
    """A JSON value without the secrets in it; a value that holds none is given back equal."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {
            redact_text(name): _hidden(inner) if _SECRET_NAME.fullmatch(name) else redact(inner)
            for name, inner in fields.items()
        }
    if isinstance(value, (list, tuple)):
        return [redact(item) for item in cast("list[object]", value)]
    return value


def _hidden(value: object) -> object:
    """The value of a secret's field. Its shape stays, so that the event can still be read."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dict):
        return {name: _hidden(inner) for name, inner in cast("dict[str, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_hidden(item) for item in cast("list[object]", value)]
    return REDACTED


def redact_frame(text: str) -> str:
    """A text frame without the secrets in it; one that holds none stays as it is, to the byte."""
    if _SUSPECT.search(text) is None:
        return text
    try:
        value: object = json.loads(text)
        clean = redact(value)
        if clean != value:
            return json.dumps(clean, ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        pass
    # No JSON, or names that stand twice: what was read is not all of the text.
    return redact_text(text)
