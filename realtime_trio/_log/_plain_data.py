"""Values as plain data for ``json.dumps``, from which a state can be restored exactly. States use
the codec of snapshots. A value that JSON lacks becomes a mapping with one key: ``$ext`` for an
extension of that codec, ``$bytes``, ``$float`` and, for mappings with such a key themselves,
``$items``.
"""

from __future__ import annotations

import base64
import enum
import math
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from functools import cache
from typing import Any, Final, cast

import attrs
import msgspec

from .._core._state import AudioSlice, ControlSlice, Session, SessionState, TextSlice
from ._state_converter import StateConverter

__all__ = ["from_dict", "to_dict"]

_TYPE: Final = "$type"
_EXACT: Final = {
    cls.__name__: cls for cls in (SessionState, ControlSlice, TextSlice, AudioSlice, Session)
}


@cache
def _converter() -> StateConverter:
    return StateConverter(canonical=False)


def to_dict(value: object) -> dict[str, Any]:
    """Return a value of this library as plain data, for ``json.dumps``.

    ``value`` is a :class:`SessionState`, one of its slices or a :class:`Session`, which
    :func:`from_dict` restores exactly; or a notification, an event, statistics, a
    :class:`Health` or another value with fields, by the names of its fields. ``"$type"`` is the
    name of the class. The data holds everything that the value does, messages included.

    Raises ``TypeError`` for anything else, and for an object in ``extra`` whose class is not
    :func:`stored`.
    """
    cls = type(value)
    if _EXACT.get(cls.__name__) is cls:
        return {_TYPE: cls.__name__, **_packed(_converter().take_apart(value))}
    if not attrs.has(cls):
        message = f"to_dict takes values of realtime_trio, not {cls.__name__}"
        raise TypeError(message)
    return {_TYPE: cls.__name__, **_fields(value)}


def from_dict(data: Mapping[str, Any]) -> Any:
    """Return the state, the slice or the session that :func:`to_dict` made the data of.

    Missing fields get their default and unknown ones are ignored, so data of another version can be
    read. Raises ``TypeError`` for data of another kind of value, and ``ValueError`` for data that
    does not fit.
    """
    name = data.get(_TYPE)
    if name not in _EXACT:
        message = f"from_dict restores {', '.join(_EXACT)}; this is {name or 'without $type'}"
        raise TypeError(message)
    converter = _converter()
    try:
        raw = {key: _unpacked(item) for key, item in data.items() if key != _TYPE}
        return converter.load(converter.plain.encode(raw), _EXACT[name])
    except Exception as exc:  # the codecs below raise different errors
        message = f"the data is not a valid {name}: {type(exc).__name__}"
        raise ValueError(message) from exc


# -- the state, exactly --------------------------------------------------------------------


def _packed(value: Any) -> Any:
    match value:
        case dict():
            items = [(key, _packed(item)) for key, item in cast("Any", value).items()]
            if all(isinstance(key, str) and key[:1] != "$" for key, _ in items):
                return dict(items)
            return {"$items": [[_packed(key), item] for key, item in items]}
        case list() | tuple() | frozenset():
            return [_packed(item) for item in cast("Iterable[Any]", value)]
        case msgspec.msgpack.Ext():
            return {"$ext": [value.code, _text(value.data)]}
        case _:
            return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$bytes": _text(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(value)}
    return value


def _text(data: Any) -> str:
    """Bytes of any kind."""
    return base64.b64encode(data).decode()


def _unpacked(value: Any) -> Any:
    match value:
        case {"$ext": [code, data]}:
            return msgspec.msgpack.Ext(code, base64.b64decode(data))
        case {"$bytes": data}:
            return base64.b64decode(data)
        case {"$float": text}:
            return float(text)
        case {"$items": items}:
            return {_unpacked(key): _unpacked(item) for key, item in items}
        case dict():
            return {key: _unpacked(item) for key, item in cast("Any", value).items()}
        case list():
            return [_unpacked(item) for item in cast("Any", value)]
        case _:
            return value


# -- other values, one way -----------------------------------------------------------------


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: _shown(getattr(value, field.name)) for field in value.__attrs_attrs__}


def _shown(value: Any) -> Any:
    match value:
        case enum.Enum():
            return value.name.lower()
        case None | bool() | int() | float() | str() | bytes():
            return _scalar(value)
        case datetime():
            return value.isoformat()
        case Mapping():
            return {str(key): _shown(item) for key, item in cast("Any", value).items()}
        case Sequence() | Set():
            return [_shown(item) for item in cast("Sequence[Any]", value)]
        case _ if hasattr(value, "__attrs_attrs__"):
            return _fields(value)
        case _:
            message = f"a value of {type(value).__name__} cannot be converted to plain data"
            raise TypeError(message)
