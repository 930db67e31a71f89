"""What a delegation's tool call says when a finished session is read (protocol.md §8 S2).

An agent delegates by calling a tool whose name tells to whom and how. Live, the server
tells of it with events of its own; in a history there is only the call and its result, and
these functions read the request and the reply out of them.
"""

from __future__ import annotations

from typing import Literal

import attrs

from ...events import ToolCall
from .._messages import Content
from ._json_shapes import Block, is_mapping, json_object, json_text, text_field
from ._normalise import normalise_content
from ._yaml import yaml_text

__all__ = [
    "DelegationEnded",
    "DelegationStarted",
    "delegation_of",
    "reply_content",
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
_REQUESTS = ("message", "request", "prompt", "task", "query", "text", "_raw")
_THOUGHTS = ("thought", "thoughts", "thinking", "text", "content", "message", "_raw")


@attrs.frozen(slots=True, kw_only=True)
class DelegationStarted:
    """An agent of ``session_id`` delegates; what follows until the end is its sub-session.

    ``sub_agent_key`` is the one that the call names, ``None`` where it names none: a clone
    has the key of the agent that made it.
    """

    session_id: str
    tool_use_id: str
    sub_session_type: SubSessionType
    sub_agent_type: SubAgentType
    sub_agent_key: str | None


@attrs.frozen(slots=True, kw_only=True)
class DelegationEnded:
    """The delegation by the call ``tool_use_id`` is over."""

    session_id: str
    tool_use_id: str


def delegation_of(call: ToolCall, session_id: str) -> DelegationStarted | None:
    """The delegation that a call begins, or ``None`` for any other tool."""
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
    """What a delegation asks, or its arguments as JSON where no field of a known name says it."""
    text = text_field(arguments, *_REQUESTS)
    return json_text(arguments) if text is None else text


def thought_text(arguments: Block) -> str:
    """What a call of the tool ``think`` thinks; no arguments are no thought."""
    text = text_field(arguments, *_THOUGHTS)
    if text is not None:
        return text
    others = [value for value in arguments.values() if isinstance(value, str)]
    if len(others) == 1 == len(arguments):
        return others[0]
    return json_text(arguments) if arguments else ""


def reply_content(result: str) -> Content:
    """What a delegate answered: JSON's ``agent_message``, old YAML's ``text``, or all of it.

    A message of role ``user`` is no answer: it is the request, given back.
    """
    record = json_object(result)
    if record is None:
        text = yaml_text(result)
    else:
        reply = _agent_message(record)
        if reply is not None:
            return reply
        # JSON is YAML as well.
        text = text_field(record, "text")
    return result if text is None else text


def _agent_message(record: Block) -> Content | None:
    message = record.get("agent_message")
    speaker = message if is_mapping(message) and "role" in message else record
    if message is None or speaker.get("role") == "user":
        return None
    if not is_mapping(message):
        return normalise_content(message)
    if message.get("content") is not None:
        return normalise_content(message["content"])
    if isinstance(message.get("text"), str) or isinstance(message.get("type"), str):
        return normalise_content(message)
    return None
