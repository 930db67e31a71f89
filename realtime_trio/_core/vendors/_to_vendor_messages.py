"""Read one vendor message into its parts, calls and results, in order (§8 S2).

Anthropic keeps everything in blocks. OpenAI keeps calls, a refusal and reasoning in fields next to
the content. Both become one list of steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TypeAlias

import attrs

from ...events._json import Mismatch
from .._json_shapes import Block, block_type, is_call, is_list, is_mapping, text_field
from .._messages import (
    ASSISTANT,
    Content,
    MessageStatus,
    Part,
    PlaceholderPart,
    TextPart,
    ToolResultPart,
    recorded_moment,
)
from .._tool_shapes import normalise_tool_call, result_text
from .._unicode import valid_json
from ._normalise import content_of, parts_of
from ._results import Called, ToolAnswer, answer_in, answers_of

__all__ = ["TOOL_ROLES", "ReadMessage", "Step", "read_message", "unmatched_result"]

TOOL_ROLES = ("tool", "function")
HIDDEN_ROLES = ("system", "developer")

# Native thinking is a text part with a flag.
Step: TypeAlias = Part | Called | ToolAnswer


@attrs.frozen(slots=True)
class ReadMessage:
    """One parsed message of a history; ``bad`` if it cannot be shown (§8 S2).

    ``steps`` are the texts and calls of an assistant, in order. ``answers`` are the results in a
    message of any other role, by the index of their block; ``None`` for other blocks.
    """

    record: Block
    role: str
    time: datetime | None
    bad: bool
    steps: Sequence[Step] = ()
    answers: Sequence[ToolAnswer | None] = ()

    def left(self) -> Content | None:
        """Return the content of a user message without its matched results, or ``None``."""
        content = self.record.get("content")
        taken = [answer is not None and answer.called is not None for answer in self.answers]
        if not any(taken) or not is_list(content):
            return content_of(content)
        left = [block for block, gone in zip(content, taken, strict=True) if not gone]
        return content_of(left) or None

    def ended(self) -> MessageStatus:
        """Return how the message ended, if its record holds that."""
        for name in ("status", "stop_reason"):
            status = _ENDINGS.get(text_field(self.record, name) or "")
            if status is not None:
                return status
        return "complete"


_ENDINGS: dict[str, MessageStatus] = {
    "cancelled": "cancelled",
    "client_cancel": "cancelled",
    "interrupted": "interrupted",
    "incomplete": "interrupted",
}


def read_message(message: object, index: int) -> ReadMessage:
    """Read the message at ``index`` of a history. Never raises.

    A message without a role is the assistant's (§2 L2).
    """
    if not is_mapping(message):
        return ReadMessage({}, ASSISTANT, None, bad=True)
    record = valid_json(message)
    role = text_field(record, "role") or ASSISTANT
    time = _time_of(record)
    content = record.get("content")
    if role in TOOL_ROLES:
        return ReadMessage(record, role, time, False, answers=[answers_of(record, index)])
    if role not in HIDDEN_ROLES and not (
        content is None or isinstance(content, str | list | tuple)
    ):
        return ReadMessage(record, role, time, bad=True)
    if role == "user":
        answers = [answer_in(block, index) for block in _blocks_of(record)]
        return ReadMessage(record, role, time, False, answers=answers)
    steps = _steps_of(record, index) if role == ASSISTANT else ()
    return ReadMessage(record, role, time, False, steps=steps)


def _time_of(record: Block) -> datetime | None:
    times = map(recorded_moment, map(record.get, ("timestamp", "created_at", "updated_at")))
    return next((time for time in times if time is not None), None)


def _blocks_of(record: Block) -> Sequence[object]:
    content = record.get("content")
    return content if is_list(content) else ()


def _steps_of(record: Block, index: int) -> list[Step]:
    """Return the texts and calls of an assistant's message, in order.

    ``index`` is the message's index in the history. It identifies the one kind of call without an
    id.
    """
    return [*_reasoning_steps(record), *_content_steps(record, index), *_call_steps(record, index)]


def _reasoning_steps(record: Block) -> Iterator[Step]:
    reasoning = text_field(record, "reasoning_content", "reasoning")
    if reasoning:
        yield TextPart(reasoning, thinking=True)


def _content_steps(record: Block, index: int) -> Iterator[Step]:
    content = record.get("content")
    if isinstance(content, str):
        yield TextPart(content)
    for block in _blocks_of(record):
        yield from _block_steps(block, index)
    refusal = record.get("refusal")
    if isinstance(refusal, str):
        yield TextPart(refusal)
    audio = record.get("audio")
    if is_mapping(audio):
        transcript = text_field(audio, "transcript")
        if transcript is None:
            yield PlaceholderPart("audio", audio)
        else:
            yield TextPart(transcript)


def _block_steps(block: object, index: int) -> Sequence[Step]:
    if is_call(block_type(block)):
        return [_called(block, index)]
    answer = answer_in(block, index)
    return parts_of(block) if answer is None else [answer]


def _call_steps(record: Block, index: int) -> Iterator[Step]:
    calls = record.get("tool_calls")
    if is_list(calls):
        yield from (_called(call, index) for call in calls)
    function = record.get("function_call")
    if is_mapping(function):
        yield _called({"id": f"function_call_{index}", **function}, index)


def _called(raw: object, index: int) -> Step:
    try:
        return Called(normalise_tool_call(raw), index)
    except Mismatch:
        return PlaceholderPart(block_type(raw), raw)


def unmatched_result(record: Block) -> ToolResultPart:
    """Convert a ``tool`` or ``function`` message that answers no call."""
    return ToolResultPart(
        text_field(record, "tool_call_id", "tool_use_id", "name") or "",
        result_text(record.get("content")),
        record.get("is_error") is True,
    )
