"""Encode values of any kind as msgpack, exactly: JSON, and values that JSON cannot distinguish.

This is for the parts of the state without a precise type: JSON as the server sent it, keys of
memories, and values that custom handlers keep in ``extra``. A tuple is decoded as a tuple, and a
mapping with tuples as keys as such. A custom class must be registered with :func:`stored`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar, cast

import attrs
import cattrs
import msgspec

__all__ = ["NotStorable", "PlainValues", "stored", "stored_names"]

C = TypeVar("C")

_PAIRS, _TUPLE, _SET, _FROZENSET, _INTEGER, _TIME, _CLASS, _TEXT = range(1, 9)
_LEAST, _MOST = -(2**63), 2**64 - 1

_CLASSES: dict[str, type] = {}
_NAMES: dict[type, str] = {}


class NotStorable(TypeError):
    """A value in the state that cannot be written into a snapshot."""


def stored(name: str) -> Callable[[type[C]], type[C]]:
    """Let a journal store values of this class that custom handlers keep in ``extra``.

    A class decorator for attrs classes, dataclasses, :class:`msgspec.Struct` and enums. ``name``
    identifies the class in snapshots: keep it when you rename the class. Values are read by the
    names of their fields; unknown ones are ignored and missing ones get their default.

    Raises ``ValueError`` if the name is in use, and ``TypeError`` for a class of another kind.
    """

    def register(cls: type[C]) -> type[C]:
        known = attrs.has(cls) or hasattr(cls, "__dataclass_fields__")
        if not known and not issubclass(cls, (msgspec.Struct, enum.Enum)):
            message = f"{cls.__name__} is not an attrs class, dataclass, msgspec.Struct or enum"
            raise TypeError(message)
        if name in _CLASSES:
            message = f"the name {name!r} already stands for {_CLASSES[name].__name__}"
            raise ValueError(message)
        _CLASSES[name] = cls
        _NAMES[cls] = name
        return cls

    return register


def stored_names() -> tuple[str, ...]:
    """The names of all stored classes."""
    return tuple(sorted(_CLASSES))


class PlainValues:
    """Packs values of any kind for msgpack and unpacks them.

    ``converter`` unstructures registered classes. ``canonical``: mappings are written in the
    order of their packed keys, so equal mappings have equal bytes.
    """

    def __init__(self, converter: cattrs.BaseConverter, *, canonical: bool) -> None:
        self._converter = converter
        self._canonical = canonical
        order: Any = "deterministic" if canonical else None
        self.encode: Final = msgspec.msgpack.Encoder(order=order).encode
        self._decode = msgspec.msgpack.Decoder(ext_hook=self._restore).decode

    def decode(self, data: bytes) -> Any:
        """Decode the result of :attr:`encode` on packed values."""
        return self._decode(data)

    def pack(self, value: Any) -> Any:
        """Return a value that msgpack can encode. Raises :class:`NotStorable`."""
        cls = value.__class__
        if cls is str:
            return value if value.isascii() else self._text(value)
        if value is None or cls is bool or cls is float or cls is bytes:
            return value
        if cls is int:
            return value if _LEAST <= value <= _MOST else self._ext(_INTEGER, str(value))
        if cls is list:
            return [self.pack(item) for item in value]
        if cls is tuple:
            return self._ext(_TUPLE, [self.pack(item) for item in value])
        return self._pack_other(value, cls)

    def _pack_other(self, value: Any, cls: type) -> Any:
        if cls in _NAMES:
            return self._ext(_CLASS, [_NAMES[cls], self._converter.unstructure(value, cls)])
        if isinstance(value, Mapping):
            return self._mapping(cast("Any", value))
        if isinstance(value, datetime):
            return self._ext(_TIME, value.isoformat())
        if isinstance(value, (set, frozenset)):
            items = [self.pack(item) for item in cast("Iterable[Any]", value)]
            return self._ext(_SET if cls is set else _FROZENSET, sorted(items, key=self.encode))
        message = f"a value of {cls.__name__}: register the class with realtime_trio.stored"
        raise NotStorable(message)

    def _text(self, value: str) -> Any:
        try:
            value.encode()
        except UnicodeEncodeError:
            return self._ext(_TEXT, value.encode("utf-8", "surrogatepass"))
        return value

    def _mapping(self, value: Mapping[Any, Any]) -> Any:
        if all(key.__class__ is str for key in value):
            packed = {self.pack(key): self.pack(item) for key, item in value.items()}
            if all(key.__class__ is str for key in packed):
                return packed
        return self._ext(_PAIRS, self.pairs(value.items()))

    def pairs(self, items: Iterable[tuple[Any, Any]]) -> list[Any]:
        """Return keys with their values, packed."""
        packed = [[self.pack(key), self.pack(item)] for key, item in items]
        return sorted(packed, key=self.encode) if self._canonical else packed

    def _ext(self, code: int, value: Any) -> msgspec.msgpack.Ext:
        return msgspec.msgpack.Ext(code, self.encode(value))

    def _restore(self, code: int, data: memoryview) -> Any:
        value = self._decode(bytes(data))
        match code:
            case 2:  # of a tuple
                return tuple(value)
            case 1:  # of pairs
                restored: dict[Any, Any] = dict(value)
                return restored
            case 8:  # of text with halves of surrogate pairs
                return value.decode("utf-8", "surrogatepass")
            case _:
                return self._restore_rare(code, value)

    def _restore_rare(self, code: int, value: Any) -> Any:
        makers: dict[int, Callable[[Any], Any]] = {
            _SET: set,
            _FROZENSET: frozenset,
            _INTEGER: int,
            _TIME: datetime.fromisoformat,
            _CLASS: self._restore_class,
        }
        if code not in makers:
            message = f"a value of the unknown kind {code}"
            raise NotStorable(message)
        return makers[code](value)

    def _restore_class(self, value: Any) -> Any:
        name: Any
        fields: Any
        name, fields = value
        if name not in _CLASSES:
            message = f"no class is registered as {name!r}"
            raise NotStorable(message)
        return cast("Any", self._converter).structure(fields, _CLASSES[name])
