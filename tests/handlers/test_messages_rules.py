"""Rules M1-M9: deltas become messages, one under construction per session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from realtime_trio._core._messages import Message
from realtime_trio._core._notifications import MessageComplete, MessageUpdated, ProcessingFailed
from realtime_trio._core._state import Limits, TextSlice
from realtime_trio._core._values import evolve
from realtime_trio._handlers import handles
from realtime_trio._processor import EventStreamProcessor
from realtime_trio.events import REGISTRY, Lane, ServerEvent, event

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
    system,
    text,
    thought,
    tools,
    user,
)

SUB: Json = {"parent": MAIN, "user": MAIN}


# -- M1: one message under construction per session ------------------------------------


def test_m1_deltas_of_one_kind_form_one_message() -> None:
    talk = Talk()
    notes = talk(text("Once "), text("upon "), text("a time"))
    assert names(notes) == ["message-streaming"] * 3
    assert len({note["message_id"] for note in notes}) == 1
    assert talk.session()["open_message"]["content"] == "Once upon a time"
    assert talk.messages() == []


def test_m1_the_other_kind_completes_and_starts_the_next() -> None:
    talk = Talk()
    notes = talk(thought("Hm."), text("Yes."), thought("But."))
    assert names(notes) == [
        "message-streaming",
        "message-complete",
        "message-streaming",
        "message-complete",
        "message-streaming",
    ]
    assert talk.transcript() == [(THOUGHT, "Hm."), ("assistant", "Yes.")]
    assert talk.session()["open_message"]["role"] == THOUGHT


def test_m1_another_role_completes_and_starts_the_next() -> None:
    talk = Talk()
    talk(text("As one. "), text("As another.", role="narrator"), text(" Again."))
    talk(TURN_START)
    assert talk.transcript() == [
        ("assistant", "As one. "),
        ("narrator", "As another."),
        ("assistant", " Again."),
    ]


def test_m1_a_thought_always_has_the_role_of_a_thought() -> None:
    talk = Talk()
    talk(thought("a", role="assistant"), thought("b", role=THOUGHT))
    assert talk.session()["open_message"]["role"] == THOUGHT
    assert talk.session()["open_message"]["content"] == "ab"


def test_m1_sessions_never_share_a_message() -> None:
    talk = Talk()
    talk(text("m1 "), text("a1 ", "a", **SUB), text("b1 ", "b", **SUB))
    talk(thought("m2"), text("a2", "a", **SUB), text("b2", "b", **SUB))
    notes = talk(completion(False, "a", **SUB))
    assert [note["message"]["content"] for note in only(notes, "message-complete")] == ["a1 a2"]
    assert talk.transcript("a") == [("assistant", "a1 a2")]
    assert talk.transcript("b") == []
    assert talk.session("b")["open_message"]["content"] == "b1 b2"
    assert talk.transcript() == [("assistant", "m1 ")]


def test_m1_the_announced_message_is_the_stored_one() -> None:
    talk = Talk()
    notes = talk(thought("x"), text("y"), completion(False, input_tokens=1, output_tokens=2))
    assert [note["message"] for note in only(notes, "message-complete")] == talk.messages()
    assert {note["session_id"] for note in notes} == {MAIN}


def test_m1_the_announced_message_has_the_id_under_which_it_streamed() -> None:
    talk = Talk()
    [streamed, done] = talk(text("x"), completion(False))
    assert done["message"]["id"] == streamed["message_id"]


# -- M2: begins with the first content -----------------------------------------------------


def test_m2_a_message_begins_with_content() -> None:
    talk = Talk()
    assert talk(text(""), thought(""), text("")) == []
    assert talk.session()["open_message"] is None
    assert names(talk(completion(False))) == []
    assert talk.messages() == []


def test_m2_an_empty_delta_ends_nothing() -> None:
    talk = Talk()
    assert names(talk(text("a"), thought(""), text("", role="narrator"), text("b"))) == [
        "message-streaming",
        "message-streaming",
    ]
    assert talk.session()["open_message"]["content"] == "ab"


def test_m2_white_space_is_content() -> None:
    talk = Talk()
    talk(text("\n"), text(" x"))
    assert talk.session()["open_message"]["content"] == "\n x"


@pytest.mark.parametrize("make", [text, thought, message])
def test_m2_a_message_keeps_its_format(make: Any) -> None:
    talk = Talk()
    talk(make("<b>x</b>", format="html"), completion(False))
    assert talk.last()["format"] == "html"
    talk(make("x"), completion(False))
    assert talk.last()["format"] == "markdown"


# -- M3: completions -----------------------------------------------------------------------


def test_m3_an_ended_completion_completes_with_tokens_and_reason() -> None:
    talk = Talk()
    notes = talk(
        text("x"), completion(False, input_tokens=7, output_tokens=3, stop_reason="max_tokens")
    )
    assert only(notes, "message-complete")[0]["message"]["metadata"] == {
        "input_tokens": 7,
        "output_tokens": 3,
        "stop_reason": "max_tokens",
    }
    assert talk.last()["status"] == "complete"


def test_m3_a_completion_affects_only_its_session() -> None:
    talk = Talk()
    talk(text("main"), text("sub", "sub", **SUB))
    assert completed(talk(completion(False, "sub", **SUB))) == [
        ("assistant", "sub", "complete", None)
    ]
    assert talk.session()["open_message"]["content"] == "main"


def test_m3_a_running_completion_is_a_boundary() -> None:
    talk = Talk()
    notes = talk(completion(True), text("one"), completion(True), text("two"))
    assert completed(notes) == [("assistant", "one", "complete", None)]
    assert talk.session()["open_message"]["content"] == "two"


def test_m3_a_running_completion_counts_no_tokens() -> None:
    talk = Talk()
    talk(text("one"), completion(True, input_tokens=5, output_tokens=5))
    session = talk.session()
    assert (session["input_tokens"], session["output_tokens"], session["token_count"]) == (0, 0, 0)
    assert talk.last()["metadata"]["input_tokens"] is None


def test_m3_tokens_count_once_per_completion_also_without_text() -> None:
    talk = Talk()
    talk(chat_session(MAIN, token_count=100))
    talk(completion(False, input_tokens=5, output_tokens=1))
    talk(text("x"), completion(False, input_tokens=6, output_tokens=2), interaction(False))
    talk(completion(False), TURN_START)
    session = talk.session()
    assert (session["input_tokens"], session["output_tokens"], session["token_count"]) == (
        11,
        3,
        114,
    )


def test_m3_tokens_belong_to_the_session_of_their_completion() -> None:
    talk = Talk()
    talk(completion(False, "sub", input_tokens=5, output_tokens=1, **SUB))
    assert talk.session()["input_tokens"] == 0
    assert talk.session("sub")["input_tokens"] == 5


# -- M4: the ends of turns and interactions ------------------------------------------------


def test_m4_the_end_of_an_interaction_completes_its_session() -> None:
    talk = Talk()
    talk(interaction(True), text("x"), text("sub", "sub", **SUB))
    assert completed(talk(interaction(False))) == [("assistant", "x", "complete", None)]
    assert talk.session("sub")["open_message"] is not None


def test_m4_the_user_s_turn_completes_every_session() -> None:
    talk = Talk()
    talk(text("x"), thought("y", "sub", **SUB))
    assert completed(talk(TURN_START)) == [
        ("assistant", "x", "complete", None),
        (THOUGHT, "y", "complete", None),
    ]
    assert talk.transcript("sub") == [(THOUGHT, "y")]


@pytest.mark.parametrize("event", [TURN_START, CANCELLED])
def test_m4_sessions_end_in_their_order(event: Json) -> None:
    talk = Talk()
    talk(text("x", "a", **SUB), text("y", "b", **SUB), thought("z", "a", **SUB))
    notes = talk(event)
    assert [note["session_id"] for note in only(notes, "message-complete")] == ["a", "b"]
    for note in only(notes, "response-cancelled"):
        assert note["session_ids"] == ["a", "b"]


def test_m4_the_start_of_an_interaction_interrupts_the_open_message() -> None:
    talk = Talk()
    talk(text("half"), text("sub", "sub", **SUB), select(call("t1"), call("t2")))
    notes = talk(interaction(True))
    assert completed(notes) == [("assistant", "half", "interrupted", "interrupted")]
    assert tools(notes) == [("t1", "removed"), ("t2", "removed")]
    assert talk.state["active_tools"] == []
    assert talk.session("sub")["open_message"] is not None


def test_m4_the_start_of_an_interaction_keeps_other_sessions_tools() -> None:
    talk = Talk()
    talk(select(call("t"), session="sub", **SUB))
    assert tools(talk(interaction(True))) == []
    assert [tool["session_id"] for tool in talk.state["active_tools"]] == ["sub"]


def test_m4_the_end_of_the_user_s_turn_completes_nothing() -> None:
    talk = Talk()
    talk(text("x"))
    assert completed(talk(TURN_END)) == []


def test_m4_a_deleted_session_s_open_message_is_completed_first() -> None:
    talk = Talk()
    talk(text("x"))
    notes = talk({"type": "delete_chat_session"})
    assert names(notes)[:2] == ["message-complete", "session-cleared"]


# Events of a turn that ends at ``user_turn_start``, and whether its message is "complete".
UNSEEN_ENDS: list[tuple[list[Json], bool]] = [
    ([text("x")], True),
    ([interaction(True), text("x")], False),
    ([interaction(True), interaction(False), text("x")], True),
    ([interaction(True), interaction(False), interaction(True), text("x")], False),
    ([interaction(True), text("x"), interaction(True, "sub", **SUB)], False),
    ([interaction(True, "sub", **SUB), text("x")], True),
    ([interaction(True), TURN_START, text("x")], False),
]


@pytest.mark.parametrize(("seen", "complete"), UNSEEN_ENDS)
def test_m4_an_interaction_without_an_end_was_killed(seen: list[Json], complete: bool) -> None:
    talk = Talk()
    talk(*seen)
    expected = ("complete", None) if complete else ("interrupted", "interrupted")
    assert completed(talk(TURN_START)) == [("assistant", "x", *expected)]


@pytest.mark.parametrize(
    ("since", "complete"),
    [
        ([], False),
        ([text("")], False),
        ([text("y", "sub", **SUB)], False),
        ([end(call("t"))], False),
        ([text("y")], True),
        ([text("\ud83d")], True),
    ],
)
def test_m4_a_message_open_at_a_lost_link_is_cut(since: list[Json], complete: bool) -> None:
    talk = Talk()
    talk(text("x"))
    talk.lose_link()
    talk(*since)
    ended = [note["message"] for note in only(talk(TURN_START), "message-complete")]
    mine = ended[0]
    assert mine["status"] == ("complete" if complete else "interrupted")
    assert mine["metadata"]["stop_reason"] == (None if complete else "interrupted")


@pytest.mark.parametrize("ends", [completion(False), interaction(False), message("next")])
def test_m4_a_message_that_still_ends_normally_is_complete(ends: Json) -> None:
    talk = Talk()
    talk(text("x"))
    talk.lose_link()
    assert completed(talk(ends))[0][:3] == ("assistant", "x", "complete")


def test_m4_a_lost_link_emits_and_ends_nothing() -> None:
    talk = Talk()
    talk(text("x"), begin(call("t")))
    talk.lose_link()
    assert talk.session()["open_message"]["content"] == "x"
    talk(thought("after"))
    assert completed(talk(TURN_START)) == [(THOUGHT, "after", "complete", None)]


# -- M5: cancel ----------------------------------------------------------------------------


def test_m5_a_cancel_ends_every_message_and_tool_in_order() -> None:
    talk = Talk()
    talk(text("x"), select(call("t")), thought("y", "sub", **SUB), begin(call("t"), session="sub"))
    notes = talk(CANCELLED)
    assert names(notes) == [
        "turn-cancelled",
        "message-complete",
        "message-complete",
        "tool-notification-removed",
        "tool-notification-removed",
        "response-cancelled",
    ]
    assert completed(notes) == [
        ("assistant", "x", "cancelled", "cancelled"),
        (THOUGHT, "y", "cancelled", "cancelled"),
    ]
    assert notes[-1]["session_ids"] == [MAIN, "sub"]
    assert talk.state["active_tools"] == []


def test_m5_a_cancel_with_nothing_open_is_confirmed() -> None:
    notes = Talk()(CANCELLED)
    assert names(notes) == ["turn-cancelled", "response-cancelled"]
    assert notes[-1]["session_ids"] == []


LATE = [text("late"), text(""), thought("late"), select(call("t")), begin(call("t"))]


@pytest.mark.parametrize("event", LATE)
def test_m5_later_deltas_are_late(event: Json) -> None:
    talk = Talk()
    talk(text("x"), CANCELLED)
    before = talk.now.text.rest
    assert talk(event) == []
    assert talk.now.text.rest == evolve(before, late_deltas=1)
    assert talk.counters["late_deltas"] == 1
    assert talk.session()["open_message"] is None


@pytest.mark.parametrize("event", LATE[:1] + LATE[2:])
@pytest.mark.parametrize("lifted", [interaction(True), completion(True), TURN_START])
def test_m5_late_ends_with_the_next_interaction_completion_or_turn(
    lifted: Json, event: Json
) -> None:
    talk = Talk()
    talk(CANCELLED, lifted)
    assert talk(event) != []
    assert talk.counters["late_deltas"] == 0


@pytest.mark.parametrize(
    "other", [interaction(False), completion(False), TURN_END, user("next"), system("stopping")]
)
def test_m5_no_other_event_ends_it(other: Json) -> None:
    talk = Talk()
    talk(CANCELLED, other)
    assert talk(text("late")) == []
    assert talk.counters["late_deltas"] == 1


def test_m5_each_session_is_late_separately() -> None:
    talk = Talk()
    talk(CANCELLED, completion(True, "a", **SUB), interaction(True, "b", **SUB))
    assert names(talk(text("1", "a", **SUB), text("2", "b", **SUB))) == ["message-streaming"] * 2
    assert talk(text("3"), text("4", "c", **SUB)) == []
    assert talk.counters["late_deltas"] == 2
    assert "c" not in talk.state["sessions"]


def test_m5_a_second_cancel_makes_them_late_again() -> None:
    talk = Talk()
    talk(CANCELLED, completion(True), text("x"))
    assert completed(talk(CANCELLED)) == [("assistant", "x", "cancelled", "cancelled")]
    assert talk(text("late")) == []


def test_m5_beyond_the_bound_of_sessions_no_text_is_lost() -> None:
    talk = Talk(limits=Limits(max_sessions=2000))
    talk(CANCELLED, *(completion(True, f"s{i}", **SUB) for i in range(1025)))
    notes = talk(text("x", "s0", **SUB), text("y", "s1024", **SUB), text("z", "never", **SUB))
    assert names(notes) == ["message-streaming"] * 3


def test_m5_running_sessions_beyond_the_bound() -> None:
    talk = Talk(limits=Limits(max_sessions=2000))
    talk(*(interaction(True, f"s{i}", **SUB) for i in range(1025)))
    at_work = talk.now.text.rest.turn.interactions
    assert len(at_work) == 1024
    assert "s1024" not in at_work
    talk(interaction(False, "s1024", **SUB), interaction(False, "s0", **SUB))
    assert talk.now.text.rest.turn.interactions == at_work - {"s0"}


def test_m5_a_late_result_attaches_without_another_notification() -> None:
    talk = Talk()
    talk(text("x"), begin(call("t")), CANCELLED)
    notes = talk(end(call("t")))
    assert names(notes) == ["tool-call-complete", "message-updated"]
    assert attached(talk.last()) == [("t", "done")]
    assert talk.counters["late_deltas"] == 0
    assert talk.last()["status"] == "cancelled"


def test_m5_a_result_after_the_cancel_does_not_restore_its_notification() -> None:
    talk = Talk()
    talk(text("x"), begin(call("t")), CANCELLED, completion(True))
    assert tools(talk(end(call("t")))) == []
    assert attached(talk.last()) == [("t", "done")]


def test_m5_a_completion_in_a_cancelled_turn_counts_its_tokens() -> None:
    talk = Talk()
    talk(CANCELLED, completion(False, input_tokens=4, output_tokens=2, stop_reason="client_cancel"))
    assert talk.session()["token_count"] == 6


def test_m5_a_whole_message_is_never_late() -> None:
    talk = Talk()
    talk(CANCELLED)
    assert names(talk(message("Sorry."))) == ["message-complete"]


# -- M6: what a message is -----------------------------------------------------------------


def test_m6_a_message_has_all_its_fields() -> None:
    talk = Talk()
    talk(text("x", "sub", parent=MAIN, user=MAIN), at=86_400.5)
    assert talk.session("sub")["open_message"] == {
        "id": "m1",
        "role": "assistant",
        "content": "x",
        "format": "markdown",
        "status": "streaming",
        "timestamp": "1970-01-02T00:00:00.500000Z",
        "tool_calls": [],
        "tool_results": [],
        "metadata": {"input_tokens": None, "output_tokens": None, "stop_reason": None},
        "is_sub_session": True,
        "parent_session_id": MAIN,
        "user_session_id": MAIN,
    }


def test_m6_ids_are_unique() -> None:
    talk = Talk()
    talk(user("a"), text("b"), text("c", "sub", **SUB), message("d"), media(), TURN_START)
    talk(chat_session("other"), text("e", "other", user="other"), TURN_START)
    ids = [m["id"] for s in talk.state["sessions"].values() for m in s["messages"]]
    assert len(set(ids)) == len(ids) == 5


def test_m6_a_message_keeps_its_start_time() -> None:
    talk = Talk()
    talk(text("x"), at=1.0)
    talk(text("y"), completion(False), at=2.0)
    assert talk.last()["timestamp"] == "1970-01-01T00:00:01.000000Z"


def test_m6_emitted_values_never_change() -> None:
    processor = EventStreamProcessor()
    processor.process_event(text("x"))
    early, said = processor.state, repr(processor.state)
    [note] = processor.process_event(completion(False))
    assert isinstance(note, MessageComplete)
    first = note.message
    kept = (repr(first), attrs.asdict(first))
    changed = processor.process_event(end(call("t")))
    assert isinstance(changed[-1], MessageUpdated)
    assert changed[-1].message.tool_calls
    assert (repr(first), attrs.asdict(first)) == kept
    assert repr(early) == said
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        first.role = "user"  # type: ignore[misc]


# -- M7: sessions and order ----------------------------------------------------------------


@pytest.mark.parametrize("event", [text("x", "new"), thought("x", "new"), text("", "new")])
def test_m7_a_delta_creates_its_session(event: Json) -> None:
    talk = Talk()
    talk(event)
    assert list(talk.state["sessions"]) == [MAIN, "new"]
    assert talk.state["current_session_id"] == MAIN


def test_m7_the_order_is_that_of_arrival() -> None:
    talk = Talk(session=None)
    talk(text("1", "b"), text("2", "a"), user("3", "b"), message("4", "a"), text("5", "b"))
    talk(text("6", "a"), completion(False, "b"), TURN_START)
    assert list(talk.state["sessions"]) == ["b", "a"]
    assert talk.transcript("b") == [("assistant", "1"), ("user", "3"), ("assistant", "5")]
    assert talk.transcript("a") == [("assistant", "2"), ("assistant", "4"), ("assistant", "6")]


# -- M8: malformed events -----------------------------------------------------------------

MALFORMED: list[tuple[str, Any]] = [
    ("text_delta", {"type": "text_delta", "session_id": MAIN, "role": "assistant"}),
    ("text_delta", text("x") | {"content": 5}),
    ("text_delta", text("x") | {"session_id": [MAIN]}),
    ("thought_delta", thought("x") | {"content": None}),
    ("completion", completion(False) | {"running": "no"}),
    ("interaction", interaction(True) | {"started": None}),
    ("tool_call", begin(call("t")) | {"active": 1}),
    ("user_turn_start", {"type": "user_turn_start", "id": float("nan")}),
    ("chat_session_changed", chat_session(MAIN) | {"chat_session": {"messages": []}}),
    ("voice_list", {"type": "voice_list", "voices": None}),
    ("audio_delta", of_session("audio_delta", content="no base64!")),
]


@pytest.mark.parametrize(("kind", "event"), MALFORMED)
def test_m8_a_malformed_event_changes_nothing_and_is_reported(kind: str, event: Json) -> None:
    processor = EventStreamProcessor()
    processor.process_event(text("x"))
    before = processor.state
    [note] = processor.process_event(event)
    assert isinstance(note, ProcessingFailed)
    assert note.event_type == kind
    after = processor.state
    assert (after.text, after.control, after.audio) == (before.text, before.control, before.audio)
    assert after.counters == attrs.evolve(before.counters, events=2, malformed=1)


@pytest.mark.parametrize("frame", ["", "[]", "null", "{", '{"type": 5}', "{}", b"\xff{}", "é"])
def test_m8_a_frame_that_is_not_an_event_is_malformed(frame: str | bytes) -> None:
    processor = EventStreamProcessor()
    [note] = processor.process_frame(frame)
    assert isinstance(note, ProcessingFailed)
    assert note.event_type is None
    assert processor.state.counters.malformed == 1


def test_m8_the_content_of_a_malformed_event_is_not_reported() -> None:
    [note] = EventStreamProcessor().process_event(text("x") | {"content": {"secret": "hunter2"}})
    assert isinstance(note, ProcessingFailed)
    assert "hunter2" not in repr(note)


@pytest.mark.parametrize("calls", [None, []])
@pytest.mark.parametrize("make", [select, begin, end])
def test_m8_empty_or_null_tool_calls_have_no_effect(make: Any, calls: list[Json] | None) -> None:
    talk = Talk()
    talk(begin(call("t")))
    event = make(session="unseen") | {"tool_calls": calls}
    if make is end:
        event |= {"tool_results": [result("t")]}
    before = talk.now.text
    assert talk(event) == []
    assert talk.now.text == before
    talk(CANCELLED)
    assert talk(event) == []
    assert talk.counters["late_deltas"] == 0


@pytest.fixture
def odd_event() -> Iterator[type[ServerEvent]]:
    """Register a custom event whose text handler raises on request."""

    @event("odd", lanes=(Lane.CONTROL, Lane.TEXT))
    class OddEvent(ServerEvent):
        fail: bool
        session_id: str = MAIN

    @handles(OddEvent, lane=Lane.TEXT)
    def odd(slice_: TextSlice, event: OddEvent) -> tuple[TextSlice, tuple[()]]:
        if event.fail:
            message = "a secret"
            raise LookupError(message)
        return slice_.with_extra("odd", slice_.extra.get("odd", 0) + 1), ()

    yield OddEvent
    REGISTRY.remove(REGISTRY.row_of(OddEvent))


@pytest.mark.usefixtures("odd_event")
def test_m8_a_raising_handler_affects_only_its_event() -> None:
    talk = Talk()
    talk(text("x"))
    before = talk.now.text
    [note] = talk({"type": "odd", "fail": True})
    assert note["name"] == "processing-error"
    assert note["event_type"] == "odd"
    assert "secret" not in note["error"]
    assert talk.now.text == before
    assert talk.counters["handler_errors"] == 1
    assert talk.counters["malformed"] == 0
    talk({"type": "odd", "fail": False}, text("y"))
    assert talk.now.text.extra["odd"] == 1
    assert talk.session()["open_message"]["content"] == "xy"


# -- M9: whole messages --------------------------------------------------------------------


def test_m9_a_whole_message_completes_the_open_one_and_is_stored() -> None:
    talk = Talk()
    notes = talk(text("half"), message("Whole."))
    assert completed(notes) == [
        ("assistant", "half", "complete", None),
        ("assistant", "Whole.", "complete", None),
    ]
    assert [note["message"] for note in only(notes, "message-complete")] == talk.messages()
    assert talk.session()["open_message"] is None


def test_m9_a_whole_message_affects_only_its_session() -> None:
    talk = Talk()
    talk(text("half"), message("Whole.", "sub", **SUB))
    assert talk.session()["open_message"]["content"] == "half"
    assert talk.last("sub")["is_sub_session"] is True


def test_m9_a_delta_after_a_whole_message_starts_another() -> None:
    talk = Talk()
    talk(message("Whole."), text(" More."), TURN_START)
    assert talk.transcript() == [("assistant", "Whole."), ("assistant", " More.")]


def test_m9_a_user_request_changes_nothing() -> None:
    talk = Talk()
    talk(text("x"))
    before = talk.now.text
    assert talk(of_session("user_request", "unseen", "user", data={"message": "do it"})) == []
    assert talk.now.text == before


def test_m9_repetitions_change_nothing() -> None:
    talk = Talk()
    talk(text("x"))
    before = talk.now.text
    assert (
        talk(
            of_session("complete_thought", role=THOUGHT, content="x"),
            of_session("history", vendor="anthropic", messages=[{"role": "user", "content": "?"}]),
            of_session("history_delta", messages=[{"role": "user", "content": "?"}]),
            of_session("system_prompt", content="You are an agent."),
        )
        == []
    )
    assert talk.now.text == before
    assert talk.counters["events"] == 6


def test_m9_a_whole_message_has_the_right_class() -> None:
    processor = EventStreamProcessor()
    [note] = processor.process_event(message("x"))
    assert isinstance(note, MessageComplete)
    assert isinstance(note.message, Message)
