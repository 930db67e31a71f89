"""Match the results in a history to their calls (protocol.md §8 S2, T1).

A call's result is in the next user message, or in a message before that one (of role ``tool``, or
of the assistant for a server tool). Only the section of the history up to that message is searched.

Vendors may reuse an id. A result therefore belongs to the latest call with its id and without a
result; calls of one message get theirs in order. A client tool's result (``tool_result``) matches a
client call and a server tool's a server call. Remaining results are matched by id only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import attrs

from ...events import ToolCall, ToolResult
from .._json_shapes import Block, block_type, is_mapping, is_result, text_field
from .._tool_shapes import result_text

__all__ = ["Called", "ToolAnswer", "answer_in", "answers_of", "match"]


@attrs.define(slots=True, eq=False)
class Called:
    """A call in message ``index``, and its result once found."""

    call: ToolCall
    index: int
    answer: ToolAnswer | None = None

    def result(self) -> ToolResult | None:
        """The result in normal form, or ``None`` if the call has none."""
        if self.answer is None:
            return None
        record = self.answer.record
        kind = record.get("type")
        return ToolResult(
            tool_use_id=self.call.id,
            content=result_text(record.get("content")),
            is_error=record.get("is_error") is True,
            type=kind if isinstance(kind, str) else "tool_result",
        )


@attrs.define(slots=True, eq=False)
class ToolAnswer:
    """A result in message ``index``, and its call once found."""

    record: Block
    index: int
    identity: str
    kind: str = "client"
    called: Called | None = None


def answer_in(block: object, index: int) -> ToolAnswer | None:
    """Read a block as a result; ``None`` for other blocks and for one without a call id."""
    kind = block_type(block)
    if not is_mapping(block) or not is_result(kind):
        return None
    identity = text_field(block, "tool_use_id", "tool_call_id")
    if identity is None:
        return None
    return ToolAnswer(block, index, identity, "client" if kind == "tool_result" else "server")


def answers_of(record: Block, index: int) -> ToolAnswer | None:
    """Read a whole message of role ``tool`` or ``function`` as a result."""
    if record.get("role") == "function":
        name = text_field(record, "name")
        return None if name is None else ToolAnswer(record, index, name, "function")
    identity = text_field(record, "tool_call_id", "tool_use_id")
    return None if identity is None else ToolAnswer(record, index, identity)


Entry: TypeAlias = Called | ToolAnswer
_Key: TypeAlias = tuple[str, str]


def match(stretch: Sequence[Entry]) -> None:
    """Match the calls and results of one section, given in order."""
    _pair(stretch, _by_kind)
    _pair([entry for entry in stretch if _is_open(entry)], _by_id)


def _is_open(entry: Entry) -> bool:
    return (entry.answer if isinstance(entry, Called) else entry.called) is None


def _by_kind(entry: Entry) -> Iterator[_Key]:
    if isinstance(entry, ToolAnswer):
        yield entry.kind, entry.identity
        return
    kind = entry.call.type
    yield (
        "client" if kind == "tool_use" or not kind.endswith("_tool_use") else "server",
        (entry.call.id),
    )
    yield "function", entry.call.name


def _by_id(entry: Entry) -> Iterator[_Key]:
    if isinstance(entry, Called):
        yield "", entry.call.id
    elif entry.kind != "function":
        yield "", entry.identity


def _pair(stretch: Sequence[Entry], keys: Callable[[Entry], Iterator[_Key]]) -> None:
    # By key: the calls without a result, in one queue per message.
    calls: dict[_Key, list[deque[Called]]] = {}
    for entry in stretch:
        for key in keys(entry):
            queues = calls.setdefault(key, [])
            if isinstance(entry, ToolAnswer):
                _answer(entry, queues)
            elif queues and queues[-1][-1].index == entry.index:
                queues[-1].append(entry)
            else:
                queues.append(deque([entry]))


def _answer(answer: ToolAnswer, queues: list[deque[Called]]) -> None:
    while queues:
        latest = queues[-1]
        while latest and latest[0].answer is not None:  # already matched by another key
            latest.popleft()
        if latest:
            called = latest.popleft()
            called.answer, answer.called = answer, called
        if not latest:
            queues.pop()
        if answer.called is not None:
            return
