"""Messages back into a vendor's form, for ``set_session_messages`` (protocol.md §4).

The converse of :mod:`._history`: what is written here reads back as the same transcript, as
far as a history that the vendor takes can say it.
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
from ._call_order import Naming, VendorEntry, linked

__all__ = ["to_vendor"]

Record: TypeAlias = dict[str, Any]
Vendor: TypeAlias = Literal["anthropic", "openai"]

_USER = "user"
_NO_CONTENT = "[User message]"
_ORDERS = ("system", "developer")


def to_vendor(messages: Iterable[Message], vendor: Vendor) -> list[Record]:
    """Write a session's messages in the form of ``vendor``.

    Text, roles, the order of messages, tools and their results survive the way there and
    back; so do citations, documents and blocks of unknown types in the form of the vendor
    that they came from. A thought becomes a call of the tool ``think``, the one form of a
    thought that both vendors take back (signed thinking that stands as a part in a message
    is given back to Anthropic as it came); the request and the reply of a delegation become
    a call ``aa_chat`` and its result.

    What is written is a history that the vendor takes, and valid Unicode:

    - Each call is followed by its one result. A call without a result gets one that is an
      error (a delegation without a reply an empty one); a result without a call becomes text.
    - Each call has an id of its own: a repeated id is renamed (``id-2``). Ids and names of
      tools hold the characters and have the length that the vendor allows.
    - A server's tool (``server_tool_use``) is written as any other tool.
    - No message is empty. An assistant's message with neither content nor tools is left out.
      Anthropic takes no blank text: in its form blank text of an assistant is left out, and a
      blank message of the user is "[User message]".
    - Images and documents in a message of an assistant become text; so do calls and thinking
      in a message of the user, and blocks that only the other vendor knows.
    - Anthropic's results and the user's next message are one message.

    What no vendor's form can hold is lost: ids, times, status, format and metadata of
    messages; which delegation it was, and its agent. A tool call or thinking that stands as a
    part in an assistant's content is read back as a tool or a thought, and the tools of a
    message without content as tools of its turn's last message where there is one. Messages
    of role ``system`` and ``developer`` are kept for OpenAI, but never shown again, and left
    out for Anthropic; other roles become ``assistant``. OpenAI's form has moreover no place
    for citations, for a document's title and for the mark that a result is an error;
    Anthropic's has none for the detail of an image.

    Raises ``ValueError`` for any other vendor.
    """
    form = _FORMS.get(vendor)
    if form is None:
        msg = f"no form is known for the vendor {vendor!r}: it is one of {', '.join(_FORMS)}"
        raise ValueError(msg)
    entries = list(_entries(messages, form.keeps_thinking))
    return valid_json(list(form.write(list(linked(entries, form.naming)))))


@attrs.frozen(slots=True)
class _Form:
    """How one vendor writes a history."""

    write: Callable[[Sequence[VendorEntry]], Iterator[Record]]
    naming: Naming
    keeps_thinking: Callable[[Part], bool]


# --- messages to entries ----------------------------------------------------------------


def _entries(
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
    """Whether a sub-session's message stands in its parent's list."""
    return message.is_sub_session and message.session_id == message.parent_session_id


def _entries_of(message: Message, keeps_thinking: Callable[[Part], bool]) -> Iterator[VendorEntry]:
    """What a message says, each thought in an entry of its own; the last has the tools."""
    if message.role not in (ASSISTANT, THOUGHT):
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
    # One that did not answer has failed; an empty answer is read back as none.
    result = ToolResultPart(identity, said, is_error=not replies)
    return VendorEntry(ASSISTANT, (call,), (result,))


def _reply(replies: Sequence[Message]) -> object:
    """What a delegate answered, its thoughts first; a text alone as it is."""
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
    """An id for a call that the vendor's own rules for ids allow."""
    return f"{kind}_" + re.sub(r"[^A-Za-z0-9_-]", "_", message.id)


# --- Anthropic --------------------------------------------------------------------------


def _anthropic(entries: Sequence[VendorEntry]) -> Iterator[Record]:
    results: list[Record] = []  # they go before what the user says next
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


# --- OpenAI -----------------------------------------------------------------------------


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
