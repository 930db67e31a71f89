"""The event catalogue as JSON Schema (2020-12) and as AsyncAPI (3.0), from the registry's classes.

A schema describes what this library accepts without skipping parts. It is slightly wider than the
classes: in server events null stands for the default, a session id can be an integer, a time can be
a number, and a tool call can have any vendor's shape. Additional fields are always allowed. The
schema does not express that an ill-typed optional field is skipped.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

import attrs

from ._core._scalars import SESSION_IDS, TIMES
from .events import REGISTRY, ClientEvent, Direction, Event, Registry, Row, ToolCall, ToolResult
from .events._json import INT_MAX, INT_MIN, base64_text, int64, not_empty

__all__ = ["DIALECT", "asyncapi", "event_schema", "event_schemas", "summary_of"]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Schema: TypeAlias = dict[str, object]

_PRIMITIVES: dict[object, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    float: {"type": "number"},
    type(None): {"type": "null"},
    Any: {},
    object: {},
}
_STRING: Schema = {"type": "string"}
# String fields that servers can send as numbers.
_NUMBERS: dict[str, str] = {
    **dict.fromkeys(SESSION_IDS, "integer"),
    **dict.fromkeys(TIMES, "number"),
}
_ARGUMENTS: Schema = {"type": ["object", "string", "null"]}

# The forms that servers send for these two (protocol.md §6); the class is the normal form.
_WIRE_SHAPES: dict[type, Schema] = {
    ToolCall: {
        "type": "object",
        "required": ["id"],
        "properties": {"id": _STRING, "type": {}},
        "anyOf": [
            {
                "required": ["name"],
                "properties": {"name": _STRING, "input": _ARGUMENTS, "arguments": _ARGUMENTS},
            },
            *(
                {
                    "required": [kind],
                    "properties": {
                        kind: {
                            "type": "object",
                            "required": ["name"],
                            "properties": {
                                "name": _STRING,
                                "input": _ARGUMENTS,
                                "arguments": _ARGUMENTS,
                            },
                        }
                    },
                }
                for kind in ("function", "custom")
            ),
        ],
    },
    ToolResult: {
        "type": "object",
        "properties": {
            "tool_use_id": _STRING,
            "tool_call_id": _STRING,
            "content": {},
            "is_error": {"type": ["boolean", "null"]},
            "type": {},
        },
        "anyOf": [{"required": ["tool_use_id"]}, {"required": ["tool_call_id"]}],
    },
}

# Aliases that servers use for a field.
_OTHER_NAMES: dict[tuple[str, str], str] = {
    ("RenderMediaEvent", "content_type"): "content-type",
    ("AgentCatalogEntry", "tools"): "toolsets",
}


def event_schema(row: Row) -> Schema:
    """Return the schema of one event, with its records under ``$defs``."""
    defs: dict[str, Schema] = {}
    body = _object_schema(row.cls, defs)
    properties, required = _parts(body)
    tags = [row.type, *row.aliases]
    tag: Schema = {"const": row.type} if len(tags) == 1 else {"enum": tags}
    made: Schema = {
        "$schema": DIALECT,
        "title": row.cls.__name__,
        "description": _summary(row.cls),
        **body,
        "properties": {"type": tag, **properties},
        "required": ["type", *required],
    }
    if defs:
        made["$defs"] = {name: defs[name] for name in sorted(defs)}
    return made


def event_schemas(registry: Registry = REGISTRY) -> dict[str, Schema]:
    """Return the schemas of all events by wire type, in registry order."""
    return {row.type: event_schema(row) for row in registry}


def _parts(body: Schema) -> tuple[dict[str, Schema], list[str]]:
    properties, required = body["properties"], body["required"]
    assert isinstance(properties, dict)
    assert isinstance(required, list)
    return properties, required  # pyright: ignore[reportUnknownVariableType]


def _summary(cls: type) -> str:
    """Return the first paragraph of a class's docstring."""
    text = inspect.cleandoc(cls.__doc__ or "").partition("\n\n")[0]
    return " ".join(text.split())


def _object_schema(cls: type[Any], defs: dict[str, Schema]) -> Schema:
    hints = get_type_hints(cls)
    properties: dict[str, Schema] = {}
    required: list[str] = []
    for field in attrs.fields(cls):
        schema = _field_schema(field, hints[field.name], cls, defs)
        properties[field.name] = schema
        other = _OTHER_NAMES.get((cls.__name__, field.name))
        if other is not None:
            properties[other] = schema
        if field.default is attrs.NOTHING:
            required.append(field.name)
    return {"type": "object", "properties": properties, "required": required}


