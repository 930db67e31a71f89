"""Rules T1-T5: the life of a tool, and the message that it attaches to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime_trio._core._state import Limits

from .talk import (
    CANCELLED,
    MAIN,
    THOUGHT,
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
    only,
    result,
    select,
    text,
    thought,
    tools,
    user,
)

SUB: Json = {"parent": MAIN, "user": MAIN}
THINK = call("think1", "think")


ASKED: list[Json] = [
    {"role": "user", "content": "?"},
    {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "t", "name": "ls", "input": {}}],
    },
]


def active(talk: Talk) -> list[tuple[str, str, str]]:
    """Return session, id and status of the active tools."""
    return [(t["session_id"], t["id"], t["status"]) for t in talk.state["active_tools"]]


# -- T1: preparing, executing, complete ----------------------------------------------------


def test_t1_a_tool_goes_through_its_three_states_once() -> None:
    talk = Talk()
    given = call("t", "ls", {"path": "/"})
    notes = talk(select(call("t")), begin(given), end(given))
    assert [
        (note["status"], note["tool_name"], note["arguments"])
        for note in only(notes, "tool-notification")
    ] == [
        ("preparing", "ls", {}),
        ("executing", "ls", {"path": "/"}),
        ("complete", "ls", {"path": "/"}),
    ]
    assert active(talk) == []


def test_t1_repeated_lists_announce_only_what_is_new() -> None:
    talk = Talk()
    notes = talk(select(call("a")), select(call("a"), call("b")), select(call("a"), call("b")))
    assert tools(notes) == [("a", "preparing"), ("b", "preparing")]
    assert active(talk) == [(MAIN, "a", "preparing"), (MAIN, "b", "preparing")]


def test_t1_a_list_with_the_same_id_twice() -> None:
    assert tools(Talk()(select(call("a"), call("a")))) == [("a", "preparing")]


def test_t1_a_call_that_was_never_selected_is_announced() -> None:
    talk = Talk()
    assert tools(talk(begin(call("t")))) == [("t", "executing")]
    assert active(talk) == [(MAIN, "t", "executing")]


def test_t1_an_end_without_a_start_is_announced() -> None:
    talk = Talk()
    assert tools(talk(end(call("t")))) == [("t", "complete")]
    assert active(talk) == []


@pytest.mark.parametrize("back", [select(call("t")), begin(call("t"))])
def test_t1_a_status_never_moves_backward(back: Json) -> None:
    talk = Talk()
    talk(begin(call("t")))
    assert tools(talk(back)) == []
    assert active(talk) == [(MAIN, "t", "executing")]


# Events that end a call, and the notifications of the next call's end.
ENDS: list[list[Json]] = [
    [end(call("t"), results=[result("t", "first")])],
    [interaction(True)],
    [interaction(False)],
    [TURN_START],
    [CANCELLED, interaction(True)],
]


@pytest.mark.parametrize("ended", ENDS)
def test_t1_a_call_with_an_ended_id_is_another_call(ended: list[Json]) -> None:
    talk = Talk()
    talk(text("x"), begin(call("t", input={"n": 1})), *ended)
    notes = talk(begin(call("t", "cat", {"n": 2})), end(call("t", "cat", {"n": 2})))
    assert [(n["tool_name"], n["status"]) for n in only(notes, "tool-notification")] == [
        ("cat", "executing"),
        ("cat", "complete"),
    ]
    assert active(talk) == []


def test_t1_both_calls_of_an_id_stay_in_the_transcript() -> None:
    talk = Talk()
    talk(user("?"), text("a"))
    for name, given in (("read", "1"), ("delete", "2")):
        talk(begin(call("t", name)), end(call("t", name), results=[result("t", given)]))
    notes = talk.session()["open_message"]
    assert [(c["id"], c["name"]) for c in notes["tool_calls"]] == [("t", "read"), ("t", "delete")]
    assert [r["content"] for r in notes["tool_results"]] == ["1", "2"]


def test_t1_a_repeated_end_belongs_to_the_latest_call() -> None:
    talk = Talk()
    talk(text("a"), begin(call("t", "read")), end(call("t", "read"), results=[result("t", "1")]))
    talk(text("b"), completion(False), begin(call("t")), end(call("t"), results=[]))
    assert tools(talk(end(call("t"), results=[result("t", "2")]))) == []
    assert tools(talk(end(call("t"), results=[result("t", "3")]))) == []
    assert [r["content"] for r in talk.last()["tool_results"]] == ["1", "3"]
    assert [c["name"] for c in talk.last()["tool_calls"]] == ["read", "ls"]


def test_t1_calls_with_one_id_wait_separately() -> None:
    talk = Talk()
    talk(user("?"))
    for given in ("1", "2", "3"):
        talk(begin(call("t")), end(call("t"), results=[result("t", given)]))
    talk(end(call("t"), results=[result("t", "4")]))
    assert [c["id"] for c in talk.session()["waiting_tools"]] == ["t"] * 3
    talk(begin(call("t")), text("x"))
    talk(end(call("t"), results=[result("t", "5")]))
    notes = talk.session()["open_message"]
    assert [r["content"] for r in notes["tool_results"]] == ["1", "2", "4", "5"]


def test_t1_an_earlier_call_s_message_does_not_take_the_next() -> None:
    talk = Talk()
    talk(text("a"), begin(call("t")), end(call("t"), results=[result("t", "1")]), completion(False))
    talk(begin(call("t")), end(call("u")), text("b"))
    talk(end(call("t"), results=[result("t", "2")]))
    assert [attached(m) for m in talk.messages()] == [[("t", "1"), ("u", "done")]]
    assert attached(talk.session()["open_message"]) == [("t", "2")]


@pytest.mark.parametrize("ended", ENDS)
def test_t1_a_selection_after_a_started_completion_is_another_call(ended: list[Json]) -> None:
    talk = Talk()
    talk(completion(True), select(call("t")), *ended)
    if ended != ENDS[-1]:
        assert tools(talk(select(call("t")))) == []
    assert tools(talk(completion(True, "sub", **SUB), select(call("t")))) == []
    assert tools(talk(completion(False), select(call("t")))) == []
    assert tools(talk(completion(True), select(call("t")))) == [("t", "preparing")]


def test_t1_the_first_end_is_the_end() -> None:
    talk = Talk()
    talk(text("x"), begin(call("t")), end(call("t")), completion(True), end(call("t")))
    assert tools(talk(select(call("t")))) == [("t", "preparing")]


def test_t1_a_late_list_does_not_remove_the_arguments() -> None:
    talk = Talk()
    talk(begin(call("t", input={"path": "/"})), select(call("t", input={})))
    [tool] = talk.now.text.active_tools
    assert tool.arguments == {"path": "/"}


def test_t1_the_arguments_grow_while_a_tool_is_chosen() -> None:
    talk = Talk()
    assert tools(talk(select(call("t")), select(call("t", input={"path": "/"})))) == [
        ("t", "preparing")
    ]
    [tool] = talk.now.text.active_tools
    assert tool.arguments == {"path": "/"}


@pytest.mark.parametrize("make", [select, begin, end])
def test_t1_a_tool_creates_its_session(make: Any) -> None:
    talk = Talk()
    talk(make(call("t"), session="sub", **SUB))
    assert list(talk.state["sessions"]) == [MAIN, "sub"]


def test_t1_ids_are_per_session() -> None:
    talk = Talk()
    talk(select(call("t"), session="a", **SUB), begin(call("t"), session="b", **SUB))
    assert active(talk) == [("a", "t", "preparing"), ("b", "t", "executing")]
    notes = talk(end(call("t"), session="b", **SUB))
    assert only(notes, "tool-notification")[0]["session_id"] == "b"
    assert active(talk) == [("a", "t", "preparing")]
    assert tools(talk(end(call("t"), session="a", **SUB))) == [("t", "complete")]


def test_t1_a_second_end_is_not_announced_again() -> None:
    talk = Talk()
    talk(text("x"), begin(call("t")), end(call("t")))
    assert names(talk(end(call("t")))) == ["tool-call-complete", "message-updated"]


def test_t1_an_end_repeated_in_a_later_turn_is_not_announced_again() -> None:
    talk = Talk()
    talk(text("x"), begin(call("t")), end(call("t")), completion(False), TURN_START)
    talk(user("next"), text("y"))
    notes = talk(end(call("t"), results=[result("t", "again")]))
    assert tools(notes) == []
    assert [attached(m) for m in talk.messages()] == [[("t", "again")], []]


def test_t1_an_id_reused_in_a_later_turn_is_another_tool() -> None:
    talk = Talk()
    talk(text("x"), begin(call("t")), end(call("t"), results=[result("t", "first")]), TURN_START)
    talk(user("next"), completion(True), text("y"))
    notes = talk(select(call("t")), begin(call("t")))
    notes += talk(end(call("t"), results=[result("t", "second")]))
    assert tools(notes) == [("t", "preparing"), ("t", "executing"), ("t", "complete")]
    talk(TURN_START)
    assert [attached(m) for m in talk.messages()] == [[("t", "first")], [], [("t", "second")]]


def test_t1_parallel_tools_end_one_by_one() -> None:
    talk = Talk()
    talk(text("x"), begin(call("a"), call("b"), call("c")))
    assert tools(talk(end(call("b")))) == [("b", "complete")]
    assert active(talk) == [(MAIN, "a", "executing"), (MAIN, "c", "executing")]
    assert tools(talk(end(call("a"), call("c")))) == [("a", "complete"), ("c", "complete")]
    assert attached(talk.session()["open_message"]) == [("b", "done"), ("a", "done"), ("c", "done")]


def test_t1_tools_beyond_the_bound_are_removed_and_announced() -> None:
    talk = Talk()
    notes = talk(begin(*(call(f"t{i}") for i in range(1025))))
    assert tools(notes)[-2:] == [("t0", "removed"), ("t1024", "executing")]
    assert len(talk.now.text.active_tools) == 1024
    assert tools(talk(select(call("t0"), call("t1")))) == []


# -- T2: forms of calls --------------------------------------------------------------------

FORMS: list[tuple[Json, Json]] = [
    ({"id": "t", "name": "ls", "input": {"a": 1}}, {"a": 1}),
    ({"id": "t", "name": "ls", "input": '{"a": 1}', "type": "tool_use"}, {"a": 1}),
    ({"id": "t", "name": "ls", "arguments": '{"a": 1}'}, {"a": 1}),
    ({"id": "t", "name": "ls", "arguments": {"a": 1}}, {"a": 1}),
    (
        {"id": "t", "type": "function", "function": {"name": "ls", "arguments": '{"a": 1}'}},
        {"a": 1},
    ),
    ({"id": "t", "name": "ls", "input": "not JSON"}, {"_raw": "not JSON"}),
    ({"id": "t", "name": "ls", "input": "[1]"}, {"_raw": "[1]"}),
    ({"id": "t", "name": "ls", "input": ""}, {}),
    ({"id": "t", "name": "ls", "input": " \n"}, {}),
    ({"id": "t", "name": "ls", "arguments": ""}, {}),
    ({"id": "t", "name": "ls"}, {}),
    ({"id": "t", "name": "ls", "type": "server_tool_use", "input": {}}, {}),
]


@pytest.mark.parametrize(("given", "arguments"), FORMS, ids=[json.dumps(f) for f, _ in FORMS])
def test_t2_every_form_of_a_call_is_normalised(given: Json, arguments: Json) -> None:
    talk = Talk()
    talk(text("x"))
    notes = talk(begin(given), end(given))
    assert [note["arguments"] for note in only(notes, "tool-notification")] == [arguments] * 2
    assert talk.session()["open_message"]["tool_calls"] == [
        {"id": "t", "name": "ls", "input": arguments}
    ]


@pytest.mark.parametrize(
    "given",
    [
        result("t", "out"),
        {"role": "tool", "tool_call_id": "t", "content": "out"},
        result("t", [{"type": "text", "text": "o"}, {"type": "text", "text": "ut"}]),
        result("t", "out", is_error=None),
    ],
)
def test_t2_every_form_of_a_result_is_normalised(given: Json) -> None:
    talk = Talk()
    talk(text("x"), end(call("t"), results=[given]))
    assert talk.session()["open_message"]["tool_results"] == [
        {"tool_use_id": "t", "content": "out", "is_error": False}
    ]


def test_t2_a_result_says_whether_it_is_an_error() -> None:
    talk = Talk()
    talk(text("x"), end(call("t"), results=[result("t", "no such file", is_error=True)]))
    assert talk.session()["open_message"]["tool_results"][0]["is_error"] is True


# -- T3: think -----------------------------------------------------------------------------


def test_t3_think_is_removed_once_when_thoughts_start() -> None:
    talk = Talk()
    notes = talk(select(THINK), select(THINK), thought(""))
    assert tools(notes) == [("think1", "preparing")]
    notes = talk(
        thought("Hm"), thought("m."), select(THINK), thought("."), begin(THINK), end(THINK)
    )
    assert tools(notes) == [("think1", "removed")]
    assert names(notes)[:2] == ["tool-notification-removed", "message-streaming"]
    assert talk.session()["open_message"]["content"] == "Hmm.."


def test_t3_thoughts_that_have_started_remove_it_too() -> None:
    talk = Talk()
    talk(thought("Hm"), select(THINK))
    assert tools(talk(thought("m"))) == [("think1", "removed")]
    assert talk.session()["open_message"]["content"] == "Hmm"


@pytest.mark.parametrize("make", [begin, end])
def test_t3_think_is_removed_once_when_its_call_comes(make: Any) -> None:
    talk = Talk()
    talk(select(THINK))
    assert names(talk(make(THINK))) == ["tool-notification-removed"]
    assert talk(begin(THINK), end(THINK), select(THINK)) == []
    assert active(talk) == []


def test_t3_think_that_was_never_selected_emits_nothing() -> None:
    talk = Talk()
    talk(text("x"))
    assert talk(begin(THINK), end(THINK)) == []
    assert attached(talk.session()["open_message"]) == []


def test_t3_think_is_not_selected_after_its_call() -> None:
    talk = Talk()
    assert talk(begin(THINK), select(THINK)) == []


def test_t3_thoughts_of_another_session_keep_it() -> None:
    talk = Talk()
    talk(select(THINK))
    assert tools(talk(thought("Hm", "sub", **SUB))) == []
    assert active(talk) == [(MAIN, "think1", "preparing")]


def test_t3_thoughts_keep_other_tools() -> None:
    talk = Talk()
    talk(select(THINK, call("t")))
    assert tools(talk(thought("Hm"))) == [("think1", "removed")]
    assert active(talk) == [(MAIN, "t", "preparing")]


def test_t3_text_keeps_think() -> None:
    talk = Talk()
    talk(select(THINK))
    assert tools(talk(text("x"))) == []


def test_t3_other_tools_of_its_event_are_handled_as_usual() -> None:
    talk = Talk()
    notes = talk(
        select(call("a"), THINK, call("b")), thought("Hm."), begin(call("a"), THINK, call("b"))
    )
    assert tools(notes) == [
        ("a", "preparing"),
        ("think1", "preparing"),
        ("b", "preparing"),
        ("think1", "removed"),
        ("a", "executing"),
        ("b", "executing"),
    ]
    results = [result("think1", "thought"), result("b", "B"), result("a", "A")]
    notes = talk(end(call("a"), THINK, call("b"), results=results))
    assert tools(notes) == [("a", "complete"), ("b", "complete")]
    [done] = only(notes, "tool-call-complete")
    assert [c["id"] for c in done["tool_calls"]] == ["a", "b"]
    assert [r["tool_use_id"] for r in done["tool_results"]] == ["b", "a"]
    assert attached(talk.session()["open_message"]) == [("a", "A"), ("b", "B")]


def test_t3_think_never_waits_for_a_message() -> None:
    talk = Talk()
    talk(end(THINK), TURN_START)
    assert talk.messages() == []


def test_t3_think_without_an_end_is_removed_with_its_turn() -> None:
    talk = Talk()
    talk(select(THINK), TURN_START)
    assert active(talk) == []


# -- T4: to which message ------------------------------------------------------------------


def test_t4_a_tool_attaches_to_the_message_under_construction() -> None:
    talk = Talk()
    talk(text("Looking."))
    notes = talk(begin(call("t")), end(call("t")))
    [updated] = only(notes, "message-updated")
    assert updated["message"]["status"] == "streaming"
    assert attached(updated["message"]) == [("t", "done")]
    talk(text(" Found."), completion(False))
    assert talk.transcript() == [("assistant", "Looking. Found.")]
    assert attached(talk.last()) == [("t", "done")]


@pytest.mark.parametrize(("first", "role"), [(text("x"), "assistant"), (thought("x"), THOUGHT)])
def test_t4_or_to_the_last_message_after_the_user_s(first: Json, role: str) -> None:
    talk = Talk()
    talk(user("?"), first, completion(False))
    notes = talk(begin(call("t")), end(call("t")))
    assert only(notes, "message-updated")[0]["message"] == talk.last()
    assert (talk.last()["role"], attached(talk.last())) == (role, [("t", "done")])


@pytest.mark.parametrize("role", ["system", "narrator", "tool"])
def test_t4_other_roles_are_skipped(role: str) -> None:
    talk = Talk()
    talk(
        user("?"), text("x"), completion(False), message("said", role=role), text("open", role=role)
    )
    talk(end(call("t")))
    assert attached(talk.messages()[1]) == [("t", "done")]
    assert attached(talk.last()) == []


def test_t4_never_to_a_message_before_the_user_s() -> None:
    talk = Talk()
    talk(text("old"), completion(False), user("?"), end(call("t")))
    assert [attached(m) for m in talk.messages()] == [[], []]
    assert [c["id"] for c in talk.session()["waiting_tools"]] == ["t"]


def test_t4_never_to_another_session_s() -> None:
    talk = Talk()
    talk(text("main"), end(call("t"), session="sub", **SUB))
    assert attached(talk.session()["open_message"]) == []
    assert [c["id"] for c in talk.session("sub")["waiting_tools"]] == ["t"]


@pytest.mark.parametrize("first", [text("x"), thought("x"), message("x")])
def test_t4_it_waits_for_the_next_message(first: Json) -> None:
    talk = Talk()
    notes = talk(user("?"), end(call("a"), call("b")))
    assert only(notes, "message-updated") == []
    talk(first, completion(False))
    assert attached(talk.last()) == [("a", "done"), ("b", "done")]
    assert talk.session()["waiting_tools"] == []


def test_t4_it_waits_past_messages_that_take_no_tools() -> None:
    talk = Talk()
    talk(user("?"), end(call("t")), message("note", role="system"), text("x", role="narrator"))
    talk(text("y"), completion(False))
    assert [attached(m) for m in talk.messages()] == [[], [], [], [("t", "done")]]


def test_t4_tools_that_wait_at_the_end_of_the_turn_become_a_message() -> None:
    talk = Talk()
    talk(user("?"), end(call("a")), end(call("b"), session="sub", **SUB))
    notes = talk(TURN_START)
    assert completed(notes) == [("assistant", "", "complete", None)] * 2
    assert attached(talk.last()) == [("a", "done")]
    assert attached(talk.last("sub")) == [("b", "done")]
    assert talk.last("sub")["is_sub_session"] is True
    assert talk.last("sub")["user_session_id"] == MAIN
    assert talk.session()["waiting_tools"] == []
    assert talk(TURN_START, TURN_START) == [{"name": "all-notifications-cleared"}] * 2


def test_t4_it_keeps_waiting_after_the_end_of_an_interaction() -> None:
    talk = Talk()
    talk(user("?"), end(call("t")), completion(False), interaction(False))
    assert [c["id"] for c in talk.session()["waiting_tools"]] == ["t"]


def test_t4_a_repeated_end_replaces_the_first() -> None:
    talk = Talk()
    talk(user("?"), text("x"), completion(False), begin(call("t")))
    talk(end(call("t"), results=[result("t", "one")]))
    talk(text("y"), completion(False))
    again = call("t", input={"path": "/"})
    notes = talk(end(again, results=[result("t", "two", is_error=True)]))
    assert only(notes, "message-updated")[0]["message"] == talk.messages()[1]
    assert [attached(m) for m in talk.messages()] == [[], [("t", "two")], []]
    assert talk.messages()[1]["tool_calls"][0]["input"] == {"path": "/"}
    assert talk.messages()[1]["tool_results"][0]["is_error"] is True


def test_t4_a_repeated_end_replaces_among_others_and_in_place() -> None:
    talk = Talk()
    talk(text("x"), end(call("a"), call("b"), call("c")))
    talk(end(call("b"), results=[result("b", "new")]))
    expected = [("a", "done"), ("b", "new"), ("c", "done")]
    assert attached(talk.session()["open_message"]) == expected


def test_t4_a_repeated_end_replaces_a_waiting_tool() -> None:
    talk = Talk()
    talk(end(call("a"), call("b")), end(call("a"), results=[result("a", "new")]), text("x"))
    assert attached(talk.session()["open_message"]) == [("a", "new"), ("b", "done")]


def test_t4_a_repeated_end_without_a_result_keeps_the_waiting_one() -> None:
    talk = Talk()
    talk(end(call("a"), call("b")), end(call("a"), results=[]), text("x"))
    assert attached(talk.session()["open_message"]) == [("a", "done"), ("b", "done")]


def test_t4_a_repeated_end_finds_the_message_that_took_it_later() -> None:
    talk = Talk()
    talk(end(call("t")), text("x"), completion(False), user("?"), text("y"))
    talk(end(call("t"), results=[result("t", "new")]), TURN_START)
    assert [attached(m) for m in talk.messages()] == [[("t", "new")], [], []]


def test_t4_a_repeated_end_adds_a_missing_result() -> None:
    talk = Talk()
    talk(text("x"), end(call("t"), results=[]))
    assert attached(talk.session()["open_message"]) == [("t", None)]
    talk(end(call("t")))
    assert attached(talk.session()["open_message"]) == [("t", "done")]
    talk(end(call("t"), results=[]))
    assert attached(talk.session()["open_message"]) == [("t", "done")]


def test_t4_an_end_that_names_a_tool_twice_attaches_it_once() -> None:
    talk = Talk()
    talk(text("x"))
    notes = talk(end(call("t"), call("t"), results=[result("t", "one"), result("t", "two")]))
    assert tools(notes) == [("t", "complete")]
    assert attached(talk.session()["open_message"]) == [("t", "two")]


def test_t4_a_repeated_end_whose_message_is_gone_is_not_lost() -> None:
    talk = Talk(limits=Limits(max_messages=2))
    talk(text("x"), end(call("t")), completion(False), message("y"), message("z"))
    talk(end(call("t"), results=[result("t", "again")]))
    assert [attached(m) for m in talk.messages()] == [[], [("t", "again")]]


def test_t4_an_evicted_message_takes_no_tools() -> None:
    talk = Talk(limits=Limits(max_messages=1))
    talk(text("x"), completion(False), message("note", role="system"), end(call("t")))
    assert [c["id"] for c in talk.session()["waiting_tools"]] == ["t"]


def test_t4_equal_ids_in_parallel_sub_sessions_are_separate() -> None:
    talk = Talk()
    for sub in ("a", "b"):
        talk(text(f"{sub}!", sub, **SUB), begin(call("t"), session=sub, **SUB))
    talk(end(call("t"), session="b", results=[result("t", "of b")], **SUB), TURN_START)
    talk(end(call("t"), session="a", results=[result("t", "of a")], **SUB))
    assert attached(talk.last("a")) == [("t", "of a")]
    assert attached(talk.last("b")) == [("t", "of b")]


@pytest.mark.parametrize("given", [[], [{"role": "user", "content": [result("t", "old")]}]])
def test_t1_the_end_of_a_resumed_id_belongs_to_another_call(given: list[Json]) -> None:
    talk = Talk()
    talk(chat_session(MAIN, *ASKED, *given))
    assert tools(talk(end(call("t"), results=[result("t", "new")]))) == [("t", "complete")]
    assert [c["id"] for c in talk.last()["tool_calls"]] == ["t", "t"]
    assert talk.last()["tool_results"][-1]["content"] == "new"
    assert tools(talk(end(call("t"), results=[result("t", "newer")]))) == []
    contents = [r["content"] for r in talk.last()["tool_results"]]
    assert contents == ["old"] * len(given) + ["newer"]


def test_t4_a_resumed_id_may_be_used_again() -> None:
    talk = Talk()
    talk(chat_session(MAIN, *ASKED, {"role": "user", "content": [result("t")]}))
    notes = talk(user("!"), select(call("t")), end(call("t"), results=[result("t", "new")]))
    assert tools(notes) == [("t", "preparing"), ("t", "complete")]
    talk(TURN_START)
    assert [attached(m) for m in talk.messages()] == [[], [("t", "done")], [], [("t", "new")]]


def test_t4_a_list_does_not_end_a_running_tool() -> None:
    talk = Talk()
    talk(user("!"), begin(call("t")))
    talk(chat_session(MAIN, *ASKED, {"role": "user", "content": [result("t")]}))
    assert active(talk) == [(MAIN, "t", "executing")]
    assert tools(talk(end(call("t")))) == [("t", "complete")]


def test_t1_a_list_does_not_restart_a_tool_of_the_turn() -> None:
    talk = Talk()
    talk(user("!"), begin(call("t")), end(call("t")))
    talk(chat_session(MAIN, *ASKED, {"role": "user", "content": [result("t")]}))
    assert tools(talk(select(call("t")), end(call("t")))) == []


def test_t1_a_listed_call_with_a_running_id_is_an_earlier_one() -> None:
    talk = Talk()
    talk(TURN_START, user("!"), text("x"), begin(call("t")))
    talk(chat_session(MAIN, *ASKED, {"role": "user", "content": [result("t", "old")]}))
    talk(end(call("t"), results=[result("t", "new")]))
    assert attached(talk.messages()[1]) == [("t", "old")]
    assert attached(talk.session()["open_message"]) == [("t", "new")]


def test_t4_a_repeated_end_finds_its_message_after_a_list() -> None:
    talk = Talk()
    talk(TURN_START, user("!"), text("x"), completion(False), begin(call("t")), end(call("t")))
    talk(chat_session(MAIN, *ASKED, {"role": "user", "content": [result("t", "old")]}))
    talk(end(call("t"), results=[result("t", "new")]))
    assert [attached(m) for m in talk.messages()] == [[], [("t", "old")], [], [("t", "new")]]


def test_t4_a_tool_that_a_list_contains_stays_there() -> None:
    talk = Talk()
    talk(user("!"), select(call("t")), chat_session(MAIN, *ASKED))
    notes = talk(begin(call("t")), end(call("t")), TURN_START)
    assert tools(notes) == [("t", "executing"), ("t", "complete")]
    assert [attached(m) for m in talk.messages()] == [[], [("t", "done")], []]


def test_t4_waiting_tools_beyond_the_bound_become_a_message() -> None:
    talk = Talk()
    notes = talk(end(*(call(f"t{i}") for i in range(1025))))
    [made] = only(notes, "message-complete")
    assert len(made["message"]["tool_calls"]) == 1024
    assert [c["id"] for c in talk.session()["waiting_tools"]] == []
    assert attached(talk.last())[-1] == ("t1024", "done")


# -- T5: notifications ----------------------------------------------------------------------


def test_t5_the_end_carries_session_calls_and_results() -> None:
    talk = Talk()
    given = call("t", "ls", {"path": "/"})
    notes = talk(end(given, results=[result("t", "out")], session="sub", **SUB))
    assert only(notes, "tool-call-complete") == [
        {
            "name": "tool-call-complete",
            "session_id": "sub",
            "tool_calls": [{"id": "t", "name": "ls", "input": {"path": "/"}}],
            "tool_results": [{"tool_use_id": "t", "content": "out", "is_error": False}],
        }
    ]
    assert names(notes) == ["tool-notification", "tool-call-complete"]


def test_t5_a_start_emits_no_end() -> None:
    assert only(Talk()(begin(call("t"))), "tool-call-complete") == []


def test_t5_the_end_of_an_interaction_clears_its_session() -> None:
    talk = Talk()
    talk(begin(call("t")), begin(call("t"), session="sub", **SUB))
    notes = talk(interaction(False))
    assert notes == [{"name": "session-notifications-cleared", "session_id": MAIN}]
    assert active(talk) == [("sub", "t", "executing")]
    assert tools(talk(select(call("t")))) == []


def test_t5_a_cleared_tool_completes_once() -> None:
    talk = Talk()
    talk(text("x"), select(call("a"), call("b")), begin(call("b")), interaction(False))
    assert tools(talk(select(call("a"), call("b")))) == []
    assert active(talk) == []
    assert tools(talk(end(call("a"), call("b")))) == [("a", "complete"), ("b", "complete")]
    assert tools(talk(end(call("a"), call("b")))) == []


def test_t5_a_removed_tool_does_not_complete() -> None:
    talk = Talk()
    talk(begin(call("t")), interaction(True))
    notes = talk(end(call("t")), TURN_START, end(call("t")))
    assert tools(notes) == []
    assert attached(talk.last()) == [("t", "done")]


# -- results without calls -----------------------------------------------------------------


def results(*ids: str, session: str = MAIN, **fields: Any) -> Json:
    """Return an event in which tools ended, with results only."""
    given = [result(each) for each in ids]
    return {**end(results=given, session=session, **fields), "tool_calls": None}


@pytest.mark.parametrize("before", [[begin(call("t", input={"n": 1}))], [select(call("t"))]])
def test_t1_results_without_calls_end_the_calls_that_they_name(before: list[Json]) -> None:
    talk = Talk()
    talk(text("x"), *before)
    notes = talk(results("t"))
    assert tools(notes) == [("t", "complete")]
    [done] = only(notes, "tool-call-complete")
    assert [c["id"] for c in done["tool_calls"]] == ["t"]
    assert attached(talk.session()["open_message"]) == [("t", "done")]
    assert active(talk) == []
    assert talk(results("t")) == []


@pytest.mark.parametrize("gone", ENDS[1:4])
def test_t1_also_calls_that_are_no_longer_active(gone: list[Json]) -> None:
    talk = Talk()
    talk(text("x"), begin(call("t", input={"n": 1})), *gone)
    notes = talk(results("t"))
    assert tools(notes) == ([] if gone == [interaction(True)] else [("t", "complete")])
    assert talk.last()["tool_calls"] == [{"id": "t", "name": "ls", "input": {"n": 1}}]
    assert attached(talk.last()) == [("t", "done")]


def test_t1_a_late_result_without_a_call_attaches_unannounced() -> None:
    talk = Talk()
    talk(text("x"), begin(call("t")), CANCELLED)
    assert names(talk(results("t"))) == ["tool-call-complete", "message-updated"]
    assert attached(talk.last()) == [("t", "done")]


def test_t1_results_without_a_call_in_the_session_have_no_effect() -> None:
    talk = Talk()
    talk(chat_session(MAIN, *ASKED), begin(call("u")), begin(call("v"), session="sub", **SUB))
    before = talk.now.text
    assert talk(results("t", "v", "w"), results("t", session="new", **SUB)) == []
    assert talk({**results("u"), "active": True}) == []
    assert talk.now.text == before


def test_t1_results_end_only_the_calls_that_they_name() -> None:
    talk = Talk()
    talk(text("x"), begin(call("a"), call("b"), call("c")))
    [*_, done, _, _] = talk(results("c", "w", "a"))
    assert [c["id"] for c in done["tool_calls"]] == ["c", "a"]
    assert [r["tool_use_id"] for r in done["tool_results"]] == ["c", "a"]
    assert active(talk) == [(MAIN, "b", "executing")]


def test_t3_a_result_of_think_without_its_call_removes_it() -> None:
    talk = Talk()
    talk(text("x"), select(THINK))
    assert names(talk(results("think1"))) == ["tool-notification-removed"]
    assert talk(results("think1")) == []
    assert attached(talk.session()["open_message"]) == []


def test_t5_a_tool_that_outlives_its_turn_completes_once() -> None:
    talk = Talk()
    talk(text("x"), begin(call("t")), TURN_START)
    assert tools(talk(end(call("t")), end(call("t")))) == [("t", "complete")]


def test_t5_the_user_s_turn_clears_all() -> None:
    talk = Talk()
    talk(begin(call("t")), select(call("t"), session="sub", **SUB))
    assert names(talk(TURN_START)) == ["turn-state-changed", "all-notifications-cleared"]
    assert active(talk) == []


def test_t5_a_cancel_leaves_no_tool_open() -> None:
    talk = Talk()
    talk(begin(call("t")), CANCELLED)
    assert tools(talk(TURN_START)) == []
    assert active(talk) == []
