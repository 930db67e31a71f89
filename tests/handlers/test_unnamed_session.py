"""Rule L2: events without a session id belong to the user's session or an unnamed one."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_trio._core._state import Limits

from .talk import (
    MAIN,
    TURN_START,
    Json,
    Talk,
    attached,
    begin,
    call,
    chat_session,
    completed,
    completion,
    end,
    media,
    message,
    names,
    only,
    select,
    sub_started,
    system,
    text,
    thought,
    tools,
    user,
)


def unnamed(event: Json, *, user: str | None = None) -> Json:
    """Return the event without its session id; ``user`` adds the user's session id."""
    return {**event, "session_id": "", "user_session_id": user}


EVERY = [
    text("x"),
    thought("x"),
    message("x"),
    user("x"),
    completion(False, input_tokens=1),
    begin(call("t")),
    end(call("t")),
    select(call("t")),
]


@pytest.mark.parametrize("missing", [{}, {"session_id": None}, {"session_id": ""}])
def test_l2_a_missing_id_is_an_empty_one(missing: Json) -> None:
    talk = Talk()
    bare = {key: value for key, value in text("x").items() if key != "session_id"}
    talk({**bare, **missing})
    assert talk.session()["open_message"]["content"] == "x"


@pytest.mark.parametrize("event", EVERY)
def test_l2_the_event_s_own_user_session_comes_first(event: Json) -> None:
    talk, named = Talk(), Talk()
    notes = talk(unnamed(event, user="other"))
    assert notes == named({**event, "session_id": "other", "user_session_id": "other"})
    assert talk.state == named.state


@pytest.mark.parametrize("event", EVERY)
def test_l2_else_it_is_the_user_s(event: Json) -> None:
    talk, named = Talk(), Talk()
    assert talk(unnamed(event)) == named({**event, "user_session_id": None})
    assert talk.state == named.state


@pytest.mark.parametrize("event", [system("x"), media(), sub_started()])
def test_l2_a_notification_has_that_session(event: Json) -> None:
    [notes] = Talk()(unnamed(event))
    assert notes["session_id"] == MAIN


def test_l2_also_if_the_user_session_was_set() -> None:
    talk = Talk(session=None)
    talk.set_user_session_id("s")
    talk(unnamed(text("x")))
    assert list(talk.state["sessions"]) == ["s"]


@pytest.mark.parametrize("first", [text("x"), message("x"), user("x")])
def test_l2_else_it_is_a_session_without_an_id(first: Json) -> None:
    talk = Talk(session=None)
    notes = talk(unnamed(first))
    assert notes[0]["session_id"] == ""
    assert list(talk.state["sessions"]) == [""]
    assert talk.state["current_session_id"] is None


@pytest.mark.parametrize("silent", [text(""), completion(False), begin(call("t")), system("x")])
def test_l2_it_is_visible_once_it_holds_a_message(silent: Json) -> None:
    talk = Talk(session=None)
    talk(unnamed(silent))
    assert talk.state["sessions"] == {}
    assert only(talk(chat_session("s")), "sessions-updated")[0]["session_ids"] == ["s"]
    talk.set_user_session_id(None)
    talk(unnamed(message("x")))
    assert set(talk.state["sessions"]) == {"s", ""}


def test_l2_half_of_a_character_counts_as_a_message() -> None:
    talk = Talk(session=None)
    talk(unnamed(text("\ud83d")))
    assert list(talk.state["sessions"]) == [""]


def test_l2_its_position_is_that_of_its_first_delta() -> None:
    talk = Talk(session=None)
    talk(unnamed(completion(False)), message("x", "a", user="a"), unnamed(text("")))
    talk(message("x", "b", user="b"), unnamed(text("x")))
    assert list(talk.state["sessions"]) == ["a", "", "b"]


def test_l2_earlier_events_count_in_it() -> None:
    talk = Talk(session=None)
    talk(unnamed(completion(False, input_tokens=3, output_tokens=2)), unnamed(begin(call("t"))))
    assert tools(talk(unnamed(end(call("t"))))) == [("t", "complete")]
    talk(unnamed(text("x")))
    session = talk.session("")
    assert (session["input_tokens"], session["output_tokens"], session["token_count"]) == (3, 2, 5)
    assert attached(session["open_message"]) == [("t", "done")]


@pytest.mark.parametrize(
    "known", [chat_session("s"), text("y", "s", user="s"), completion(True, "s"), media("m", "s")]
)
def test_l2_a_session_that_becomes_known_completes_its_open_message(known: Json) -> None:
    talk = Talk(session=None)
    talk(unnamed(text("half")))
    notes = talk(known)
    assert names(notes)[0] == "message-complete"
    assert completed(notes)[0] == ("assistant", "half", "complete", None)
    assert notes[0]["session_id"] == ""
    talk.set_user_session_id(None)
    talk(unnamed(text("again")))
    notes = talk(text("z", "t", user="t"))
    assert completed(notes) == [("assistant", "again", "complete", None)]


def test_l2_events_of_the_user_s_session_do_not_change_it() -> None:
    talk = Talk(session=None)
    talk(unnamed(text("a")), unnamed(text("b"), user="s"), unnamed(text("c")))
    assert talk.transcript("") == [("assistant", "a")]
    assert talk.session("")["open_message"]["content"] == "c"
    assert talk.session("s")["open_message"]["content"] == "b"


def test_l2_a_known_session_completes_nothing() -> None:
    talk = Talk(session=None)
    talk(message("x", "s", user="s"), unnamed(text("half")))
    assert completed(talk(message("y", "s", user="s"))) == [("assistant", "y", "complete", None)]


def test_l2_it_evicts_no_session_before_it_exists() -> None:
    talk = Talk(session=None, limits=Limits(max_sessions=1))
    talk(message("x", "s", user="s"))
    assert names(talk(unnamed(completion(False)))) == []
    assert list(talk.state["sessions"]) == ["s"]
    assert only(talk(unnamed(message("y"))), "session-cleared") == [
        {"name": "session-cleared", "session_id": "s"}
    ]


def test_l2_it_ends_with_the_turn_like_any_other() -> None:
    talk = Talk(session=None)
    talk(unnamed(text("x")))
    assert completed(talk(TURN_START)) == [("assistant", "x", "complete", None)]


def test_u3_the_user_session_is_unset_with_its_session() -> None:
    talk = Talk()
    talk({"type": "delete_chat_session"})
    talk(unnamed(text("x")))
    assert list(talk.state["sessions"]) == [""]
    assert talk.now.text.user_session_id is None


def test_u3_another_session_s_deletion_keeps_it() -> None:
    talk = Talk()
    talk(message("x", "other"), {"type": "delete_chat_session", "session_id": "other"})
    assert talk.now.text.user_session_id == MAIN


def test_d1_the_session_of_an_id_is_the_resolved_one() -> None:
    talk = Talk()
    talk(message("x", id="e"))
    assert talk(unnamed(message("x", id="e"))) == []
    assert talk.counters["duplicates"] == 1
    assert talk(unnamed(message("x", id="e"), user="other")) != []


@pytest.mark.parametrize("kind", ["chat_session_deleted", "delete_chat_session"])
def test_s3_an_empty_id_names_the_current_session(kind: str) -> None:
    talk: Any = Talk()
    talk({"type": "chat_session_name_changed", "session_name": "n", "session_id": ""})
    assert talk.session()["name"] == "n"
    talk({"type": kind, "session_id": ""})
    assert talk.state["current_session_id"] is None
    assert talk.now.control.chat_session_id is None
