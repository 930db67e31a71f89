"""Wire forms: the struct that the fast decoder parses for each type of event.

Most forms are generated from the event class, with its fields, types and defaults. The others are
written out, because their records have variants; the converter's functions read these.
A form rejects whatever it cannot represent exactly, by raising ``ValueError``.
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
    AgentListEvent,
    Event,
    RenderMediaEvent,
    ServerEvent,
    TextDeltaEvent,
    ThoughtDeltaEvent,
    Tool,
    ToolCall,
    ToolCallEvent,
    ToolCatalogEvent,
    ToolResult,
    ToolSelectDeltaEvent,
)
from ..events._json import base64_text, not_empty
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
_T = TypeVar("_T")

# A delta is its own form.
_DELTAS = (TextDeltaEvent, ThoughtDeltaEvent)


def _shareable(value: _T) -> _T:
    """Return JSON that every parser can read; reject other JSON."""
    if value is not None and not fits_64_bits(value):
        raise ValueError
    return value


# -- tools ---------------------------------------------------------------------------------


class _WireCall(msgspec.Struct, kw_only=True, gc=False):
    """A call. The converter handles a vendor's record around its name and arguments."""

    id: str
    name: str
    input: dict[str, Any] | str | None = None
    arguments: dict[str, Any] | str | None = None
    type: str | None = None
    function: None = None
    custom: None = None


def _calls(items: list[_WireCall] | None) -> tuple[ToolCall, ...] | None:
    return None if items is None else tuple([_call(item) for item in items])


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


def _results(items: list[_WireResult] | None) -> tuple[ToolResult, ...] | None:
    return None if items is None else tuple([_result(item) for item in items])


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


class _ToolSelectDelta(msgspec.Struct, kw_only=True, gc=False, tag=ToolSelectDeltaEvent.type):
    session_id: str = ""
    role: str = "assistant"
    id: Any = None
    parent_session_id: str | None = None
    user_session_id: str | None = None
    tool_calls: list[_WireCall] | None = None


_tool_select_event = unchecked_constructor(ToolSelectDeltaEvent)


def _tool_select_delta(wire: _ToolSelectDelta) -> ToolSelectDeltaEvent:
    return _tool_select_event(
        id=wire.id,
        session_id=wire.session_id,
        role=wire.role,
        parent_session_id=wire.parent_session_id,
        user_session_id=wire.user_session_id,
        tool_calls=_calls(wire.tool_calls),
    )


class _ToolCall(msgspec.Struct, kw_only=True, gc=False, tag=ToolCallEvent.type):
    active: bool
    session_id: str = ""
    role: str = "assistant"
    id: Any = None
    parent_session_id: str | None = None
    user_session_id: str | None = None
    vendor: str | None = None
    tool_calls: list[_WireCall] | None = None
    tool_results: list[_WireResult] | None = None


_tool_call_event = unchecked_constructor(ToolCallEvent)


def _tool_call(wire: _ToolCall) -> ToolCallEvent:
    return _tool_call_event(
        id=wire.id,
        session_id=wire.session_id,
        role=wire.role,
        parent_session_id=wire.parent_session_id,
        user_session_id=wire.user_session_id,
        active=wire.active,
        vendor=wire.vendor,
        tool_calls=_calls(wire.tool_calls),
        tool_results=_results(wire.tool_results),
    )


class _WireTool(msgspec.Struct, kw_only=True, gc=False):
    """A tool of the catalogue. Some servers send one schema that is not in a list."""

    name: str
    description: str = ""
    schemas: list[dict[str, Any]] | dict[str, Any] | None = None


class _ToolCatalog(msgspec.Struct, kw_only=True, gc=False, tag=ToolCatalogEvent.type):
    tools: list[_WireTool]
    id: Any = None


_tool = unchecked_constructor(Tool)


def _tool_catalog(wire: _ToolCatalog) -> ToolCatalogEvent:
    tools: list[Tool] = []
    for each in wire.tools:
        schemas = _shareable(each.schemas)
        listed = (schemas,) if isinstance(schemas, dict) else tuple(schemas or ())
        tools.append(_tool(name=each.name, description=each.description, schemas=listed))
    return ToolCatalogEvent(id=wire.id, tools=tuple(tools))


# -- agents and media ----------------------------------------------------------------------


class _WireAgent(msgspec.Struct, kw_only=True, gc=False):
    """An entry of the catalogue of agents. Real servers call its tools ``toolsets``."""

    key: str
    name: str = ""
    agent_description: str | None = None
    category: tuple[str, ...] = ()
    tools: tuple[str, ...] | None = None
    toolsets: tuple[str, ...] | None = None


