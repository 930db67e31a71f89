"""Small readers for vendor JSON. They never raise.

Every function accepts any JSON, including ill-typed fields. Nested blocks are walked with an
explicit stack, so nesting depth is not limited by recursion.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias, TypeGuard, cast

import msgspec

from ..events._json import describe, is_shareable
from ._unicode import valid_json

__all__ = [
    "REDACTED",
    "Block",
    "block_type",
    "citations_of",
    "document_text",
    "fits_64_bits",
    "inner_text",
    "is_call",
    "is_deep",
    "is_list",
    "is_mapping",
    "is_result",
    "json_object",
    "json_text",
    "plain_text",
    "text_field",
    "thinking_text",
]

Block: TypeAlias = Mapping[str, object]

# Text blocks, and the field that holds their text.
TEXT_FIELDS = {
    "text": "text",
    "input_text": "text",
    "output_text": "text",
    "refusal": "refusal",
}

# The text that servers stream for redacted thinking (protocol.md §7).
REDACTED = "*redacted*"

# Maximum nesting of JSON text: less than a frame's, since the parsed value goes into a frame.
_MAX_DEPTH = 240
# Shorter text cannot contain enough brackets to nest deeper.
_SHALLOW = 2 * _MAX_DEPTH


_NO_MAPPINGS = frozenset({str, type(None), list, tuple, bool, int, float})


def is_mapping(value: object) -> TypeGuard[Block]:
    """Whether ``value`` is a JSON object."""
    kind = type(value)  # the check for built-in types is much faster than the one for an ABC
    return kind is dict or (kind not in _NO_MAPPINGS and isinstance(value, Mapping))


def is_list(value: object) -> TypeGuard[Sequence[object]]:
    """Whether ``value`` is a JSON array."""
    return isinstance(value, (list, tuple))


def block_type(block: object) -> str:
    """Return the type of a block: its ``type``, or the field that replaces it."""
    if not is_mapping(block):
        return describe(block)
    kind = block.get("type")
    return kind if isinstance(kind, str) and kind else "unknown"


def text_field(block: Block, *names: str) -> str | None:
    """Return the first field of ``names`` that holds text."""
    for name in names:
        value = block.get(name)
        if isinstance(value, str):
            return value
    return None


def json_text(value: object) -> str:
    """Return ``value`` as JSON text, with the type's name for values that JSON cannot express."""
    try:
        return json.dumps(value, ensure_ascii=False, default=_named)
    except (TypeError, ValueError, RecursionError):
        return f"[{describe(value)}]"


def _named(value: object) -> object:
    return dict(value) if is_mapping(value) else f"[{describe(value)}]"


def _refuse(constant: str) -> NoReturn:
    message = f"{constant} is no JSON"
    raise ValueError(message)


_read_json = json.JSONDecoder(parse_constant=_refuse).decode
_read_json_fast = msgspec.json.Decoder().decode
_encode = msgspec.msgpack.Encoder().encode


def fits_64_bits(value: object) -> bool:
    """Whether a value that msgspec decoded holds no integer of more than 64 bits.

    It returns the same as ``is_shareable`` but is faster: msgspec accepts no other number that
    is not shareable, and MessagePack has no larger integer.
    """
    try:
        _encode(value)
    except OverflowError:
        return False
    return True


def json_object(text: str) -> dict[str, object] | None:
    """Parse a JSON object, or return ``None`` if ``text`` is not one.

    Text with numbers that other JSON parsers reject, or nested too deep for a frame, counts as
    invalid. All strings in the result are valid Unicode.
    """
    try:
        try:
            value: object = _read_json_fast(text)
            shareable = fits_64_bits(value)
        except ValueError:  # it rejects unpaired surrogates, which JSON text may escape
            value = valid_json(_read_json(text))
            shareable = is_shareable(value)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not shareable:
        return None
    if len(text) > _SHALLOW and is_deep(cast("dict[str, object]", value)):
        return None
    return cast("dict[str, object]", value)


def is_deep(value: dict[str, object]) -> bool:
    """Whether ``value`` is nested too deep for a message in a frame.

    It walks level by level, in linear time.
    """
    level: list[Any] = [value]
    for _ in range(_MAX_DEPTH):
        inner: list[Any] = []
        for part in level:
            inner += part.values() if part.__class__ is dict else part
        level = [part for part in inner if part.__class__ is dict or part.__class__ is list]
        if not level:
            return False
    return True


def plain_text(block: object) -> str | None:
    """Return the text of a pure text block, or ``None`` for any other block."""
    if isinstance(block, str):
        return block
    if not is_mapping(block):
        return None
    kind = block.get("type")
    if not isinstance(kind, str):
        return text_field(block, "text")
    field = TEXT_FIELDS.get(kind)
    if field is None:
        return None
    value = block.get(field)
    if isinstance(value, str):
        return value
    return "" if value is None else json_text(value)


def citations_of(block: object) -> tuple[object, ...] | None:
    """Return the citations of a block, or ``None`` if it has none."""
    found = block.get("citations") if is_mapping(block) else None
    return tuple(found) if is_list(found) and found else None


def is_call(kind: str) -> bool:
    """Whether a block type is a tool call: ``tool_use`` or a server tool."""
    return kind == "tool_use" or kind.endswith("_tool_use")


def is_result(kind: str) -> bool:
    """Whether a block type is the result of a tool, including a server tool."""
    return kind == "tool_result" or kind.endswith("_tool_result")


def thinking_text(block: Block) -> str:
    """Return the text of a ``thinking`` block."""
    return text_field(block, "thinking", "text") or ""


def _redacted_text(_block: Block) -> str:
    return REDACTED


def document_text(block: Block) -> str:
    """Return the text of a ``document`` block, or ``[document: its title]`` if it has none."""
    source = block.get("source")
    text = ""
    if is_mapping(source):
        text = text_field(source, "text") or ""
        if source.get("type") == "text":
            text = text or text_field(source, "data") or ""
        text = text or inner_text(source.get("content"))
    return text or _placeholder(block)


def _placeholder(block: object) -> str:
    title = text_field(block, "title") if is_mapping(block) else None
    return f"[{block_type(block)}: {title}]" if title else f"[{block_type(block)}]"


# The fields that hold a block's content, and the plain text that may accompany it.
_NESTED = ("content", "resource")
_OUTPUT = ("stdout", "stderr")


def _open(block: Block, stack: list[object], mark: bool) -> Iterator[str]:
    """Return the text of ``block`` itself and push its nested blocks on the stack."""
    output = [text for text in (text_field(block, name) for name in _OUTPUT) if text]
    nested = [block[name] for name in _NESTED if name in block]
    yield from output
    stack.extend(reversed(nested))
    if mark and not output and not nested:
        yield _placeholder(block)


_READERS: dict[str, Callable[[Block], str]] = {
    "thinking": thinking_text,
    "redacted_thinking": _redacted_text,
    "document": document_text,
}


def _walk(value: object, mark: bool) -> Iterator[str]:
    stack = [value]
    while stack:
        item = stack.pop()
        text = plain_text(item)
        if text is not None:
            yield text
        elif is_list(item):
            stack.extend(reversed(item))
        elif is_mapping(item):
            reader = _READERS.get(block_type(item))
            yield from [reader(item)] if reader else _open(item, stack, mark)
        elif item is not None and mark:
            yield json_text(item)


def inner_text(value: object, *, mark: bool = False) -> str:
    """Return all text in a block or a list of blocks, at any depth, joined.

    With ``mark``, a block without text is replaced by ``[its type]`` and a bare value by its JSON
    text.
    """
    return "".join(_walk(value, mark))
