"""The text lane's record of a turn, from which the outcome of an ``ask`` is derived."""

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
    """Return the outcome of the turn that ended last."""
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


def test_an_open_message_at_the_end_is_an_answer_too() -> None:
    assert outcome(user("?"), text("half"), TURN_START).message.content == "half"


def test_an_answer_of_an_earlier_turn_does_not_count() -> None:
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


def test_a_null_stop_reason_keeps_the_earlier_one() -> None:
    notes = [completion(False, stop_reason="max_tokens"), completion(False, stop_reason=None)]
    assert outcome(user("?"), *notes, TURN_START).stop_reason == "max_tokens"


def test_a_sub_session_s_stop_reason_is_its_own() -> None:
    of_sub = completion(False, "sub", stop_reason="end_turn", **SUB)
    notes = [completion(False, stop_reason="tool_use"), of_sub]
    assert outcome(user("?"), *notes, TURN_START).stop_reason == "tool_use"


def test_an_event_without_a_session_is_the_user_session_s() -> None:
    of_other = completion(False, "other", stop_reason="end_turn", user=None)
    own = completion(False, stop_reason="tool_use", user=None)
    assert outcome(user("?"), own, of_other, TURN_START).stop_reason == "tool_use"


def test_running_interactions_are_recorded_until_they_end() -> None:
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
def test_a_cancel_belongs_to_the_running_turn(events: list[Json], cancelled: bool) -> None:
    assert outcome(*events).cancelled is cancelled


def test_errors_are_kept_in_order_and_end_with_their_turn() -> None:
    wrong = [system("a", "error"), {"type": "error", "message": "b"}, system("c", "warning")]
    assert outcome(TURN_END, *wrong, TURN_START).errors == ("a", "b")
    assert outcome(TURN_END, *wrong, TURN_START, TURN_START).errors == ()


def test_turns_are_numbered() -> None:
    assert [outcome(*[TURN_START] * n).number for n in (1, 2, 3)] == [0, 1, 2]
