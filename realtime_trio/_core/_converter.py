"""The cattrs converter: the single description of how JSON becomes typed values.

It is strict where cattrs is lenient: a number is not a string, an object is not a list, ``true`` is
not an integer. Server events are decoded leniently (protocol.md §2 L1-L3), as the classes define
it: a field without a default is required; any other field takes its default when it is missing,
null or ill-typed; an invalid list entry is skipped. Skipped parts are recorded (see ``_leniency``).
Client events are decoded strictly: any fault rejects the event. Server events are first tried
strictly as well.
"""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union, cast, get_args, get_origin

import attrs
import cattrs
from cattrs import AttributeValidationNote, IterableValidationNote

from ..events import AgentCatalogEntry, RenderMediaEvent, Tool, ToolCall, ToolResult
from ..events._json import INT_MAX, INT_MIN, Mismatch, check_json, describe, is_shareable
from ._leniency import SkippedPaths, current
from ._scalars import (
    SESSION_IDS,
    TIMES,
    read_anything,
    read_boolean,
    read_integer,
    read_number,
    read_object,
    read_session_id,
    read_text,
    read_text_or_object,
    read_time,
)
from ._tool_shapes import normalise_tool_call, normalise_tool_result

__all__ = ["explain", "make_converter"]

Hook = Callable[[Any, Any], Any]
_MISSING: Any = object()


# -- types ---------------------------------------------------------------------------------


def _is_array_type(tp: Any) -> bool:
    return get_origin(tp) in (list, tuple)


def _is_object_type(tp: Any) -> bool:
    return tp in (Mapping[str, Any], dict[str, Any])


def _is_text_or_object_type(tp: Any) -> bool:
    return bool(tp == str | Mapping[str, Any] | None)


def _is_union(tp: Any) -> bool:
    return get_origin(tp) in (Union, types.UnionType)


def _is_open_enum(tp: Any) -> bool:
    """Whether this is a string type with some known values: an open enum (§2 L3)."""
    if not _is_union(tp):
        return False
    args = get_args(tp)
    return str in args and all(arg is str or get_origin(arg) is Literal for arg in args)


def _is_literal(tp: Any) -> bool:
    return get_origin(tp) is Literal


def _takes_null(tp: Any) -> bool:
    return type(None) in get_args(tp) if _is_union(tp) else tp is Any


def _literal_hook(tp: Any, _: cattrs.Converter) -> Hook:
    choices = get_args(tp)
    expected = "one of " + ", ".join(repr(choice) for choice in choices)

    def structure(value: Any, _: Any) -> Any:
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            got = "another string" if type(value) is str else describe(value)
            raise Mismatch(expected, got)
        return value

    return structure


# -- lists ---------------------------------------------------------------------------------


def _array_hook(tp: Any, converter: cattrs.Converter) -> Hook:
    make: Callable[[list[Any]], Any] = get_origin(tp)
    element = get_args(tp)[0]
    hook = converter.get_structure_hook(element)
    free_form = element is Any or _is_object_type(element)
    same = {_exact_class(element)}

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise Mismatch("array", describe(value))
        items = cast("list[Any]", value)
        skipped = current()
        if (element is Any or {*map(type, items)} <= same) and (
            element is str or (free_form and (skipped is None or is_shareable(items)))
        ):
            return make(items)  # nearly every list
        if skipped is None:
            return make([_entry(hook, element, item, i) for i, item in enumerate(items)])
        read: list[Any] = []
        skipped.push("[]")
        for item in items:
            try:
                read.append(
                    _shareable(hook(item, element), skipped) if free_form else hook(item, element)
                )
            except Exception:  # any error of a class's validators counts as a rejection
                skipped.add("")
        skipped.pop()
        return make(read)

    return structure


def _entry(hook: Hook, element: Any, item: Any, index: int) -> Any:
    try:
        return hook(item, element)
    except Exception as exc:
        raise _mismatch(exc, f"[{index}]", element) from None


