"""Rule L4: surrogate halves at the ends of deltas are joined; visible text is valid."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio._core._unicode import has_no_surrogates, split_incomplete

from .model import whole
from .talk import (
    CANCELLED,
    MAIN,
    THOUGHT,
    TURN_START,
    Json,
    Talk,
    attached,
    call,
    completed,
    completion,
    end,
    interaction,
    message,
    names,
    only,
    select,
    text,
    thought,
    tools,
    user,
)

HIGH, LOW = "\ud83d", "\ude00"
SUB: Json = {"parent": MAIN, "user": MAIN}


def streamed(notes: list[Json]) -> list[str]:
    return [note["delta"] for note in only(notes, "message-streaming")]


@pytest.mark.parametrize("make", [text, thought])
def test_l4_the_halves_of_two_deltas_join(make: Any) -> None:
    talk = Talk()
    assert streamed(talk(make(f"12 euros {HIGH}"), make(f"{LOW} and"), make(" more"))) == [
        "12 euros ",
        "😀 and",
        " more",
    ]
    assert talk.session()["open_message"]["content"] == "12 euros 😀 and more"


@pytest.mark.parametrize("make", [text, thought])
def test_l4_a_half_starts_its_message_silently(make: Any) -> None:
    talk = Talk()
    assert talk(make(HIGH)) == []
    opened = talk.session()["open_message"]
    assert (opened["content"], opened["status"]) == ("", "streaming")
    [notes] = talk(make(LOW))
    assert (notes["message_id"], notes["delta"]) == (opened["id"], "😀")


def test_l4_it_completes_another_role_s_message_and_takes_waiting_tools() -> None:
    talk = Talk()
    talk(thought("hm"), select(call("h", "think")))
    assert completed(talk(text(HIGH))) == [(THOUGHT, "hm", "complete", None)]
    talk(completion(False), user("?"), end(call("t")), text(HIGH))
    assert attached(talk.session()["open_message"]) == [("t", "done")]
    assert tools(talk(thought(HIGH))) == [("h", "removed")]


@pytest.mark.parametrize(
    ("following", "content"),
    [
        ("x", "a\ufffdx"),
        (HIGH, "a\ufffd"),
        (f"{HIGH}{LOW}", "a\ufffd😀"),
        (f"x{LOW}", "a\ufffdx\ufffd"),
    ],
)
def test_l4_an_unpaired_half_is_replaced(following: str, content: str) -> None:
    talk = Talk()
    talk(text(f"a{HIGH}"), text(following))
    assert talk.session()["open_message"]["content"] == content


def test_l4_an_empty_delta_in_between_does_not_matter() -> None:
    talk = Talk()
    talk(text(HIGH), text(""), text(LOW))
    assert talk.session()["open_message"]["content"] == "😀"


@pytest.mark.parametrize(
    "ends",
    [
        completion(False),
        completion(True),
        interaction(True),
        interaction(False),
        message("next"),
        user("?"),
        thought("hm"),
        text("as another", role="system"),
        CANCELLED,
        TURN_START,
        {"type": "delete_chat_session"},
    ],
)
@pytest.mark.parametrize("before", ["", "a", "é"])
def test_l4_at_the_end_of_its_message_it_is_emitted_first(ends: Json, before: str) -> None:
    talk = Talk()
    notes = talk(text(before + HIGH), ends)
    [ended, *_] = only(notes, "message-complete")
    assert ended["message"]["content"] == f"{before}\ufffd"
    of_it = [
        n["delta"]
        for n in only(notes, "message-streaming")
        if n["message_id"] == ended["message"]["id"]
    ]
    assert "".join(of_it) == f"{before}\ufffd"
    assert notes.index(ended) == 1 + max(
        i for i, n in enumerate(notes) if n.get("delta") == "\ufffd"
    )


def test_l4_halves_of_two_messages_do_not_join() -> None:
    talk = Talk()
    talk(text(HIGH), text(LOW, "sub", **SUB), thought(LOW), text(LOW))
    assert talk.transcript() == [("assistant", "\ufffd"), (THOUGHT, "\ufffd")]
    assert talk.session("sub")["open_message"]["content"] == "\ufffd"


def test_l4_a_late_half_is_late() -> None:
    talk = Talk()
    talk(text("x"), CANCELLED)
    assert talk(text(HIGH)) == []
    assert talk.counters["late_deltas"] == 1
    assert talk.session()["open_message"] is None


def test_l4_a_tool_that_attaches_shows_complete_characters() -> None:
    talk = Talk()
    talk(text(f"a{HIGH}"))
    [updated] = only(talk(end(call("t"))), "message-updated")
    assert updated["message"]["content"] == "a"
    talk(text(LOW))
    assert talk.session()["open_message"]["content"] == "a😀"


def test_l4_reset_drops_it_silently() -> None:
    talk = Talk()
    talk(text(HIGH))
    talk.reset()
    talk(text(LOW))
    assert talk.session()["open_message"]["content"] == "\ufffd"


def test_l4_a_list_during_a_turn_keeps_it() -> None:
    talk = Talk()
    talk(text(HIGH), {"type": "chat_session_changed", "chat_session": {"session_id": MAIN}})
    assert names(talk(text(LOW))) == ["message-streaming"]
    assert talk.session()["open_message"]["content"] == "😀"


pieces = st.lists(
    st.text(st.sampled_from(["a", "é", "😀", "\n", HIGH, LOW]), max_size=4), max_size=6
)


@given(pieces)
def test_l4_deltas_add_up_to_the_message(said: list[str]) -> None:
    talk = Talk()
    notes = talk(*map(text, said), TURN_START)
    [*ended] = only(notes, "message-complete")
    shown, half = whole("".join(said))
    assert [m["message"]["content"] for m in ended] == (
        [shown + "\ufffd" * bool(half)] if any(said) else []
    )
    assert "".join(streamed(notes)) == "".join(m["message"]["content"] for m in ended)


@given(st.text(st.sampled_from(["a", "é", "😀", HIGH, LOW]), min_size=1, max_size=6))
def test_l4_a_half_at_the_end_is_held_back(said: str) -> None:
    assert split_incomplete(said) == whole(said)
    assert has_no_surrogates(said) is (whole(said) == (said, ""))
