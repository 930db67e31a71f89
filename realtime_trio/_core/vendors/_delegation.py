"""Read a delegation from its tool call in a finished session (protocol.md §8 S2).

An agent delegates by calling a tool; the tool's name determines the target and the kind. In a live
session the server announces a delegation with separate events. A history holds only the call and
its result; these functions extract the request and the reply.
"""

from __future__ import annotations

from typing import Literal

import attrs

from ...events import ToolCall
from .._json_shapes import Block, is_mapping, json_object, json_text, text_field
from .._messages import Content, TextPart
from ._normalise import content_of, joined
from ._yaml import yaml_blocks

__all__ = [
    "DelegationEnded",
    "DelegationStarted",
    "Reply",
    "delegation_of",
    "is_delegation",
    "reply_of",
    "request_text",
    "thought_text",
]

SubSessionType = Literal["chat", "oneshot"]
SubAgentType = Literal["clone", "team", "assist"]

_PREFIXES: tuple[tuple[str, SubAgentType], ...] = (
    ("act_", "clone"),
    ("ateam_", "team"),
    ("aa_", "assist"),
)
_NAMES = tuple(prefix for prefix, _ in _PREFIXES)
_REQUESTS = ("message", "request", "prompt", "task", "query", "text", "_raw")
_THOUGHTS = ("thought", "thoughts", "thinking", "text", "content", "message", "_raw")


@attrs.frozen(slots=True, kw_only=True)
class DelegationStarted:
    """An agent of ``session_id`` delegates; the messages up to the end are the sub-session.

    ``sub_agent_key`` is the key named in the call, or ``None``: a clone has the key of the agent
    that created it.
    """

    session_id: str
    tool_use_id: str
    sub_session_type: SubSessionType
    sub_agent_type: SubAgentType
    sub_agent_key: str | None


@attrs.frozen(slots=True, kw_only=True)
class DelegationEnded:
    """The delegation of the call ``tool_use_id`` ended."""

    session_id: str
    tool_use_id: str


def is_delegation(name: str) -> bool:
    """Whether a tool with this name delegates."""
    return name.startswith(_NAMES)


def delegation_of(call: ToolCall, session_id: str) -> DelegationStarted | None:
    """Return the delegation that a call starts, or ``None`` for any other tool."""
    for prefix, agent_type in _PREFIXES:
        if call.name.startswith(prefix):
            return DelegationStarted(
                session_id=session_id,
                tool_use_id=call.id,
                sub_session_type="oneshot" if call.name.endswith("oneshot") else "chat",
                sub_agent_type=agent_type,
                sub_agent_key=text_field(call.input, "agent_key", "sub_agent_key"),
            )
    return None


def request_text(arguments: Block) -> str:
    """Return a delegation's request, or its arguments as JSON if no known field holds it."""
    text = text_field(arguments, *_REQUESTS)
    return json_text(arguments) if text is None else text


def thought_text(arguments: Block) -> str:
    """Return the thought in a call of ``think``; without arguments there is none."""
    text = text_field(arguments, *_THOUGHTS)
    if text is not None:
        return text
    others = [value for value in arguments.values() if isinstance(value, str)]
    if len(others) == 1 == len(arguments):
        return others[0]
    return json_text(arguments) if arguments else ""


@attrs.frozen(slots=True)
class Reply:
    """A delegate's answer: its thoughts and then its text.

    ``content`` is ``None`` without text.
    """

    thoughts: tuple[str, ...]
    content: Content | None


def reply_of(result: str) -> Reply:
    """Return a delegate's answer: JSON's ``agent_message``, old YAML's ``text``, or all of it.

    A message of role ``user`` is not an answer but the repeated request; then the whole result is
    shown unchanged.
    """
    record = json_object(result)
    if record is None:
        blocks = yaml_blocks(result)
        return _reply(result if blocks is None else content_of(blocks))
    if record.get("agent_message") is not None:
        said = _agent_message(record)
        return _reply(result if said is None else content_of(said))
    text = text_field(record, "text")  # JSON is also YAML
    return _reply(result if text is None else text)


def _reply(content: Content) -> Reply:
    """Create a reply; thinking anywhere in the answer is kept out of its text."""
    if isinstance(content, str):
        return Reply((), content or None)
    thinking = [part for part in content if isinstance(part, TextPart) and part.thinking]
    others = [part for part in content if not (isinstance(part, TextPart) and part.thinking)]
    thoughts = tuple(part.text for part in thinking if part.text)
    return Reply(thoughts, joined(others) or None)


def _agent_message(record: Block) -> object:
    """Return the content of the agent's message, or ``None`` if it is the user's or empty."""
    message = record["agent_message"]
    speaker = message if is_mapping(message) and "role" in message else record
    if speaker.get("role") == "user":
        return None
    if not is_mapping(message):
        return message
    if message.get("content") is not None:
        return message["content"]
    if isinstance(message.get("text"), str) or isinstance(message.get("type"), str):
        return message
    return None
