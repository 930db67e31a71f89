"""Tool calls and results in one normal form, whichever vendor wrote them (protocol.md §8 T2).

Calls and results are records of an event: they need what identifies them, and every other
fault costs its field.
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
from ._values import unchecked_constructor

__all__ = ["normalise_tool_call", "normalise_tool_result", "result_text"]

# Blocks that have text, or a text that stands for them.
TEXT_BLOCKS = frozenset(
    {
        *("thinking", "redacted_thinking", "document", "image", "image_url", "input_image"),
        *("tool_use", "tool_result"),
    }
)


def result_text(raw: object) -> str:
    """What a tool gave back, as text.

    Nested text is joined; a block without text leaves ``[its type]``; a value that is not
    made of blocks is its JSON text; null is the empty text.
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


# The arguments of a call are checked where they are read; a result has nothing to check.
_tool_call = unchecked_constructor(ToolCall)
_tool_result = unchecked_constructor(ToolResult)

LeaveOut: TypeAlias = Callable[[str], None]


def _ignore(_path: str) -> None:
    pass


def normalise_tool_call(raw: object, leave_out: LeaveOut = _ignore) -> ToolCall:
    """One tool call in its normal form (§8 T2), from any vendor's.

    An input that is neither an object nor text is ``{}`` (§2 L3), and ``leave_out`` gets the
    path to it. Raises ``Mismatch`` where ``raw`` is no object, and where ``id`` or ``name`` is
    not text. ``type`` is not checked.
    """
    if not is_mapping(raw):
        raise Mismatch("object", describe(raw))
    identity = _require(raw, "id")
    whole = isinstance(raw.get("name"), str) and is_mapping(raw.get("input"))
    # What has the normal form already is taken at its word, whatever else it holds: the
    # codec's fast way does the same.
    record, path = (raw, "") if whole else _named_call(raw)
    name = _require(record, "name", path)
    key = "input" if record.get("input") is not None else "arguments"
    arguments = _input(record.get(key), f"{path}.{key}", leave_out)
    kind = raw.get("type")
    if not isinstance(kind, str) or (kind in _OPENAI and not whole):
        kind = "tool_use"
    return _tool_call(id=identity, name=name, input=arguments, type=kind)


# OpenAI's kinds of calls: each keeps the name and the arguments in a field of its own name.
_OPENAI = ("function", "custom")


def _named_call(raw: Block) -> tuple[Block, str]:
    """The record that holds name and arguments, and the path to it."""
    for key in _OPENAI:
        inner = raw.get(key)
        if is_mapping(inner):
            return inner, f".{key}"
    return raw, ""


def _input(value: object, path: str, leave_out: LeaveOut) -> Block:
    if value is None:
        return {}
    if isinstance(value, str):
        if not value.strip():  # a call without arguments
            return {}
        known = json_object(value)
        return {"_raw": value} if known is None else known
    if is_mapping(value) and is_shareable(value):
        return value
    leave_out(path)
    return {}


def normalise_tool_result(raw: object, leave_out: LeaveOut = _ignore) -> ToolResult:
    """One tool result in its normal form, from any vendor's; its content is text.

    An ``is_error`` that is no boolean counts as false, and ``leave_out`` gets the path to it.
    Raises ``Mismatch`` where ``raw`` is no object and where it names no call. ``type`` is not
    checked.
    """
    if not is_mapping(raw):
        raise Mismatch("object", describe(raw))
    key = "tool_call_id" if "tool_use_id" not in raw and "tool_call_id" in raw else "tool_use_id"
    identity = _require(raw, key)
    is_error = raw.get("is_error")
    if is_error is not None and not isinstance(is_error, bool):
        leave_out(".is_error")
        is_error = False
    kind, content = raw.get("type"), result_text(raw.get("content"))
    return _tool_result(
        tool_use_id=identity,
        content=content,
        is_error=bool(is_error),
        type=kind if isinstance(kind, str) else "tool_result",
    )
