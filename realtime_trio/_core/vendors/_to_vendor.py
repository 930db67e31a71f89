"""Convert messages to a vendor's format, for ``set_session_messages`` (protocol.md §4).

This is the inverse of :mod:`._history`: the output reads back as the same transcript, as far as the
vendor's format can express it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

import attrs

from .._json_shapes import json_text
from .._messages import (
    ASSISTANT,
    THOUGHT,
    Content,
    Message,
    Part,
    TextPart,
    ToolResultPart,
    ToolUsePart,
)
from .._unicode import valid_json
from ._blocks import anthropic_blocks, is_signed, openai_parts
from ._call_order import Naming, VendorEntry, link_results

__all__ = ["to_vendor"]

Record: TypeAlias = dict[str, Any]
Vendor: TypeAlias = Literal["anthropic", "openai"]

_USER = "user"
_NO_CONTENT = "[User message]"
_ORDERS = ("system", "developer")


def to_vendor(messages: Iterable[Message], vendor: Vendor) -> list[Record]:
    """Convert a session's messages to the format of ``vendor``.

    Text, roles, message order, tools and their results survive a round trip. So do citations,
    documents and blocks of unknown types in the format of their original vendor. A thought becomes
    a call of the tool ``think``, the only form of a thought that both vendors accept. (Signed
    thinking inside a message is written unchanged for Anthropic.) The request and the reply of a
    delegation become a call of ``aa_chat`` and its result.

    The result is valid Unicode and a history that the vendor accepts:

    - Each call is followed by its one result. A call without a result gets an error result (a
      delegation without a reply gets an empty one). A result without a call becomes text.
    - Each call has a unique id: a repeated id is renamed (``id-2``). Ids and tool names respect the
      vendor's limits on characters and length.
    - A server tool (``server_tool_use``) is written like any other tool.
    - No message is empty. An assistant message without content and tools is omitted. Anthropic
      accepts no blank text: blank assistant text is omitted, and a blank user message becomes
      "[User message]".
    - Images and documents in an assistant message become text. So do calls and thinking in a user
      message, and blocks that only the other vendor knows.
    - For Anthropic, results and the user's next message form one message.

    Facts that no vendor's format can hold are lost: the ids, times, status, format and metadata of
    messages, and the identity and agent of a delegation. A tool call or thinking inside an
    assistant's content reads back as a tool or a thought. The tools of a message without content
    read back as tools of the turn's last message, if there is one. Messages of role ``system`` and
    ``developer`` are kept for OpenAI, although they are not shown when read back, and omitted for
    Anthropic; other roles become ``assistant``. OpenAI's format cannot hold citations, a document's
    title, or an error flag on a result. Anthropic's cannot hold an image's detail.

    Raises ``ValueError`` for any other vendor.
    """
    form = _FORMS.get(vendor)
    if form is None:
        message = f"unknown vendor {vendor!r}; expected one of: {', '.join(_FORMS)}"
        raise ValueError(message)
    entries = list(_all_entries(messages, form.keeps_thinking))
    return valid_json(list(form.write(list(link_results(entries, form.naming)))))


@attrs.frozen(slots=True)
class _Form:
    """One vendor's history format."""

    write: Callable[[Sequence[VendorEntry]], Iterator[Record]]
    naming: Naming
    keeps_thinking: Callable[[Part], bool]


# -- messages to entries -------------------------------------------------------------------


def _all_entries(
    messages: Iterable[Message], keeps_thinking: Callable[[Part], bool]
) -> Iterator[VendorEntry]:
    request: Message | None = None
    replies: list[Message] = []
    for message in messages:
        if _is_foreign(message) and message.role != _USER:
            replies.append(message)
            if message.role == THOUGHT:  # the reply follows its thoughts
                continue
        if request is not None or replies:
            yield _delegation(request, replies)
            request, replies = None, []
        if not _is_foreign(message):
            yield from _entries_of(message, keeps_thinking)
        elif message.role == _USER:
            request = message
    if request is not None or replies:
        yield _delegation(request, replies)


def _is_foreign(message: Message) -> bool:
    """Whether a message belongs to a sub-session inside its parent's list."""
    return message.is_sub_session and message.session_id == message.parent_session_id


def _entries_of(message: Message, keeps_thinking: Callable[[Part], bool]) -> Iterator[VendorEntry]:
    """Convert a message to entries, one per thought; the last holds the tools."""
    if message.role in (_USER, *_ORDERS):
        yield VendorEntry(
            message.role, _parts(message.content), is_text=isinstance(message.content, str)
        )
        return
    calls = [ToolUsePart(call.id, call.name, call.input) for call in message.tool_calls]
    results = [
        ToolResultPart(result.tool_use_id, result.content, result.is_error)
        for result in message.tool_results
    ]
    if message.role == THOUGHT:
        text = _text_of(message.content)
        yield _thinking(message, text, calls, results)
        return
    said: list[Part] = []
    for part in _parts(message.content):
        if not isinstance(part, TextPart) or not part.thinking or keeps_thinking(part):
            said.append(part)
            continue
        if said:
            yield VendorEntry(ASSISTANT, tuple(said))
            said = []
        yield _thinking(message, part.text, [], [])
    is_text = isinstance(message.content, str)
    yield VendorEntry(ASSISTANT, (*said, *calls), tuple(results), is_text)


