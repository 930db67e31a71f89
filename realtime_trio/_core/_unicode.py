"""Valid Unicode, by one rule (protocol.md §2 L4).

JSON and YAML can escape half of a surrogate pair, and Python's text can hold one, but no
encoder accepts it. Two halves that follow one another are one character; a half that stands
alone becomes U+FFFD.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

__all__ = ["valid_json", "valid_text"]

T = TypeVar("T")


def valid_text(text: str) -> str:
    """``text`` as valid Unicode; the same object if it is valid already."""
    if _is_valid(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def valid_json(value: T) -> T:
    """A JSON value with every text and every name valid; the same object if they all are.

    It walks with a list of its own, so no depth of nesting is too deep.
    """
    return value if _all_valid(value) else _repaired(value)


def _is_valid(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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
            copy: dict[Any, Any] = {}
            for name, inner in item.items():
                key = valid_text(name) if name.__class__ is str else name
                copy[key] = None  # keeps the order of the names
                stack.append((inner, copy, key))
            holder[place] = copy
        elif kind is list or kind is tuple:
            copies: list[Any] = list(item)
            stack += [(inner, copies, i) for i, inner in enumerate(copies)]
            holder[place] = copies
        else:
            holder[place] = item
    return cast("T", made[0])