def _field_schema(
    field: attrs.Attribute[Any], hint: object, cls: type[Any], defs: dict[str, Schema]
) -> Schema:
    schema = dict(_type_schema(hint, defs))
    validator: object = field.validator
    if validator is int64 or (hint is int and issubclass(cls, ClientEvent)):
        schema |= {"minimum": INT_MIN, "maximum": INT_MAX}
    elif validator is base64_text:
        schema["contentEncoding"] = "base64"
    elif validator is not_empty:
        schema["minLength"] = 1
    from_server = not issubclass(cls, ClientEvent)
    number = _NUMBERS.get(field.name)
    if from_server and number is not None and hint in (str, str | None):
        schema["type"] = [*_kinds(schema), number]
    if field.default is attrs.NOTHING:
        return schema
    if from_server:
        schema = _or_null(schema)
    if isinstance(field.default, (str, int, float, bool)):
        schema["default"] = field.default
    return schema


def _kinds(schema: Schema) -> list[object]:
    kind = schema.get("type")
    return list(kind) if isinstance(kind, list) else [kind]  # pyright: ignore[reportUnknownArgumentType]


def _or_null(schema: Schema) -> Schema:
    kind = schema.get("type")
    if "anyOf" in schema or kind is None:
        alternatives = schema.get("anyOf", [schema] if schema else None)
        if not isinstance(alternatives, list) or {"type": "null"} in alternatives:
            return schema
        return {"anyOf": [*alternatives, {"type": "null"}]}  # pyright: ignore[reportUnknownVariableType]
    kinds = _kinds(schema)
    return schema if "null" in kinds else {**schema, "type": [*kinds, "null"]}


def _type_schema(hint: Any, defs: dict[str, Schema]) -> Schema:
    """Return the schema of an annotation. Records are added to ``defs`` and referenced."""
    if hint in _PRIMITIVES:
        return _PRIMITIVES[hint]
    if attrs.has(hint):
        return _reference(hint, defs)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return _union([_type_schema(each, defs) for each in arguments])
    if origin in (tuple, list):
        return {"type": "array", "items": _type_schema(arguments[0], defs)}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object"}
    message = f"no JSON Schema for a field of type {hint!r}"
    raise TypeError(message)


def _union(schemas: list[Schema]) -> Schema:
    """Return the schema of a union: plain types in one list, an open enum's values as examples."""
    words = [schema["enum"] for schema in schemas if "enum" in schema]
    if words and _STRING in schemas:
        return {**_STRING, "examples": words[0]}
    if all(list(schema) == ["type"] for schema in schemas):
        return {"type": [schema["type"] for schema in schemas]}
    if schemas[-1] == {"type": "null"} and len(schemas) == 2 and "type" in schemas[0]:
        return _or_null(schemas[0])
    return {"anyOf": schemas}


def _reference(cls: type[Any], defs: dict[str, Schema]) -> Schema:
    name = cls.__name__
    if name not in defs:
        defs[name] = {}  # a recursive record refers to this one
        shape = _WIRE_SHAPES.get(cls)
        body = dict(shape) if shape is not None else _object_schema(cls, defs)
        defs[name] = {"description": _summary(cls), **body}
    return {"$ref": f"#/$defs/{name}"}


# -- AsyncAPI ------------------------------------------------------------------------------


def asyncapi(version: str, registry: Registry = REGISTRY) -> Schema:
    """Return the protocol as an AsyncAPI document, from the client's side.

    ``version`` is the library's version. The websocket is the only channel: the client receives
    server events and sends client events. Binary frames are raw audio without an envelope.
    """
    messages = {row.type: _message(row) for row in registry}
    incoming = [row.type for row in registry if Direction.SERVER in row.direction]
    outgoing = [row.type for row in registry if Direction.CLIENT in row.direction]
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Realtime agent streams", "version": version},
        "defaultContentType": "application/json",
        "channels": {
            "realtime": {
                "address": "/api/rt/ws",
                "description": "One websocket: text frames are events, binary frames audio.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                "bindings": {"ws": {"method": "GET"}},
            }
        },
        "operations": {
            "receiveEvents": _operation("receive", incoming),
            "sendCommands": _operation("send", outgoing),
        },
        "components": {"messages": messages},
    }


def _message(row: Row) -> Schema:
    schema = event_schema(row)
    return {
        "name": row.type,
        "title": row.cls.__name__,
        "summary": _summary(row.cls),
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": schema,
        },
    }


def _operation(action: str, names: list[str]) -> Schema:
    channel = "#/channels/realtime"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in names],
    }


def summary_of(cls: type[Event]) -> str:
    """Return the meaning of an event in one sentence."""
    return _summary(cls)
