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
        if isinstance(item, str):
            if not _is_valid(item):
                return False
        elif isinstance(item, dict):
            stack += item.keys()
            stack += item.values()
        elif isinstance(item, (list, tuple)):
            stack += item
    return True


def _repaired(value: T) -> T:
    made: list[Any] = [None]
    # What is still to be copied, and the place in its copied container that it goes to.
    stack: list[tuple[Any, Any, Any]] = [(value, made, 0)]
    while stack:
        item, holder, place = stack.pop()
        if isinstance(item, str):
            holder[place] = valid_text(item)
        elif isinstance(item, dict):
            pairs = [
                (valid_text(key) if isinstance(key, str) else key, inner)
                for key, inner in item.items()
            ]
            holder[place] = copy = dict.fromkeys(key for key, _ in pairs)
            stack += [(inner, copy, key) for key, inner in pairs]
        elif isinstance(item, (list, tuple)):
            items = list(cast("list[Any]", item))
            holder[place] = items
            stack += [(inner, items, i) for i, inner in enumerate(items)]
        else:
            holder[place] = item
    return cast("T", made[0])
