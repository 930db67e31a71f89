"""Wire forms: the struct that the fast decoder parses for each type of event.

A form is generated from the event class, with its fields, types and defaults, and so are the forms
of the records inside it. The forms of values with variants are written out: they read what the
converter's functions read. A form rejects whatever it cannot represent exactly, by raising
``ValueError``.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar, cast

import attrs
import msgspec

from ..events import (
    REGISTRY,
    AgentCatalogEntry,
    RenderMediaEvent,
    ServerEvent,
    TextDeltaEvent,
    ThoughtDeltaEvent,
    Tool,
    ToolCall,
    ToolResult,
)
from ..events._json import INT_MAX, INT_MIN, base64_text, int64, not_empty
from ..events._registry import Direction
from ._json_shapes import fits_64_bits
from ._tool_shapes import (
    arguments_of,
    call_type,
    make_tool_call,
    make_tool_result,
    result_text,
)
from ._unchecked import constructor_from_wire, unchecked_constructor

__all__ = ["Reader", "wire_forms"]

Reader: TypeAlias = Callable[[Any], ServerEvent]
_Make: TypeAlias = Callable[[Any], Any]
_T = TypeVar("_T")

# A delta is its own form.
_DELTAS = (TextDeltaEvent, ThoughtDeltaEvent)


def _shareable(value: _T) -> _T:
    """Return JSON that every parser can read; reject other JSON."""
    if value and not fits_64_bits(value):
        raise ValueError
    return value


def _fits(value: int | None) -> int | None:
    if value and not INT_MIN <= value <= INT_MAX:
        raise ValueError
    return value


# -- values with variants ------------------------------------------------------------------


class _WireCall(msgspec.Struct, kw_only=True, gc=False):
    """A call. The converter handles a vendor's record around its name and arguments."""

    id: str
    name: str
    input: dict[str, Any] | str | None = None
    arguments: dict[str, Any] | str | None = None
    type: str | None = None
    function: None = None
    custom: None = None


def _call(wire: _WireCall) -> ToolCall:
    given = wire.input
    whole = given.__class__ is dict
    if given is None:
        given = wire.arguments
    if isinstance(given, str):
        arguments: Mapping[str, Any] = arguments_of(given)
    else:
        arguments = _shareable(given or {})
    return make_tool_call(
        id=wire.id, name=wire.name, input=arguments, type=call_type(wire.type, whole=whole)
    )


class _WireResult(msgspec.Struct, kw_only=True, gc=False):
    """A result. Vendors name its call differently, and its content has many forms."""

    tool_use_id: str | msgspec.UnsetType = msgspec.UNSET
    tool_call_id: Any = None
    content: Any = None
    is_error: bool | None = None
    type: Any = None


def _result(wire: _WireResult) -> ToolResult:
    call_id = wire.tool_use_id
    if call_id is msgspec.UNSET:
        call_id = wire.tool_call_id
    if not isinstance(call_id, str):
        raise ValueError
    return make_tool_result(
        tool_use_id=call_id,
        content=result_text(wire.content),
        is_error=wire.is_error or False,
        type=wire.type if isinstance(wire.type, str) else "tool_result",
    )


class _WireTool(msgspec.Struct, kw_only=True, gc=False):
    """A tool of the catalogue. Some servers send one schema that is not in a list."""

    name: str
    description: str = ""
    schemas: list[dict[str, Any]] | dict[str, Any] | None = None


_make_tool = unchecked_constructor(Tool)


def _tool(wire: _WireTool) -> Tool:
    schemas = _shareable(wire.schemas)
    listed = (schemas,) if isinstance(schemas, dict) else tuple(schemas or ())
    return _make_tool(name=wire.name, description=wire.description, schemas=listed)


class _WireAgent(msgspec.Struct, kw_only=True, gc=False):
    """An entry of the catalogue of agents. Real servers call its tools ``toolsets``."""

    key: str
    name: str = ""
    agent_description: str | None = None
    category: tuple[str, ...] = ()
    tools: tuple[str, ...] | None = None
    toolsets: tuple[str, ...] | None = None


