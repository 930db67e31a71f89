"""One normaliser for every vendor (protocol.md §8 U1, T2).

Anthropic writes a message as blocks, OpenAI as parts with additional fields; both can be plain
text. The shapes are distinct, so no function needs to know the vendor. Content never raises and is
never lost: content that cannot be shown becomes a placeholder with its type and its original block.
``_tool_shapes`` reads tool calls and results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...events._json import Mismatch
from .._json_shapes import (
    REDACTED,
    Block,
    block_type,
    citations_of,
    document_text,
    inner_text,
    is_list,
    is_mapping,
    json_text,
    plain_text,
    text_field,
    thinking_text,
)
from .._messages import (
    Content,
    ImagePart,
    Part,
    PlaceholderPart,
    TextPart,
    ToolResultPart,
    ToolUsePart,
)
from .._tool_shapes import normalise_tool_call, result_text
from .._unicode import valid_json

__all__ = [
    "content_of",
    "joined",
    "nested_text",
    "normalise_content",
    "parts_of",
]


# -- content -------------------------------------------------------------------------------


def normalise_content(raw: object) -> Content:
    """Normalise the content of a message of any vendor (§8 U1).

    Text stays text. Blocks with only text and no citations are joined. Anything else becomes parts,
    in the order of the blocks. Null becomes the empty string, and a bare number its JSON text. All
    text is valid Unicode: an unpaired surrogate becomes U+FFFD.
    """
    return content_of(valid_json(raw))


def content_of(raw: object) -> Content:
    """Normalise content whose text is known to be valid Unicode."""
    if isinstance(raw, str):
        return raw
    if raw is None:
        return ""
    if is_mapping(raw):
        blocks: list[object] = [raw]
    elif is_list(raw):
        blocks = list(raw)
    else:
        return json_text(raw)
    return joined([part for block in blocks for part in parts_of(block)])


def joined(parts: Sequence[Part]) -> Content:
    """Join parts that are all plain text; return any other parts unchanged."""
    texts = [part.text for part in parts if isinstance(part, TextPart) and part.is_plain]
    return "".join(texts) if len(texts) == len(parts) else tuple(parts)


def parts_of(block: object) -> tuple[Part, ...]:
    """Convert one block to parts.

    Usually that is one part. An unknown block with nested text blocks becomes a placeholder and a
    second part with their text.
    """
    text = plain_text(block)
    if text is not None:
        return (TextPart(text, citations=citations_of(block)),)
    kind = block_type(block)
    reader = _READERS.get(kind)
    part = reader(block) if reader is not None and is_mapping(block) else None
    if part is not None:
        return (part,)
    nested = nested_text(block)
    return (PlaceholderPart(kind, block), *(() if nested is None else (nested,)))


def nested_text(block: object) -> TextPart | None:
    """Return the text inside an unknown block, or ``None`` if it has none."""
    kind = block_type(block)
    text = "" if kind in _READERS else _nested_text(kind, block)
    if not text:
        return None
    return TextPart(text, title=text_field(block, "title") if is_mapping(block) else None)


def _nested_text(kind: str, block: object) -> str:
    if not is_mapping(block):
        return inner_text(block)
    # ``content`` is readable text only if it consists of blocks, or if the type is known to hold
    # results.
    result = kind == "search_result" or kind.endswith("_tool_result")
    content = block.get("content")
    return inner_text(content) if result or not isinstance(content, str) else ""


def _thinking(block: Block) -> Part:
    return TextPart(thinking_text(block), thinking=True, block=block)


def _redacted(block: Block) -> Part:
    return TextPart(REDACTED, thinking=True, block=block)


def _document(block: Block) -> Part:
    source = block.get("source")
    url = text_field(source, "url") if is_mapping(source) else None
    return TextPart(
        document_text(block),
        title=text_field(block, "title"),
        url=url if url is not None else text_field(block, "url"),
        block=block,
    )


def _image(block: Block) -> Part | None:
    source = block.get("source")
    if not is_mapping(source):
        return None
    kind, media_type = source.get("type"), text_field(source, "media_type")
    data, url, detail = (
        text_field(source, "data"),
        text_field(source, "url"),
        text_field(block, "detail"),
    )
    if data is not None and kind in ("base64", None):
        return ImagePart("base64", media_type, data, detail=detail)
    if url is not None and kind in ("url", None):
        return ImagePart("url", media_type, url=url, detail=detail)
    return None


def _image_url(block: Block) -> Part | None:
    image = block.get("image_url")
    record: Block = image if is_mapping(image) else {"url": image}
    url, detail = text_field(record, "url"), text_field({**block, **record}, "detail")
    if url is None:
        return None
    head, comma, data = url.partition(",")
    if comma and head[:5].lower() == "data:" and head.lower().endswith(";base64"):
        return ImagePart("base64", head[5:-7] or None, data, detail=detail)
    return ImagePart("url", url=url, detail=detail)


def _tool_use(block: Block) -> Part | None:
    try:
        call = normalise_tool_call(block)
    except Mismatch:
        return None
    return ToolUsePart(call.id, call.name, call.input)


def _tool_result(block: Block) -> Part:
    # Without an id it belongs to no call, but its text stays readable.
    return ToolResultPart(
        text_field(block, "tool_use_id", "tool_call_id") or "",
        result_text(block.get("content")),
        block.get("is_error") is True,
    )


_READERS: dict[str, Callable[[Block], Part | None]] = {
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "document": _document,
    "image": _image,
    "image_url": _image_url,
    "input_image": _image_url,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}
