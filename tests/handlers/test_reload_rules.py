"""Rules S1-S3 for a list or a deletion after live events."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_trio._core._local_events import SessionsWipedEvent
from realtime_trio._core._state import Limits
from realtime_trio._processor import EventStreamProcessor

from .talk import (
    CANCELLED,
    MAIN,
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
    message,
    names,
    of_session,
    only,
    result,
    select,
    sub_ended,
    sub_started,
    text,
    thought,
    user,
)

SUB: Json = {"parent": MAIN, "user": MAIN}


def finished_turns(*contents: str) -> list[Json]:
    """Return a list of finished turns: user messages, each with an answer."""
    return [
        {"role": role, "content": role[0] + content}
        for content in contents
        for role in ("user", "assistant")
    ]


def turn(content: str) -> list[Json]:
    """Return the events of a turn that ends normally."""
    return [TURN_END, user(f"u{content}"), text(f"a{content}"), completion(False), TURN_START]


def asks(content: str) -> list[Json]:
    """Return the events of a running turn."""
    return [TURN_END, user(f"u{content}"), text("half")]


# -- S1: whether a list holds the turn -----------------------------------------------------


def is_whole(before: list[Json], listed: list[Json]) -> bool:
    """Whether a list that arrives during a turn, with nothing after it, replaces the turn."""
    talk = Talk()
    talk(*before, chat_session(MAIN, *listed))
    notes = talk(TURN_START)
    loaded = only(notes, "session-messages-loaded")
    if not loaded:
        assert talk.transcript()[: len(listed)] == [(m["role"], m["content"]) for m in listed]
        assert len(talk.messages()) > len(listed)
        return False
    assert loaded[0]["messages"] == talk.messages()
    assert talk.transcript() == [(m["role"], m["content"]) for m in listed]
    return True


DECIDED: list[tuple[str, list[Json], list[Json], bool]] = [
    ("the first turn", asks("1"), finished_turns("1"), True),
    ("a list that is empty", asks("1"), [], False),
    ("another question", asks("1"), finished_turns("2"), False),
    ("a turn that ended before", [*turn("1"), *asks("2")], finished_turns("1", "2"), True),
    ("a list without this turn", [*turn("1"), *asks("2")], finished_turns("1"), False),
    ("the same question again", [*turn("1"), *asks("1")], finished_turns("1"), False),
    (
        "a turn that was cancelled",
        [*asks("1"), CANCELLED, TURN_START, *asks("2")],
        finished_turns("2"),
        True,
    ),
    (
        "a turn that was killed",
        [TURN_END, user("u1"), interaction(True), text("x"), TURN_START, *asks("2")],
        finished_turns("2"),
        True,
    ),
    (
        "a turn that is a chat command",
        [user("u1"), TURN_START, *asks("2")],
        finished_turns("2"),
        True,
    ),
    (
        "a list that came between the turns",
        [*turn("1"), chat_session(MAIN, *finished_turns("1")), *asks("2")],
        finished_turns("1", "2"),
        True,
    ),
    (
        "a shorter list that came between the turns",
        [*turn("1"), *turn("2"), chat_session(MAIN, *finished_turns("2")), *asks("3")],
        finished_turns("2", "3"),
        True,
    ),
    ("a turn whose question was not seen", [text("half")], finished_turns("1"), True),
    (
        "two lists with nothing between them",
        [*turn("1"), *asks("2"), chat_session(MAIN, *finished_turns("1", "2"))],
        finished_turns("1", "2"),
        True,
    ),
    (
        "a list in mid-turn, and a whole one after more of the turn",
        [*turn("1"), *asks("2"), chat_session(MAIN, *finished_turns("1")), text("more")],
        finished_turns("1", "2"),
        True,
    ),
    (
        "a server that has forgotten",
        [*turn("1"), *turn("2"), *asks("3")],
        finished_turns("3"),
        False,
    ),
]


@pytest.mark.parametrize(
    ("before", "listed", "whole"), [pytest.param(*case, id=name) for name, *case in DECIDED]
)
def test_s1_a_list_is_complete_if_it_contains_the_turn(
    before: list[Json], listed: list[Json], whole: bool
) -> None:
    assert is_whole(before, listed) is whole


def test_s1_a_sub_session_s_messages_do_not_count() -> None:
    delegated: Json = {
        "role": "assistant",
        "content": [
            {"type": "tool_use", "id": "d", "name": "aa_chat", "input": {"message": "u2"}},
        ],
    }
    talk = Talk()
    talk(*turn("1"), *asks("2"), chat_session(MAIN, *finished_turns("1"), delegated))
    assert only(talk(TURN_START), "session-messages-loaded") == []


def test_s1_kept_messages_are_interrupted_and_keep_their_tools() -> None:
    talk = Talk()
    talk(TURN_END, user("?"), end(call("t")), text("half"), chat_session(MAIN))
    assert completed(talk(TURN_START)) == [("assistant", "half", "interrupted", "interrupted")]
    assert attached(talk.last()) == [("t", "done")]


def test_s1_tools_that_wait_after_an_incomplete_list_get_a_message() -> None:
    talk = Talk()
    talk(TURN_END, user("?"), end(call("t")), chat_session(MAIN))
    talk(TURN_START)
    assert attached(talk.last()) == [("t", "done")]


def test_s1_messages_of_a_continuing_turn_are_not_interrupted() -> None:
    talk = Talk()
    talk(*asks("1"), chat_session(MAIN), text(" whole"))
    assert completed(talk(TURN_START)) == [("assistant", "half whole", "complete", None)]


def test_s1_a_user_s_message_with_its_turn_end_continues_the_turn() -> None:
    talk = Talk()
    talk(*asks("1"), chat_session(MAIN, *finished_turns("1")), user("!pp"))
    assert only(talk(TURN_START), "session-messages-loaded") == []
    talk = Talk()
    talk(text("half"), chat_session(MAIN, *finished_turns("1")), user("!pp"))
    assert only(talk(TURN_START), "session-messages-loaded") != []


def test_s1_a_repeated_end_finds_its_call_in_a_complete_list() -> None:
    talk = Talk()
    use = {"type": "tool_use", "id": "t", "name": "ls", "input": {}}
    listed: list[Json] = [
        {"role": "user", "content": "u1"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result("t", "listed")]},
    ]
    talk(TURN_END, user("u1"), text("x"), begin(call("t")), end(call("t")))
    talk(chat_session(MAIN, *listed), TURN_START)
    talk(end(call("t"), results=[result("t", "again")]))
    assert attached(talk.last()) == [("t", "again")]


# -- S2: delegations that were seen live ---------------------------------------------------

ASK = call("d", "aa_chat", {"agent_key": "helper", "message": "find y"})
TOLD: list[Json] = [
    {"role": "user", "content": "?"},
    {"role": "assistant", "content": [{"type": "text", "text": "One moment."}, ASK]},
    {"role": "user", "content": [result("d", '{"agent_message": "y is 2"}')]},
]
CHILD = [
    user("find y", "sub", **SUB),
    text("y is 2", "sub", **SUB),
    completion(False, "sub", **SUB),
]
LIVE = [
    user("?"),
    text("One moment."),
    begin(ASK),
    completion(False),
    sub_started(parent=MAIN),
    *CHILD,
    sub_ended(parent=MAIN),
    end(ASK, results=[result("d", '{"agent_message": "y is 2"}')]),
]


def announced(notes: list[Json]) -> list[str]:
    return [name for name in names(notes) if name.startswith("subsession")]


def without(*kinds: str) -> list[Json]:
    return [each for each in LIVE if each["type"] not in kinds]


def test_s2_a_delegation_seen_live_is_not_unfolded() -> None:
    talk = Talk()
    talk(*LIVE, TURN_START)
    before = talk.messages()
    notes = talk(chat_session(MAIN, *TOLD))
    assert announced(notes) == []
    assert talk.transcript() == [("user", "?"), ("assistant", "One moment.")]
    assert attached(talk.last()) == attached(before[-1]) == [("d", '{"agent_message": "y is 2"}')]
    assert [m["content"] for m in talk.messages("sub")] == ["find y", "y is 2"]


UNFOLDED = [
    ("user", "?"),
    ("assistant", "One moment."),
    ("user", "find y"),
    ("assistant", "y is 2"),
]


@pytest.mark.parametrize(
    ("live", "news"),
    [
        pytest.param([], True, id="nothing was seen"),
        pytest.param([each for each in LIVE if each != begin(ASK)], True, id="no beginning"),
        pytest.param(LIVE[:-1], False, id="no end"),
        pytest.param([*LIVE[:3], None, *LIVE[3:]], False, id="a lost link after its beginning"),
        pytest.param([*LIVE[:-1], None, LIVE[-1]], False, id="a lost link before its end"),
        pytest.param([*LIVE[:5], *LIVE[-2:]], False, id="no message of its sub-session"),
        pytest.param(
            [*LIVE[:3], LIVE[-1]], True, id="no message of its sub-session, and no announcement"
        ),
        pytest.param([*CHILD, *LIVE[:5], *LIVE[-2:]], False, id="messages before it"),
        pytest.param(
            [*LIVE, {"type": "delete_chat_session", "session_id": "sub"}],
            False,
            id="a sub-session that is gone",
        ),
        pytest.param(
            [{**each, "parent_session_id": "x"} if each in CHILD else each for each in LIVE],
            False,
            id="another parent's sub-session",
        ),
    ],
)
def test_s2_a_delegation_seen_in_part_is_unfolded(live: list[Json | None], news: bool) -> None:
    talk = Talk()
    for event in [*live, TURN_START]:
        if event is None:
            talk.lose_link()
        else:
            talk(event)
    notes = talk(chat_session(MAIN, *TOLD))
    assert talk.transcript() == UNFOLDED
    assert attached(talk.messages()[1]) == []
    assert announced(notes) == (["subsession-started", "subsession-ended"] if news else [])


@pytest.mark.parametrize(
    "other",
    [
        {**ASK, "id": "e"},
        {**ASK, "name": "act_chat"},
        {**ASK, "input": {"message": "find z"}},
    ],
)
def test_s2_delegations_are_identified_by_id_name_and_request(other: Json) -> None:
    talk = Talk()
    talk(*LIVE, TURN_START)
    [asked, answered, _] = TOLD
    blocks = [*answered["content"][:1], other]
    notes = talk(chat_session(MAIN, asked, {**answered, "content": blocks}))
    assert announced(notes) == ["subsession-started", "subsession-ended"]
    assert len(talk.messages()) == 3


def test_s2_a_second_load_unfolds_again_but_announces_nothing() -> None:
    talk = Talk()
    talk(chat_session(MAIN, *TOLD))
    notes = talk(chat_session("other"), chat_session(MAIN, *TOLD))
    assert announced(notes) == []
    assert talk.transcript() == UNFOLDED
    notes = talk(chat_session(MAIN, *TOLD, *TOLD))
    assert announced(notes) == ["subsession-started", "subsession-ended"]
    assert talk.transcript() == UNFOLDED * 2


def test_s2_each_of_several_equal_delegations_is_announced() -> None:
    talk = Talk()
    assert (
        announced(talk(chat_session(MAIN, *TOLD, *TOLD)))
        == [
            "subsession-started",
            "subsession-ended",
        ]
        * 2
    )


def test_s2_a_delegation_that_ends_by_its_result_was_seen_too() -> None:
    talk = Talk()
    talk(*LIVE[:-1], {**LIVE[-1], "tool_calls": None}, TURN_START)
    talk(chat_session(MAIN, *TOLD))
    assert talk.transcript() == UNFOLDED[:2]


def test_s2_an_open_message_of_its_sub_session_counts() -> None:
    talk = Talk()
    talk(*LIVE[:5], text("y is", "sub", **SUB), LIVE[-1])
    talk(chat_session(MAIN, *TOLD))
    assert attached(talk.messages()[1]) == [("d", '{"agent_message": "y is 2"}')]


def test_s2_each_of_several_is_compared_with_its_own_messages() -> None:
    talk = Talk()
    again = {**ASK, "id": "e"}
    talk(*LIVE, begin(again), sub_started(parent=MAIN), end(again))
    notes = [*TOLD, {"role": "assistant", "content": [again]}]
    talk(TURN_START, text("x", "of another", parent="x"), chat_session(MAIN, *notes))
    assert talk.transcript() == [*UNFOLDED[:2], ("user", "find y")]


def test_s2_a_list_during_a_turn_keeps_the_running_delegation() -> None:
    talk = Talk()
    talk(*LIVE, TURN_START, *turn("2")[:2], chat_session(MAIN, *TOLD), TURN_START)
    assert announced(talk(chat_session(MAIN, *TOLD))) == []


def test_s2_parallel_delegations_are_each_announced_once() -> None:
    names_ = ("aa_chat", "act_oneshot", "ateam_chat")
    calls = [call(f"d{i}", name, {"message": f"do {i}"}) for i, name in enumerate(names_)]
    talk = Talk()
    talk(user("?"), text("x"), begin(*calls))
    talk(sub_started(kind="oneshot", agent="clone", parent=MAIN))
    talk(sub_started(kind="chat", agent="team", parent=MAIN))
    talk.lose_link()
    talk(TURN_START)
    notes = talk(chat_session(MAIN, {"role": "assistant", "content": calls}))
    [started] = only(notes, "subsession-started")
    assert started["sub_agent_type"] == "assist"


def test_s2_a_sub_session_without_a_call_matches_no_delegation() -> None:
    talk = Talk()
    talk(begin(call("t")), sub_started(parent=MAIN))
    notes = talk(sub_started(parent=MAIN))
    assert names(notes) == ["subsession-started"]


# -- S3: a deleted current session that continues ------------------------------------

DELETED: Json = {"type": "delete_chat_session"}


def test_s3_the_server_may_continue_in_a_deleted_session() -> None:
    talk = Talk()
    talk(message("kept"), TURN_START)
    talk(DELETED, {"type": "error", "message": "no"})
    assert talk.state["sessions"] == {}
    notes = talk(TURN_END)
    assert names(notes) == ["turn-state-changed", "chat-session-changed", "sessions-updated"]
    assert (notes[1]["previous_session_id"], notes[1]["current_session_id"]) == (None, MAIN)
    assert notes[2]["session_ids"] == [MAIN]
    assert talk.transcript() == [("assistant", "kept")]
    assert talk.state["current_session_id"] == talk.now.text.user_session_id == MAIN
    assert talk.now.control.chat_session_id == MAIN
    assert names(talk(TURN_START, TURN_END)) == [
        "turn-state-changed",
        "all-notifications-cleared",
        "turn-state-changed",
    ]


@pytest.mark.parametrize(
    "event",
    [
        text("x", user=None),
        completion(True),
        user("?"),
        {"type": "chat_session_name_changed", "session_name": "n", "session_id": MAIN},
    ],
)
def test_s3_an_event_of_that_session_restores_its_record(event: Json) -> None:
    talk = Talk()
    talk(message("kept"), DELETED, event)
    assert talk.transcript()[0] == ("assistant", "kept")
    assert talk.state["current_session_id"] is None
    assert names(talk(TURN_END))[-2:] == ["chat-session-changed", "sessions-updated"]
    assert talk.state["current_session_id"] == MAIN
    assert talk.transcript()[0] == ("assistant", "kept")


def test_s3_another_session_s_event_does_not() -> None:
    talk = Talk()
    talk(message("kept"), DELETED, message("x", "other"))
    assert list(talk.state["sessions"]) == ["other"]


@pytest.mark.parametrize("current", ["next", MAIN])
def test_s3_a_session_that_becomes_current_drops_it(current: str) -> None:
    talk = Talk()
    talk(message("kept"), completion(False, input_tokens=3), DELETED)
    talk(chat_session(current, {"role": "user", "content": "h"}))
    assert names(talk(TURN_END)) == []
    assert talk.state["current_session_id"] == current
    assert talk.transcript(current) == [("user", "h")]
    assert talk.session(current)["input_tokens"] == 0
    assert talk.now.control.chat_session_id == current
    talk(text("x"))
    assert ("assistant", "kept") not in talk.transcript()


def test_s3_a_null_session_does_not() -> None:
    talk = Talk()
    talk(message("kept"), DELETED, chat_session(None), TURN_END)
    assert talk.transcript() == [("assistant", "kept")]
    assert talk.now.control.chat_session_id == MAIN


def test_s3_a_session_that_is_deleted_again_stays_hidden() -> None:
    talk = Talk()
    talk(message("kept"), DELETED)
    assert talk({**DELETED, "session_id": MAIN}, DELETED) == []
    talk(TURN_END)
    assert talk.transcript() == [("assistant", "kept")]


def test_s3_a_deleted_session_that_was_not_current_is_gone() -> None:
    talk = Talk()
    talk(message("x", "other"), {**DELETED, "session_id": "other"})
    assert names(talk(TURN_END)) == []
    talk(text("y", "other"))
    assert talk.messages("other") == []


def test_s3_a_user_session_set_meanwhile_stays() -> None:
    talk = Talk()
    talk(DELETED)
    talk.set_user_session_id("set")
    talk(TURN_END)
    assert talk.now.text.user_session_id == "set"
    talk = Talk()
    talk.set_user_session_id("set")
    talk(DELETED, TURN_END)
    assert talk.now.text.user_session_id == "set"


def test_s3_it_is_restored_within_the_bounds() -> None:
    talk = Talk(limits=Limits(max_sessions=1))
    talk(DELETED, message("x", "other"))
    notes = talk(TURN_END)
    assert names(notes) == ["session-cleared", "chat-session-changed", "sessions-updated"]
    assert list(talk.state["sessions"]) == [MAIN]


def test_s3_its_tools_and_its_open_message_have_ended() -> None:
    talk = Talk()
    talk(select(call("t")), thought("hm"), DELETED, TURN_END)
    assert talk.state["active_tools"] == []
    assert talk.session()["open_message"] is None
    assert talk.last()["content"] == "hm"


def test_s3_a_wipe_by_the_application_drops_it() -> None:
    processor = EventStreamProcessor()
    for event in (chat_session(), message("kept"), DELETED):
        processor.process_event(event)
    processor.process_event(SessionsWipedEvent())
    notes: tuple[Any, ...] = processor.process_event(TURN_END)
    assert [note.name for note in notes] == []
    assert processor.state.sessions == {}


def test_d3_an_unknown_severity_counts_as_an_error() -> None:
    talk = Talk()
    for severity in ("info", "warning", "fatal"):
        talk(of_session("system_message", content=severity, severity=severity))
    assert talk.now.text.rest.turn.errors == ("fatal",)
