"""All text inside the library is valid Unicode (protocol.md §2 L4).

JSON can escape an unpaired surrogate (``\\ud83d``) and a Python string can hold one; UTF-8 and most
programs cannot. An unpaired surrogate becomes U+FFFD. Two adjacent halves of a pair become their
character.

A server that splits its text by UTF-16 units sends the two halves in two deltas. Therefore a high
surrogate at the end of a delta is kept until the next one.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar, cast

import msgspec

__all__ = [
    "REPLACEMENT",
    "has_no_surrogates",
    "join_surrogates",
    "split_incomplete",
    "valid_json",
    "valid_text",
]

T = TypeVar("T")

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_HALF = re.compile("[\ud800-\udfff]")
_encode = msgspec.msgpack.Encoder().encode


def _is_valid(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def valid_text(text: str) -> str:
    """Replace each unpaired surrogate by U+FFFD; valid text is returned unchanged."""
    if _is_valid(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def has_no_surrogates(text: str) -> bool:
    """Whether a text has no surrogates. It runs per delta, so the cheap checks come first."""
    return text.isascii() or text.isprintable() or _HALF.search(text) is None


def split_incomplete(text: str) -> tuple[str, str]:
    """Split a text into its complete part and a high surrogate at its end, if any."""
    if "\ud800" <= text[-1] <= "\udbff":
        return valid_text(text[:-1]), text[-1]
    return valid_text(text), ""


def join_surrogates(text: str) -> str:
    """Join adjacent halves of surrogate pairs; unpaired ones stay."""
    if _is_valid(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def valid_json(value: T) -> T:
    """Make every string and name in a JSON value valid; return the same object if all are.

    Nesting depth is not limited: what msgspec does not encode is walked with an explicit stack.
    """
    try:
        _encode(value)  # it rejects surrogates, and is much faster than a walk
    except (ValueError, TypeError, OverflowError, RecursionError):
        return value if _all_valid(value) else _repaired(value)
    return value


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
    # The items to copy, and their destination in the copied container.
    stack: list[tuple[Any, Any, Any]] = [(value, made, 0)]
    while stack:
        item, holder, place = stack.pop()
        kind = item.__class__
        if kind is str:
            holder[place] = valid_text(item)
        elif kind is dict:
            names = [valid_text(name) if name.__class__ is str else name for name in item]
            copy: dict[Any, Any] = dict.fromkeys(names)  # keeps the order of the names
            # If repaired names collide, the last counts, as in JSON, so it is copied last.
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