class _AgentList(msgspec.Struct, kw_only=True, gc=False, tag=AgentListEvent.type):
    agents: list[_WireAgent]
    id: Any = None


_agent = unchecked_constructor(AgentCatalogEntry)


def _agent_list(wire: _AgentList) -> AgentListEvent:
    agents = [
        _agent(
            key=each.key,
            name=each.name,
            agent_description=each.agent_description,
            category=each.category,
            tools=(each.toolsets or ()) if each.tools is None else each.tools,
        )
        for each in wire.agents
    ]
    return AgentListEvent(id=wire.id, agents=tuple(agents))


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


_media_event = constructor_from_wire(RenderMediaEvent)


def _render_media(wire: _RenderMedia) -> RenderMediaEvent:
    if wire.content_type is None:
        hyphenated = wire.hyphenated
        wire.content_type = "text/plain" if hyphenated is None else hyphenated
    return _media_event(wire)


# -- generated -----------------------------------------------------------------------------


_Make: TypeAlias = Callable[[Any], Any]


def _fields(cls: type) -> tuple[attrs.Attribute[Any], ...]:
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(cast("type[attrs.AttrsInstance]", cls))
    return fields


def _form_of(cls: type, tag: str | None = None) -> type[msgspec.Struct]:
    """Generate the form of an event class, or of a record inside an event."""
    types = typing.get_type_hints(cls)
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for field in _fields(cls):
        records = _records_in(types[field.name])
        kind = types[field.name] if records is None else records[0]
        default: Any = field.default
        if default is attrs.NOTHING:
            fields.append((field.name, kind))
            continue
        if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
            default = msgspec.field(default_factory=default.factory)
        fields.append((field.name, kind, default))
    return msgspec.defstruct(f"_{cls.__name__}", fields, tag=tag, kw_only=True, gc=False)


def _reader_of(cls: type) -> _Make:
    """Return the function that makes an event or a record from its form.

    The function checks what the types of JSON values do not check.
    """
    types = typing.get_type_hints(cls)
    conversions: dict[str, _Make] = {}
    for field in _fields(cls):
        records = _records_in(types[field.name])
        if records is not None:
            conversions[field.name] = records[1]
        elif field.validator is not None:
            conversions[field.name] = _check_of(field)
    return constructor_from_wire(cls, conversions)


def _check_of(field: attrs.Attribute[Any]) -> _Make:
    validator = field.validator
    if validator is None or validator not in (base64_text, not_empty):
        return _shareable  # free-form JSON, or an integer

    def check(value: Any) -> Any:
        validator(None, field, value)
        return value

    return check


@functools.cache
def _record(cls: type) -> tuple[type[msgspec.Struct], _Make]:
    return _form_of(cls), _reader_of(cls)


def _records_in(kind: Any) -> tuple[Any, _Make] | None:
    """Return the form of a type that consists of records, and the function that makes these."""
    if attrs.has(kind):
        return _record(kind)
    inner = [each for each in typing.get_args(kind) if attrs.has(each)]
    if not inner:
        return None
    form, make = _record(inner[0])
    if typing.get_origin(kind) is tuple:
        return list[form], lambda items: tuple([make(item) for item in items])  # type: ignore[valid-type]
    return form | None, lambda item: None if item is None else make(item)


_WRITTEN_OUT: dict[type[Event], tuple[type[msgspec.Struct], Reader]] = {
    ToolSelectDeltaEvent: (_ToolSelectDelta, _tool_select_delta),
    ToolCallEvent: (_ToolCall, _tool_call),
    ToolCatalogEvent: (_ToolCatalog, _tool_catalog),
    AgentListEvent: (_AgentList, _agent_list),
    RenderMediaEvent: (_RenderMedia, _render_media),
}


def wire_forms() -> dict[type[msgspec.Struct], Reader]:
    """Return the forms of all built-in types except deltas, with the functions that make events.

    A type with several names on the wire has a form for each name.
    """
    forms: dict[type[msgspec.Struct], Reader] = {}
    for row in REGISTRY:
        if not row.builtin or Direction.SERVER not in row.direction or row.cls in _DELTAS:
            continue
        if row.cls in _WRITTEN_OUT:
            form, reader = _WRITTEN_OUT[row.cls]
            forms[form] = reader
            continue
        reader = _reader_of(row.cls)
        forms |= {_form_of(row.cls, tag): reader for tag in (row.type, *row.aliases)}
    return forms
