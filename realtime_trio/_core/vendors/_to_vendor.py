"""Messages back into a vendor's form, for ``set_session_messages`` (protocol.md §4).

The converse of :mod:`._history`: what is written here reads back as the same transcript.
Each message becomes vendor messages of its own, so that none runs into its neighbour.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TypeAlias

import attrs

from ...events import ToolCall, ToolResult
from .._messages import (
    THOUGHT,
    Content,
    ImagePart,
    Message,
    Part,
    PlaceholderPart,
    TextPart,
    ToolResultPart,
    ToolUsePart,
)
from ._json_shapes import json_text

__all__ = ["to_vendor"]

Record: TypeAlias = dict[str, Any]
Vendor: TypeAlias = Literal["anthropic", "openai"]


@attrs.frozen(slots=True)
class _Entry:
    """What one message comes to: something said, calls, and what they gave back."""

    role: str
    content: Content
    calls: tuple[ToolCall, ...] = ()
    results: tuple[ToolResult, ...] = ()


def to_vendor(messages: Iterable[Message], vendor: Vendor) -> list[Record]:
    """Write a session's messages in the form of ``vendor``.

    Text, roles, the order of messages, tools and their results survive the way there and
    back. A thought becomes a call of the tool ``think``, the one form of a thought that both
    vendors take back; the request and the reply of a delegation become a call ``aa_chat``
    and its result.

    What no vendor's form can hold is lost: ids, times, status, format and metadata of
    messages; messages of an assistant with neither content nor tools; which delegation it
    was, and its agent; what a placeholder stood for (it becomes text that names it). A tool
    call or thinking that stands as a part in an assistant's content is read back as a tool
    or a thought, and the tools of a message without content as tools of its turn's last
    message where there is one. Messages of role ``system`` and ``developer`` are kept, but
    never shown again. OpenAI's form has moreover no place for a document's title, for the
    mark that a result is an error, for results beside other parts in one message, and for
    calls and thinking as parts (they become text); Anthropic's has none for the detail of
    an image.

    Raises ``ValueError`` for any other vendor.
    """
    write = _WRITERS.get(vendor)
    if write is None:
        msg = f"no form is known for the vendor {vendor!r}: it is one of {', '.join(_WRITERS)}"
        raise ValueError(msg)
    return [record for entry in _entries(messages) for record in write(entry)]


# --- messages to entries ----------------------------------------------------------------


def _entries(messages: Iterable[Message]) -> Iterator[_Entry]:
    request: Message | None = None
    for message in messages:
        if request is not None:
            reply = message if _is_foreign(message) and message.role != "user" else None
            yield _delegation(request, reply)
            request = None
            if reply is not None:
                continue
        if not _is_foreign(message):
            yield _entry(message)
        elif message.role == "user":
            request = message
        else:
            yield _delegation(attrs.evolve(message, content=""), message)
    if request is not None:
        yield _delegation(request, None)


def _is_foreign(message: Message) -> bool:
    """Whether a sub-session's message stands in its parent's list."""
    return message.is_sub_session and message.session_id == message.parent_session_id


def _entry(message: Message) -> _Entry:
    calls, results = message.tool_calls, message.tool_results
    if message.role != THOUGHT:
        return _Entry(message.role, message.content, calls, results)
    text = _text_of(message.content)
    if not text:
        return _Entry("assistant", "", calls, results)
    think = ToolCall(id=_id("think", message), name="think", input={"thought": text})
    thought = ToolResult(tool_use_id=think.id, content="")
    return _Entry("assistant", "", (think, *calls), (thought, *results))


def _delegation(request: Message, reply: Message | None) -> _Entry:
    identity = _id("delegation", request)
    call = ToolCall(id=identity, name="aa_chat", input={"message": _text_of(request.content)})
    if reply is None:
        return _Entry("assistant", "", (call,))
    said: object = reply.content
    if not isinstance(reply.content, str):
        said = {"role": "assistant", "content": [_anthropic_block(part) for part in reply.content]}
    result = ToolResult(tool_use_id=identity, content=json_text({"agent_message": said}))
    return _Entry("assistant", "", (call,), (result,))


def _text_of(content: Content) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.text for part in content if isinstance(part, TextPart))


def _id(kind: str, message: Message) -> str:
    """An id for a call that the vendor's own rules for ids allow."""
    return f"{kind}_" + re.sub(r"[^A-Za-z0-9_-]", "_", message.id)


