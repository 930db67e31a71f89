"""The control lane: the link, the catalogue, whose turn it is, the ids for dialling."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_trio._core._local_events import EmitEvent, LinkEvent, VoiceRequestedEvent
from realtime_trio._core._shell_notifications import Connected, Reconnecting
from realtime_trio._core._state import Connection, ControlSlice
from realtime_trio._handlers import LaneFold
from realtime_trio._handlers._control import INDEX_LIMIT, WORKSPACE_LIMIT
from realtime_trio._processor import EventStreamProcessor
from realtime_trio.events import ChatSessionAddedEvent, ChatSessionIndexEntry, Lane

from .talk import (
    CANCELLED,
    MAIN,
    TURN_END,
    TURN_START,
    Json,
    Talk,
    chat_session,
    interaction,
    names,
    only,
    text,
)


def control(talk: Talk) -> ControlSlice:
    return talk.now.control


# -- the catalogue -------------------------------------------------------------------------


def test_the_catalogue_is_the_servers_latest() -> None:
    talk = Talk()
    voice = {"voice_id": "v", "vendor": "x", "description": "d", "output_format": "pcm16"}
    notes = talk(
        {"type": "ui_session_id_changed", "ui_session_id": "ui"},
        {"type": "chat_user_data", "user": {"user_id": "u"}},
        {"type": "avatar_list", "avatars": [{"avatar_id": "a"}]},
        {"type": "voice_list", "voices": [voice]},
        {"type": "agent_list", "agents": [{"key": "k"}, {"key": "l"}]},
        {"type": "tool_catalog", "tools": [{"name": "t"}]},
        {"type": "voice_input_supported", "modes": ["ptt", "vad"]},
    )
    assert notes == [{"name": "voices-updated", "voices": [voice]}]
    assert talk.state["catalog"] == {
        "user": "u",
        "agents": 2,
        "voices": 1,
        "avatars": 1,
        "tools": 1,
    }
    assert control(talk).ui_session_id == "ui"
    assert talk.now.catalog.voice_input_modes == ("ptt", "vad")
    talk({"type": "agent_list", "agents": []})
    assert talk.state["catalog"]["agents"] == 0


def test_the_password_hash_of_a_user_is_dropped() -> None:
    talk = Talk()
    talk({"type": "chat_user_data", "user": {"user_id": "u", "password_hash": "hunter2"}})
    assert "hunter2" not in repr(talk.now)


def test_workspaces_are_identified_by_name() -> None:
    talk = Talk()
    talk({"type": "workspace_list", "workspaces": [{"name": "a"}, {"name": "b"}, {"odd": 1}]})
    talk({"type": "workspace_added", "entry": {"name": "a", "new": True}})
    talk({"type": "workspace_added", "entry": {"odd": 2}})
    assert talk.now.catalog.workspaces == (
        {"name": "b"},
        {"odd": 1},
        {"name": "a", "new": True},
        {"odd": 2},
    )


def test_added_workspaces_are_bounded() -> None:
    talk = Talk()
    talk(*({"type": "workspace_added", "entry": {"n": i}} for i in range(WORKSPACE_LIMIT + 1)))
    workspaces = talk.now.catalog.workspaces
    assert len(workspaces) == WORKSPACE_LIMIT
    assert (workspaces[0], workspaces[-1]) == ({"n": 1}, {"n": WORKSPACE_LIMIT})


def test_the_agent_is_the_sessions_until_it_changes() -> None:
    talk = Talk()
    assert control(talk).agent is None
    talk(chat_session(MAIN, agent_config={"key": "k"}))
    talk(chat_session("other"))
    agent = control(talk).agent
    assert agent is not None
    assert agent.key == "k"
    talk({"type": "agent_configuration_changed", "agent_config": {"key": "l"}})
    agent = control(talk).agent
    assert agent is not None
    assert agent.key == "l"


# -- avatar and voice ----------------------------------------------------------------------


def avatar(session: Json | None) -> Json:
    request = {"quality": "low"} if session else None
    return {
        "type": "avatar_connection_changed",
        "avatar_session_request": request,
        "avatar_session": session,
    }


def test_an_avatar_session_starts_and_ends() -> None:
    talk = Talk()
    assert talk(avatar(None)) == []
    notes = talk(avatar({"id": "1"}))
    assert notes[0]["avatar_session"] == {"id": "1"}
    assert notes[0]["avatar_session_request"] == {"quality": "low"}
    assert notes[1] == {"name": "avatar-state-changed", "active": True}
    assert names(talk(avatar({"id": "2"}))) == ["avatar-session-started"]
    assert names(talk(avatar(None))) == ["avatar-session-ended", "avatar-state-changed"]
    assert control(talk).avatar_active is False


def voice_changed(voice_id: str) -> Json:
    return {"type": "agent_voice_changed", "voice": {"voice_id": voice_id}}


def test_a_change_of_voice_names_both_voices_and_its_source() -> None:
    processor = EventStreamProcessor()
    [first] = processor.process_event(voice_changed("a"))
    processor.process_event(VoiceRequestedEvent(voice_id="b"))
    [other] = processor.process_event(voice_changed("c"))
    [own] = processor.process_event(voice_changed("b"))
    [again] = processor.process_event(voice_changed("b"))
    seen: list[Any] = [first, other, own, again]
    assert [
        (note.previous and note.previous.voice_id, note.current.voice_id, note.source)
        for note in seen
    ] == [(None, "a", "server"), ("a", "c", "server"), ("c", "b", "client"), ("b", "b", "server")]


# -- the turn ------------------------------------------------------------------------------


def test_a_change_of_turn_is_emitted_once() -> None:
    talk = Talk()
    assert talk.state["turn"] == {"can_send_input": False}
    notes = talk(TURN_END, TURN_START, TURN_START, interaction(True), text("x"), TURN_END, TURN_END)
    assert [note["can_send_input"] for note in only(notes, "turn-state-changed")] == [True, False]


@pytest.mark.parametrize("event", [CANCELLED, {"type": "error", "message": "x"}, chat_session("b")])
def test_other_events_do_not_change_the_turn(event: Json) -> None:
    talk = Talk()
    talk(TURN_START, event)
    assert talk.state["turn"] == {"can_send_input": True}


def test_the_server_listens_until_the_turn_ends() -> None:
    talk = Talk()
    talk({"type": "server_listening"})
    assert control(talk).listening is True
    talk(TURN_START)
    assert control(talk).listening is True
    talk(TURN_END)
    assert control(talk).listening is False


# -- the list of sessions ------------------------------------------------------------------


def added(session_id: str, name: str | None = None) -> Json:
    entry = {"session_id": session_id, "session_name": name}
    return {"type": "chat_session_added", "chat_session": entry}


def page(*ids: str, total: int, offset: int = 0) -> Json:
    entries = [{"session_id": each} for each in ids]
    body = {"chat_sessions": entries, "total_sessions": total, "offset": offset}
    return {"type": "get_user_sessions_response", "sessions": body}


def index(notes: list[Json]) -> list[tuple[int, list[str]]]:
    return [(note["total"], note["session_ids"]) for note in only(notes, "sessions-index-updated")]


def test_sessions_are_added_and_moved_in_place() -> None:
    talk = Talk()
    notes = talk(added("a"), added("b"), added("a", "renamed"))
    assert index(notes) == [(1, ["a"]), (2, ["a", "b"]), (2, ["a", "b"])]
    assert [entry.session_name for entry in control(talk).index] == ["renamed", None]


def test_pages_are_joined() -> None:
    talk = Talk()
    notes = talk(page("a", "b", total=5), page("c", "d", total=5, offset=2))
    notes += talk(page("b", "e", total=5, offset=3))
    assert index(notes) == [
        (5, ["a", "b"]),
        (5, ["a", "b", "c", "d"]),
        (5, ["a", "b", "c", "d", "e"]),
    ]


def test_a_complete_page_replaces_the_list() -> None:
    talk = Talk()
    assert index(talk(added("gone"), page("a", "b", total=2)))[-1] == (2, ["a", "b"])
    assert index(talk(page(total=0)))[-1] == (0, [])


@pytest.mark.parametrize("kind", ["chat_session_deleted", "delete_chat_session"])
def test_a_deleted_session_leaves_the_list(kind: str) -> None:
    talk = Talk()
    talk(page("a", MAIN, total=7))
    assert index(talk({"type": kind, "session_id": "a"})) == [(6, [MAIN])]
    assert control(talk).chat_session_id == MAIN
    assert index(talk({"type": kind})) == [(5, [])]
    assert control(talk).chat_session_id is None
    assert index(talk({"type": kind}, {"type": kind, "session_id": "unknown"})) == []


def test_the_total_is_at_least_the_number_of_known_sessions() -> None:
    talk = Talk()
    talk(page("a", "b", "c", total=1, offset=1))
    assert index(talk({"type": "delete_chat_session", "session_id": "a"})) == [(2, ["b", "c"])]


def test_the_list_is_bounded() -> None:
    fold = LaneFold(Lane.CONTROL, ControlSlice())
    entries = tuple(ChatSessionIndexEntry(session_id=str(i)) for i in range(INDEX_LIMIT))
    fold.slice = ControlSlice(index=entries, index_total=INDEX_LIMIT)
    fold.step(ChatSessionAddedEvent(chat_session=ChatSessionIndexEntry(session_id="new")))
    assert len(fold.slice.index) == INDEX_LIMIT
    assert (fold.slice.index[0].session_id, fold.slice.index[-1].session_id) == ("1", "new")
    assert fold.slice.index_total == INDEX_LIMIT + 1


def test_the_client_dials_with_the_current_session() -> None:
    talk = Talk()
    assert control(talk).chat_session_id == MAIN
    talk(chat_session(None))
    assert control(talk).chat_session_id == MAIN
    talk(chat_session("b"))
    assert control(talk).chat_session_id == "b"


# -- the link ------------------------------------------------------------------------------


def test_link_events_update_the_connection() -> None:
    processor = EventStreamProcessor()
    assert processor.state.control.connection == Connection("connecting", 0, False)
    assert processor.process_event(LinkEvent(status="connected", note=Connected())) == (
        Connected(),
    )
    assert processor.process_event(LinkEvent(status=None, initialized=True)) == ()
    assert processor.state.control.connection == Connection("connected", 0, True)
    note = Reconnecting(attempt=2, delay=1.0)
    assert processor.process_event(LinkEvent(status="reconnecting", attempt=2, note=note)) == (
        note,
    )
    assert processor.state.control.connection == Connection("reconnecting", 2, True)


def test_emitted_notifications_change_nothing() -> None:
    processor = EventStreamProcessor()
    before = processor.state.control
    assert processor.process_event(EmitEvent(note=Connected())) == (Connected(),)
    assert processor.state.control == before


@pytest.mark.parametrize("kind", ["ping", "pong"])
def test_events_of_the_connection_change_nothing(kind: str) -> None:
    talk = Talk()
    before = talk.now
    assert talk({"type": kind}) == []
    assert (talk.now.control, talk.now.text) == (before.control, before.text)
