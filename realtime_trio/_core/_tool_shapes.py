"""Normalise tool calls and results of all vendors to one form (protocol.md §8 T2).

Calls and results are records of an event: their identifying fields are required, and a fault in any
other field skips only that field.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ..events import ToolCall, ToolResult
from ..events._json import Mismatch, describe, is_shareable
from ._json_shapes import (
    Block,
    block_type,
    inner_text,
    is_list,
    is_mapping,
    json_object,
    json_text,
    plain_text,
)
from ._unchecked import unchecked_constructor

__all__ = [
    "arguments_of",
    "call_type",
    "make_tool_call",
    "make_tool_result",
    "normalise_tool_call",
    "normalise_tool_result",
    "result_text",
]

# Blocks that have text, or text that represents them.
TEXT_BLOCKS = frozenset(
    {
        *("thinking", "redacted_thinking", "document", "image", "image_url", "input_image"),
        *("tool_use", "tool_result"),
    }
)


def result_text(raw: object) -> str:
    """Return a tool's result as text.

    Nested text is joined. A block without text becomes ``[its type]``. A value without blocks
    becomes its JSON text. Null becomes the empty string.
    """
    if raw is None or isinstance(raw, str):
        return raw or ""
    if is_list(raw):
        return inner_text(raw, mark=True) if not raw or any(map(_is_block, raw)) else json_text(raw)
    known = plain_text(raw) is not None or block_type(raw) in TEXT_BLOCKS
    return inner_text(raw, mark=True) if known and _is_block(raw) else json_text(raw)


def _is_block(item: object) -> bool:
    return isinstance(item, str) or (is_mapping(item) and isinstance(item.get("type"), str))


def _require(record: Block, name: str, path: str = "") -> str:
    value = record.get(name)
    if isinstance(value, str):
        return value
    got = describe(value) if name in record else "nothing"
    raise Mismatch("string", got, f"{path}.{name}")


# A call's arguments are checked when they are decoded; a result needs no check.
make_tool_call = unchecked_constructor(ToolCall)
make_tool_result = unchecked_constructor(ToolResult)

SkipPath: TypeAlias = Callable[[str], None]


def _ignore(_path: str) -> None:
    pass


def normalise_tool_call(raw: object, skip: SkipPath = _ignore) -> ToolCall:
    """Normalise one tool call of any vendor (§8 T2).

    An input that is neither an object nor a string becomes ``{}`` (§2 L3), and ``skip``
    receives its path. Raises ``Mismatch`` if ``raw`` is not an object, or if ``id`` or ``name`` is
    not a string. ``type`` is not checked.
    """
    if not is_mapping(raw):
        raise Mismatch("object", describe(raw))
    identity = _require(raw, "id")
    whole = isinstance(raw.get("name"), str) and is_mapping(raw.get("input"))
    # A call in normal form is accepted whatever else it holds, as in the fast decoder.
    record, path = (raw, "") if whole else _named_call(raw)
    name = _require(record, "name", path)
    key = "input" if record.get("input") is not None else "arguments"
    arguments = _input(record.get(key), f"{path}.{key}", skip)
    kind = call_type(raw.get("type"), whole=whole)
    return make_tool_call(id=identity, name=name, input=arguments, type=kind)


def call_type(kind: object, *, whole: bool) -> str:
    """Return a call's type; ``whole`` is true for a call in the normal form."""
    if not isinstance(kind, str) or (kind in _OPENAI and not whole):
        return "tool_use"
    return kind


# OpenAI's kinds of calls. Each holds name and arguments in a field with the kind's name.
_OPENAI = ("function", "custom")


def _named_call(raw: Block) -> tuple[Block, str]:
    """Return the record with name and arguments, and its path."""
    for key in _OPENAI:
        inner = raw.get(key)
        if is_mapping(inner):
            return inner, f".{key}"
    return raw, ""


def _input(value: object, path: str, skip: SkipPath) -> Block:
    if value is None:
        return {}
    if isinstance(value, str):
        return arguments_of(value)
    if is_mapping(value) and is_shareable(value):
        return value
    skip(path)
    return {}


def arguments_of(text: str) -> Block:
    """Return the arguments in JSON text; text that is not a JSON object stays text."""
    if not text.strip():  # a call without arguments
        return {}
    known = json_object(text)
    return {"_raw": text} if known is None else known


def normalise_tool_result(raw: object, skip: SkipPath = _ignore) -> ToolResult:
    """Normalise one tool result of any vendor; its content becomes text.

    An ``is_error`` that is not a boolean counts as false, and ``skip`` receives its path.
    Raises ``Mismatch`` if ``raw`` is not an object or has no call id. ``type`` is not checked.
    """
    if not is_mapping(raw):
        raise Mismatch("object", describe(raw))
    key = "tool_call_id" if "tool_use_id" not in raw and "tool_call_id" in raw else "tool_use_id"
    identity = _require(raw, key)
    is_error = raw.get("is_error")
    if is_error is not None and not isinstance(is_error, bool):
        skip(".is_error")
        is_error = False
    kind, content = raw.get("type"), result_text(raw.get("content"))
    return make_tool_result(
        tool_use_id=identity,
        content=content,
        is_error=bool(is_error),
        type=kind if isinstance(kind, str) else "tool_result",
    )
