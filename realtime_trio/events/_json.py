"""Check the JSON values of free-form fields.

JSON text allows numbers that most programs cannot represent. A value that only one side can read is
worse than a rejected event, so numbers in free-form fields must be finite and fit in 64 bits (RFC
8259 §6 recommends no more).
"""

from __future__ import annotations

import binascii
import math
from typing import Any

import attrs

__all__ = [
    "INT_MAX",
    "INT_MIN",
    "NEVER_GUESSED",
    "Mismatch",
    "base64_text",
    "check_json",
    "describe",
    "int64",
    "is_shareable",
    "json_field",
    "not_empty",
]

INT_MIN = -(2**63)
INT_MAX = 2**64 - 1

# Metadata of an optional field that rejects its event if it is ill-typed.
NEVER_GUESSED = {"never_guessed": True}

_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    dict: "object",
    list: "array",
    tuple: "array",
}


class Mismatch(ValueError):
    """A value does not have the expected type.

    ``expected`` and ``got`` name types, never values. ``path`` leads from the start of the check to
    the fault (``.input[2]``).
    """

    def __init__(self, expected: str, got: str, path: str = "") -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.expected = expected
        self.got = got
        self.path = path


def describe(value: object) -> str:
    """Name the JSON type of ``value``, never the value itself."""
    return _NAMES.get(type(value), type(value).__name__)


# A path is a linked list of (parent, key), joined only for an error message.
_Path = tuple[Any, Any] | None


def _render(path: _Path) -> str:
    steps: list[str] = []
    while path is not None:
        path, key = path
        steps.append(f"[{key}]" if type(key) is int else f".{key}")
    return "".join(reversed(steps))


def check_json(value: object, prefix: str = "") -> None:
    """Raise :class:`Mismatch` if ``value`` holds a number that not all JSON parsers support."""
    if not is_shareable(value):
        _refuse(value, prefix)


def is_shareable(value: object) -> bool:
    """Whether all JSON parsers support every number. It runs per event, so it builds no paths."""
    stack: list[Any] = [value]
    while stack:
        item = stack.pop()
        kind = item.__class__
        if kind is str:
            continue
        if kind is dict:
            stack += item.values()
        elif kind is list or kind is tuple:
            stack += item
        elif kind is int:
            if not INT_MIN <= item <= INT_MAX:
                return False
        elif kind is float and not math.isfinite(item):
            return False
    return True


def _refuse(value: object, prefix: str) -> None:
    """Find the known fault again, now with its path."""
    stack: list[tuple[_Path, Any]] = [(None, value)]
    while True:
        path, item = stack.pop()
        kind = type(item)  # pyright: ignore[reportUnknownVariableType]
        if kind is dict:
            stack.extend([((path, key), inner) for key, inner in item.items()])
        elif kind is list or kind is tuple:
            stack.extend([((path, i), inner) for i, inner in enumerate(item)])
        elif kind is int:
            if not INT_MIN <= item <= INT_MAX:
                raise Mismatch("an integer of 64 bits", "a larger one", prefix + _render(path))
        elif kind is float and not math.isfinite(item):
            raise Mismatch("a finite number", "one that is not", prefix + _render(path))


def _json_validator(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None and type(value) is not str:
        check_json(value, f".{attribute.name}")


def int64(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """attrs validator: an integer (or ``None``) that fits in 64 bits."""
    if value is not None and not (type(value) is int and INT_MIN <= value <= INT_MAX):
        check_json(value, f".{attribute.name}")


def base64_text(_instance: object, attribute: attrs.Attribute[Any], value: str) -> None:
    """attrs validator: base64 text (RFC 4648 §4)."""
    try:
        binascii.a2b_base64(value, strict_mode=True)
    except ValueError:
        raise Mismatch("base64", "other text", f".{attribute.name}") from None


def not_empty(_instance: object, attribute: attrs.Attribute[Any], value: str) -> None:
    """attrs validator: a non-empty string."""
    if not value:
        raise Mismatch("a string that is not empty", "an empty string", f".{attribute.name}")


def json_field(**options: Any) -> Any:
    """Declare an attrs field of free-form JSON."""
    return attrs.field(validator=_json_validator, **options)
