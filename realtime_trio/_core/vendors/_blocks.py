"""Convert message parts to blocks that each vendor accepts (§8 U1).

A part for which the vendor has no block in a message of that role becomes text. Anthropic accepts
images and documents only from the user, and no blank text. OpenAI accepts only text from an
assistant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from .._json_shapes import is_call, is_deep, is_mapping, is_result, json_text, text_field
from .._messages import ImagePart, Part, PlaceholderPart, TextPart, ToolResultPart, ToolUsePart
from ._normalise import nested_text

__all__ = ["anthropic_blocks", "is_signed", "openai_parts"]

Record: TypeAlias = dict[str, Any]

_USER = "user"
_ASSISTANT = "assistant"

# Blocks known to only one vendor. A block that neither knows is written for both.
_ANTHROPIC = frozenset(
    {"image", "document", "search_result", "container_upload", "thinking", "redacted_thinking"}
)
_OPENAI = frozenset(
    {"image_url", "input_image", "input_audio", "input_file", "file", "audio", "refusal"}
)
# Placeholders for an unreadable call, result or image: no vendor accepts their blocks.
_BROKEN = frozenset({"tool_use", "tool_result", "function", "custom", "image_url"})


def _is_anthropic(kind: str) -> bool:
    return kind in _ANTHROPIC or is_call(kind) or is_result(kind)


# The first base64 characters of image data.
_MEDIA_TYPES = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
}


def is_signed(part: Part) -> bool:
    """Whether a part is thinking that Anthropic accepts, because Anthropic signed the block."""
    if not isinstance(part, TextPart) or not part.thinking or part.block is None:
        return False
    return bool(text_field(part.block, "signature", "data"))


def _text(text: str) -> Record:
    return {"type": "text", "text": text}


def _with_original_blocks(
    parts: Sequence[Part], role: str, is_foreign: Callable[[str], bool]
) -> Iterator[Part | Record]:
    """Return the parts, with each placeholder replaced by its block if the vendor accepts it.

    The text inside such a block is not repeated next to it.
    """
    calls, results = _paired(parts)
    skipped: Part | None = None
    for part in parts:
        if part == skipped:
            skipped = None
            continue
        skipped = None
        if not isinstance(part, PlaceholderPart) or not is_mapping(part.block):
            yield part
            continue
        kind, block = part.block_type, part.block
        broken = kind in _BROKEN or is_foreign(kind)
        if is_call(kind):
            broken = broken or text_field(block, "id") not in results
        elif is_result(kind):
            broken = broken or text_field(block, "tool_use_id") not in calls
        elif kind == "image":
            broken = broken or role != _USER or not is_mapping(block.get("source"))
        if broken:
            yield part
        else:
            skipped = nested_text(block)
            yield dict(block)


def _paired(parts: Sequence[Part]) -> tuple[set[str | None], set[str | None]]:
    """Return the ids of calls and results among the placeholders: a call needs its result."""
    calls: set[str | None] = set()
    results: set[str | None] = set()
    for part in parts:
        if isinstance(part, PlaceholderPart) and is_mapping(part.block):
            if is_call(part.block_type):
                calls.add(text_field(part.block, "id"))
            elif is_result(part.block_type):
                results.add(text_field(part.block, "tool_use_id"))
    return calls, results


def _named(part: Part | Record) -> Record:
    """Convert a part without a block to text: its own text, or its name in brackets."""
    match part:
        case TextPart(text=text, url=url):
            return _text(text if not url or url in text else f"{text}\n{url}" if text else url)
        case ImagePart(url=url):
            return _text(f"[image: {url}]" if url else "[image]")
        case ToolUsePart():
            return _text(json_text(_tool_use(part)))
        case ToolResultPart(content=content):
            return _text(content if content.strip() else "[tool_result]")
        case PlaceholderPart(block_type=kind, block=block):
            bare = block is not None and not is_mapping(block) and nested_text(block) is None
            return _text(json_text(block) if bare else f"[{kind}]")
        case _:
            return part


def _tool_use(part: ToolUsePart) -> Record:
    arguments = dict(part.input)
    if is_deep(arguments):
        arguments = {"_raw": json_text(arguments)}
    return {"type": "tool_use", "id": part.id, "name": part.name, "input": arguments}


# -- Anthropic -----------------------------------------------------------------------------


def anthropic_blocks(parts: Sequence[Part], role: str, *, keep_blank: bool = False) -> list[Record]:
    """Convert the parts of a message of ``role`` to Anthropic's blocks; blank text is omitted.

    Calls and results in it are assumed to match.
    """
    made = [
        part if isinstance(part, dict) else _anthropic_block(part, role)
        for part in _with_original_blocks(parts, role, _OPENAI.__contains__)
    ]
    return [block for block in made if keep_blank or not _is_blank(block)]


def _is_blank(block: Record) -> bool:
    text = block.get("text")
    return block.get("type") == "text" and isinstance(text, str) and not text.strip()


def _anthropic_block(part: Part, role: str) -> Record:
    """Convert one part of a message of ``role`` to a block."""
    match part:
        case TextPart(thinking=True):
            signed = role == _ASSISTANT and is_signed(part)
            return dict(part.block or {}) if signed else _text(part.text)
        case TextPart(text=text, title=None, url=None, block=None):
            cited = {} if part.citations is None else {"citations": list(part.citations)}
            return {**_text(text), **cited}
        case TextPart() if role == _USER:
            return _document(part)
        case ImagePart() if role == _USER:
            return {"type": "image", "source": _source(part)}
        case ToolUsePart() if role == _ASSISTANT:
            return _tool_use(part)
        case ToolResultPart() if role == _USER:
            return _tool_result(part)
        case _:
            return _named(part)


def _document(part: TextPart) -> Record:
    if part.block is not None and is_mapping(part.block.get("source")):
        return dict(part.block)
    made: Record = {"type": "document"}
    if part.url is not None and (not part.text.strip() or part.text.startswith("[document")):
        made["source"] = {"type": "url", "url": part.url}
    else:
        made["source"] = {"type": "text", "media_type": "text/plain", "data": part.text}
        made |= {} if part.url is None else {"context": part.url}
    return made if part.title is None else {**made, "title": part.title}


def _source(image: ImagePart) -> Record:
    if image.source_type == "url":
        return {"type": "url", "url": image.url}
    data, kind = image.data or "", image.media_type
    if kind is None:
        kind = next((name for head, name in _MEDIA_TYPES.items() if data.startswith(head)), None)
    return {"type": "base64", **({} if kind is None else {"media_type": kind}), "data": image.data}


def _tool_result(part: ToolResultPart) -> Record:
    record: Record = {"type": "tool_result", "tool_use_id": part.tool_use_id}
    if not part.is_error:
        return {**record, "content": part.content}
    # The API rejects an error without text.
    return {
        **record,
        "content": part.content if part.content.strip() else "[error]",
        "is_error": True,
    }


# -- OpenAI --------------------------------------------------------------------------------


def openai_parts(parts: Sequence[Part], role: str) -> list[Record]:
    """Convert the parts of a message of ``role`` to OpenAI's, without calls and results."""
    given_back = _with_original_blocks(parts, role, _is_anthropic)
    return [
        _openai_image(part) if isinstance(part, ImagePart) and role == _USER else _named(part)
        for part in given_back
    ]


def _openai_image(part: ImagePart) -> Record:
    url = part.url
    if part.source_type == "base64":
        url = f"data:{part.media_type or ''};base64,{part.data}"
    detail = {} if part.detail is None else {"detail": part.detail}
    return {"type": "image_url", "image_url": {"url": url, **detail}}
