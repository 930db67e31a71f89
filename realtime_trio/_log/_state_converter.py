"""The converter between slices and plain values, for snapshots and for digests.

Fields are matched by name: a reader ignores unknown ones and uses the defaults of missing ones.
Derived values and values that only define an order are left out of a digest (``canonical``).
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, cast, get_args, get_origin

import attrs
import cattrs
import msgspec

from .._core._audio_format import AudioFormat
from .._core._messages import (
    Content,
    ImagePart,
    Message,
    Part,
    PlaceholderPart,
    TextPart,
    ToolResultPart,
    ToolUsePart,
)
from .._core._recency import Recency
from .._core._records import EMPTY
from .._core._table import Table
from .._core._values import Log, Recent, Rope
from ..events import AgentConfiguration, ToolCall, ToolResult, User, Voice
from ._plain_values import PlainValues, stored

__all__ = ["StateConverter"]

# The time at which something became known is ignored when two states are compared.
_ORDER_ONLY: Final = frozenset({"now", "tick", "touched"})
_PARTS: Final = {
    cls.type: cls for cls in (TextPart, ImagePart, ToolUsePart, ToolResultPart, PlaceholderPart)
}
_OPEN: Final = (Any, Hashable, object)

# Classes of the library in keys, and those that handlers are likely to keep.
for _cls in (AudioFormat, Message, ToolCall, ToolResult, AgentConfiguration, User, Voice):
    stored(f"realtime_trio.{_cls.__name__}")(_cls)


def _is_struct(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, msgspec.Struct)


def _is_open(cls: Any) -> bool:
    """Whether a type does not specify its contents."""
    if cls in _OPEN:
        return True
    return _is_mapping(cls) and any(_is_open(arg) for arg in get_args(cls))


def _is_mapping(cls: Any) -> bool:
    return get_origin(cls) in (Mapping, dict)


class StateConverter:
    """Unstructures slices into values that msgpack can encode, and structures them again.

    Raises :class:`~realtime_trio._log._plain_values.NotStorable` for a value of ``extra`` that
    is neither like JSON nor of a registered class.

    ``pieces``: items of long containers become bytes one by one. :meth:`dump` gives the same, but
    there are never many thousands of new lists and mappings at the same time, for which the
    garbage collector of the whole process would search everything.
    """

    def __init__(self, *, canonical: bool, pieces: bool = False) -> None:
        self._canonical = canonical
        self._pieces = pieces
        self._converter = cattrs.Converter()
        self.plain: PlainValues = PlainValues(self._converter, canonical=canonical)
        self._register()

    def dump(self, value: object) -> bytes:
        """Encode a struct or a value of an attrs class."""
        return self.plain.encode(self.take_apart(value))

    def load(self, data: bytes, cls: type[Any]) -> Any:
        """Decode it again."""
        return self._converter.structure(self.plain.decode(data), cls)

    def take_apart(self, value: object) -> Any:
        """What :meth:`dump` encodes: lists, mappings, plain values and msgpack's extensions."""
        return self._converter.unstructure(value, type(value))

    def _register(self) -> None:
        converter = self._converter
        converter.register_unstructure_hook(Rope, str)
        converter.register_structure_hook(Rope, lambda text, _: Rope.of(text))
        converter.register_unstructure_hook(datetime, datetime.isoformat)
        converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
        converter.register_unstructure_hook_func(_is_bytes, _same)
        converter.register_structure_hook_func(_is_bytes, lambda value, _: value)
        converter.register_unstructure_hook_factory(_is_struct, self._struct_out)
        converter.register_structure_hook_factory(_is_struct, self._struct_in)
        converter.register_unstructure_hook_factory(_is_generic(Log), self._log_out)
        converter.register_structure_hook_factory(_is_generic(Log), self._log_in)
        converter.register_unstructure_hook_factory(_is_generic(Recent), self._recent_out)
        converter.register_structure_hook_factory(_is_generic(Recent), self._recent_in)
        converter.register_unstructure_hook_factory(_is_generic(Table), self._table_out)
        converter.register_structure_hook_factory(_is_generic(Table), self._table_in)
        converter.register_unstructure_hook_factory(_is_generic(Sequence), self._sequence_out)
        converter.register_structure_hook_factory(_is_generic(Sequence), self._sequence_in)
        # It is derived from the records, and computed again on demand.
        converter.register_unstructure_hook(Recency, lambda _: None)
        converter.register_structure_hook(Recency, lambda _, __: Recency.without_heap())
        converter.register_unstructure_hook_factory(_is_mapping, self._mapping_out)
        converter.register_structure_hook_factory(_is_mapping, self._mapping_in)
        converter.register_unstructure_hook_func(_is_open, self.plain.pack)
        converter.register_structure_hook_func(_is_open, _restored)
        converter.register_unstructure_hook_func(_is(Part), self._part_out)
        converter.register_structure_hook_func(_is(Part), self._part_in)
        converter.register_unstructure_hook_func(_is(Content), self._content_out)
        converter.register_structure_hook_func(_is(Content), self._content_in)
        if self._canonical:
            converter.register_unstructure_hook_factory(attrs.has, self._compared_out)

    def _compared_out(self, cls: Any) -> Callable[[Any], Any]:
        """Unstructure only the fields of an attrs class that count in comparisons."""
        attrs.resolve_types(cls)
        fields = [field for field in attrs.fields(cls) if field.eq]
        hook_of = self._converter.get_unstructure_hook
        hooks = [(field.name, hook_of(field.type)) for field in fields]

        def unstructure(value: Any) -> Any:
            return {name: hook(getattr(value, name)) for name, hook in hooks}

        return unstructure

    # -- structs ---------------------------------------------------------------------------

    def _fields(self, cls: Any) -> list[tuple[str, Any]]:
        hints = typing.get_type_hints(cls)
        names = cls.__struct_fields__
        if self._canonical:
            names = [name for name in names if name not in _ORDER_ONLY]
        return [(name, hints[name]) for name in names]

    def _struct_out(self, cls: Any) -> Callable[[Any], Any]:
        hooks: list[tuple[str, Callable[[Any], Any]]] = []
        for name, hint in self._fields(cls):
            # A lone surrogate: the one text in the state that is not UTF-8.
            half = name == "half"
            hooks.append((name, _half if half else self._converter.get_unstructure_hook(hint)))

        def unstructure(value: Any) -> Any:
            return {name: hook(getattr(value, name)) for name, hook in hooks}

        return unstructure

    def _struct_in(self, cls: Any) -> Callable[[Any, Any], Any]:
        hooks: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {}
        for name, hint in self._fields(cls):
            if name == "half":
                hooks[name] = (_whole_half, hint)
            else:
                hooks[name] = (self._converter.get_structure_hook(hint), hint)

        def structure(value: Any, _: Any) -> Any:
            fields: dict[str, Any] = {}
            for name, raw in value.items():
                if name in hooks:
                    hook, hint = hooks[name]
                    fields[name] = hook(raw, hint)
            return cls(**fields)

        return structure

    # -- containers ------------------------------------------------------------------------

    def _item_out(self, cls: Any) -> Callable[[Any], Any]:
        """Return what unstructures the items of a container."""
        hook = self._converter.get_unstructure_hook(cls)
        if not self._pieces:
            return hook
        encode = self.plain.encode
        return lambda item: msgspec.Raw(encode(hook(item)))

    def _log_out(self, cls: Any) -> Callable[[Any], Any]:
        (item_type,) = get_args(cls)
        hook = self._item_out(item_type)
        if self._canonical:
            return lambda log: [hook(item) for item in log]
        return lambda log: [log.dropped, [hook(item) for item in log]]

    def _log_in(self, cls: Any) -> Callable[[Any, Any], Any]:
        (item_type,) = get_args(cls)
        hook = self._converter.get_structure_hook(item_type)

        def structure(value: Any, _: Any) -> Any:
            dropped, items = value
            return Log[Any].restored([hook(item, item_type) for item in items], dropped)

        return structure

    def _recent_out(self, cls: Any) -> Callable[[Any], Any]:
        _, value_type = get_args(cls)
        hook = self._item_out(value_type)
        pack = self.plain.pack
        if self._canonical:
            return lambda recent: [[pack(key), hook(item)] for key, item in recent.items()]
        return lambda recent: [
            recent.limit,
            [[pack(key), hook(item)] for key, item in recent.items()],
        ]

    def _recent_in(self, cls: Any) -> Callable[[Any, Any], Any]:
        _, value_type = get_args(cls)
        hook = self._converter.get_structure_hook(value_type)

        def structure(value: Any, _: Any) -> Any:
            limit, items = value
            pairs = [(key, hook(item, value_type)) for key, item in items]
            return Recent[Any, Any].restored(pairs, limit)

        return structure

    def _table_out(self, cls: Any) -> Callable[[Any], Any]:
        _, value_type = get_args(cls)
        hook = self._item_out(value_type)
        if self._canonical:  # keys do not count when two tables are compared
            return lambda table: [hook(item) for item in table]
        pack = self.plain.pack
        return lambda table: [
            [pack(key), hook(item)] for key, item in zip(*table.columns(), strict=True)
        ]

    def _table_in(self, cls: Any) -> Callable[[Any, Any], Any]:
        _, value_type = get_args(cls)
        hook = self._converter.get_structure_hook(value_type)

        def structure(value: Any, _: Any) -> Any:
            return Table[Any, Any]([(key, hook(item, value_type)) for key, item in value])

        return structure

    def _sequence_out(self, cls: Any) -> Callable[[Any], Any]:
        (item_type,) = get_args(cls)
        hook = self._converter.get_unstructure_hook(item_type)
        return lambda items: [hook(item) for item in items]

    def _sequence_in(self, cls: Any) -> Callable[[Any, Any], Any]:
        (item_type,) = get_args(cls)
        hook = self._converter.get_structure_hook(item_type)
        return lambda items, _: tuple(hook(item, item_type) for item in items)

    def _mapping_out(self, cls: Any) -> Callable[[Any], Any]:
        key_type, value_type = get_args(cls)
        hook = self._converter.get_unstructure_hook(value_type)
        if key_type is str:
            return lambda mapping: {key: hook(item) for key, item in mapping.items()}
        pack, encode = self.plain.pack, self.plain.encode

        def unstructure(mapping: Any) -> Any:
            pairs = [[pack(key), hook(item)] for key, item in mapping.items()]
            return sorted(pairs, key=encode) if self._canonical else pairs

        return unstructure

    def _mapping_in(self, cls: Any) -> Callable[[Any, Any], Any]:
        _, value_type = get_args(cls)
        hook = self._converter.get_structure_hook(value_type)

        def structure(value: Any, _: Any) -> Any:
            items: Any = cast("Any", value).items() if isinstance(value, dict) else value
            made = {key: hook(item, value_type) for key, item in items}
            return MappingProxyType(made) if made else EMPTY

        return structure

    # -- messages --------------------------------------------------------------------------

    def _part_out(self, part: Any) -> Any:
        return [part.type, self._converter.unstructure(part, type(part))]

    def _part_in(self, value: Any, _: Any) -> Any:
        kind, fields = value
        return self._converter.structure(fields, _PARTS[kind])

    def _content_out(self, content: Any) -> Any:
        return content if isinstance(content, str) else [self._part_out(part) for part in content]

    def _content_in(self, value: Any, _: Any) -> Any:
        if isinstance(value, str):
            return value
        return tuple(self._part_in(part, Part) for part in value)


def _is(wanted: Any) -> Callable[[Any], bool]:
    return lambda cls: cls == wanted


def _is_generic(wanted: type) -> Callable[[Any], bool]:
    return lambda cls: get_origin(cls) is wanted


def _is_bytes(cls: Any) -> bool:
    return cls is bytes


def _same(value: Any) -> Any:
    return value


def _restored(value: Any, cls: Any) -> Any:
    """Structure a value of any kind. Values in ``extra`` are read only, as handlers leave them."""
    if _is_mapping(cls) and get_args(cls)[0] is Any:
        return MappingProxyType(cast("dict[Any, Any]", value)) if value else EMPTY
    return value


def _half(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _whole_half(data: bytes, _: Any) -> str:
    return data.decode("utf-8", "surrogatepass")
