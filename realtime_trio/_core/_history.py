"""A finished session's history, as live streaming would have told it (protocol.md §8 S2).

The vendor's list is folded message by message into the list an application sees. What live
streaming does is the measure of it:

- Text and thoughts alternate as kinds of one stream: a change of kind makes a new message,
  a tool call between two texts does not.
- A vendor message's tools attach after all of it, and each with its own result.
- Tools go to the last assistant or thought message since the user spoke. Where there is
  none they wait for the next; where none comes they are a message of their own.
- A delegation is no tool but a sub-session that stands in its parent's list.

A message that cannot be read costs itself and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeAlias

import attrs

from ..events import ToolCall, ToolResult
from ..events._json import Mismatch, describe
from ._delegation import (
    DelegationEnded,
    DelegationStarted,
    delegation_of,
    reply_content,
    request_text,
    thought_text,
)
from ._messages import ASSISTANT, THOUGHT, Content, Message, Part, PlaceholderPart, TextPart
from ._shapes import Block, is_mapping
from ._vendor_messages import Results, Step, spoken, steps_of, stray_result

__all__ = [
    "UNREADABLE",
    "DelegationEnded",
    "DelegationStarted",
    "HistoryItem",
    "HistoryMessage",
    "convert_history",
]

UNREADABLE = "[Message could not be displayed]"
NO_CONTENT = "[User message]"

_USER = "user"
_THINK = "think"
_REDACTED = "redacted_thinking"


@attrs.frozen(slots=True)
class HistoryMessage:
    """A message of a history.

    ``foreign`` marks one of a sub-session that stands in its parent's list: it takes no
    tools, and what comes after it passes it over.
    """

    message: Message
    foreign: bool


HistoryItem: TypeAlias = HistoryMessage | DelegationStarted | DelegationEnded


def convert_history(
    messages: Sequence[object],
    vendor: str,
    *,
    session_id: str,
    new_id: Callable[[], str],
    timestamp: datetime,
    unfolds: Callable[[ToolCall], bool] | None = None,
) -> tuple[HistoryItem, ...]:
    """Convert a vendor's history into messages and delegations, in order. Never raises.

    ``vendor`` is what the session says of itself. It decides nothing: sessions change
    vendors on their way, and every message tells by its shape whose it is. ``new_id`` is
    called once for each message, in order. ``unfolds`` is asked once for each delegation, in
    order, whether it becomes a sub-session; else it is a tool like any other.
    """
    transcript = _Transcript(session_id, new_id, timestamp, unfolds)
    results = Results(messages)
    for index, message in enumerate(messages):
        role = message.get("role") if is_mapping(message) else None
        try:
            if not is_mapping(message) or not isinstance(role, str):
                raise Mismatch("a message with a role", describe(message))
            _READERS.get(role, _other)(transcript, index, message, results)
        except Mismatch:
            transcript.say(_USER if role == _USER else ASSISTANT, UNREADABLE)
    transcript.end_turn()
    return tuple(transcript.items)


class _Transcript:
    """The list as far as it has come, and the place of the message that takes tools, or -1."""

    def __init__(
        self,
        session_id: str,
        new_id: Callable[[], str],
        timestamp: datetime,
        unfolds: Callable[[ToolCall], bool] | None,
    ) -> None:
        self.session_id = session_id
        self.unfolds = unfolds
        self.items: list[HistoryItem] = []
        self._new_id = new_id
        self._timestamp = timestamp
        self._target = -1
        # By id: a repeated one replaces (§8 T4). They wait here until the target is settled.
        self._calls: dict[str, ToolCall] = {}
        self._results: dict[str, ToolResult] = {}

    def _message(self, role: str, content: Content, *, foreign: bool = False) -> HistoryMessage:
        message = Message(
            id=self._new_id(),
            session_id=self.session_id,
            role=role,
            content=content,
            timestamp=self._timestamp,
            is_sub_session=foreign,
            parent_session_id=self.session_id if foreign else None,
            user_session_id=self.session_id,
        )
        return HistoryMessage(message, foreign)

    def say(self, role: str, content: Content) -> None:
        """Add a message of the session itself."""
        if role == _USER:
            self.end_turn()
        elif role in (ASSISTANT, THOUGHT):
            if self._target >= 0:
                self._settle()
            self._target = len(self.items)
        self.items.append(self._message(role, content))

    def attach(self, call: ToolCall, result: ToolResult | None) -> None:
        """Attach a tool to the message that takes it, or let it wait for one."""
        self._calls[call.id] = call
        if result is not None:
            self._results[call.id] = result

    def _settle(self) -> None:
        """Give the target its tools, all at once."""
        item = self.items[self._target]
        if isinstance(item, HistoryMessage) and self._calls:
            message = attrs.evolve(
                item.message,
                tool_calls=tuple(self._calls.values()),
                tool_results=tuple(self._results.values()),
            )
            self.items[self._target] = HistoryMessage(message, item.foreign)
        self._calls, self._results = {}, {}

    def end_turn(self) -> None:
        """Settle the turn: tools that still wait become a message of their own."""
        if self._calls and self._target < 0:
            self.say(ASSISTANT, "")
        if self._target >= 0:
            self._settle()
        self._target = -1

    def delegate(
        self, started: DelegationStarted, call: ToolCall, result: ToolResult | None
    ) -> None:
        """Add a delegation: the request, the reply where there is one, and its two ends."""
        self.items.append(started)
        self.items.append(self._message(_USER, request_text(call.input), foreign=True))
        if result is not None:
            reply = reply_content(result.content)
            self.items.append(self._message(ASSISTANT, reply, foreign=True))
        self.items.append(DelegationEnded(session_id=self.session_id, tool_use_id=call.id))


# --- readers, one for each role ---------------------------------------------------------


def _user(transcript: _Transcript, index: int, record: Block, results: Results) -> None:
    if record.get("content") is None:
        transcript.say(_USER, NO_CONTENT)
        return
    content = results.left(index, record)
    if content is not None:
        transcript.say(_USER, content)


def _assistant(transcript: _Transcript, index: int, record: Block, results: Results) -> None:
    steps = steps_of(record, index)
    for role, content in _runs(steps):
        transcript.say(role, content)
    for call in steps:
        if not isinstance(call, ToolCall):
            continue
        result = results.take(index, call)
        started = delegation_of(call, transcript.session_id)
        if started is not None and (transcript.unfolds is None or transcript.unfolds(call)):
            transcript.delegate(started, call, result)
        elif call.name != _THINK:
            transcript.attach(call, result)


def _tool(transcript: _Transcript, index: int, record: Block, results: Results) -> None:
    if not results.is_taken(index):
        transcript.say(_USER, (stray_result(record),))


def _hidden(_transcript: _Transcript, _index: int, _record: Block, _results: Results) -> None:
    """System and developer messages are orders to the agent, not part of the conversation."""


def _other(transcript: _Transcript, _index: int, record: Block, _results: Results) -> None:
    transcript.say(str(record["role"]), spoken(record))


_READERS: dict[str, Callable[[_Transcript, int, Block, Results], None]] = {
    _USER: _user,
    ASSISTANT: _assistant,
    "tool": _tool,
    "function": _tool,
    "system": _hidden,
    "developer": _hidden,
}


# --- runs of one kind -------------------------------------------------------------------


def _runs(steps: Iterable[Step]) -> list[tuple[str, Content]]:
    """The messages that one vendor message makes: its text, its thoughts, as they alternate.

    Thinking that the vendor redacted was never streamed. It neither makes a message nor
    parts two, and is named only in a message that has parts anyway.
    """
    runs: list[tuple[str, list[Part]]] = []
    redacted: list[Part] = []
    for step in steps:
        part = _shown(step)
        if part is None:
            continue
        if part == PlaceholderPart(_REDACTED):
            redacted.append(part)
            continue
        role = THOUGHT if isinstance(part, TextPart) and part.thinking else ASSISTANT
        if not runs or runs[-1][0] != role:
            runs.append((role, []))
        if role == ASSISTANT:
            runs[-1][1].extend(redacted)
            redacted.clear()
        runs[-1][1].append(part)
    if runs and runs[-1][0] == ASSISTANT:
        runs[-1][1].extend(redacted)
    return [(role, _content(parts)) for role, parts in runs]


def _shown(step: Step) -> Part | None:
    """The part that a step shows: nothing for an empty text, a thought for ``think``."""
    if isinstance(step, ToolCall):
        if step.name != _THINK:
            return None
        step = TextPart(thought_text(step.input), thinking=True)
    if isinstance(step, TextPart) and not step.text and step.title is None:
        return None
    return step


def _content(parts: Sequence[Part]) -> Content:
    texts = [part.text for part in parts if isinstance(part, TextPart) and part.title is None]
    others = [part for part in parts if not isinstance(part, TextPart) or part.title is not None]
    if all(part == PlaceholderPart(_REDACTED) for part in others):
        return "".join(texts)
    return tuple(parts)