def _shareable(item: Any, skipped: SkippedPaths) -> Any:
    """Return a free-form entry, with numbers that not every JSON parser accepts set to null."""
    try:
        check_json(item)
    except Mismatch:
        skipped.add("")
        return _without_unsupported_numbers(item)
    return item


def _without_unsupported_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: _without_unsupported_numbers(inner) for name, inner in fields.items()}
    if isinstance(value, list):
        return [_without_unsupported_numbers(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    odd = (type(value) is int and not INT_MIN <= value <= INT_MAX) or (
        type(value) is float and not math.isfinite(value)
    )
    return None if odd else value


# -- classes -------------------------------------------------------------------------------


def _prepare_media(raw: dict[str, Any]) -> dict[str, Any]:
    if raw.get("content_type") is None and "content-type" in raw:
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


# Variants that some servers send are converted to the form that the class describes.
_PREPARE: dict[type, Callable[[dict[str, Any]], dict[str, Any]]] = {
    RenderMediaEvent: _prepare_media,
    AgentCatalogEntry: _prepare_agent,
    Tool: _prepare_tool,
}


def _exact_class(tp: Any) -> type | None:
    """Return the class whose values are accepted unchanged, if there is one."""
    if _is_union(tp):
        found = {_exact_class(arg) for arg in get_args(tp) if arg is not type(None)}
        return found.pop() if len(found) == 1 else None
    if get_origin(tp) is Literal:
        return None
    if _is_object_type(tp):
        return dict
    return tp if tp in (str, int, bool) else None


@attrs.frozen(slots=True)
class _Field:
    """A field of a class: how it is decoded and what a fault in it means."""

    name: str
    argument: str
    type: Any
    hook: Hook
    required: bool
    decisive: bool  # an ill-typed value rejects the whole object
    takes_null: bool
    exact: type | None


def _field(field: attrs.Attribute[Any], converter: cattrs.Converter) -> _Field:
    is_text = field.type is str or field.type == str | None
    if is_text and field.name in SESSION_IDS:
        hook: Hook = read_session_id
    elif is_text and field.name in TIMES:
        hook = read_time
    elif field.type is None:
        hook = read_anything
    else:
        hook = converter.get_structure_hook(field.type)
    required = field.default is attrs.NOTHING
    return _Field(
        name=field.name,
        argument=field.alias or field.name,
        type=field.type,
        hook=hook,
        required=required,
        # An event's session is never guessed either (§2 L2).
        decisive=required
        or (hook is read_session_id and field.name == "session_id")
        or "never_guessed" in field.metadata,
        takes_null=_takes_null(field.type),
        exact=str if _is_open_enum(field.type) else _exact_class(field.type),
    )


def _class_hook(cls: type[Any], converter: cattrs.Converter) -> Hook:
    attrs.resolve_types(cls)
    prepare = _PREPARE.get(cls)
    fields = tuple(_field(each, converter) for each in attrs.fields(cls) if each.init)
    rows = [(each.name, each.argument, each.exact, each.takes_null, each) for each in fields]
    optional = frozenset(field.argument for field in fields if not field.required)

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise Mismatch("object", describe(value))
        raw = cast("dict[str, Any]", value)
        if prepare is not None:
            raw = prepare(raw)
        skipped = current()
        whole = skipped is None or not skipped.cut
        arguments: dict[str, Any] = {}
        for name, argument, exact, takes_null, field in rows:
            item = raw.get(name, _MISSING)
            if item is _MISSING or (item is None and not takes_null):
                if field.required or (skipped is None and item is None):
                    got = "nothing" if item is _MISSING else "null"
                    raise Mismatch(_expected(field.type), got, f".{name}")
            elif type(item) is exact and (whole or exact is not dict):
                arguments[argument] = item
            elif item is None:
                arguments[argument] = None
            elif skipped is None:
                arguments[argument] = _strictly(field, item)
            else:
                _read_leniently(field, item, arguments, skipped)
        try:
            return cls(**arguments)
        except Exception:
            if skipped is None or not optional & arguments.keys():
                raise
        return _build_without_invalid(cls, fields, arguments, skipped)

    return structure


def _strictly(field: _Field, value: Any) -> Any:
    try:
        return field.hook(value, field.type)
    except Exception as exc:
        raise _mismatch(exc, f".{field.name}", field.type) from None


def _read_leniently(
    field: _Field, value: Any, arguments: dict[str, Any], skipped: SkippedPaths
) -> None:
    """Decode a field. An ill-typed value is replaced by the field's default, if it has one."""
    skipped.push(f".{field.name}")
    try:
        arguments[field.argument] = field.hook(value, field.type)
    except Exception as exc:  # any error of a class's validators counts as a rejection
        if field.decisive:
            raise _mismatch(exc, f".{field.name}", field.type) from None
        skipped.add("")
    finally:
        skipped.pop()


def _build_without_invalid(
    cls: type[Any], fields: tuple[_Field, ...], arguments: dict[str, Any], skipped: SkippedPaths
) -> Any:
    """Build a value without the fields that a validator rejects.

    Raises the validator's error if the field is required.
    """
    taken = {each.argument: arguments[each.argument] for each in fields if each.required}
    made = cls(**taken)
    for field in fields:
        if field.argument in arguments and not field.required:
            try:
                made = cls(**taken, **{field.argument: arguments[field.argument]})
            except Exception:
                skipped.add(f".{field.name}")
            else:
                taken[field.argument] = arguments[field.argument]
    return made


# -- the converter -------------------------------------------------------------------------


def _tool_call(raw: Any, _: Any) -> ToolCall:
    skipped = current()
    return normalise_tool_call(raw, _refuse if skipped is None else skipped.add)


def _tool_result(raw: Any, _: Any) -> ToolResult:
    skipped = current()
    return normalise_tool_result(raw, _refuse if skipped is None else skipped.add)


def _refuse(path: str) -> None:
    raise Mismatch("another value", "this one", path)


@functools.cache
def make_converter() -> cattrs.Converter:
    """Create the converter. A class is inspected when its first value is decoded."""
    converter = cattrs.Converter(detailed_validation=True, forbid_extra_keys=False)
    converter.register_structure_hook_factory(attrs.has, _class_hook)
    converter.register_structure_hook_factory(_is_array_type, _array_hook)
    converter.register_structure_hook_factory(_is_literal, _literal_hook)
    converter.register_structure_hook(str, read_text)
    converter.register_structure_hook(int, read_integer)
    converter.register_structure_hook(bool, read_boolean)
    converter.register_structure_hook(float, read_number)
    converter.register_structure_hook_func(_is_object_type, read_object)
    converter.register_structure_hook_func(_is_open_enum, read_text)
    converter.register_structure_hook_func(_is_text_or_object_type, read_text_or_object)
    converter.register_structure_hook(ToolCall, _tool_call)
    converter.register_structure_hook(ToolResult, _tool_result)
    return converter


_TYPE_NAMES: dict[Any, str] = {str: "string", int: "integer", bool: "boolean", float: "number"}


def _expected(tp: Any) -> str:
    if tp in _TYPE_NAMES:
        return _TYPE_NAMES[tp]
    return "array" if _is_array_type(tp) else "object"


def _mismatch(error: Exception, step: str, tp: Any) -> Mismatch:
    """Return the error for the value at ``step``, whatever its inner error was."""
    path, expected, got = explain(error, tp)
    return Mismatch(expected, got, step + path)


def explain(error: BaseException, expected_type: Any = None) -> tuple[str, str, str]:
    """Return the path of the first fault, the expected value and the actual value.

    A custom type may hold values that only cattrs can decode, so its errors are inspected.
    """
    path = ""
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
    if isinstance(error, KeyError) and expected_type is not None:
        return path, _expected(expected_type), "nothing"
    return path, "a valid value", "one that is not"
