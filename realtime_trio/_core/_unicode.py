"""Text inside the library is valid Unicode (protocol.md §2 L4).

JSON can escape half of a surrogate pair (``\\ud83d``), and Python text can hold one; neither
UTF-8 nor most programs can. A half on its own becomes U+FFFD. Two halves that stand side by
side are the character that they mean.

A server that cuts its text by UTF-16 units sends the halves in two deltas. So half of a
character at the end of a delta waits for the next one.
"""

from __future__ import annotations

import re
from typing import Any, cast

__all__ = ["REPLACEMENT", "hold_back", "is_whole", "join_halves", "valid_json", "valid_text"]

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_HALF = re.compile("[\ud800-\udfff]")


def _is_valid(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def valid_text(text: str) -> str:
    """``text`` with U+FFFD in the place of each half; valid text is given back as it is."""
    if _is_valid(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def is_whole(text: str) -> bool:
    """Whether a text holds no half. Asked of every delta, so the cheap answers come first."""
    return text.isascii() or text.isprintable() or _HALF.search(text) is None


def hold_back(text: str) -> tuple[str, str]:
    """What can be shown of a text, and half of a character at its end that may be completed."""
    if "\ud800" <= text[-1] <= "\udbff":
        return valid_text(text[:-1]), text[-1]
    return valid_text(text), ""


def join_halves(text: str) -> str:
    """``text`` with neighbouring halves joined; a half on its own stays as it came."""
    if _is_valid(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def valid_json(value: Any) -> Any:
    """A copy of a JSON value in which every text is valid, names included.

    For values that a reader of JSON has made, whose depth is bounded by that reader.
    """
    if type(value) is str:
        return valid_text(value)
    if type(value) is dict:
        fields = cast("dict[str, Any]", value)
        return {valid_text(name): valid_json(inner) for name, inner in fields.items()}
    if type(value) is list:
        return [valid_json(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