_make_agent = constructor_from_wire(AgentCatalogEntry)


def _agent(wire: _WireAgent) -> AgentCatalogEntry:
    if wire.tools is None:
        wire.tools = wire.toolsets or ()
    return _make_agent(wire)


class _RenderMedia(msgspec.Struct, kw_only=True, gc=False, tag=RenderMediaEvent.type):
    """Some servers write ``content-type``."""

    session_id: str = ""
    role: str = "assistant"
    id: Any = None
    parent_session_id: str | None = None
    user_session_id: str | None = None
    content_type: str | None = None
    hyphenated: str | None = msgspec.field(name="content-type", default=None)
    foreign_content: bool = False
    content: str | None = None
    url: str | None = None
    name: str | None = None
    sent_by_class: str | None = None
    sent_by_function: str | None = None


_make_media = constructor_from_wire(RenderMediaEvent)


def _render_media(wire: _RenderMedia) -> RenderMediaEvent:
    if wire.content_type is None:
        hyphenated = wire.hyphenated
        wire.content_type = "text/plain" if hyphenated is None else hyphenated
    return _make_media(wire)


_WRITTEN_OUT: dict[type, tuple[type[msgspec.Struct], _Make]] = {
    ToolCall: (_WireCall, _call),
    ToolResult: (_WireResult, _result),
    Tool: (_WireTool, _tool),
    AgentCatalogEntry: (_WireAgent, _agent),
    RenderMediaEvent: (_RenderMedia, _render_media),
}


# -- generated -----------------------------------------------------------------------------


def _form_of(cls: type, tag: str | None = None) -> tuple[type[msgspec.Struct], _Make]:
    """Return the form of an event or a record, and the function that makes it from its form.

    The function checks what the types of JSON values do not check.
    """
    if cls in _WRITTEN_OUT:
        return _WRITTEN_OUT[cls]
    types = typing.get_type_hints(cls)
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    conversions: dict[str, _Make] = {}
    for field in attrs.fields(cast("type[attrs.AttrsInstance]", cls)):
        kind, convert = _converted(types[field.name]) or (types[field.name], _check_of(field))
        if convert is not None:
            conversions[field.name] = convert
        default: Any = field.default
        if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
            default = msgspec.field(default_factory=default.factory)
        given = () if default is attrs.NOTHING else (default,)
        fields.append((field.name, kind, *given))
    form = msgspec.defstruct(f"_{cls.__name__}", fields, tag=tag, kw_only=True, gc=False)
    return form, constructor_from_wire(cls, conversions)


_record = functools.cache(_form_of)


def _converted(kind: Any) -> tuple[Any, _Make] | None:
    """Return the form of a type that consists of records, and the function that makes these."""
    if attrs.has(kind):
        return _record(kind)
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is tuple:
        if not attrs.has(arguments[0]):
            return None
        form, make = _record(arguments[0])
        return list[form], lambda items: tuple([make(item) for item in items])  # type: ignore[valid-type]
    inner = next(filter(None, map(_converted, arguments)), None)
    if inner is None:
        return None
    form, make = inner
    return form | None, lambda item: None if item is None else make(item)


def _check_of(field: attrs.Attribute[Any]) -> _Make | None:
    validator = field.validator
    if validator is None:
        return None
    if validator is int64:
        return _fits
    if validator not in (base64_text, not_empty):
        return _shareable  # free-form JSON

    def check(value: Any) -> Any:
        validator(None, field, value)
        return value

    return check


def wire_forms() -> dict[type[msgspec.Struct], Reader]:
    """Return the forms of all built-in types except deltas, with the functions that make events.

    A type with several names on the wire has a form for each name.
    """
    rows = [
        row
        for row in REGISTRY
        if row.builtin and Direction.SERVER in row.direction and row.cls not in _DELTAS
    ]
    return dict(_form_of(row.cls, tag) for row in rows for tag in (row.type, *row.aliases))
