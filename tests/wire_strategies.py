"""Hypothesis strategies made from the classes themselves: any event that the table knows."""

from __future__ import annotations

import base64
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

import attrs
from hypothesis import strategies as st

from realtime_trio import events as ev

INT64 = st.integers(-(2**63), 2**64 - 1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)

JSON = st.recursive(
    st.none() | st.booleans() | INT64 | FLOAT | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=3)
BASE64 = st.binary(max_size=9).map(lambda data: base64.b64encode(data).decode())

# Fields that take less than their type says.
_SPECIAL: dict[type, dict[str, st.SearchStrategy[Any]]] = {
    ev.AudioDeltaEvent: {"content": BASE64},
    ev.ChatSession: {"session_id": TEXT.filter(bool)},
    ev.ChatSessionIndexEntry: {"session_id": TEXT.filter(bool)},
    ev.TextInputEvent: {"text": TEXT.filter(str.strip)},
}

_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: INT64,
    bool: st.booleans(),
    float: FLOAT,
    Any: JSON,
    type(None): st.none(),
}


def of_type(tp: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type."""
    if tp in _PLAIN:
        return _PLAIN[tp]
    if attrs.has(tp):
        return instances(tp)
    origin, args = get_origin(tp), get_args(tp)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, types.UnionType):
        return st.one_of([of_type(arg) for arg in args])
    if origin is tuple:
        return st.lists(of_type(args[0]), max_size=3).map(tuple)
    if tp == Mapping[str, Any]:
        return OBJECT
    raise AssertionError(tp)


def instances(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Instances of an attrs class of the wire's vocabulary."""
    attrs.resolve_types(cls)
    fields = {field.name: of_type(field.type) for field in attrs.fields(cls)}
    for name in fields.keys() & _SPECIAL.get(cls, {}).keys():
        fields[name] = _SPECIAL[cls][name]
    return st.builds(cls, **fields)


SERVER_ROWS = [row for row in ev.REGISTRY if ev.Direction.SERVER in row.direction]
CLIENT_ROWS = [row for row in ev.REGISTRY if ev.Direction.CLIENT in row.direction]
