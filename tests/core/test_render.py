"""Values as plain JSON: the lines that ``realtime-trio replay --json`` prints."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from realtime_trio._core import _notifications as notifications
from realtime_trio._core._audio_format import DEFAULT_FORMAT
from realtime_trio._core._messages import (
    ImagePart,
    Message,
    PlaceholderPart,
    TextPart,
    ToolResultPart,
    ToolUsePart,
    moment,
)
from realtime_trio._core._render import (
    call_to_json,
    message_to_json,
    notification_to_json,
    result_to_json,
    state_to_json,
    timestamp_to_json,
)
from realtime_trio._core._shell_notifications import Reconnecting
from realtime_trio._core._state import SessionState
from realtime_trio.events import ToolCall, ToolResult, Voice

CALL = ToolCall(id="t", name="ls", input={"a": 1}, type="server_tool_use")
RESULT = ToolResult(tool_use_id="t", content="out", is_error=True)

PARTS: list[tuple[Any, Any]] = [
    (TextPart("x"), {"type": "text", "text": "x"}),
    (TextPart("x", thinking=True), {"type": "text", "text": "x", "thinking": True}),
    (TextPart("x", title="A"), {"type": "text", "text": "x", "title": "A"}),
    (
        ImagePart("base64", "image/png", "AA=="),
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
    ),
    (
        ImagePart("url", url="u", detail="low"),
        {"type": "image", "source": {"type": "url", "url": "u"}, "detail": "low"},
    ),
    (
        ToolUsePart("t", "ls", {"a": 1}),
        {"type": "tool_use", "id": "t", "name": "ls", "input": {"a": 1}},
    ),
    (
        ToolResultPart("t", ""),
        {"type": "tool_result", "tool_use_id": "t", "content": "", "is_error": False},
    ),
    (
        TextPart("x", url="http://x/a.pdf", citations=({"n": 1},), block={"type": "document"}),
        {"type": "text", "text": "x", "url": "http://x/a.pdf", "citations": ({"n": 1},)},
    ),
    (
        PlaceholderPart("odd", {"type": "odd"}),
        {"type": "placeholder", "block_type": "odd", "block": {"type": "odd"}},
    ),
    (PlaceholderPart("null"), {"type": "placeholder", "block_type": "null", "block": None}),
]


def message(content: Any) -> Message:
    return Message(
        id="m1",
        session_id="s",
        role="assistant",
        content=content,
        timestamp=moment(0.25),
        tool_calls=(CALL,),
        tool_results=(RESULT,),
    )


@pytest.mark.parametrize(("part", "expected"), PARTS)
def test_parts(part: Any, expected: Any) -> None:
    assert message_to_json(message((part,)))["content"] == [expected]


def test_a_message() -> None:
    assert message_to_json(message("x")) == {
        "id": "m1",
        "role": "assistant",
        "content": "x",
        "format": "markdown",
        "status": "complete",
        "timestamp": "1970-01-01T00:00:00.250000Z",
        "tool_calls": [{"id": "t", "name": "ls", "input": {"a": 1}}],
        "tool_results": [{"tool_use_id": "t", "content": "out", "is_error": True}],
        "metadata": {"input_tokens": None, "output_tokens": None, "stop_reason": None},
        "is_sub_session": False,
        "parent_session_id": None,
        "user_session_id": None,
    }


def test_calls_and_results() -> None:
    assert call_to_json(CALL) == {"id": "t", "name": "ls", "input": {"a": 1}}
    assert result_to_json(RESULT) == {"tool_use_id": "t", "content": "out", "is_error": True}


def test_times_have_microseconds_and_are_utc() -> None:
    assert timestamp_to_json(moment(946684800.000001)) == "2000-01-01T00:00:00.000001Z"
    assert timestamp_to_json(moment(-1e300)) == "0001-01-01T00:00:00.000000Z"


NOTES: list[tuple[Any, Any]] = [
    (notifications.CancelConfirmed(), {"name": "turn-cancelled"}),
    (
        notifications.AudioOutput(data=b"\x00\xff", format=DEFAULT_FORMAT),
        {
            "name": "audio-output",
            "data": "AP8=",
            "format": {"rate": 16000, "channels": 1, "encoding": "pcm16"},
        },
    ),
    (
        notifications.VoiceChanged(previous=None, current=Voice(voice_id="v"), source="client"),
        {
            "name": "voice-changed",
            "previous": None,
            "current": {
                "voice_id": "v",
                "vendor": "",
                "description": "",
                "output_format": "pcm16",
            },
            "source": "client",
        },
    ),
    (
        notifications.ToolCallComplete(session_id="s", tool_calls=(CALL,), tool_results=(RESULT,)),
        {
            "name": "tool-call-complete",
            "session_id": "s",
            "tool_calls": [call_to_json(CALL)],
            "tool_results": [result_to_json(RESULT)],
        },
    ),
    (
        notifications.SessionMessagesLoaded(session_id="s", messages=(message("x"),)),
        {
            "name": "session-messages-loaded",
            "session_id": "s",
            "messages": [message_to_json(message("x"))],
        },
    ),
    (
        Reconnecting(attempt=1, delay=0.5),
        {"name": "reconnecting", "attempt": 1, "delay": 0.5},
    ),
]


@pytest.mark.parametrize(("note", "expected"), NOTES)
def test_notifications(note: Any, expected: Any) -> None:
    assert notification_to_json(note) == expected
    assert notification_to_json(note) == expected


def test_every_notification_has_a_name_of_its_own_and_is_a_value() -> None:
    classes = [getattr(notifications, name) for name in notifications.__all__]
    notes = [
        cls
        for cls in classes
        if isinstance(cls, type) and issubclass(cls, notifications.Notification)
    ]
    named = {cls.name: cls for cls in notes if cls is not notifications.Notification}
    assert len(named) == len(notes) - 1
    for cls in named.values():
        assert cls.name == cls.name.lower()
        assert attrs.has(cls)
        assert cls.__hash__ is not object.__hash__
        assert not hasattr(cls, "__dict__") or "__slots__" in cls.__dict__


def test_an_empty_state() -> None:
    state = state_to_json(SessionState())
    assert json.loads(json.dumps(state)) == state
    assert state == {
        "current_session_id": None,
        "sessions": {},
        "active_tools": [],
        "turn": {"can_send_input": False},
        "subsessions": [],
        "catalog": {"user": None, "agents": 0, "voices": 0, "avatars": 0, "tools": 0},
        "counters": {
            "events": 0,
            "unknown": 0,
            "malformed": 0,
            "tolerated": 0,
            "duplicates": 0,
            "late_deltas": 0,
            "handler_errors": 0,
        },
    }
