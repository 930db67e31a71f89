"""The protocol's tables, written out by hand, independent of the library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import attrs
import pytest

import realtime_trio as rt
from realtime_trio import events
from realtime_trio._core import _notifications, _shell_notifications
from realtime_trio._core._codec import Codec
from realtime_trio._core._render import notification_to_json
from realtime_trio._processor import EventStreamProcessor
from realtime_trio.events import Direction, Lane

from .talk import Json, Talk, names
from .test_model import LINK_LOST, POOL

USER: Json = {"user_id": "u"}
VOICE: Json = {"voice_id": "v"}
SESSION: Json = {"session_id": "s"}
S_MAYBE: Json = {
    "session_id": "s",
    "role": "assistant",
    "parent_session_id": "p",
    "user_session_id": "u",
}
SUB: Json = {
    "sub_session_type": "chat",
    "sub_agent_type": "tool",
    "prime_agent_key": "a",
    "sub_agent_key": "b",
}
MEDIA: Json = dict.fromkeys(["content", "url", "name", "sent_by_class", "sent_by_function"], "x")
C, T, A = Lane.CONTROL, Lane.TEXT, Lane.AUDIO

# Type -> lanes, required fields (§2 L1), fields that may be absent or null.
SERVER: dict[str, tuple[tuple[Lane, ...], Json, Json]] = {
    "chat_user_data": ((C,), {"user": USER}, {}),
    "ui_session_id_changed": ((C,), {"ui_session_id": "u"}, {}),
    "avatar_list": ((C,), {"avatars": []}, {}),
    "voice_list": ((C,), {"voices": [VOICE]}, {}),
    "agent_list": ((C,), {"agents": [{"key": "k"}]}, {}),
    "tool_catalog": ((C,), {"tools": [{"name": "t"}]}, {}),
    "agent_configuration_changed": ((C, T), {"agent_config": {"key": "k"}}, {}),
    # Its two mappings are null when the avatar session ends.
    "avatar_connection_changed": (
        (C,),
        {},
        {"avatar_session_request": {}, "avatar_session": {}},
    ),
    "agent_voice_changed": ((C, A), {"voice": VOICE}, {}),
    "voice_input_supported": ((C,), {"modes": ["ptt", "vad", "realtime"]}, {}),
    "server_listening": ((C, A), {}, {}),
    "user_turn_start": ((C, T, A), {}, {}),
    "user_turn_end": ((C, T, A), {}, {}),
    "chat_session_changed": ((C, T), {}, {"chat_session": SESSION}),
    "chat_session_name_changed": ((T,), {"session_name": "n"}, {"session_id": "s"}),
    "session_metadata_changed": ((T,), {"meta": {}}, {}),
    "chat_session_added": ((C,), {"chat_session": SESSION}, {}),
    "chat_session_deleted": ((C, T), {}, {"session_id": "s"}),
    "delete_chat_session": ((C, T), {}, {"session_id": "s"}),
    "get_user_sessions_response": (
        (C,),
        {"sessions": {"chat_sessions": [SESSION], "total_sessions": 1, "offset": 0}},
        {},
    ),
    "workspace_list": ((C,), {"workspaces": [{}]}, {}),
    "workspace_added": ((C,), {"entry": {}}, {}),
    "error": ((C, T), {"message": "m"}, {"source": "s"}),
    "cancelled": ((C, T, A), {}, {}),
    "ping": ((C,), {}, {}),
    "pong": ((C,), {}, {}),
    "text_delta": ((T,), {"content": "c"}, S_MAYBE),
    "thought_delta": ((T,), {"content": "c"}, S_MAYBE),
    "complete_thought": ((T,), {}, {**S_MAYBE, "content": "c"}),
    "message": ((T,), {"content": "c"}, S_MAYBE),
    "completion": (
        (T,),
        {"running": True},
        {
            **S_MAYBE,
            "completion_options": {},
            "stop_reason": "r",
            "input_tokens": 1,
            "output_tokens": 1,
        },
    ),
    "interaction": ((T,), {"started": True}, {**S_MAYBE, "id": "i"}),
    "tool_select_delta": ((T,), {}, {**S_MAYBE, "tool_calls": []}),
    "tool_call": (
        (T,),
        {"active": True},
        {**S_MAYBE, "vendor": "v", "tool_calls": [], "tool_results": []},
    ),
    "render_media": (
        (T,),
        {},
        {**S_MAYBE, **MEDIA, "content_type": "t", "foreign_content": False},
    ),
    "system_message": ((T,), {"content": "c"}, S_MAYBE),
    "history": ((T,), {}, {**S_MAYBE, "vendor": "v", "messages": [{}]}),
    "history_delta": ((T,), {}, {**S_MAYBE, "vendor": "v", "messages": [{}]}),
    "system_prompt": ((T,), {}, {**S_MAYBE, "content": "c"}),
    "user_request": ((T,), {}, {**S_MAYBE, "data": {"message": "m"}}),
    "user_message": ((T,), {}, {**S_MAYBE, "vendor": "v", "message": "m", "text": "t"}),
    "anthropic_user_message": ((T,), {}, {**S_MAYBE, "message": {}}),
    "openai_user_message": ((T,), {}, {**S_MAYBE, "message": {}}),
    "open_a_i_user_message": ((T,), {}, {**S_MAYBE, "message": {}}),
    "open_ai_user_message": ((T,), {}, {**S_MAYBE, "message": {}}),
    "subsession_started": ((T,), {}, {**S_MAYBE, **SUB}),
    "subsession_ended": ((T,), {}, S_MAYBE),
    "audio_delta": ((A,), {"content": "AAAA"}, S_MAYBE),
}

# Fields with a default -> the default, and an invalid value (§2 L2, L3).
DEFAULTS: list[tuple[str, str, Any, Any]] = [
    *((each, "format", "markdown", 5) for each in ("text_delta", "thought_delta", "message")),
    *((each, "content", "", 5) for each in ("complete_thought", "system_prompt")),
    *((each, "role", "assistant", 5) for each in ("text_delta", "completion", "audio_delta")),
    *((each, "role", "assistant (thought)", []) for each in ("thought_delta", "complete_thought")),
    *((each, "role", "user", {}) for each in ("user_message", "user_request")),
    *((each, "role", "system", True) for each in ("system_message", "history", "system_prompt")),
    ("system_message", "severity", "error", 5),
    ("system_message", "format", "markdown", 5),
    ("anthropic_user_message", "vendor", "anthropic", 5),
    ("anthropic_user_message", "message", {}, "x"),
    ("openai_user_message", "vendor", "openai", []),
    ("user_message", "vendor", "none", 5),
    ("history", "vendor", "none", 5),
    ("history", "messages", (), {}),
    ("completion", "completion_options", {}, 5),
    ("interaction", "id", "", 5),
    ("render_media", "content_type", "text/plain", 5),
    ("render_media", "foreign_content", False, "false"),
    ("subsession_started", "sub_session_type", "chat", 5),
    ("subsession_started", "sub_agent_type", "assist", 5),
    ("subsession_started", "prime_agent_key", "", 5),
    ("audio_delta", "content_type", "audio/L16", 5),
]

DECISIVE = frozenset({"session_id", "chat_session"})

ENUMS: list[tuple[str, str, list[Any]]] = [
    ("voice_input_supported", "modes", [["ptt"], ["vad"], ["realtime"], []]),
    ("system_message", "severity", ["error", "warning", "info"]),
    ("subsession_started", "sub_session_type", ["chat", "oneshot"]),
    ("subsession_started", "sub_agent_type", ["clone", "team", "assist", "tool"]),
]

# Type -> the fields that a client must give, and the defaults of the others.
CLIENT: dict[str, tuple[Json, Json]] = {
    "ping": ({}, {}),
    "pong": ({}, {}),
    "get_agents": ({}, {}),
    "get_avatars": ({}, {}),
    "get_voices": ({}, {}),
    "get_tool_catalog": ({}, {}),
    "list_workspaces": ({}, {}),
    "set_agent": ({"agent_key": "a"}, {}),
    "set_agent_tools": ({"tools": ["t"]}, {}),
    "set_agent_voice": ({"voice_id": "v"}, {}),
    "set_avatar": ({"avatar_id": "a"}, {"quality": "medium", "video_encoding": "H264"}),
    "set_avatar_session": ({"access_token": "t", "avatar_session_id": "a"}, {}),
    "clear_avatar_session": ({"session_id": "s"}, {}),
    "text_input": ({"text": "t"}, {"file_ids": []}),
    "new_chat_session": ({}, {}),
    "resume_chat_session": ({"session_id": "s"}, {}),
    "set_chat_session_name": ({"session_name": "n"}, {}),
    "set_session_metadata": ({"meta": {}}, {}),
    "set_session_messages": ({"messages": [{}]}, {}),
    "get_user_sessions": ({}, {"offset": 0, "limit": 50}),
    "delete_chat_session": ({}, {}),
    "ptt_start": ({}, {}),
    "ptt_end": ({}, {}),
    "set_voice_input_mode": ({"mode": "vad"}, {}),
    "audio_input_delta": ({"content": "AAAA"}, {"content_type": "audio/L16"}),
    "client_wants_cancel": ({}, {}),
    "add_workspace": ({"entry": {}}, {}),
    "remove_workspace": ({"name": "n"}, {}),
}

# Name -> payload.
TOLD: dict[str, set[str]] = {
    "agent-changed": {"expected", "got"},
    "jumped": {"first", "last", "why"},
    "connected": set(),
    "disconnected": {"code", "reason"},
    "reconnecting": {"attempt", "delay"},
    "reconnected": {"attempts", "missed", "session_id", "commands", "audio_dropped"},
    "session-restored": {"session_id", "reloaded"},
    "initialized": set(),
    "connection-failed": {"attempts", "reason"},
    "message-streaming": {"session_id", "message_id", "role", "delta"},
    "message-complete": {"session_id", "message"},
    "message-added": {"session_id", "message"},
    "message-updated": {"session_id", "message"},
    "user-message": {"session_id", "vendor", "message"},
    "session-messages-loaded": {"session_id", "messages"},
    "response-cancelled": {"session_ids"},
    "tool-notification": {"session_id", "id", "tool_name", "status", "arguments"},
    "tool-notification-removed": {"session_id", "id"},
    "tool-call-complete": {"session_id", "tool_calls", "tool_results"},
    "session-notifications-cleared": {"session_id"},
    "all-notifications-cleared": set(),
    "media-added": {"session_id", "media"},
    "system-notification": {"type", "severity", "content", "source", "session_id"},
    "processing-error": {"event_type", "error"},
    "chat-session-changed": {"previous_session_id", "current_session_id"},
    "sessions-updated": {"session_ids"},
    "sessions-index-updated": {"total", "session_ids"},
    "session-cleared": {"session_id"},
    "all-sessions-cleared": set(),
    "request-user-sessions": {"offset", "limit"},
    "subsession-started": {
        "session_id",
        "parent_session_id",
        "user_session_id",
        "sub_session_type",
        "sub_agent_type",
        "prime_agent_key",
        "sub_agent_key",
        "depth",
    },
    "subsession-ended": {"session_id", "parent_session_id", "user_session_id", "depth"},
    "turn-state-changed": {"can_send_input"},
    "turn-cancelled": set(),
    "auth-login": set(),
    "auth-logout": set(),
    "auth-tokens-refreshed": set(),
    "auth-state-changed": {"authenticated"},
    "auth-error": {"error"},
    "voices-updated": {"voices"},
    "voice-changed": {"previous", "current", "source"},
    "avatar-session-started": {"avatar_session_request", "avatar_session"},
    "avatar-session-ended": set(),
    "avatar-state-changed": {"active"},
    "audio-output": {"data", "format"},
    "audio-gap": {"frames", "bytes"},
    "audio-flushed": {"bytes", "heard_ms", "unheard_ms"},
    "memory-pressure": {"lane", "level"},
    # Not in the protocol: notifications of a subscription about itself.
    "lagged": {"count"},
}


def refused(tag: str, fields: Json) -> bool:
    talk = Talk(session=None)
    notes = names(talk({"type": tag, **fields}))
    assert talk.counters["unknown"] == 0
    assert ("processing-error" in notes) == bool(talk.counters["malformed"])
    return "processing-error" in notes


def test_the_registry_has_these_types_and_no_others() -> None:
    mine = [row for row in events.REGISTRY if row.builtin]
    server = {tag for row in mine if row.lanes for tag in (row.type, *row.aliases)}
    assert server == set(SERVER)
    assert {row.type for row in mine if Direction.CLIENT in row.direction} == set(CLIENT)


@pytest.mark.parametrize("tag", SERVER)
def test_a_server_event_goes_to_its_lanes(tag: str) -> None:
    row = events.REGISTRY.server_row(tag)
    assert row is not None
    assert row.lanes == SERVER[tag][0]
    assert row.urgent == (tag in ("error", "cancelled"))


@pytest.mark.parametrize("tag", SERVER)
def test_m8_each_required_field_is_required(tag: str) -> None:
    _, required, optional = SERVER[tag]
    assert not refused(tag, required)
    assert not refused(tag, {**required, **optional, "unknown_field": 1})
    for name in required:
        assert refused(tag, {k: v for k, v in required.items() if k != name}), name
        assert refused(tag, {**required, name: None}), name
        assert refused(tag, {**required, name: 5.5}), name
    for name in optional:
        assert not refused(tag, {**required, name: None}), name
        # The session is never guessed; any other field affects only itself.
        assert refused(tag, {**required, name: []}) == (name in DECISIVE), name


@pytest.mark.parametrize(("tag", "name", "default", "wrong"), DEFAULTS)
def test_m8_a_field_with_a_default_may_be_absent(
    tag: str, name: str, default: object, wrong: object
) -> None:
    required = SERVER[tag][1]
    event = Codec().decode_mapping({"type": tag, **required})
    assert getattr(event, name) == default
    for stands in (None, wrong):
        assert Codec().decode_mapping({"type": tag, **required, name: stands}) == event


@pytest.mark.parametrize(("tag", "name", "values"), ENUMS)
def test_l3_an_open_enum_accepts_new_values(tag: str, name: str, values: list[Any]) -> None:
    required = SERVER[tag][1]
    other = ["other"] if isinstance(values[0], list) else "other"
    for value in (*values, other):
        event = Codec().decode_mapping({"type": tag, **required, name: value})
        kept = getattr(event, name)
        assert (list(kept) if isinstance(value, list) else kept) == value


@pytest.mark.parametrize("tag", CLIENT)
def test_a_client_event_has_these_fields(tag: str) -> None:
    required, defaults = CLIENT[tag]
    row = events.REGISTRY.client_row(tag)
    assert row is not None
    wire = Codec().to_mapping(Codec().decode_command({"type": tag, **required}))
    assert {k: list(v) if isinstance(v, tuple) else v for k, v in wire.items()} == {
        "type": tag,
        **required,
        **defaults,
    }


def test_the_notifications_are_complete() -> None:
    modules = (_notifications, _shell_notifications)
    exported = [getattr(module, name) for module in modules for name in module.__all__]
    found = {
        cls.name: {field.name for field in attrs.fields(cls)}
        for cls in exported
        if issubclass(cls, _notifications.Notification) and cls.name
    }
    assert found == TOLD


def test_a_notification_is_written_with_its_name_and_fields() -> None:
    notes = Talk()({"type": "cancelled"}, {"type": "error", "message": "m"})
    for note in notes:
        assert set(note) == {"name", *TOLD[note["name"]]}
    assert notification_to_json(_shell_notifications.Connected()) == {"name": "connected"}


def values_in(value: Any) -> Iterator[Any]:
    """Yield a value and all values in it."""
    yield value
    if attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            yield from values_in(getattr(value, field.name))
    elif isinstance(value, tuple):
        for each in value:
            yield from values_in(each)


@pytest.mark.parametrize("seed", range(10))
def test_m6_every_emitted_value_is_public_and_frozen(seed: int) -> None:
    """Some values are constructed here, because there are so many of them."""
    public = [cls for module in (rt, events) for cls in vars(module).values()]
    processor = EventStreamProcessor()
    for event in Random(seed).choices([each for each in POOL if each is not LINK_LOST], k=200):
        wire = Codec().decode_text(json.dumps(event))
        for value in values_in((wire, *processor.process_event(wire))):
            if attrs.has(type(value)):
                assert type(value) in public
                assert attrs.evolve(value) == value
                with pytest.raises(attrs.exceptions.FrozenInstanceError):
                    value.id = "other"
