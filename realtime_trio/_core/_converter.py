"""The one description of how JSON becomes typed values: a cattrs converter.

It is strict where cattrs is lenient by default: a number is no text, an object is no list,
``true`` is no integer. It is lenient where real servers are careless: fields that nobody
knows are ignored, and null stands for the default in the fields of a record that do not
identify it (protocol.md §6).
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union, cast, get_args, get_origin

import attrs
import cattrs
from cattrs import AttributeValidationNote, IterableValidationError, IterableValidationNote
from cattrs.gen import make_dict_structure_fn

from ..events import (
    AgentCatalogEntry,
    RenderMediaEvent,
    Tool,
    ToolCall,
    ToolResult,
)
from ..events import _models as models  # pyright: ignore[reportPrivateUsage]
from ..events._json import Mismatch, describe
from .vendors._normalise import normalise_tool_call, normalise_tool_result

__all__ = ["explain", "make_converter"]

Hook = Callable[[Any, Any], Any]


def _text(value: Any, _: Any) -> Any:
    if type(value) is not str:
        raise Mismatch("string", describe(value))
    return value


def _integer(value: Any, _: Any) -> Any:
    if type(value) is not int:
        raise Mismatch("integer", describe(value))
    return value


def _boolean(value: Any, _: Any) -> Any:
    if type(value) is not bool:
        raise Mismatch("boolean", describe(value))
    return value


def _number(value: Any, _: Any) -> float:
    if type(value) not in (int, float):
        raise Mismatch("number", describe(value))
    return float(value)


def _object(value: Any, _: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Mismatch("object", describe(value))
    return cast("Mapping[str, Any]", value)


def _text_or_object(value: Any, _: Any) -> Any:
    if value is not None and type(value) is not str and not isinstance(value, dict):
        raise Mismatch("string, object or null", describe(value))
    return cast("Any", value)


def _is_array_type(tp: Any) -> bool:
    return get_origin(tp) in (list, tuple)


def _is_object_type(tp: Any) -> bool:
    return tp in (Mapping[str, Any], dict[str, Any])


def _is_text_or_object_type(tp: Any) -> bool:
    return bool(tp == str | Mapping[str, Any] | None)


def _array_hook(tp: Any, converter: cattrs.Converter) -> Hook:
    make: Callable[[list[Any]], Any] = get_origin(tp)
    element = get_args(tp)[0]
    hook = converter.get_structure_hook(element)

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise Mismatch("array", describe(value))
        made: list[Any] = []
        for i, item in enumerate(cast("list[Any]", value)):
            try:
                made.append(hook(item, element))
            except Exception as exc:
                note = IterableValidationNote("", i, element)
                exc.__notes__ = [*getattr(exc, "__notes__", ()), note]
                raise cast("Any", IterableValidationError)("", [exc], tp) from None
        return make(made)

    return structure


def _is_literal(tp: Any) -> bool:
    return get_origin(tp) is Literal


def _literal_hook(tp: Any, _: cattrs.Converter) -> Hook:
    choices = get_args(tp)
    expected = "one of " + ", ".join(repr(choice) for choice in choices)

    def structure(value: Any, _: Any) -> Any:
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            got = "another string" if type(value) is str else describe(value)
            raise Mismatch(expected, got)
        return value

    return structure


def _optional(tp: Any) -> bool:
    if get_origin(tp) in (Union, types.UnionType):
        return type(None) in get_args(tp)
    return tp is Any


def _prepare_media(raw: dict[str, Any]) -> dict[str, Any]:
    if "content_type" not in raw and "content-type" in raw:
        return {**raw, "content_type": raw["content-type"]}
    return raw


def _prepare_agent(raw: dict[str, Any]) -> dict[str, Any]:
    if raw.get("tools") is None and "toolsets" in raw:
        return {**raw, "tools": raw["toolsets"]}
    return raw


def _prepare_tool(raw: dict[str, Any]) -> dict[str, Any]:
    schemas = raw.get("schemas")
    if isinstance(schemas, dict):
        return {**raw, "schemas": [cast("dict[str, Any]", schemas)]}
    return raw


# What some servers write otherwise is put into the form that the class describes.
_PREPARE: dict[type, Callable[[dict[str, Any]], dict[str, Any]]] = {
    RenderMediaEvent: _prepare_media,
    AgentCatalogEntry: _prepare_agent,
    Tool: _prepare_tool,
}
_RECORDS = frozenset(cast("type", getattr(models, name)) for name in models.__all__)


def _class_hook(cls: type[Any], converter: cattrs.Converter) -> Hook:
    base = make_dict_structure_fn(
        cls,
        converter,
        _cattrs_detailed_validation=True,
        _cattrs_forbid_extra_keys=False,
        _cattrs_use_linecache=False,
    )
    attrs.resolve_types(cls)
    prepare = _PREPARE.get(cls)
    null_is_default = (
        frozenset(
            field.name
            for field in attrs.fields(cls)
            if field.default is not attrs.NOTHING and not _optional(field.type)
        )
        if cls in _RECORDS
        else frozenset[str]()
    )

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise Mismatch("object", describe(value))
        raw = cast("dict[str, Any]", value)
        if null_is_default:
            raw = {k: v for k, v in raw.items() if v is not None or k not in null_is_default}
        return base(prepare(raw) if prepare is not None else raw, cls)

    return structure


@functools.cache
def make_converter() -> cattrs.Converter:
    """Give the one converter. Classes are looked at when the first value of them comes."""
    converter = cattrs.Converter(detailed_validation=True, forbid_extra_keys=False)
    converter.register_structure_hook_factory(attrs.has, _class_hook)
    converter.register_structure_hook_factory(_is_array_type, _array_hook)
    converter.register_structure_hook_factory(_is_literal, _literal_hook)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(int, _integer)
    converter.register_structure_hook(bool, _boolean)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook_func(_is_object_type, _object)
    converter.register_structure_hook_func(_is_text_or_object_type, _text_or_object)
    converter.register_structure_hook(ToolCall, lambda raw, _: normalise_tool_call(raw))
    converter.register_structure_hook(ToolResult, lambda raw, _: normalise_tool_result(raw))
    return converter


_TYPE_NAMES: dict[Any, str] = {str: "string", int: "integer", bool: "boolean", float: "number"}


def _expected(tp: Any) -> str:
    if tp in _TYPE_NAMES:
        return _TYPE_NAMES[tp]
    return "array" if _is_array_type(tp) else "object"


def explain(error: BaseException) -> tuple[str, str, str]:
    """Where in a value the first fault is, what was expected there and what came."""
    path = "$"
    expected_type: Any = None
    while True:
        for note in getattr(error, "__notes__", ()):
            if isinstance(note, AttributeValidationNote):
                path, expected_type = f"{path}.{note.name}", note.type
            elif isinstance(note, IterableValidationNote):
                path, expected_type = f"{path}[{note.index}]", note.type
        if not isinstance(error, BaseExceptionGroup):
            break
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    if isinstance(error, Mismatch):
        return path + error.path, error.expected, error.got
    if isinstance(error, KeyError):
        return path, _expected(expected_type), "nothing"
    return path, "a valid value", "one that is not"
