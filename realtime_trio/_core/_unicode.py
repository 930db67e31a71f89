"""Text inside the library is valid Unicode (protocol.md §2 L4).

JSON can escape half of a surrogate pair (``\\ud83d``), and Python text can hold one; neither
UTF-8 nor most programs can. A half on its own becomes U+FFFD. Two halves that stand side by
side are the character that they mean.

A server that cuts its text by UTF-16 units sends the halves in two deltas. So half of a
character at the end of a delta waits for the next one.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar, cast

__all__ = ["REPLACEMENT", "hold_back", "is_whole", "join_halves", "valid_json", "valid_text"]

T = TypeVar("T")

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


def valid_json(value: T) -> T:
    """A JSON value with every text and every name valid; the same object if they all are.

    It walks with a list of its own, so no depth of nesting is too deep.
    """
    return value if _all_valid(value) else _repaired(value)


def _all_valid(value: object) -> bool:
    stack: list[Any] = [value]
    while stack:
        item = stack.pop()
        kind = item.__class__
        if kind is str:
            if not _is_valid(item):
                return False
        elif kind is dict:
            stack += item
            stack += item.values()
        elif kind is list or kind is tuple:
            stack += item
    return True


def _repaired(value: T) -> T:
    made: list[Any] = [None]
    # What is still to be copied, and the place in its copied container that it goes to.
    stack: list[tuple[Any, Any, Any]] = [(value, made, 0)]
    while stack:
        item, holder, place = stack.pop()
        kind = item.__class__
        if kind is str:
            holder[place] = valid_text(item)
        elif kind is dict:
            names = [valid_text(name) if name.__class__ is str else name for name in item]
            copy: dict[Any, Any] = dict.fromkeys(names)  # keeps the order of the names
            # Of names that have become one, the last counts, as in JSON: it is copied last.
            fields = reversed(list(zip(names, item.values(), strict=True)))
            stack += [(inner, copy, name) for name, inner in fields]
            holder[place] = copy
        elif kind is list or kind is tuple:
            copies: list[Any] = list(item)
            stack += [(inner, copies, i) for i, inner in enumerate(copies)]
            holder[place] = copies
        else:
            holder[place] = item
    return cast("T", made[0])
