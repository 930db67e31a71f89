"""Converter hooks for scalar JSON values; each takes a value and its type.

Each raises ``Mismatch`` for a value of the wrong type. In lenient decoding (see ``_leniency``),
some accept a value of another type if its meaning is clear (protocol.md §2).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from ..events._json import Mismatch, describe
from ._depth import check_whole
from ._leniency import current

__all__ = [
    "SESSION_IDS",
    "TIMES",
    "read_anything",
    "read_boolean",
    "read_integer",
    "read_number",
    "read_object",
    "read_session_id",
    "read_text",
    "read_text_or_object",
    "read_time",
]

# String fields, in any class, that can arrive as numbers: see read_session_id and read_time.
SESSION_IDS = frozenset({"session_id", "user_session_id", "parent_session_id"})
TIMES = frozenset({"created_at", "updated_at", "deleted_at", "last_login"})


def read_text(value: Any, _: Any) -> Any:
    """Read a string."""
    if type(value) is not str:
        raise Mismatch("string", describe(value))
    return value


def read_integer(value: Any, _: Any) -> Any:
    """Read an integer; in lenient decoding ``12.0`` is one, too."""
    if type(value) is float and value.is_integer() and current() is not None:
        return int(value)
    if type(value) is not int:
        raise Mismatch("integer", describe(value))
    return value


def read_boolean(value: Any, _: Any) -> Any:
    """Read ``true`` or ``false``."""
    if type(value) is not bool:
        raise Mismatch("boolean", describe(value))
    return value


def read_number(value: Any, _: Any) -> float:
    """Read a number as a float."""
    if type(value) not in (int, float):
        raise Mismatch("number", describe(value))
    return float(value)


def read_object(value: Any, _: Any) -> Mapping[str, Any]:
    """Read a free-form object."""
    if not isinstance(value, dict):
        raise Mismatch("object", describe(value))
    return cast("Mapping[str, Any]", _uncut(value))


def _uncut(value: Any) -> Any:
    """Read a free-form value; reject it if a part of it was removed for its depth."""
    skipped = current()
    if skipped is not None and skipped.cut:
        check_whole(value)
    return value


def read_text_or_object(value: Any, _: Any) -> Any:
    """Read a string, an object or null."""
    if value is not None and type(value) is not str and not isinstance(value, dict):
        raise Mismatch("string, object or null", describe(value))
    return _uncut(value)


def read_anything(value: Any, _: Any) -> Any:
    """Read any value."""
    return _uncut(value)


def read_session_id(value: Any, _: Any) -> Any:
    """Read a session id as a string: some servers use numbers (§2 L2)."""
    if value is None or type(value) is str:
        return value
    if current() is not None and type(value) in (int, float) and value == int(value):
        return str(int(value))
    raise Mismatch("string", describe(value))


def read_time(value: Any, _: Any) -> Any:
    """Read a time as ISO text; a number counts seconds since 1970 (§2 L3)."""
    if value is None or type(value) is str:
        return value
    if current() is not None and type(value) in (int, float):
        return datetime.fromtimestamp(value, UTC).isoformat()
    raise Mismatch("string", describe(value))
