"""Every command of a client: its effect, and the answer to invalid input."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio.server import Account, ServerConfig
from realtime_trio.server._command_handlers import COMMANDS
from tests.server.clients import DirectClient, Event, text_of
from tests.server.wire_shapes import types


@pytest.fixture
def client() -> DirectClient:
    """A client with one finished turn, on a server with one avatar."""
    made = DirectClient(ServerConfig(avatar_count=1))
    made.dial()
    made.answer("hello")
    return made


def current(client: DirectClient) -> str:
    """Return the id of the current chat."""
    (session,) = client.core.state.sessions.values()
    return session.chat.session_id


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("get_agents", "agent_list"),
        ("get_avatars", "avatar_list"),
        ("get_voices", "voice_list"),
        ("get_tool_catalog", "tool_catalog"),
        ("list_workspaces", "workspace_list"),
        ("ping", "pong"),
    ],
)
def test_lists_are_sent_on_request(client: DirectClient, command: str, answer: str) -> None:
    assert types(client.ask({"type": command})) == [answer]


def test_a_pong_is_an_unknown_command(client: DirectClient) -> None:
    (notice,) = client.ask({"type": "pong"})
    assert (notice["type"], notice["severity"]) == ("system_message", "warning")


def test_a_new_chat_session_becomes_the_current_one(client: DirectClient) -> None:
    first = current(client)
    added, changed = client.ask({"type": "new_chat_session", "agent_key": "helper"})
    assert added["chat_session"]["session_id"] == first
    assert changed["chat_session"]["session_id"] == current(client) != first
    assert changed["chat_session"]["agent_config"]["key"] == "helper"


def test_sessions_are_listed_in_pages_newest_first(client: DirectClient) -> None:
    for _ in range(4):
        client.run(1.0).ask({"type": "new_chat_session"})
    pages = []
    for offset in (0, 2, 4):
        (answer,) = client.ask({"type": "get_user_sessions", "offset": offset, "limit": 2})
        assert answer["sessions"]["total_sessions"] == 4
        assert answer["sessions"]["offset"] == offset
        pages += answer["sessions"]["chat_sessions"]
    assert len(pages) == 4
    dates = [page["updated_at"] for page in pages]
    assert dates == sorted(dates, reverse=True)


def test_a_session_name_appears_everywhere(client: DirectClient) -> None:
    chat = current(client)
    (changed,) = client.ask({"type": "set_chat_session_name", "session_name": "Mine"})
    assert changed["session_id"] == chat
    (page,) = client.ask({"type": "get_user_sessions"})
    assert page["sessions"]["chat_sessions"][0]["session_name"] == "Mine"
    (loaded,) = client.ask({"type": "resume_chat_session", "session_id": chat})
    assert loaded["chat_session"]["session_name"] == "Mine"
    assert loaded["chat_session"]["display_name"] == "Mine"


def test_metadata_is_kept(client: DirectClient) -> None:
    (changed,) = client.ask({"type": "set_session_metadata", "meta": {"a": [1]}})
    assert changed["meta"] == {"a": [1]}
    (loaded,) = client.ask({"type": "resume_chat_session", "session_id": current(client)})
    assert loaded["chat_session"]["metadata"] == {"a": [1]}


def test_session_messages_are_replaced(client: DirectClient) -> None:
    messages = [{"role": "user", "content": "x"}]
    added, changed = client.ask({"type": "set_session_messages", "messages": messages})
    assert added["type"] == "chat_session_added"
    assert changed["chat_session"]["messages"] == messages


def test_a_deletion_is_broadcast_to_every_session_of_the_user(client: DirectClient) -> None:
    chat = current(client)
    other = client.dial(ui_session_id="other")
    client.take(other)
    events = client.ask({"type": "delete_chat_session"})
    assert types(events) == ["delete_chat_session", "error"]
    assert client.take(other) == [{"type": "delete_chat_session", "session_id": chat}]
    assert chat not in client.core.state.chats


def test_deleting_another_session_sends_one_system_message(client: DirectClient) -> None:
    first = current(client)
    client.ask({"type": "new_chat_session"})
    (notice,) = client.ask({"type": "delete_chat_session", "session_id": first})
    assert (notice["type"], notice["session_id"]) == ("system_message", current(client))
    assert first not in client.core.state.chats


def test_renaming_another_session_sends_nothing(client: DirectClient) -> None:
    first = current(client)
    client.ask({"type": "new_chat_session"})
    rename = {"type": "set_chat_session_name", "session_name": "Mine", "session_id": first}
    assert client.ask(rename) == []
    (loaded, _) = client.ask({"type": "resume_chat_session", "session_id": first})
    assert loaded["chat_session"]["session_name"] == "Mine"


def test_the_server_goes_on_in_a_deleted_session(client: DirectClient) -> None:
    chat = current(client)
    assert types(client.ask({"type": "delete_chat_session"})) == ["delete_chat_session", "error"]
    for command in ({"type": "delete_chat_session"}, {"type": "resume_chat_session"}):
        (error,) = client.ask({**command, "session_id": chat})
        assert error["message"] == f"Session '{chat}' not found"
    (error,) = client.ask({"type": "delete_chat_session"})
    assert error["source"] == "delete_chat_session"
    assert types(client.ask({"type": "set_session_metadata", "meta": {}})) == [
        "session_metadata_changed"
    ]
    events = client.answer("again")
    assert types(events)[:2] == ["user_turn_end", "chat_session_added"]
    assert events[1]["chat_session"]["session_id"] == chat
    assert text_of(events) == "You said: again"
    assert len(client.core.state.chats[chat].messages) == 4


def test_leaving_a_deleted_session_does_not_store_it(client: DirectClient) -> None:
    chat = current(client)
    client.ask({"type": "delete_chat_session"})
    assert types(client.ask({"type": "new_chat_session"})) == ["chat_session_changed"]
    assert chat not in client.core.state.chats


def test_the_new_agent_answers_the_next_turn(client: DirectClient) -> None:
    (changed,) = client.ask({"type": "set_agent", "agent_key": "gpt"})
    assert changed["agent_config"]["key"] == "gpt"
    assert "open_a_i_user_message" in types(client.answer("hello"))


def test_tools_are_set(client: DirectClient) -> None:
    changed, notice = client.ask({"type": "set_agent_tools", "tools": ["Toolset1"]})
    assert changed["agent_config"]["tools"] == ["Toolset1"]
    assert notice["severity"] == "info"
    assert len(client.ask({"type": "set_agent_tools", "tools": ["nope", "Toolset1"]})) == 3


def test_a_voice_is_set(client: DirectClient) -> None:
    notice, changed = client.ask({"type": "set_agent_voice", "voice_id": "none"})
    assert notice["content"] == "Voice none not found."
    assert changed["voice"]["output_format"] == "none"


def test_an_unknown_voice_changes_nothing(client: DirectClient) -> None:
    notice, changed = client.ask({"type": "set_agent_voice", "voice_id": "nope"})
    assert (notice["type"], notice["severity"]) == ("system_message", "error")
    assert (changed["type"], changed["voice"]["voice_id"]) == ("agent_voice_changed", "alloy")


def test_answers_avatar_commands(client: DirectClient) -> None:
    (changed,) = client.ask({"type": "set_avatar", "avatar_id": "avatar_0"})
    assert changed["avatar_session_request"]["quality"] == "medium"
    assert set(changed["avatar_session"]) == {"session_id", "url", "access_token"}
    command = {"type": "set_avatar_session", "access_token": "t", "avatar_session_id": "a"}
    (changed,) = client.ask(command)
    assert changed["avatar_session"] == {"session_id": "a"}
    (changed,) = client.ask({"type": "clear_avatar_session", "session_id": "a"})
    assert changed["avatar_session"] is None


def test_answers_workspace_commands(client: DirectClient) -> None:
    entry = {"name": "w", "path": "/"}
    (added,) = client.ask({"type": "add_workspace", "entry": entry})
    assert added == {"type": "workspace_added", "entry": entry}
    assert client.ask({"type": "list_workspaces"})[0]["workspaces"] == [entry]
    assert client.ask({"type": "remove_workspace", "name": "w"})[0]["workspaces"] == []
    (error,) = client.ask({"type": "remove_workspace", "name": "w"})
    assert error["source"] == "remove_workspace"


# Decoding it works, but what a command stores is encoded again later, which recurses.
DEEP = '{"type": "set_session_metadata", "meta": ' + '{"a":' * 100 + "1" + "}" * 101

NONSENSE: list[Event] = [
    {"type": "text_input"},
    {"type": "text_input", "text": 1},
    {"type": "text_input", "text": "x", "file_ids": "no list"},
    {"type": "text_input", "text": "x", "file_ids": [1]},
    {"type": "resume_chat_session", "session_id": None},
    {"type": "set_agent", "agent_key": "nope"},
    {"type": "set_agent_tools", "tools": {}},
    {"type": "set_agent_voice"},
    {"type": "set_voice_input_mode", "mode": "nope"},
    {"type": "set_avatar", "avatar_id": "nope"},
    {"type": "set_session_metadata", "meta": []},
    {"type": "get_user_sessions", "offset": -1},
    {"type": "get_user_sessions", "limit": True},
    {"type": "add_workspace"},
    {"type": "audio_input_delta", "content": "not base64!"},
    {"type": "audio_input_delta", "content": "AAAA"},
    {"type": "audio_input_delta", "content": "é"},
    {"type": "audio_input_delta", "content": "\ud800"},
]


@pytest.mark.parametrize("command", NONSENSE, ids=json.dumps)
def test_an_invalid_command_only_causes_an_error(client: DirectClient, command: Event) -> None:
    assert types(client.ask(command)) == ["error"]
    assert text_of(client.answer("hello")) == "You said: hello"


@pytest.mark.parametrize("messages", [None, "x", [1]])
def test_invalid_session_messages_are_refused(client: DirectClient, messages: object) -> None:
    events = client.ask({"type": "set_session_messages", "messages": messages})
    assert types(events) == ["chat_session_added", "error"]


@pytest.mark.parametrize(
    "frame", ["", "{", "[]", "1", "null", '{"type": 1}', "{}", "[" * 10**5, DEEP]
)
def test_a_frame_that_is_not_an_event_causes_an_error(client: DirectClient, frame: str) -> None:
    assert types(client.ask(frame)) == ["error"]


def test_users_do_not_see_each_other() -> None:
    users = (Account(user_id="ann"), Account(user_id="bob"))
    client = DirectClient(ServerConfig(users=users))
    tokens = client.core.state.tokens
    ann = client.dial(token=tokens.issue("ann"), ui_session_id="a")
    chat = next(iter(client.core.state.chats))
    client.answer("secret", ann)
    client.hang_up(ann)
    ann = client.dial(token=tokens.issue("ann"), ui_session_id="b")
    client.take(ann)
    bob = client.dial(token=tokens.issue("bob"), ui_session_id="a", chat_session_id=chat)
    opening = client.take(bob)
    assert opening[1]["user"]["user_id"] == "bob"
    assert opening[6]["chat_session"]["session_id"].startswith("bob-")
    assert client.ask({"type": "get_user_sessions"}, bob)[0]["sessions"]["total_sessions"] == 0
    assert types(client.ask({"type": "delete_chat_session"}, bob))[0] == "delete_chat_session"
    assert client.take(ann) == []
    for command in ("resume_chat_session", "delete_chat_session"):
        answer = client.ask({"type": command, "session_id": chat}, bob)
        assert types(answer) == ["error"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["gpt"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
FIELDS = ["text", "file_ids", "session_id", "session_name", "agent_key", "tools", "voice_id"]
FIELDS += ["mode", "content", "meta", "messages", "offset", "limit", "entry", "name", "avatar_id"]
EVENTS = st.builds(
    lambda type_, fields: {**fields, "type": type_},
    st.sampled_from([*COMMANDS, "no_such_event"]),
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3),
)


@given(st.lists(EVENTS | st.binary(max_size=8) | st.text(max_size=8), max_size=12))
def test_no_client_input_breaks_the_server(frames: list[Any]) -> None:
    client = DirectClient(ServerConfig())
    client.dial()
    for frame in frames:
        client.send(frame).run(0.05)
    client.send({"type": "new_chat_session"}).run()
    client.take()
    assert types(client.answer("hello"))[-1] == "user_turn_start"
