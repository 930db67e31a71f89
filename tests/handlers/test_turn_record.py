"""What a turn has come to, as the text lane saw it: the outcome of an ``ask`` is read from it."""

from __future__ import annotations

from typing import Any

import pytest

from .talk import (
    CANCELLED,
    MAIN,
    TURN_END,
    TURN_START,
    Json,
    Talk,
    completion,
    interaction,
    message,
    system,
    text,
    thought,
    user,
)

SUB: Json = {"parent": MAIN, "user": MAIN}


def outcome(*events: Json) -> Any:
    """The turn that ended last."""
    talk = Talk()
    talk(*events)
    return talk.now.text.rest.last_turn


def test_the_answer_is_the_user_session_s_last() -> None:
    turn = outcome(
        user("?"),
        text("one"),
        completion(False, stop_reason="tool_use"),
        text("two"),
        completion(False, stop_reason="end_turn"),
        thought("afterthought"),
        text("sub", "sub", **SUB),
        TURN_START,
    )
    assert turn.message.content == "two"
    assert turn.stop_reason == "end_turn"


def test_what_was_open_at_the_end_is_an_answer_too() -> None:
    assert outcome(user("?"), text("half"), TURN_START).message.content == "half"


def test_an_answer_of_an_earlier_turn_is_none_of_this_one() -> None:
    first = [user("?"), text("first"), TURN_START]
    assert outcome(*first, user("??"), thought("only"), TURN_START).message is None
    assert outcome(*first, TURN_START).message is None


def test_without_a_user_s_message_there_is_no_answer() -> None:
    assert outcome(message("welcome"), TURN_START).message is None


@pytest.mark.parametrize(("session_id", "answer"), [(None, None), ("nobody", None), (MAIN, "x")])
def test_the_user_session_is_the_one_that_is_known(
    session_id: str | None, answer: str | None
) -> None:
    talk = Talk(session=None)
    talk.set_user_session_id(session_id)
    talk(user("?", user=None), text("x", user=None), TURN_START)
    turn: Any = talk.now.text.rest.last_turn
    assert (turn.message and turn.message.content) == answer


def test_a_null_stop_reason_leaves_the_one_that_was_told() -> None:
    notes = [completion(False, stop_reason="max_tokens"), completion(False, stop_reason=None)]
    assert outcome(user("?"), *notes, TURN_START).stop_reason == "max_tokens"


def test_a_sub_session_s_stop_reason_is_its_own() -> None:
    of_sub = completion(False, "sub", stop_reason="end_turn", **SUB)
    notes = [completion(False, stop_reason="tool_use"), of_sub]
    assert outcome(user("?"), *notes, TURN_START).stop_reason == "tool_use"


def test_a_silent_event_is_told_apart_by_the_user_session_that_is_known() -> None:
    of_other = completion(False, "other", stop_reason="end_turn", user=None)
    own = completion(False, stop_reason="tool_use", user=None)
    assert outcome(user("?"), own, of_other, TURN_START).stop_reason == "tool_use"


def test_what_is_at_work_is_told_until_it_ends() -> None:
    begun = [interaction(True), interaction(True, "sub", **SUB)]
    assert outcome(*begun, TURN_START).interactions == {MAIN, "sub"}
    assert outcome(*begun, interaction(False, "sub", **SUB), TURN_START).interactions == {MAIN}


@pytest.mark.parametrize(
    ("events", "cancelled"),
    [
        ([CANCELLED, TURN_START], False),
        ([TURN_END, CANCELLED, TURN_START], True),
        ([interaction(True), CANCELLED, TURN_START], True),
        ([TURN_END, CANCELLED, TURN_END, TURN_START], False),
        ([TURN_END, CANCELLED, TURN_START, TURN_END, TURN_START], False),
    ],
)
def test_a_cancel_is_of_the_turn_that_runs(events: list[Json], cancelled: bool) -> None:
    assert outcome(*events).cancelled is cancelled


def test_errors_are_kept_in_order_and_end_with_their_turn() -> None:
    wrong = [system("a", "error"), {"type": "error", "message": "b"}, system("c", "warning")]
    assert outcome(TURN_END, *wrong, TURN_START).errors == ("a", "b")
    assert outcome(TURN_END, *wrong, TURN_START, TURN_START).errors == ()


def test_turns_are_numbered() -> None:
    assert [outcome(*[TURN_START] * n).number for n in (1, 2, 3)] == [0, 1, 2]
