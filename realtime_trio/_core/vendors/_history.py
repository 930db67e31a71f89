"""Convert a finished session's history to the result of live streaming (protocol.md §8 S2).

The vendor's list is folded message by message into the list that an application sees. The result
must match live streaming:

- Text and thoughts alternate within one stream. A change of kind starts a new message; a tool call
  between two texts does not.
- The tools of a vendor message attach after the whole message, each with its result. Only a server
  tool with its result in the same message has ended earlier: it attaches to the text before that
  result.
- Tools attach to the last assistant or thought message since the user's last message. If there is
  none, they wait for the next; if none follows, they form a separate message.
- A delegation is not a tool but a sub-session inside its parent's list.

An unreadable message affects only itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TypeAlias

import attrs

from ...events import ToolCall
from .._messages import (
    ASSISTANT,
    THOUGHT,
    Content,
    Message,
    MessageMetadata,
    MessageStatus,
    Part,
    TextPart,
    make_message,
)
from ._delegation import (
    DelegationEnded,
    DelegationStarted,
    delegation_of,
    is_delegation,
    reply_of,
    request_text,
    thought_text,
)
from ._normalise import content_of, joined, parts_of
from ._results import Called, Entry, ToolAnswer, match
from ._to_vendor_messages import (
    HIDDEN_ROLES,
    TOOL_ROLES,
    ReadMessage,
    Step,
    read_message,
    unmatched_result,
)

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


@attrs.frozen(slots=True)
class HistoryMessage:
    """A message in a history.

    ``foreign`` marks a sub-session's message in its parent's list. It takes no tools, and later
    tools skip it.
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
    expands: Callable[[ToolCall], bool] | None = None,
) -> tuple[HistoryItem, ...]:
    """Convert a vendor's history into messages and delegations, in order. Never raises.

    ``vendor`` is the session's own value. It is not used to select a parser: sessions can change
    vendors, so each message is recognised by its shape. ``new_id`` is called once per message, in
    order. ``timestamp`` is the time for messages whose record has none. ``expands`` is called once
    per delegation, in order, and returns whether it becomes a sub-session; otherwise it is an
    ordinary tool.
    """
    readings = [read_message(message, index) for index, message in enumerate(messages)]
    _match_results(readings)
    times = [reading.time or timestamp for reading in readings]
    transcript = _HistoryBuilder(session_id, new_id, times, expands)
    for transcript.at, reading in enumerate(readings):
        if reading.bad:
            transcript.say(_USER if reading.role == _USER else ASSISTANT, UNREADABLE)
        else:
            _CONVERTERS.get(reading.role, _other)(transcript, reading)
    transcript.end_turn()
    return tuple(transcript.items)


def _match_results(readings: Sequence[ReadMessage]) -> None:
    stretch: list[Entry] = []
    for reading in readings:
        stretch += [step for step in reading.steps if isinstance(step, (Called, ToolAnswer))]
        stretch += [answer for answer in reading.answers if answer is not None]
        # An unreadable user message does not affect the results after it.
        if reading.role == _USER and not reading.bad:
            match(stretch)
            stretch = []
    match(stretch)


def _always(_call: ToolCall) -> bool:
    return True


class _HistoryBuilder:
    """The list built so far, and the index of the message that takes tools, or -1.

    ``times`` holds the time of each vendor message; ``at`` is the index of the current one.
    """

    def __init__(
        self,
        session_id: str,
        new_id: Callable[[], str],
        times: Sequence[datetime],
        expands: Callable[[ToolCall], bool] | None,
    ) -> None:
        self.session_id = session_id
        self.expands = expands if expands is not None else _always
        self.items: list[HistoryItem] = []
        self.at = 0
        self._new_id = new_id
        self._times = times
        self._target = -1
        # Tools wait here until their message is known.
        self._tools: list[Called] = []

    def _message(
        self, role: str, content: Content, *, at: int | None = None, foreign: bool = False
    ) -> HistoryMessage:
        message = make_message(
            id=self._new_id(),
            session_id=self.session_id,
            role=role,
            content=content,
            timestamp=self._times[self.at if at is None else at],
            is_sub_session=foreign,
            parent_session_id=self.session_id if foreign else None,
            user_session_id=self.session_id,
        )
        return HistoryMessage(message, foreign)

    def say(
        self,
        role: str,
        content: Content,
        status: MessageStatus = "complete",
        *,
        at: int | None = None,
    ) -> None:
        """Add a message of this session."""
        if role == _USER:
            self.end_turn()
        elif role in (ASSISTANT, THOUGHT):
            if self._target >= 0:
                self._settle()
            self._target = len(self.items)
        item = self._message(role, content, at=at)
        if status != "complete":
            metadata = MessageMetadata(stop_reason=status)
            message = attrs.evolve(item.message, status=status, metadata=metadata)
            item = HistoryMessage(message, foreign=False)
        self.items.append(item)

    def attach(self, called: Called) -> None:
        """Attach a tool to its message, or keep it until there is one."""
        self._tools.append(called)

    def _settle(self) -> None:
        """Attach all collected tools to their message."""
        item = self.items[self._target]
        if isinstance(item, HistoryMessage) and self._tools:
            results = [called.result() for called in self._tools]
            message = attrs.evolve(
                item.message,
                tool_calls=tuple(called.call for called in self._tools),
                tool_results=tuple(result for result in results if result is not None),
            )
            self.items[self._target] = HistoryMessage(message, item.foreign)
        self._tools = []

    def end_turn(self) -> None:
        """End the turn: tools that still wait become a separate message."""
        if self._tools and self._target < 0:
            self.say(ASSISTANT, "", at=self._tools[-1].index)
        if self._target >= 0:
            self._settle()
        self._target = -1

    def delegate(self, started: DelegationStarted, called: Called) -> None:
        """Add a delegation: its start, the request, the reply if there is one, and its end."""
        self.items.append(started)
        self.items.append(self._message(_USER, request_text(called.call.input), foreign=True))
        result = called.result()
        if called.answer is not None and result is not None:
            at, reply = called.answer.index, reply_of(result.content)
            for thought in reply.thoughts:
                self.items.append(self._message(THOUGHT, thought, at=at, foreign=True))
            if reply.content is not None:
                said = self._message(ASSISTANT, reply.content, at=at, foreign=True)
                self.items.append(said)
        ended = DelegationEnded(session_id=self.session_id, tool_use_id=called.call.id)
        self.items.append(ended)


