"""One vendor message, read into what it says: parts and tool calls in order (protocol.md §8 S2).

Anthropic keeps everything in blocks; OpenAI keeps its calls, a refusal and reasoning in
fields beside the content. Here both become one list, and the results of tools, wherever
they stand, a table by the id of their call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import attrs

from ...events import ToolCall, ToolResult
from ...events._json import Mismatch, describe
from .._messages import Content, Part, PlaceholderPart, TextPart, ToolResultPart
from ._json_shapes import Block, block_type, is_list, is_mapping, text_field
from ._normalise import normalise_content, normalise_tool_call, parts_of, result_text

__all__ = ["Results", "Step", "blocks_of", "spoken", "steps_of", "stray_result"]

# Native thinking is a text part that is marked as such.
Step: TypeAlias = Part | ToolCall


def blocks_of(record: Block) -> list[object]:
    """The blocks of a message's content; none where it is plain text."""
    content = record.get("content")
    if is_mapping(content):
        return [content]
    return list(content) if is_list(content) else []


def spoken(record: Block) -> Content:
    """The content of a message that takes no tools. Raises ``Mismatch`` where it is no content."""
    content = record.get("content")
    if content is None or isinstance(content, (bool, int, float)):
        raise Mismatch("text or blocks", describe(content), ".content")
    return normalise_content(content)


def steps_of(record: Block, index: int) -> list[Step]:
    """What the message of an assistant says and calls, in order.

    ``index`` is the message's place in the history: it names the one kind of call that has
    no id. Raises ``Mismatch`` where there is nothing to read at all.
    """
    steps = [*_beside(record), *_content_steps(record), *_call_steps(record, index)]
    if not steps and not isinstance(record.get("content"), (str, list, tuple)):
        raise Mismatch("text or blocks", describe(record.get("content")), ".content")
    return steps


def _beside(record: Block) -> Iterator[Step]:
    reasoning = text_field(record, "reasoning_content", "reasoning")
    if reasoning:
        yield TextPart(reasoning, thinking=True)


def _content_steps(record: Block) -> Iterator[Step]:
    content = record.get("content")
    if isinstance(content, str):
        yield TextPart(content)
    for block in blocks_of(record):
        yield from _block_steps(block)
    refusal = record.get("refusal")
    if isinstance(refusal, str):
        yield TextPart(refusal)
    audio = record.get("audio")
    if is_mapping(audio):
        transcript = text_field(audio, "transcript")
        yield PlaceholderPart("audio") if transcript is None else TextPart(transcript)


def _block_steps(block: object) -> Sequence[Step]:
    return [_called(block)] if block_type(block) == "tool_use" else parts_of(block)


def _call_steps(record: Block, index: int) -> Iterator[Step]:
    calls = record.get("tool_calls")
    if is_list(calls):
        yield from map(_called, calls)
    function = record.get("function_call")
    if is_mapping(function):
        yield _called({"id": f"function_call_{index}", **function})


def _called(raw: object) -> Step:
    try:
        return normalise_tool_call(raw)
    except Mismatch:
        return PlaceholderPart(block_type(raw))


# --- results ----------------------------------------------------------------------------


@attrs.frozen(slots=True)
class _Place:
    message: int
    block: int
    record: Block


class Results:
    """Every result of a history by the id of its call; each is given out once.

    A call's result stands in the next user message, or in a ``tool`` message before it: the
    stretch of the history that ends there is the only place where it is looked for.
    """

    def __init__(self, messages: Sequence[object]) -> None:
        self._stretch: list[int] = []
        self._places: dict[tuple[int, str], deque[_Place]] = {}
        self._taken: set[tuple[int, int]] = set()
        stretch = 0
        for index, message in enumerate(messages):
            self._stretch.append(stretch)
            for place, key in _results_in(message, index):
                self._places.setdefault((stretch, key), deque()).append(place)
            stretch += _ends_stretch(message)

    def take(self, index: int, call: ToolCall) -> ToolResult | None:
        """The result of a call that stands in message ``index``."""
        place = self._next(index, call.id) or self._next(index, _by_name(call.name))
        if place is None:
            return None
        self._taken.add((place.message, place.block))
        record = place.record
        return ToolResult(
            tool_use_id=call.id,
            content=result_text(record.get("content")),
            is_error=record.get("is_error") is True,
        )

    def _next(self, index: int, key: str) -> _Place | None:
        places = self._places.get((self._stretch[index], key))
        while places:
            place = places.popleft()
            if place.message > index:
                return place
        return None

    def is_taken(self, index: int, block: int = -1) -> bool:
        """Whether a block of message ``index``, or that message, was the result of a call."""
        return (index, block) in self._taken

    def left(self, index: int, record: Block) -> Content | None:
        """What a user's message says beside the results that were taken; ``None`` for nothing."""
        blocks = blocks_of(record)
        left = [block for i, block in enumerate(blocks) if not self.is_taken(index, i)]
        if len(left) == len(blocks):
            return spoken(record)
        return normalise_content(left) or None


def stray_result(record: Block) -> ToolResultPart:
    """A ``tool`` or ``function`` message that answers no call."""
    return ToolResultPart(
        text_field(record, "tool_call_id", "tool_use_id", "name") or "",
        result_text(record.get("content")),
        record.get("is_error") is True,
    )


def _ends_stretch(message: object) -> bool:
    # A user's message that cannot be read costs itself, not the results that come after it.
    if not is_mapping(message) or message.get("role") != "user":
        return False
    return not isinstance(message.get("content"), (bool, int, float))


def _by_name(name: str) -> str:
    return f"function {name}"


def _results_in(message: object, index: int) -> Iterator[tuple[_Place, str]]:
    if not is_mapping(message):
        return
    role = message.get("role")
    if role == "user":
        for i, block in enumerate(blocks_of(message)):
            if is_mapping(block) and block_type(block) == "tool_result":
                identity = text_field(block, "tool_use_id", "tool_call_id")
                if identity is not None:
                    yield _Place(index, i, block), identity
    elif role == "tool":
        identity = text_field(message, "tool_call_id", "tool_use_id")
        if identity is not None:
            yield _Place(index, -1, message), identity
    elif role == "function":
        name = text_field(message, "name")
        if name is not None:
            yield _Place(index, -1, message), _by_name(name)
