"""Redaction of secrets in text, JSON values and frames before they are written or shown.

These count as secrets: the value of a field or a query parameter with a telling name (``…token``,
``password``, ``password_hash``, ``authorization``, ``api_key``, ``secret``), a JSON Web Token
anywhere, bearer credentials, the user part of a URL, and every value that was passed to
:meth:`Redactor.hide`. JSON inside a string is searched too.

It redacts too much rather than too little: text that only looks like a secret is redacted as well.
It cannot detect a secret that a model spells out over several deltas.

The text is untrusted, and a regular expression holds the GIL while it searches. Therefore no
pattern examines a character from many starting points: a run of backslashes is entered only at its
first, and a repetition never overlaps with the part after it. A test counts the steps.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final, cast, final
from urllib.parse import quote, quote_plus

__all__ = ["REDACTED", "Redactor", "redact", "redact_frame", "redact_text"]

REDACTED: Final = "<redacted>"

SHORTEST: Final = 6
"""Minimum length in characters: hiding shorter values would remove ordinary words."""

_MOST: Final = 32
"""Maximum number of values in a redactor; the oldest is evicted first."""

_WINDOW: Final = 256 * 1024
"""Characters searched for escaped values at a time, which bounds the memory."""

_NAME = r"[\w.-]*(?:token|password|password_hash|passwd|authorization|api[_-]?key|secret)"
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)

# JSON escapes can hide a name or a token, so text with escapes is parsed, not searched.
_SUSPECT = re.compile(
    r"token|passw|authorization|bearer|api[_-]?key|secret|eyJ|://[^/\s@]*+@|\\u", re.IGNORECASE
)

# A run of base64url that starts with a JSON object, and two to four further parts.
_JWT = re.compile(
    r"(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]*?eyJ[A-Za-z0-9_-]{7})"
    r"[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]*+){2,4}"
)
_QUERY = re.compile(rf"((?:^|[?&;#\s\"'(])\\*+{_NAME}=)[^&\s\"'<>\\#)]+", re.IGNORECASE)
_HEADER = re.compile(
    r"(\bauthorization\b\\*+[\"']?\s*+[:=]\s*+\\*+[\"']?)(?:(?:bearer|basic|token)\s++)?"
    r"[^\s,;\"'\\<>]+",
    re.IGNORECASE,
)
_BEARER = re.compile(
    r"(\bbearer\s++)(?:(?=[^\s\"'\\\d]*+\d)[\w.~+/=-]{6,}|[\w.~+/=-]{20,})", re.IGNORECASE
)
_USER = re.compile(r"(://)[^/\s@\"'<>]++@")

# A quote in JSON nested inside strings has backslashes before it. Any number matches: with a wrong
# number this is not JSON, but it may still be a secret.
_FIELD = re.compile(
    rf"(?<!\\)(?P<quote>\\*+[\"']){_NAME}\\*+[\"']\s*+:\s*+"
    r"(?:(?P<open>\\*+)(?P<mark>[\"'])|(?P<number>-?\d[\d.eE+-]*+))",
    re.IGNORECASE,
)
_MARKS: Final = {mark: re.compile(rf"(?<!\\)(\\*+){mark}") for mark in "\"'"}

# One escaped character: of JSON, also nested in strings, or of a URL, also nested in URLs.
_ESCAPED = re.compile(r"(?<!\\)\\++(?:u([0-9a-fA-F]{4})|(.))|%(?:25)*([0-9a-fA-F]{2})", re.DOTALL)


def redact_text(text: str) -> str:
    """Return ``text`` without secrets."""
    if _SUSPECT.search(text) is None:
        return text
    text = _JWT.sub(REDACTED, text)
    text = "".join(_without_fields(text))
    text = _QUERY.sub(rf"\1{REDACTED}", text)
    text = _HEADER.sub(rf"\1{REDACTED}", text)
    text = _BEARER.sub(rf"\1{REDACTED}", text)
    return _USER.sub(rf"\1{REDACTED}@", text)


def _without_fields(text: str) -> Iterator[str]:
    """Remove the values of secret fields from pieces of ``text``."""
    at = 0
    while (field := _FIELD.search(text, at)) is not None:
        if field["number"] is not None:
            quote = field["quote"]
            yield f"{text[at : field.start('number')]}{quote}{REDACTED}{quote}"
            at = field.end()
        else:
            yield text[at : field.end()]
            yield REDACTED
            at = _end_of_string(text, field.end(), field["mark"], len(field["open"]))
    yield text[at:]


def _end_of_string(text: str, at: int, mark: str, depth: int) -> int:
    """Return the position of the closing quote for an opening quote with ``depth`` backslashes.

    A backslash in such a string is written as ``depth + 1`` backslashes, and an escaped quote has
    one more of these than the closing quote. Fewer than ``depth`` backslashes end the surrounding
    text.
    """
    for found in _MARKS[mark].finditer(text, at):
        before = len(found[1])
        if before <= depth or (before - depth) // (depth + 1) % 2 == 0:
            # The rest of the run belongs to the closing quote.
            return found.end() - 1 - min(before, depth)
    return len(text)


def redact(value: object) -> object:
    """Return a JSON value without secrets; a value without secrets is returned equal."""
    return _SHARED.value(value)


def redact_frame(text: str) -> str:
    """Return a text frame without secrets; one without secrets is unchanged, to the byte."""
    return _SHARED.frame(text)


def _hidden(value: object) -> object:
    """Redact the value of a secret field. Its shape stays, so that the event can be decoded."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dict):
        return {name: _hidden(inner) for name, inner in cast("dict[str, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_hidden(item) for item in cast("list[object]", value)]
    return REDACTED


@final
class Redactor:
    """Redacts everything that this module recognises, and the values passed to :meth:`hide`.

    A value is found in plain, percent-encoded and JSON-escaped form, nested to any depth. Values of
    fewer than six characters are ignored. Thread-safe.
    """

    __slots__ = ("_forms", "_plain", "_values")

    def __init__(self) -> None:
        self._values: tuple[str, ...] = ()
        self._forms: tuple[str, ...] = ()  # searched in the raw text
        self._plain: tuple[str, ...] = ()  # searched in the text without its escapes

    def hide(self, value: str) -> None:
        """Redact ``value`` from now on."""
        if len(value) < SHORTEST or value in self._values:
            return
        values = (*self._values, value)[-_MOST:]
        forms = {form for each in values for form in _forms(each)}
        plain = {_Unescaped(form).text for form in forms}
        self._plain = tuple(sorted(filter(None, plain), key=len, reverse=True))
        self._forms = tuple(forms)
        self._values = values

    def text(self, text: str) -> str:
        """Return ``text`` without secrets."""
        return redact_text(self._without_values(text))

    def value(self, value: object) -> object:
        """Return a JSON value without secrets; one without secrets is returned equal."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            fields = cast("dict[str, object]", value)
            return {
                self.text(name): (
                    _hidden(inner) if _SECRET_NAME.fullmatch(name) else self.value(inner)
                )
                for name, inner in fields.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in cast("list[object]", value)]
        if type(value) is int and self._values and self._holds_value(str(value)):
            return REDACTED
        return value

    def frame(self, text: str) -> str:
        """Return a text frame without secrets; without secrets, it is unchanged to the byte."""
        if _SUSPECT.search(text) is None and not self._holds_value(text):
            return text
        try:
            value: object = json.loads(text)
            clean = self.value(value)
            if clean != value:
                return json.dumps(clean, ensure_ascii=False, separators=(",", ":"))
        except (ValueError, RecursionError):
            pass
        # Not JSON, or duplicate names: the parsed value is not all of the text.
        return self.text(text)

    def data(self, data: bytes) -> bytes:
        """Replace every value in bytes by zeros."""
        for value in self._values:
            raw = value.encode("utf-8", "replace")
            if raw in data:
                data = data.replace(raw, bytes(len(raw)))
        return data

    def _holds_value(self, text: str) -> bool:
        return next(self._places(text), None) is not None

    def _without_values(self, text: str) -> str:
        pieces: list[str] = []
        at = 0
        for start, end in sorted(self._places(text)):
            if end > at:
                pieces += (text[at:start], REDACTED) if start >= at else ()
                at = end
        return "".join([*pieces, text[at:]]) if pieces else text

    def _places(self, text: str) -> Iterator[tuple[int, int]]:
        """Return the positions of the values in ``text``, unordered, possibly with duplicates."""
        yield from _all_of(self._forms, text)
        if not self._plain or ("\\" not in text and "%" not in text):
            return
        # The maximum size of the longest value, with each character in its longest usual form.
        margin = 16 * len(self._plain[0])
        for begin in range(0, len(text), _WINDOW):
            unescaped = _Unescaped(text[begin : begin + _WINDOW + margin])
            for start, end in _all_of(self._plain, unescaped.text):
                yield begin + unescaped.place(start), begin + unescaped.place(end)


def _forms(value: str) -> Iterator[str]:
    """Return a value as JSON and URLs encode it, and as fully percent-encoded bytes."""
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    raw = value.encode("utf-8", "replace")
    yield quote(raw, safe="")
    yield quote_plus(raw)
    yield raw.decode("latin-1")


def _all_of(values: tuple[str, ...], text: str) -> Iterator[tuple[int, int]]:
    for value in values:
        at = text.find(value)
        while at >= 0:
            yield at, at + len(value)
            at = text.find(value, at + len(value))


@final
class _Unescaped:
    """Text without escapes and backslashes, and the original position of each character."""

    __slots__ = ("_ends", "_marks", "text")

    def __init__(self, escaped: str) -> None:
        pieces: list[str] = []
        self._marks: list[int] = []  # the characters that follow an escape
        self._ends: list[int] = []  # their original positions
        here = there = 0
        for escape in _ESCAPED.finditer(escaped):
            code = escape[1] or escape[3]
            char = chr(int(code, 16)) if code else escape[2]
            if char == "\\":  # it may also be literal text
                char = ""
            here += escape.start() - there + len(char)
            pieces += escaped[there : escape.start()], char
            there = escape.end()
            self._marks.append(here)
            self._ends.append(there)
        self.text: str = "".join([*pieces, escaped[there:]])

    def place(self, index: int) -> int:
        """Return the original position of a character or of its escape."""
        known = bisect_right(self._marks, index) - 1
        return index if known < 0 else self._ends[known] + index - self._marks[known]


_SHARED: Final = Redactor()