# -- one function per role -----------------------------------------------------------------


def _user(transcript: _HistoryBuilder, reading: ReadMessage) -> None:
    if reading.record.get("content") is None:
        transcript.say(_USER, NO_CONTENT)
        return
    content = reading.left()
    if content is not None:
        transcript.say(_USER, content)


def _assistant(transcript: _HistoryBuilder, reading: ReadMessage) -> None:
    runs = _runs(reading.steps)
    for run in runs:
        if run.parts:
            status = reading.ended() if run is runs[-1] else "complete"
            transcript.say(run.role, run.content(), status)
        for called in run.ended:
            transcript.attach(called)
    calls = [step for step in reading.steps if isinstance(step, Called)]
    for called in calls:
        if _ends_early(called):
            continue
        started = delegation_of(called.call, transcript.session_id)
        if started is not None and transcript.expands(called.call):
            transcript.delegate(started, called)
        elif called.call.name != _THINK:
            transcript.attach(called)


def _tool(transcript: _HistoryBuilder, reading: ReadMessage) -> None:
    if not any(answer is not None and answer.called is not None for answer in reading.answers):
        transcript.say(_USER, (unmatched_result(reading.record),))


def _skip(_transcript: _HistoryBuilder, _reading: ReadMessage) -> None:
    """Skip system and developer messages: they instruct the agent."""


def _other(transcript: _HistoryBuilder, reading: ReadMessage) -> None:
    content = content_of(reading.record.get("content"))
    if content or (reading.role != THOUGHT and reading.record.get("content") is not None):
        transcript.say(reading.role, content)


_CONVERTERS: dict[str, Callable[[_HistoryBuilder, ReadMessage], None]] = {
    _USER: _user,
    ASSISTANT: _assistant,
    **dict.fromkeys(TOOL_ROLES, _tool),
    **dict.fromkeys(HIDDEN_ROLES, _skip),
}


# -- runs of one kind ----------------------------------------------------------------------


@attrs.frozen(slots=True, eq=False)
class _MessageBuilder:
    """A message from part of a vendor message, and the tools that ended during it."""

    role: str
    parts: list[Part] = attrs.field(factory=list[Part])
    ended: list[Called] = attrs.field(factory=list[Called])

    def content(self) -> Content:
        if self.role == THOUGHT:
            return "".join(part.text for part in self.parts if isinstance(part, TextPart))
        return joined(self.parts)


def _runs(steps: Sequence[Step]) -> list[_MessageBuilder]:
    """Split one vendor message into messages: its alternating texts and thoughts.

    The first can be empty: it holds the tools that ended before any text.
    """
    runs = [_MessageBuilder(ASSISTANT)]
    for step in steps:
        if isinstance(step, ToolAnswer) and step.called is not None:
            if _ends_early(step.called) and step.called.index == step.index:
                runs[-1].ended.append(step.called)
            continue
        for part in _shown(step):
            role = THOUGHT if isinstance(part, TextPart) and part.thinking else ASSISTANT
            if not runs[-1].parts or runs[-1].role != role:
                runs.append(_MessageBuilder(role))
            runs[-1].parts.append(part)
    return runs


def _ends_early(called: Called) -> bool:
    """Whether a call's result is in the same message, as for a server tool."""
    if called.answer is None or called.answer.index != called.index:
        return False
    return called.call.name != _THINK and not is_delegation(called.call.name)


def _shown(step: Step) -> Iterator[Part]:
    """Return the visible parts of a step: none for empty text, a thought for ``think``."""
    if isinstance(step, ToolAnswer):
        yield from parts_of(step.record)
    elif not isinstance(step, Called):
        if not isinstance(step, TextPart) or step.text or step.title is not None or step.url:
            yield step
    elif step.call.name == _THINK:
        thought = thought_text(step.call.input)
        if thought:
            yield TextPart(thought, thinking=True)
