"""Check client events before they are queued (protocol.md §2 L5).

Every field of every client event, including custom types, is checked against its annotation. A
value of another type raises ``TypeError``; a value that no server could decode raises
``ValueError``. Both name the field and never contain the value.
"""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias, Union, cast, get_args, get_origin

import attrs

from ._json import INT_MAX, INT_MIN, describe

__all__ = ["check_bytes", "check_event", "check_several"]

MAX_DEPTH = 256

# Takes a value and the name of its place; raises if the value is invalid.
Check: TypeAlias = Callable[[Any, str], None]


def check_event(event: Any) -> None:
    """Check every field of an event."""
    cls: type[Any] = event.__class__
    for name, check in _checks_of(cls):
        check(getattr(event, name), f"{cls.__name__}.{name}")


def _text(value: object, place: str) -> None:
    """Check a string that UTF-8 can encode."""
    if not isinstance(value, str):
        raise _wrong_type(place, "str", value)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            message = f"{place} must not contain lone surrogates"
            raise ValueError(message) from None


_ALONE: tuple[type, ...] = (str, bytes, Mapping)


def check_several(value: object, place: str) -> None:
    """Check an iterable of items: a string or a mapping is iterable but not intended."""
    if isinstance(value, _ALONE) or not hasattr(value, "__iter__"):
        raise _wrong_type(place, "an iterable of its items", value)


def check_bytes(value: object, place: str) -> None:
    """Check bytes, in any of Python's types for them."""
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise _wrong_type(place, "bytes", value)


def _wrong_type(place: str, expected: str, value: object) -> TypeError:
    return TypeError(f"{place} is {expected}, not {type(value).__name__}")


def _boolean(value: object, place: str) -> None:
    if not isinstance(value, bool):
        raise _wrong_type(place, "bool", value)


def _integer(value: object, place: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong_type(place, "int", value)
    if not INT_MIN <= value <= INT_MAX:
        message = f"{place} must fit in 64 bits"
        raise ValueError(message)


def _number(value: object, place: str) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _wrong_type(place, "float", value)
    if isinstance(value, int):
        _integer(value, place)
    elif not math.isfinite(value):
        message = f"{place} must be a finite number"
        raise ValueError(message)


# -- free-form JSON ------------------------------------------------------------------------


def _json(value: object, place: str, depth: int = 0) -> None:
    if isinstance(value, str):
        _text(value, place)
    elif isinstance(value, (Mapping, list, tuple)):
        if depth >= MAX_DEPTH:
            message = f"{place} is nested deeper than the limit of {MAX_DEPTH} levels"
            raise ValueError(message)
        for inner in _inside(cast("Mapping[object, object] | list[object]", value), place):
            _json(inner, place, depth + 1)
    elif value is not None and not isinstance(value, bool):
        if not isinstance(value, (int, float)):
            raise _wrong_type(f"a value in {place}", "JSON", value)
        _number(value, place)


def _inside(value: Mapping[object, object] | list[object], place: str) -> Iterable[object]:
    """Yield the items of a container; an object's names are checked."""
    if not isinstance(value, Mapping):
        return value
    for name in value:
        _text(name, f"a name in {place}")
    return value.values()


def _object(value: object, place: str) -> None:
    if not isinstance(value, Mapping):
        raise _wrong_type(place, "a mapping", value)
    _json(cast("object", value), place)


# -- annotations ---------------------------------------------------------------------------

_SIMPLE: dict[Any, Check] = {
    str: _text,
    bool: _boolean,
    int: _integer,
    float: _number,
    Any: _json,
    object: _json,
}


_CHECKS: dict[type, tuple[tuple[str, Check], ...]] = {}


def _checks_of(cls: type[Any]) -> tuple[tuple[str, Check], ...]:
    checks = _CHECKS.get(cls)
    if checks is None:
        checks = _CHECKS[cls] = _find_checks(cls)
    return checks


def _find_checks(cls: type[Any]) -> tuple[tuple[str, Check], ...]:
    try:
        attrs.resolve_types(cls)
    except NameError:  # a custom type whose annotations cannot be resolved here
        return ()
    return tuple((field.name, _check(field.type)) for field in attrs.fields(cls))


def _check(tp: Any) -> Check:
    if tp in _SIMPLE:
        return _SIMPLE[tp]
    origin, args = get_origin(tp), get_args(tp)
    if origin is Literal:
        return functools.partial(_one_of, args)
    if origin in (Union, types.UnionType):
        return _union(args)
    if origin in (tuple, list):
        return functools.partial(_each, _check(args[0]))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _object
    if attrs.has(tp):
        return functools.partial(_record, tp)
    return _anything


def _anything(_value: object, _place: str) -> None:
    """Accept a custom type; the converter validates it."""


def _record(cls: type[Any], value: object, place: str) -> None:
    if not isinstance(value, cls):
        raise _wrong_type(place, cls.__name__, value)
    check_event(value)


def _one_of(choices: tuple[Any, ...], value: object, place: str) -> None:
    kinds = {describe(choice) for choice in choices}
    if describe(value) not in kinds:
        raise _wrong_type(place, " or ".join(sorted(kinds)), value)
    if value not in choices:
        message = f"{place} must be one of {', '.join(map(repr, choices))}"
        raise ValueError(message)


def _each(check: Check, value: object, place: str) -> None:
    if not isinstance(value, (tuple, list)):
        raise _wrong_type(place, "a tuple", value)
    for i, item in enumerate(cast("list[object]", value)):
        check(item, f"{place}[{i}]")


def _union(args: tuple[Any, ...]) -> Check:
    optional = type(None) in args
    checks = [_check(arg) for arg in args if arg is not type(None)]

    def union(value: object, place: str) -> None:
        if value is None and optional:
            return
        wrong: TypeError | None = None
        for check in checks:
            try:
                check(value, place)
            except TypeError as exc:
                wrong = wrong or exc
            else:
                return
        assert wrong is not None
        raise wrong

    return union
