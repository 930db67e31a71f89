"""What is nested too deep to be read: it is cut out, and costs its own field (§2 L3).

Programs that read JSON give up at some depth, and Python's own stack ends before a frame does.
What stands deeper than ``MAX_DEPTH`` is replaced by a number beyond all numbers, which no
field of free form takes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, cast

from ..events._json import Mismatch

__all__ = ["LEVELS", "MAX_DEPTH", "check_whole", "shallow", "shallow_text"]

MAX_DEPTH = 256
LEVELS = f"at most {MAX_DEPTH} levels"

_BEYOND = "1e999"

# Whole strings, and brackets outside of them. No string is given up once it has begun, so the
# scan never goes back: one that does not end goes on to the end of the text.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|([\[{])|[\]}]', re.DOTALL)


def shallow_text(text: str) -> str:
    """JSON text without what is nested too deep in it; what is cut out is not looked at.

    Text that nests no deeper is given back itself. What does not end leaves no JSON.
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
    """The same of a JSON value that was read already."""
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
    """Raise :class:`Mismatch` for a value of which something was cut out."""
    if isinstance(value, dict):
        for inner in cast("dict[str, Any]", value).values():
            check_whole(inner)
    elif isinstance(value, list):
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            check_whole(item)
    elif value == math.inf:
        raise Mismatch(LEVELS, "more")
