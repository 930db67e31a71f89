"""Rules S1-S4: which sessions exist, and how the server's lists change them."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_trio._core._local_events import SessionsWipedEvent
from realtime_trio._core._state import Limits
from realtime_trio._processor import EventStreamProcessor

from .talk import (
    CANCELLED,
    MAIN,
    THOUGHT,
    TURN_END,
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
    interaction,
    media,
    message,
    names,
    of_session,
    only,
    result,
    select,
    sub_started,
    system,
    text,
    thought,
    tools,
    user,
)

SUB: Json = {"parent": MAIN, "user": MAIN}
OLD = ({"role": "user", "content": "old?"}, {"role": "assistant", "content": "old."})
OLD_SAID = [("user", "old?"), ("assistant", "old.")]
SAYS = {"role": "user", "content": "?"}


def blocks(*given: Json) -> Json:
    return {"role": "assistant", "content": list(given)}


def texts(content: str) -> Json:
    return {"type": "text", "text": content}


def use(id: str, name: str = "ls", input: Any = None) -> Json:
    return {"type": "tool_use", "id": id, "name": name, "input": input or {}}


def results(*given: Json) -> Json:
    return {"role": "user", "content": list(given)}


def loaded(notes: list[Json]) -> list[list[tuple[str, Any]]]:
    """Return role and text of the messages in each loaded list."""
    return [
        [(each["role"], each["content"]) for each in note["messages"]]
        for note in only(notes, "session-messages-loaded")
    ]


# -- S1: the server's list -----------------------------------------------------------------


def test_s1_a_session_becomes_current_and_is_announced_in_order() -> None:
    talk = Talk(session=None)
    notes = talk(chat_session("s", *OLD, session_name="Chat", metadata={"a": 1}, token_count=9))
    assert names(notes) == ["chat-session-changed", "sessions-updated", "session-messages-loaded"]
    assert (notes[0]["previous_session_id"], notes[0]["current_session_id"]) == (None, "s")
    assert notes[1]["session_ids"] == ["s"]
    assert notes[2]["messages"] == talk.messages("s")
    assert talk.transcript("s") == OLD_SAID
    assert talk.state["current_session_id"] == "s"
    session = talk.session("s")
    assert (session["name"], session["metadata"], session["token_count"]) == ("Chat", {"a": 1}, 9)


def test_s1_a_session_names_the_format_of_its_history() -> None:
    talk = Talk()
    talk(text("x", "sub", parent=MAIN, user=MAIN))
    assert {each.id: each.vendor for each in talk.now.sessions.values()} == {
        MAIN: "anthropic",
        "sub": "none",
    }
    talk(chat_session(MAIN, vendor="openai"))
    assert talk.now.sessions[MAIN].vendor == "openai"


def test_s1_the_previous_session_is_named_and_kept() -> None:
    talk = Talk()
    talk(message("x"))
    notes = talk(chat_session("next"))
    assert notes[0]["previous_session_id"] == MAIN
    assert notes[1]["session_ids"] == [MAIN, "next"]
    assert talk.transcript() == [("assistant", "x")]


def test_s1_a_missing_session_is_an_error_of_the_server() -> None:
    talk = Talk()
    before = talk.now.text
    [notes] = talk(chat_session(None))
    assert (notes["name"], notes["type"], notes["severity"]) == (
        "system-notification",
        "error",
        "error",
    )
    assert talk.now.text == before
    assert talk.state["current_session_id"] == MAIN


@pytest.mark.parametrize(
    "bad", [5, None, "text", [], {"content": 5}, {"role": "user", "content": {}}]
)
def test_s1_a_bad_message_affects_only_itself(bad: Any) -> None:
    talk = Talk()
    talk(chat_session(MAIN, OLD[0], bad, OLD[1]))
    assert [content for _, content in talk.transcript()] == [
        "old?",
        "[Message could not be displayed]",
        "old.",
    ]


def test_s1_an_ill_typed_session_changes_nothing() -> None:
    talk = Talk()
    before = talk.now.text
    [notes] = talk({"type": "chat_session_changed", "chat_session": {"session_id": [5]}})
    assert notes["name"] == "processing-error"
    assert talk.now.text == before


def test_s1_the_list_replaces_the_known_messages() -> None:
    talk = Talk()
    talk(user("a"), text("b"), completion(False), TURN_START)
    assert loaded(talk(chat_session(MAIN, *OLD))) == [OLD_SAID]
    assert talk.transcript() == OLD_SAID


def test_s1_a_client_may_have_joined_during_a_turn() -> None:
    talk = Talk()
    talk(text("half"))
    notes = talk(chat_session(MAIN, *OLD))
    assert completed(notes) == []
    assert talk.transcript() == OLD_SAID
    talk(text(" done"), completion(False), TURN_START)
    assert talk.transcript() == [*OLD_SAID, ("assistant", "half done")]


def test_s1_a_session_known_only_from_its_turn_is_known() -> None:
    talk = Talk(session=None)
    talk(message("first"), text("half"))
    talk(chat_session(MAIN, *OLD))
    assert talk.transcript() == [*OLD_SAID, ("assistant", "first")]
    assert talk.session()["open_message"]["content"] == "half"


def test_s1_a_user_s_message_alone_is_not_a_turn() -> None:
    """A chat command's message comes without an end of the user's turn."""
    talk = Talk()
    talk(user("!pp"))
    assert loaded(talk(chat_session(MAIN, *OLD))) == [OLD_SAID]
    talk(TURN_START, TURN_END, TURN_START, user("!pp"))
    assert loaded(talk(chat_session(MAIN, *OLD))) == [OLD_SAID]


@pytest.mark.parametrize("asked", [[TURN_END, user("?")], [user("?"), TURN_END]])
def test_s1_with_the_end_of_the_user_s_turn_it_is_a_turn(asked: list[Json]) -> None:
    talk = Talk()
    talk(TURN_START, *asked)
    assert loaded(talk(chat_session(MAIN, *OLD))) == [[*OLD_SAID, ("user", "?")]]


def test_s1_a_chat_command_before_the_turn_stays_with_it() -> None:
    talk = Talk()
    talk(user("!pp"), TURN_END, user("?"), text("half"))
    talk(chat_session(MAIN, *OLD))
    assert talk.transcript() == [*OLD_SAID, ("user", "!pp"), ("user", "?")]


def test_s1_a_running_turn_stays_after_the_list() -> None:
    talk = Talk()
    talk(user("?"), thought("hm"), text("half"))
    notes = talk(chat_session(MAIN, *OLD))
    assert loaded(notes) == [[*OLD_SAID, ("user", "?"), (THOUGHT, "hm")]]
    assert talk.session()["open_message"]["content"] == "half"
    notes = talk(text(" done"), completion(False), TURN_START)
    assert loaded(notes) == []
    assert talk.transcript() == [
        *OLD_SAID,
        ("user", "?"),
        (THOUGHT, "hm"),
        ("assistant", "half done"),
    ]


def test_s1_the_running_turn_began_with_the_user_s_last_turn() -> None:
    talk = Talk()
    talk(user("1"), message("x"), TURN_START, user("2"), message("y"), user("3"))
    assert loaded(talk(chat_session(MAIN, *OLD))) == [
        [*OLD_SAID, ("user", "2"), ("assistant", "y"), ("user", "3")]
    ]


def test_s1_a_turn_may_be_resumed_more_than_once() -> None:
    talk = Talk()
    talk(user("?"), text("half"))
    talk(chat_session(MAIN, *OLD), chat_session(MAIN, *OLD), text("!"), chat_session(MAIN, *OLD))
    notes = talk(text("?"), TURN_START)
    assert loaded(notes) == []
    assert talk.transcript() == [*OLD_SAID, ("user", "?"), ("assistant", "half!?")]


def test_s1_another_session_s_turn_keeps_no_messages() -> None:
    talk = Talk()
    talk(message("x"), TURN_START, user("?", "other", user="other"))
    assert loaded(talk(chat_session(MAIN, *OLD))) == [OLD_SAID]


def test_s1_user_messages_in_a_list_start_no_turn() -> None:
    talk = Talk()
    talk(TURN_START, TURN_END, chat_session(MAIN, *OLD))
    assert loaded(talk(chat_session(MAIN, *OLD))) == [OLD_SAID]
    talk(message("x"))
    assert loaded(talk(chat_session(MAIN, *OLD))) == [[*OLD_SAID, ("assistant", "x")]]


def test_s1_a_list_without_later_events_was_complete() -> None:
    talk = Talk()
    talk(user("?"), text("half"))
    complete = (
        *OLD,
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "half whole"},
    )
    talk(chat_session(MAIN, *complete))
    notes = talk(TURN_START)
    assert completed(notes) == [("assistant", "half", "complete", None)]
    assert loaded(notes) == [[*OLD_SAID, ("user", "?"), ("assistant", "half whole")]]
    assert [
        m for note in only(notes, "session-messages-loaded") for m in note["messages"]
    ] == talk.messages()


STREAM = [
    text("x"),
    text(""),
    thought("x"),
    completion(True),
    completion(False),
    select(call("t")),
    begin(call("t")),
    end(call("t")),
    interaction(True),
    interaction(False),
    message("x"),
    user("x"),
]


@pytest.mark.parametrize("event", STREAM)
@pytest.mark.parametrize("before", [[], [text("half")], [text("half"), completion(False)]])
def test_s1_any_event_of_the_stream_makes_it_incomplete(before: list[Json], event: Json) -> None:
    talk = Talk()
    talk(TURN_END, user("?"), *before, chat_session(MAIN, *OLD, SAYS), event)
    assert loaded(talk(TURN_START)) == []
    assert talk.transcript()[:4] == [*OLD_SAID, ("user", "?"), ("user", "?")]


@pytest.mark.parametrize(
    "event",
    [
        media(),
        system("Mind."),
        TURN_END,
        sub_started(),
        text("x", "sub", **SUB),
        user("x", "sub", **SUB),
        select(),
        of_session("history_delta", messages=[]),
        {"type": "chat_session_name_changed", "session_name": "n"},
        {"type": "made_up", "session_id": MAIN},
    ],
)
def test_s1_no_other_event_does(event: Json) -> None:
    talk = Talk()
    talk(user("?"), text("half"), chat_session(MAIN, *OLD, SAYS), event)
    assert loaded(talk(TURN_START)) == [[*OLD_SAID, ("user", "?")]]
    assert talk.transcript() == [*OLD_SAID, ("user", "?")]


def test_s1_a_late_delta_belongs_to_the_stream_too() -> None:
    talk = Talk()
    talk(user("?"), text("half"), CANCELLED, chat_session(MAIN, *OLD, SAYS), text("late"))
    assert loaded(talk(TURN_START)) == []
    assert talk.last()["status"] == "cancelled"


def test_s1_a_delta_before_a_cancel_belongs_to_the_stream() -> None:
    talk = Talk()
    talk(user("?"), text("half"), chat_session(MAIN, *OLD, SAYS), text(" more"), CANCELLED)
    assert loaded(talk(TURN_START)) == []
    assert talk.last()["content"] == "half more"


def test_s1_a_cancel_alone_does_not() -> None:
    talk = Talk()
    talk(user("?"), text("half"), chat_session(MAIN, *OLD, SAYS), CANCELLED)
    assert loaded(talk(TURN_START)) == [[*OLD_SAID, ("user", "?")]]


def test_s1_tools_of_a_complete_list_attach_as_listed() -> None:
    talk = Talk()
    talk(user("?"), begin(call("a"), call("b")), end(call("a")))
    done = (SAYS, blocks(texts("x"), use("a")), results(result("a", "listed")))
    notes = talk(chat_session(MAIN, *done), TURN_START)
    assert completed(notes) == []
    assert [attached(m) for m in talk.messages()] == [[], [("a", "listed")]]
    assert talk.session()["waiting_tools"] == []
    talk(end(call("a"), results=[result("a", "again")]), end(call("b")))
    assert attached(talk.last()) == [("a", "again"), ("b", "done")]


def test_s1_the_end_of_a_complete_list_decides_which_message_takes_tools() -> None:
    delegated = blocks(texts("x"), use("d", "aa_chat", {"message": "do"}))
    talk = Talk(limits=Limits(max_messages=4))
    talk(user("?"), text("half"), chat_session(MAIN, SAYS, SAYS, delegated), TURN_START)
    assert len(talk.messages()) == 2
    talk(end(call("t")))
    assert [attached(m) for m in talk.messages()] == [[("t", "done")], []]
    three = chat_session(MAIN, *OLD, SAYS, SAYS)
    talk(user("?"), text("half"), three, TURN_START, end(call("t2")))
    assert [c["id"] for c in talk.session()["waiting_tools"]] == ["t2"]


def test_s1_running_tools_continue() -> None:
    talk = Talk()
    talk(begin(call("t")), end(call("w")), chat_session(MAIN, *OLD))
    assert [t["id"] for t in talk.state["active_tools"]] == ["t"]
    assert [c["id"] for c in talk.session()["waiting_tools"]] == ["w"]
    assert tools(talk(end(call("t")))) == [("t", "complete")]


def spent(talk: Talk) -> tuple[int, int, int]:
    session = talk.session()
    return session["input_tokens"], session["output_tokens"], session["token_count"]


def test_s1_token_counts_restart_from_the_server_s() -> None:
    talk = Talk()
    talk(completion(False, input_tokens=5, output_tokens=5), chat_session(MAIN, token_count=7))
    talk(completion(False, input_tokens=2, output_tokens=1))
    assert spent(talk) == (2, 1, 10)
    talk(chat_session(MAIN, *OLD, token_count=3))
    assert spent(talk) == (0, 0, 3)


def test_s1_without_a_server_s_count_the_client_s_is_kept() -> None:
    talk = Talk()
    talk(completion(False, input_tokens=5, output_tokens=3), chat_session(MAIN, *OLD))
    assert spent(talk) == (5, 3, 8)
    talk(chat_session(MAIN))
    assert spent(talk) == (0, 0, 0)


# -- S2: histories -------------------------------------------------------------------------

LIVE_AND_RESUMED: list[tuple[str, list[Json], list[Json]]] = [
    (
        "thinking, text and a tool",
        [
            SAYS,
            blocks({"type": "thinking", "thinking": "hm"}, texts("x"), use("t")),
            results(result("t")),
        ],
        [user("?"), thought("hm"), text("x"), begin(call("t")), completion(False), end(call("t"))],
    ),
    (
        "two tools, the results the other way round, and text beside them",
        [
            SAYS,
            blocks(use("a"), use("b")),
            results(result("b", "B"), result("a", "A"), texts("and")),
        ],
        [
            user("?"),
            end(call("a"), call("b"), results=[result("b", "B"), result("a", "A")]),
            user("and"),
        ],
    ),
    (
        "the think tool beside another",
        [
            SAYS,
            blocks(use("h", "think", {"thought": "hm"}), use("t")),
            results(result("h"), result("t")),
        ],
        [
            user("?"),
            select(call("h", "think"), call("t")),
            thought("hm"),
            end(call("h", "think"), call("t")),
        ],
    ),
    (
        "text after a tool's turn",
        [SAYS, blocks(texts("x"), use("t")), results(result("t")), blocks(texts("y"))],
        [user("?"), text("x"), completion(False), end(call("t")), text("y"), completion(False)],
    ),
    (
        "OpenAI's",
        [
            {"role": "system", "content": "orders"},
            SAYS,
            {
                "role": "assistant",
                "content": "x",
                "tool_calls": [
                    {"id": "t", "type": "function", "function": {"name": "ls", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "t", "content": "done"},
            {"role": "assistant", "content": "y"},
        ],
        [user("?"), text("x"), end(call("t")), completion(True), text("y"), TURN_START],
    ),
]


def announced_delegations(talk: Talk) -> list[Any]:
    return [(m["role"], m["content"], m["tool_calls"], m["tool_results"]) for m in talk.messages()]


@pytest.mark.parametrize(
    ("history", "stream"), [pytest.param(h, s, id=name) for name, h, s in LIVE_AND_RESUMED]
)
def test_s2_resuming_gives_the_result_of_streaming(history: list[Json], stream: list[Json]) -> None:
    live, resumed = Talk(), Talk()
    live(*stream, TURN_START)
    notes = resumed(chat_session(MAIN, *history))
    assert announced_delegations(resumed) == announced_delegations(live)
    assert only(notes, "session-messages-loaded")[0]["messages"] == resumed.messages()


def test_s2_delegations_are_in_the_parent_s_list() -> None:
    talk = Talk(session=None)
    agent = {"key": "chief"}
    notes = talk(
        chat_session(
            MAIN,
            SAYS,
            blocks(
                texts("One moment."),
                use("d", "ateam_oneshot", {"agent_key": "w", "message": "do it"}),
                use("t"),
            ),
            results(result("d", '{"agent_message": "done it"}'), result("t")),
            blocks(use("e", "act_chat", {"message": "and"})),
            agent_config=agent,
        )
    )
    assert names(notes) == [
        "subsession-started",
        "subsession-ended",
        "subsession-started",
        "subsession-ended",
        "chat-session-changed",
        "sessions-updated",
        "session-messages-loaded",
    ]
    assert notes[0] == {
        "name": "subsession-started",
        "session_id": MAIN,
        "parent_session_id": None,
        "user_session_id": MAIN,
        "sub_session_type": "oneshot",
        "sub_agent_type": "team",
        "prime_agent_key": "chief",
        "sub_agent_key": "w",
        "depth": 1,
    }
    assert [each["depth"] for each in notes[1:4]] == [1, 1, 1]
    assert notes[2]["sub_agent_type"] == "clone"
    assert talk.state["subsessions"] == []
    assert talk.transcript() == [
        ("user", "?"),
        ("assistant", "One moment."),
        ("user", "do it"),
        ("assistant", "done it"),
        ("user", "and"),
    ]
    assert [m["is_sub_session"] for m in talk.messages()] == [False, False, True, True, True]
    assert [attached(m) for m in talk.messages()] == [[], [("t", "done")], [], [], []]
    talk(end(call("live")))
    assert attached(talk.messages()[1]) == [("t", "done"), ("live", "done")]


def test_s2_a_session_without_an_agent_delegates_without_its_name() -> None:
    [started, *_] = Talk()(chat_session(MAIN, blocks(use("d", "aa_chat", {"message": "do"}))))
    assert started["prime_agent_key"] is None


def test_s2_an_unmatched_result_stays_a_part() -> None:
    talk = Talk()
    talk(chat_session(MAIN, results(result("nobody", "x"))))
    [[_, [part]]] = talk.transcript()
    assert (part["type"], part["tool_use_id"], part["content"]) == ("tool_result", "nobody", "x")


def test_s2_a_resumed_call_without_result_attaches_without_one() -> None:
    talk = Talk()
    talk(chat_session(MAIN, SAYS, blocks(texts("x"), use("t"))))
    assert attached(talk.last()) == [("t", None)]
    talk(text("next"), completion(False))
    assert talk.last()["content"] == "next"


# -- S3: names, metadata, deletion ---------------------------------------------------------


def rename(name: str, **fields: Any) -> Json:
    return {"type": "chat_session_name_changed", "session_name": name, **fields}


def test_s3_a_rename_applies_to_the_named_session() -> None:
    talk = Talk()
    talk(chat_session("b"))
    notes = talk(rename("new", session_id=MAIN))
    assert notes == [{"name": "sessions-updated", "session_ids": [MAIN, "b"]}]
    assert (talk.session()["name"], talk.session("b")["name"]) == ("new", None)


@pytest.mark.parametrize("fields", [{}, {"session_id": None}])
def test_s3_or_to_the_current_one(fields: Json) -> None:
    talk = Talk()
    talk(chat_session("b"), rename("new", **fields))
    assert (talk.session()["name"], talk.session("b")["name"]) == (None, "new")


@pytest.mark.parametrize("known", [MAIN, None])
def test_s3_an_unknown_session_is_not_renamed(known: str | None) -> None:
    talk = Talk(session=known)
    before = talk.now.text
    assert talk(rename("new", session_id="unknown")) == []
    assert talk.now.text == before


def test_s3_without_a_current_session_there_is_nothing_to_change() -> None:
    talk = Talk(session=None)
    talk(message("x", "a"))
    before = talk.now.text
    assert talk(rename("new"), {"type": "session_metadata_changed", "meta": {"a": 1}}) == []
    assert talk({"type": "delete_chat_session"}) == []
    assert talk({"type": "agent_configuration_changed", "agent_config": {"key": "k"}}) == []
    assert talk.now.text == before


def test_s3_metadata_applies_to_the_current_session() -> None:
    talk = Talk()
    talk(chat_session("b", metadata={"old": 1}))
    notes = talk({"type": "session_metadata_changed", "meta": {"a": 1}})
    assert names(notes) == ["sessions-updated"]
    assert (talk.session()["metadata"], talk.session("b")["metadata"]) == ({}, {"a": 1})


def test_s3_and_so_does_the_agent() -> None:
    talk = Talk()
    talk(chat_session("b"), {"type": "agent_configuration_changed", "agent_config": {"key": "k"}})
    agents = [session.agent for session in talk.now.sessions.values()]
    assert [agent.key if agent else None for agent in agents] == [None, "k"]


@pytest.mark.parametrize("kind", ["chat_session_deleted", "delete_chat_session"])
@pytest.mark.parametrize("fields", [{}, {"session_id": None}, {"session_id": MAIN}])
def test_s3_deleting_the_current_session_leaves_none(kind: str, fields: Json) -> None:
    talk = Talk()
    talk(message("x", "other"), begin(call("t")), text("half"))
    notes = talk({"type": kind, **fields})
    assert names(notes) == [
        "message-complete",
        "tool-notification-removed",
        "session-cleared",
        "chat-session-changed",
        "sessions-updated",
    ]
    assert notes[2]["session_id"] == MAIN
    assert (notes[3]["previous_session_id"], notes[3]["current_session_id"]) == (MAIN, None)
    assert notes[4]["session_ids"] == ["other"]
    assert talk.state["current_session_id"] is None
    assert talk.state["active_tools"] == []
    assert talk.now.current_session is None


@pytest.mark.parametrize("kind", ["chat_session_deleted", "delete_chat_session"])
def test_s3_deleting_another_session_keeps_the_current_one(kind: str) -> None:
    talk = Talk()
    talk(message("x", "other"))
    notes = talk({"type": kind, "session_id": "other"})
    assert names(notes) == ["session-cleared", "sessions-updated"]
    assert talk.state["current_session_id"] == MAIN
    assert list(talk.state["sessions"]) == [MAIN]


def test_s3_deleting_an_unknown_session_changes_nothing() -> None:
    talk = Talk()
    before = talk.now.text
    assert talk({"type": "delete_chat_session", "session_id": "unknown"}) == []
    assert talk.now.text == before


# -- S4: bounds ----------------------------------------------------------------------------


def test_s4_the_bounds_have_defaults_and_a_minimum() -> None:
    assert EventStreamProcessor().state.text.rest.limits == Limits()
    for name in ("max_sessions", "max_messages"):
        with pytest.raises(ValueError, match="must be >= 1"):
            Limits(**{name: 0})


def test_s4_messages_are_bounded() -> None:
    talk = Talk(limits=Limits(max_messages=3))
    for i in range(5):
        talk(message(str(i)))
    assert [content for _, content in talk.transcript()] == ["2", "3", "4"]
    talk(message("other", "other"), TURN_START)
    assert len(talk.messages()) == 3
    long = [{"role": "user", "content": str(i)} for i in range(100)]
    assert loaded(talk(chat_session(MAIN, *long))) == [
        [("user", "97"), ("user", "98"), ("user", "99")]
    ]


def test_s4_a_list_during_a_turn_is_bounded_with_the_turn() -> None:
    talk = Talk(limits=Limits(max_messages=3))
    talk(user("1"), message("2"), chat_session(MAIN, *OLD, {"role": "user", "content": "1"}))
    assert [content for _, content in talk.transcript()] == ["1", "1", "2"]
    assert loaded(talk(TURN_START)) == [[("user", "1")]]


def test_s4_the_least_recently_used_session_is_evicted() -> None:
    talk = Talk(limits=Limits(max_sessions=3))
    talk(message("x", "a"), message("x", "b"), rename("n", session_id="a"))
    notes = talk(message("x", "c"))
    assert names(notes) == ["message-complete", "session-cleared"]
    assert notes[1]["session_id"] == "b"
    assert list(talk.state["sessions"]) == [MAIN, "a", "c"]


def test_s4_deltas_count_as_use() -> None:
    talk = Talk(limits=Limits(max_sessions=3))
    talk(text("x", "a"), text("x", "b"), text("y", "a"))
    [_, completed_b, cleared] = talk(text("x", "c"))
    assert (completed_b["session_id"], cleared["session_id"]) == ("b", "b")
    assert talk.session("a")["open_message"]["content"] == "xy"


def test_s4_the_current_session_is_never_evicted() -> None:
    talk = Talk(limits=Limits(max_sessions=1))
    notes = talk(text("x", "a"))
    assert names(notes) == ["message-streaming", "message-complete", "session-cleared"]
    assert list(talk.state["sessions"]) == [MAIN]
    assert talk.state["current_session_id"] == MAIN


def test_s4_without_a_current_session_the_latest_stays() -> None:
    talk = Talk(session=None, limits=Limits(max_sessions=1))
    assert names(talk(message("x", "a"), message("x", "b"))) == [
        "message-complete",
        "message-complete",
        "session-cleared",
    ]
    assert list(talk.state["sessions"]) == ["b"]


def test_s4_its_open_message_and_its_tools_end_first() -> None:
    talk = Talk(limits=Limits(max_sessions=2))
    talk(text("half", "a"), begin(call("t"), session="a"))
    talk(chat_session("b"), text("y", "b"))
    assert list(talk.state["sessions"]) == ["a", "b"]
    notes = talk(chat_session("c"))
    assert names(notes) == [
        "message-complete",
        "tool-notification-removed",
        "session-cleared",
        "chat-session-changed",
        "sessions-updated",
        "session-messages-loaded",
    ]
    assert (notes[0]["session_id"], notes[0]["message"]["content"]) == ("a", "half")
    assert notes[4]["session_ids"] == list(talk.state["sessions"]) == ["b", "c"]


def test_s4_a_new_current_session_evicts_the_previous_one() -> None:
    talk = Talk(limits=Limits(max_sessions=1))
    notes = talk(chat_session("b"))
    assert names(notes) == [
        "session-cleared",
        "chat-session-changed",
        "sessions-updated",
        "session-messages-loaded",
    ]
    assert notes[1]["previous_session_id"] == MAIN
    assert notes[2]["session_ids"] == ["b"]
    assert list(talk.state["sessions"]) == ["b"]


def test_s4_an_evicted_session_returns_as_a_new_one() -> None:
    talk = Talk(limits=Limits(max_sessions=2))
    talk(message("x", "a"), end(call("t"), session="a"), message("y", "b"))
    talk(end(call("t"), session="a"))
    assert talk.messages("a") == []
    assert [c["id"] for c in talk.session("a")["waiting_tools"]] == ["t"]


# -- reset, and clearing by the application -------------------------------------------------


def test_reset_silently_drops_open_messages_and_tools() -> None:
    talk = Talk()
    talk(user("?"), message("kept"), message("x", id="e1"), text("half"), begin(call("t")))
    talk(sub_started(), end(call("w"), session="sub", **SUB), CANCELLED)
    talk.reset()
    state = talk.state
    assert state["active_tools"] == []
    assert state["subsessions"] == []
    assert state["current_session_id"] == MAIN
    assert talk.session("sub")["waiting_tools"] == []
    assert talk.transcript() == [
        ("user", "?"),
        ("assistant", "kept"),
        ("assistant", "x"),
        ("assistant", "half"),
    ]
    notes = talk(message("x", id="e1"), completion(True), text("y"))
    assert names(notes) == ["message-complete", "message-streaming"]
    talk.reset()
    assert talk.session()["open_message"] is None
    assert completed(talk(TURN_START)) == []
    assert loaded(talk(chat_session(MAIN, *OLD))) == [OLD_SAID]


def test_reset_ends_neither_the_server_s_turn_nor_a_cancel() -> None:
    talk = Talk()
    talk(user("?"), message("x"), CANCELLED)
    talk.reset()
    assert talk(text("late")) == []
    assert loaded(talk(chat_session(MAIN, *OLD))) == [
        [*OLD_SAID, ("user", "?"), ("assistant", "x")]
    ]


def test_reset_forgets_that_a_tool_has_ended() -> None:
    talk = Talk()
    talk(begin(call("t")), end(call("u")))
    talk.reset()
    assert tools(talk(begin(call("t")))) == [("t", "executing")]
    assert tools(talk(end(call("u")))) == [("u", "complete")]


def test_reset_reuses_no_id() -> None:
    talk = Talk()
    talk(text("a"))
    first = talk.session()["open_message"]["id"]
    talk.reset()
    talk(text("b"))
    assert talk.session()["open_message"]["id"] != first


def test_clearing_by_the_application_is_one_notification() -> None:
    processor = EventStreamProcessor()
    for event in (chat_session(), text("half"), begin(call("t")), message("x", "other")):
        processor.process_event(event)
    notes = processor.process_event(SessionsWipedEvent())
    assert [note.name for note in notes] == [
        "message-complete",
        "tool-notification-removed",
        "all-sessions-cleared",
    ]
    assert processor.state.sessions == {}
    assert processor.state.current_session_id is None
    processor.process_event(text("new"))
    assert list(processor.state.sessions) == [MAIN]
