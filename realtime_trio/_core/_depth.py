"""Remove values that are nested too deep, so that they cost only their own field (§2 L3).

JSON parsers give up at some depth, and a frame can nest deeper than Python's stack allows. A
value deeper than ``MAX_DEPTH`` is replaced by infinity, which no free-form field accepts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, cast

from ..events._json import Mismatch

__all__ = ["LEVELS", "MAX_DEPTH", "check_whole", "is_shallow", "shallow", "shallow_text"]

MAX_DEPTH = 256
LEVELS = f"at most {MAX_DEPTH} levels"

_BEYOND = "1e999"

_TEXT: tuple[Any, Any] = ("[", "{")
_BYTES: tuple[Any, Any] = (b"[", b"{")

# Whole strings, and brackets outside strings. The quantifiers are possessive, so the scan never
# backtracks. An unterminated string extends to the end of the text.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|([\[{])|[\]}]', re.DOTALL)


def is_shallow(text: str | bytes) -> bool:
    """Whether JSON text has so few brackets that nothing in it can be nested too deep.

    Text that nests deeper closes at least as many brackets at its end. A level takes two characters
    if it is an array, and five if it is an object: ``{"":0}``.
    """
    array, mapping = _BYTES if isinstance(text, bytes) else _TEXT
    end = len(text) - MAX_DEPTH
    arrays = text.count(array, 0, end)
    if len(text) + 3 * arrays <= 5 * MAX_DEPTH:
        return True
    return arrays + text.count(mapping, 0, end) <= MAX_DEPTH


def shallow_text(text: str) -> str:
    """Return JSON text without values that are nested too deep; those are not checked.

    Text without such values is returned unchanged. If such a value does not end, the result is
    not valid JSON.
    """
    depth = end = 0
    kept: list[str] = []
    for token in _TOKEN.finditer(text):
        if token[1]:
            depth += 1
            if depth == MAX_DEPTH + 1:
                kept += text[end : token.start()], _BEYOND
                end = len(text)
        elif token[0] in "]}":
            if depth == MAX_DEPTH + 1:
                end = token.end()
            depth -= 1
    return "".join((*kept, text[end:])) if kept else text


def shallow(value: Any, levels: int = MAX_DEPTH) -> Any:
    """Return a parsed JSON value without values that are nested too deep."""
    if isinstance(value, Mapping):
        fields: Mapping[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        if levels:
            return {name: shallow(inner, levels - 1) for name, inner in fields.items()}
        return math.inf
    if isinstance(value, (list, tuple)):
        items = cast("list[Any]", value)
        return [shallow(item, levels - 1) for item in items] if levels else math.inf
    return value


def check_whole(value: Any) -> None:
    """Raise :class:`Mismatch` if something was removed from a value."""
    if isinstance(value, dict):
        for inner in cast("dict[str, Any]", value).values():
            check_whole(inner)
    elif isinstance(value, list):
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            check_whole(item)
    elif value == math.inf:
        raise Mismatch(LEVELS, "more")