# --- Anthropic --------------------------------------------------------------------------


def _anthropic(entry: _Entry) -> Iterator[Record]:
    if entry.role != "assistant":
        yield {"role": entry.role, "content": _anthropic_content(entry.content)}
    else:
        content = entry.content
        parts = ((TextPart(content),) if content else ()) if isinstance(content, str) else content
        blocks = [_anthropic_block(part) for part in parts]
        blocks += [_anthropic_block(ToolUsePart(c.id, c.name, c.input)) for c in entry.calls]
        if blocks:
            yield {"role": "assistant", "content": blocks}
    if entry.results:
        results = [
            ToolResultPart(result.tool_use_id, result.content, result.is_error)
            for result in entry.results
        ]
        yield {"role": "user", "content": [_anthropic_block(result) for result in results]}


def _anthropic_content(content: Content) -> str | list[Record]:
    return content if isinstance(content, str) else [_anthropic_block(part) for part in content]


def _anthropic_block(part: Part) -> Record:
    match part:
        case TextPart(text=text, thinking=True):
            return {"type": "thinking", "thinking": text, "signature": ""}
        case TextPart(text=text, title=None):
            return {"type": "text", "text": text}
        case TextPart(text=text, title=title):
            source = {"type": "text", "media_type": "text/plain", "data": text}
            return {"type": "document", "source": source, "title": title}
        case ImagePart():
            return {"type": "image", "source": _anthropic_source(part)}
        case ToolUsePart():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": dict(part.input)}
        case ToolResultPart():
            flag = {"is_error": True} if part.is_error else {}
            record = {"type": "tool_result", "tool_use_id": part.tool_use_id}
            return {**record, "content": part.content, **flag}
        case _:
            return _named(part)


def _named(part: PlaceholderPart) -> Record:
    return {"type": "text", "text": f"[{part.block_type}]"}


def _anthropic_source(image: ImagePart) -> Record:
    if image.source_type == "url":
        return {"type": "url", "url": image.url}
    kind = {} if image.media_type is None else {"media_type": image.media_type}
    return {"type": "base64", **kind, "data": image.data}


# --- OpenAI -----------------------------------------------------------------------------


def _openai(entry: _Entry) -> Iterator[Record]:
    said: str | list[Record]
    if isinstance(entry.content, str):
        said = entry.content
    else:
        results = [part for part in entry.content if isinstance(part, ToolResultPart)]
        yield from (_openai_result(part.tool_use_id, part.content) for part in results)
        others = [part for part in entry.content if not isinstance(part, ToolResultPart)]
        said = [_openai_part(part) for part in others]
    if entry.calls:
        calls = [_openai_call(call) for call in entry.calls]
        yield {"role": entry.role, "content": said or None, "tool_calls": calls}
    elif said or (said == "" and entry.role != "assistant"):
        yield {"role": entry.role, "content": said}
    for result in entry.results:
        yield _openai_result(result.tool_use_id, result.content)


def _openai_result(identity: str, content: str) -> Record:
    return {"role": "tool", "tool_call_id": identity, "content": content}


def _openai_call(call: ToolCall) -> Record:
    function = {"name": call.name, "arguments": json_text(call.input)}
    return {"id": call.id, "type": "function", "function": function}


def _openai_part(part: TextPart | ImagePart | ToolUsePart | PlaceholderPart) -> Record:
    match part:
        case TextPart(text=text):
            return {"type": "text", "text": text}
        case ImagePart():
            url = part.url
            if part.source_type == "base64":
                url = f"data:{part.media_type or ''};base64,{part.data}"
            detail = {} if part.detail is None else {"detail": part.detail}
            return {"type": "image_url", "image_url": {"url": url, **detail}}
        case ToolUsePart():
            return {"type": "text", "text": json_text(_anthropic_block(part))}
        case _:
            return _named(part)


_WRITERS: dict[str, Callable[[_Entry], Iterator[Record]]] = {
    "anthropic": _anthropic,
    "openai": _openai,
}