def _thinking(
    message: Message,
    text: str,
    calls: Iterable[ToolUsePart],
    results: Iterable[ToolResultPart],
) -> VendorEntry:
    if not text:
        return VendorEntry(ASSISTANT, tuple(calls), tuple(results))
    think = ToolUsePart(_id("think", message), "think", {"thought": text})
    thought = ToolResultPart(think.id, "")
    return VendorEntry(ASSISTANT, (think, *calls), (thought, *results))


def _delegation(request: Message | None, replies: Sequence[Message]) -> VendorEntry:
    identity = _id("delegation", request if request is not None else replies[0])
    asked = "" if request is None else _text_of(request.content)
    call = ToolUsePart(identity, "aa_chat", {"message": asked})
    said = json_text({"agent_message": _reply(replies)})
    # A delegate without an answer has failed; an empty answer reads back as none.
    result = ToolResultPart(identity, said, is_error=not replies)
    return VendorEntry(ASSISTANT, (call,), (result,))


def _reply(replies: Sequence[Message]) -> object:
    """Return a delegate's answer, thoughts first; plain text stays unchanged."""
    if not replies:
        return ""
    if len(replies) == 1 and replies[0].role != THOUGHT and isinstance(replies[0].content, str):
        return replies[0].content
    blocks: list[Record] = []
    for reply in replies:
        if reply.role == THOUGHT:
            blocks.append({"type": "thinking", "thinking": _text_of(reply.content)})
        else:
            blocks += anthropic_blocks(_parts(reply.content), _USER, keep_blank=True)
    return {"role": "assistant", "content": blocks}


def _parts(content: Content) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (TextPart(content),) if content else ()
    return content


def _text_of(content: Content) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.text for part in content if isinstance(part, TextPart))


def _id(kind: str, message: Message) -> str:
    """Return a call id that the vendor's rules allow."""
    return f"{kind}_" + re.sub(r"[^A-Za-z0-9_-]", "_", message.id)


# -- Anthropic -----------------------------------------------------------------------------


def _anthropic(entries: Sequence[VendorEntry]) -> Iterator[Record]:
    results: list[Record] = []  # they precede the user's next message
    for entry in entries:
        if entry.role in _ORDERS:
            continue
        if entry.role == _USER:
            yield _anthropic_user(entry, results)
            results = []
            continue
        blocks = anthropic_blocks(entry.parts, ASSISTANT)
        if not blocks:
            continue
        if results:
            yield {"role": _USER, "content": results}
        yield {"role": ASSISTANT, "content": blocks}
        results = anthropic_blocks(entry.results, _USER)
    if results:
        yield {"role": _USER, "content": results}


def _anthropic_user(entry: VendorEntry, results: list[Record]) -> Record:
    blocks = anthropic_blocks(entry.parts, _USER) or [{"type": "text", "text": _NO_CONTENT}]
    if entry.is_text and not results:
        return {"role": _USER, "content": blocks[0]["text"]}
    return {"role": _USER, "content": [*results, *blocks]}


# -- OpenAI --------------------------------------------------------------------------------


def _openai(entries: Sequence[VendorEntry]) -> Iterator[Record]:
    for entry in entries:
        role = entry.role if entry.role in (_USER, *_ORDERS) else ASSISTANT
        others = [part for part in entry.parts if not isinstance(part, ToolUsePart)]
        calls = [_openai_call(call) for call in entry.calls] if role == ASSISTANT else []
        content = openai_parts(others if calls else entry.parts, role)
        plain = entry.is_text and len(content) == 1
        said: str | list[Record] = content[0]["text"] if plain else content
        if calls:
            yield {"role": role, "content": said or None, "tool_calls": calls}
        elif said or role != ASSISTANT:
            yield {"role": role, "content": said or ""}
        for result in entry.results:
            yield {"role": "tool", "tool_call_id": result.tool_use_id, "content": result.content}


def _openai_call(call: ToolUsePart) -> Record:
    function = {"name": call.name, "arguments": json_text(call.input)}
    return {"id": call.id, "type": "function", "function": function}


_FORMS: dict[str, _Form] = {
    "anthropic": _Form(_anthropic, Naming(64, 128, any_id=False), is_signed),
    "openai": _Form(_openai, Naming(40, 64, any_id=True), lambda _part: False),
}
