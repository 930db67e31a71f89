"""Convert values to plain JSON objects, for ``realtime-trio replay --json``.

Keys are snake_case. Internal fields are omitted.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import attrs

from ..events import ToolCall, ToolResult
from ._messages import ImagePart, Message, OpenMessage, PlaceholderPart
from ._notifications import Notification
from ._state import OpenSubsession, Session, SessionState

__all__ = [
    "call_to_json",
    "message_to_json",
    "notification_to_json",
    "result_to_json",
    "state_to_json",
]

Json = dict[str, Any]


def timestamp_to_json(moment: datetime) -> str:
    """Format a time as ISO 8601 with microseconds, in UTC."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def call_to_json(call: ToolCall) -> Json:
    """Convert a tool call."""
    return {"id": call.id, "name": call.name, "input": call.input}


def result_to_json(result: ToolResult) -> Json:
    """Convert a tool result."""
    return {
        "tool_use_id": result.tool_use_id,
        "content": result.content,
        "is_error": result.is_error,
    }


def _image_to_json(part: ImagePart) -> Json:
    source: Json = {"type": part.source_type}
    for name in ("media_type", "data", "url"):
        value = getattr(part, name)
        if value is not None:
            source[name] = value
    made: Json = {"type": "image", "source": source}
    if part.detail is not None:
        made["detail"] = part.detail
    return made


def _part_to_json(part: Any) -> Json:
    if isinstance(part, ImagePart):
        return _image_to_json(part)
    if isinstance(part, PlaceholderPart):
        return {"type": part.type, "block_type": part.block_type, "block": part.block}
    made: Json = {"type": part.type}
    for name in _fields_of(part):
        value = getattr(part, name)
        shown = name != "block" and value is not None and value is not False
        if name == "is_error" or shown:
            made[name] = value
    return made


def message_to_json(message: Message) -> Json:
    """Convert a message."""
    content = message.content
    return {
        "id": message.id,
        "role": message.role,
        "content": content if isinstance(content, str) else [_part_to_json(p) for p in content],
        "format": message.format,
        "status": message.status,
        "timestamp": timestamp_to_json(message.timestamp),
        "tool_calls": [call_to_json(call) for call in message.tool_calls],
        "tool_results": [result_to_json(result) for result in message.tool_results],
        "metadata": {
            "input_tokens": message.metadata.input_tokens,
            "output_tokens": message.metadata.output_tokens,
            "stop_reason": message.metadata.stop_reason,
        },
        "is_sub_session": message.is_sub_session,
        "parent_session_id": message.parent_session_id,
        "user_session_id": message.user_session_id,
    }


def _bytes_to_json(data: bytes) -> str:
    return base64.b64encode(data).decode()


_RENDER: dict[type, Callable[[Any], Any]] = {
    Message: message_to_json,
    ToolCall: call_to_json,
    ToolResult: result_to_json,
    bytes: _bytes_to_json,
    datetime: timestamp_to_json,
}


# The fields of each class, cached; empty for classes without attrs.
_FIELDS: dict[type, tuple[str, ...]] = {}


def _fields_of(value: object) -> tuple[str, ...]:
    cls = type(value)
    names = _FIELDS.get(cls)
    if names is None:
        fields = attrs.fields(cls) if attrs.has(cls) else ()
        names = _FIELDS[cls] = tuple(field.name for field in fields)
    return names


def _value_to_json(value: object) -> Any:
    render = _RENDER.get(type(value))
    if render is not None:
        return render(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_value_to_json(item) for item in cast("Sequence[object]", value)]
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    names = _fields_of(value)
    return {name: _value_to_json(getattr(value, name)) for name in names} if names else value


def notification_to_json(note: Notification) -> Json:
    """Convert a notification to its name and payload."""
    made: Json = {"name": note.name}
    for name in _fields_of(note):
        value = getattr(note, name)
        made[name] = value if type(value) is str else _value_to_json(value)
    return made


def _open_to_json(message: OpenMessage | None) -> Json | None:
    return None if message is None else message_to_json(message.snapshot())


def _session_to_json(session: Session) -> Json:
    return {
        "name": session.name,
        "metadata": dict(session.metadata),
        "input_tokens": session.input_tokens,
        "output_tokens": session.output_tokens,
        "token_count": session.token_count,
        "messages": [message_to_json(message) for message in session.messages],
        "open_message": _open_to_json(session.open_message),
        "waiting_tools": [call_to_json(call) for call in session.waiting_tools],
    }


def _subsession_to_json(opened: OpenSubsession) -> Json:
    made: Json = _value_to_json(opened)
    del made["stack"]
    return made


def state_to_json(state: SessionState) -> Json:
    """Convert a state."""
    catalog = state.catalog
    return {
        "current_session_id": state.current_session_id,
        "sessions": {sid: _session_to_json(session) for sid, session in state.sessions.items()},
        "active_tools": [
            {
                "session_id": tool.session_id,
                "id": tool.id,
                "tool_name": tool.tool_name,
                "status": tool.status,
            }
            for tool in state.active_tools
        ],
        "turn": {"can_send_input": state.turn.can_send_input},
        "subsessions": [_subsession_to_json(opened) for opened in state.subsessions],
        "catalog": {
            "user": None if catalog.user is None else catalog.user.user_id,
            "agents": len(catalog.agents),
            "voices": len(catalog.voices),
            "avatars": len(catalog.avatars),
            "tools": len(catalog.tools),
        },
        "counters": _value_to_json(state.counters),
    }
