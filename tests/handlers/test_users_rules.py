"""Rules U1-U4: user messages in every vendor's format, and sub-sessions."""

from __future__ import annotations

from typing import Any

import pytest

from .talk import (
    CANCELLED,
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
    interaction,
    media,
    message,
    names,
    of_session,
    only,
    sub_ended,
    sub_started,
    system,
    text,
    thought,
    user,
)

SUB: Json = {"parent": MAIN, "user": MAIN}
TEXT = {"type": "text", "text": "Hi"}


def user_event(content: Any, kind: str = "anthropic_user_message", **fields: Any) -> Json:
    return of_session(kind, message={"role": "user", "content": content}, **fields)


# -- U1: one normaliser --------------------------------------------------------------------

CONTENTS: list[tuple[Any, Any]] = [
    ("plain", "plain"),
    ([TEXT, {"type": "text", "text": " there"}], "Hi there"),
    ([], ""),
    (
        [
            TEXT,
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": "AA=="},
            },
        ],
        [
            {"type": "text", "text": "Hi"},
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": "AA=="},
            },
        ],
    ),
    (
        [{"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}],
        [{"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}],
    ),
    (
        [{"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}}],
        [{"type": "image", "source": {"type": "url", "url": "https://x/y.png"}, "detail": "low"}],
    ),
    (
        [{"type": "tool_use", "id": "t", "name": "ls", "input": '{"a": 1}'}],
        [{"type": "tool_use", "id": "t", "name": "ls", "input": {"a": 1}}],
    ),
    (
        [{"type": "tool_result", "tool_use_id": "t", "content": [TEXT, TEXT], "is_error": True}],
        [{"type": "tool_result", "tool_use_id": "t", "content": "HiHi", "is_error": True}],
    ),
    (
        [{"type": "thinking", "thinking": "Hm."}, TEXT],
        [{"type": "text", "text": "Hm.", "thinking": True}, {"type": "text", "text": "Hi"}],
    ),
    (
        [{"type": "document", "title": "A", "source": {"type": "text", "data": "words"}}],
        [{"type": "text", "text": "words", "title": "A"}],
    ),
    (
        [TEXT, {"type": "hologram"}],
        [
            {"type": "text", "text": "Hi"},
            {"type": "placeholder", "block_type": "hologram", "block": {"type": "hologram"}},
        ],
    ),
    (
        [TEXT, 5],
        [
            {"type": "text", "text": "Hi"},
            {"type": "placeholder", "block_type": "integer", "block": 5},
        ],
    ),
    (
        [TEXT, {"type": "redacted_thinking", "data": "x"}],
        [
            {"type": "text", "text": "Hi"},
            {"type": "text", "text": "*redacted*", "thinking": True},
        ],
    ),
    (
        [{"type": "document", "title": "A", "source": {"type": "url", "url": "http://x/a.pdf"}}],
        [{"type": "text", "text": "[document: A]", "title": "A", "url": "http://x/a.pdf"}],
    ),
]


@pytest.mark.parametrize(("content", "expected"), CONTENTS)
@pytest.mark.parametrize(
    "kind",
    [
        "user_message",
        "anthropic_user_message",
        "openai_user_message",
        "open_a_i_user_message",
        "open_ai_user_message",
    ],
)
def test_u1_one_normaliser_reads_every_vendor(kind: str, content: Any, expected: Any) -> None:
    talk = Talk()
    [added, said] = talk(user_event(content, kind, vendor="any"))
    assert added["message"]["content"] == expected
    assert talk.last() == added["message"]
    assert said["message"] == {"role": "user", "content": content}


@pytest.mark.parametrize(
    "content", [{"type": "text"}, [None], [[[]]], {"a": {"b": []}}, 3, True, [{"type": 5}]]
)
def test_u1_nothing_raises(content: Any) -> None:
    talk = Talk()
    talk(user_event(content))
    assert talk.counters["handler_errors"] == 0
    assert len(talk.messages()) == 1


# -- U2: users' messages -------------------------------------------------------------------


def test_u2_a_user_s_message_interrupts_flushes_and_is_stored() -> None:
    talk = Talk()
    talk(end(call("t")), text("half", role="narrator"))
    notes = talk(user("Next?"))
    assert names(notes) == ["message-complete", "message-complete", "message-added", "user-message"]
    assert completed(notes) == [
        ("narrator", "half", "interrupted", "interrupted"),
        ("assistant", "", "complete", None),
    ]
    assert talk.transcript() == [("narrator", "half"), ("assistant", ""), ("user", "Next?")]
    assert attached(talk.messages()[1]) == [("t", "done")]
    assert talk.session()["waiting_tools"] == []
    assert notes[2]["message"] == talk.last()
    assert notes[2]["message"]["status"] == "complete"


def test_u2_it_affects_only_its_own_session() -> None:
    talk = Talk()
    talk(text("half"), end(call("t"), session="sub", **SUB))
    assert names(talk(user("x", "other", **SUB))) == ["message-added", "user-message"]
    assert talk.session()["open_message"]["content"] == "half"
    assert len(talk.session("sub")["waiting_tools"]) == 1


def test_u2_the_message_s_role_is_always_user() -> None:
    talk = Talk()
    talk(user("x", role="assistant"))
    assert talk.last()["role"] == "user"


@pytest.mark.parametrize("body", [{}, {"content": None}, {"role": "user"}])
@pytest.mark.parametrize("kind", ["user_message", "anthropic_user_message", "openai_user_message"])
def test_u2_missing_or_null_content_has_a_placeholder(kind: str, body: Json | None) -> None:
    talk = Talk()
    [added, said] = talk(of_session(kind, vendor="any", message=body))
    assert added["message"]["content"] == "[User message]"
    assert said["message"] == body


@pytest.mark.parametrize("kind", ["user_message", "anthropic_user_message", "openai_user_message"])
@pytest.mark.parametrize("fields", [{}, {"message": None}, {"message": 5}])
def test_u2_a_missing_or_null_message_has_a_placeholder(kind: str, fields: Json) -> None:
    talk = Talk()
    talk(text("open"))
    notes = talk(of_session(kind, vendor="any", **fields))
    assert names(notes) == ["message-complete", "message-added", "user-message"]
    assert talk.transcript() == [("assistant", "open"), ("user", "[User message]")]


@pytest.mark.parametrize("kind", ["user_message", "anthropic_user_message", "openai_user_message"])
def test_u2_an_empty_list_is_content(kind: str) -> None:
    talk = Talk()
    talk(user_event([], kind, vendor="any"))
    assert talk.last()["content"] in ("", [])


@pytest.mark.parametrize("kind", ["user_message", "anthropic_user_message", "openai_user_message"])
def test_u2_an_empty_string_is_content(kind: str) -> None:
    talk = Talk()
    talk(user_event("", kind, vendor="any"))
    assert talk.last()["content"] == ""


@pytest.mark.parametrize(
    ("fields", "content"),
    [
        ({"text": "plain"}, "plain"),
        ({"message": "as text"}, "as text"),
        ({"message": "", "text": "not this"}, ""),
        ({"message": None, "text": "plain"}, "plain"),
        ({"message": {"content": None}, "text": "plain"}, "plain"),
        ({"message": {"content": [TEXT]}, "text": "not this"}, "Hi"),
        ({"text": ""}, ""),
        ({}, "[User message]"),
    ],
)
def test_u2_a_plain_user_message_may_be_text(fields: Json, content: str) -> None:
    talk = Talk()
    [added, said] = talk(of_session("user_message", vendor="none", **fields))
    assert added["message"]["content"] == content
    assert (said["vendor"], said["message"]) == ("none", fields.get("message"))


def test_u2_each_spelling_of_a_vendor_is_known() -> None:
    talk = Talk()
    [_, said] = talk(user_event("x", "open_a_i_user_message"))
    assert said["vendor"] == "openai"


def test_u2_tools_of_the_last_turn_stay_with_their_message() -> None:
    talk = Talk()
    talk(text("x"), completion(False), user("?"), begin(call("t")), end(call("t")), text("y"))
    talk(completion(False))
    assert [attached(m) for m in talk.messages()] == [[], [], [("t", "done")]]


# -- U3: what is a sub-session -------------------------------------------------------------

MAKERS = [
    lambda **f: (text("x", **f), completion(False, **f)),
    lambda **f: (thought("x", **f), completion(False, **f)),
    lambda **f: (message("x", **f),),
    lambda **f: (user("x", **f),),
    lambda **f: (end(call("t"), **f), TURN_START),
]


@pytest.mark.parametrize("make", MAKERS)
def test_u3_a_sub_session_s_messages_are_marked(make: Any) -> None:
    talk = Talk()
    talk(*make(session="sub", parent="between", user=MAIN))
    last = talk.last("sub")
    assert last["is_sub_session"] is True
    assert (last["parent_session_id"], last["user_session_id"]) == ("between", MAIN)


def test_u3_a_session_has_the_ids_of_its_parents() -> None:
    talk = Talk()
    talk(text("x", "sub", **SUB), text("y", "deep", parent="sub", user=MAIN), text("z"))
    sessions = talk.now.sessions
    known = {
        each.id: (each.parent_session_id, each.user_session_id, each.is_sub_session)
        for each in sessions.values()
    }
    assert known == {
        MAIN: (None, MAIN, False),
        "sub": (MAIN, MAIN, True),
        "deep": ("sub", MAIN, True),
    }
    talk(thought("x", "sub", parent="deep", user="other"), text("silent", "sub", user=None))
    session = talk.now.sessions["sub"]
    assert (session.parent_session_id, session.user_session_id) == ("deep", "other")
    talk(thought("z", "sub", parent="moved", user="other"))
    assert talk.now.sessions["sub"].parent_session_id == "moved"


@pytest.mark.parametrize("make", MAKERS)
def test_u3_an_empty_id_of_the_user_s_session_is_missing(make: Any) -> None:
    talk = Talk()
    talk(*make(session=MAIN, user=""), *make(session="sub", **SUB))
    talk(*make(session="sub", user="", parent=""))
    assert talk.last()["is_sub_session"] is False
    assert talk.last("sub")["is_sub_session"] is True
    sessions = talk.now.sessions
    assert [each.is_sub_session for each in sessions.values()] == [False, True]
    assert sessions["sub"].parent_session_id == MAIN


@pytest.mark.parametrize("make", MAKERS)
def test_u3_the_user_s_session_is_not_a_sub_session(make: Any) -> None:
    talk = Talk(session=None)
    talk(*make(session=MAIN, user=MAIN))
    last = talk.last()
    assert last["is_sub_session"] is False
    assert (last["parent_session_id"], last["user_session_id"]) == (None, MAIN)


@pytest.mark.parametrize("make", MAKERS)
def test_u3_without_an_id_the_latest_current_session_decides(
    make: Any,
) -> None:
    talk = Talk()
    talk(*make(session="sub", user=None), *make(session=MAIN, user=None))
    assert talk.last("sub")["is_sub_session"] is True
    assert talk.last("sub")["user_session_id"] == MAIN
    assert talk.last()["is_sub_session"] is False


@pytest.mark.parametrize("make", MAKERS)
def test_u3_or_the_session_that_was_set(make: Any) -> None:
    talk = Talk()
    talk.set_user_session_id("mine")
    talk(*make(session=MAIN, user=None), *make(session="mine", user=None))
    assert talk.last()["is_sub_session"] is True
    assert talk.last()["user_session_id"] == "mine"
    assert talk.last("mine")["is_sub_session"] is False


@pytest.mark.parametrize("make", MAKERS)
def test_u3_if_unknown_it_is_not_a_sub_session(make: Any) -> None:
    talk = Talk(session=None)
    talk(*make(session="any", user=None))
    assert talk.last("any")["is_sub_session"] is False
    assert talk.last("any")["user_session_id"] is None


def test_u3_the_event_s_own_id_takes_precedence() -> None:
    talk = Talk()
    talk(message("x", "other", user="other"))
    assert talk.last("other")["is_sub_session"] is False


def test_u3_a_later_change_of_session_counts() -> None:
    talk = Talk()
    talk.set_user_session_id("mine")
    talk(chat_session("next"), message("x", "mine", user=None))
    assert talk.last("mine")["is_sub_session"] is True


def test_u3_a_resumed_sub_session_is_no_longer_one() -> None:
    talk = Talk()
    talk(message("x", "sub", **SUB), TURN_START, chat_session("sub"))
    talk(end(call("t"), session="sub", user=None), TURN_START)
    assert talk.last("sub")["is_sub_session"] is False
    assert talk.now.sessions["sub"].is_sub_session is False


def test_u3_waiting_tools_get_their_session_s_parents_later() -> None:
    talk = Talk()
    talk(completion(True, "sub", user=None), end(call("t"), session="sub", parent="p", user=MAIN))
    talk(TURN_START)
    assert talk.last("sub")["parent_session_id"] == "p"


# -- U4: the stack -------------------------------------------------------------------------


def depths(notes: list[Json]) -> list[tuple[str, str, int]]:
    """Return the session and the depth of each start and end."""
    return [
        (note["name"].removeprefix("subsession-"), note["session_id"], note["depth"])
        for note in notes
        if note["name"].startswith("subsession-")
    ]


def test_u4_delegations_nest() -> None:
    talk = Talk()
    notes = talk(sub_started(), sub_started("a", **SUB), sub_started("b", parent="a", user=MAIN))
    assert [opened["depth"] for opened in talk.state["subsessions"]] == [1, 2, 3]
    notes += talk(sub_ended("c", parent="b"), sub_ended("b", parent="a"), sub_ended("a", **SUB))
    assert depths(notes) == [
        ("started", MAIN, 1),
        ("started", "a", 2),
        ("started", "b", 3),
        ("ended", "b", 3),
        ("ended", "a", 2),
        ("ended", MAIN, 1),
    ]
    assert talk.state["subsessions"] == []


def test_u4_both_announcements_carry_all_ids() -> None:
    talk = Talk()
    [started] = talk(sub_started("a", "oneshot", "clone", parent="p", user="u", sub_agent_key="k"))
    assert started == {
        "name": "subsession-started",
        "session_id": "a",
        "parent_session_id": "p",
        "user_session_id": "u",
        "sub_session_type": "oneshot",
        "sub_agent_type": "clone",
        "prime_agent_key": "chief",
        "sub_agent_key": "k",
        "depth": 1,
    }
    assert talk.state["subsessions"] == [{k: v for k, v in started.items() if k != "name"}]
    assert talk(sub_ended("child", parent="a", user="u")) == [
        {
            "name": "subsession-ended",
            "session_id": "a",
            "parent_session_id": "p",
            "user_session_id": "u",
            "depth": 1,
        }
    ]


def test_u4_each_user_session_has_its_own_stack() -> None:
    talk = Talk()
    notes = talk(
        sub_started("a", user="u1"), sub_started("b", user="u2"), sub_started("c", user="u1")
    )
    notes += talk(sub_ended("b", user="u2"), sub_ended("b", user="u2"), sub_ended("c", user="u1"))
    assert depths(notes) == [
        ("started", "a", 1),
        ("started", "b", 1),
        ("started", "c", 2),
        ("ended", "b", 1),
        ("ended", "b", 0),
        ("ended", "c", 2),
    ]
    assert [opened["session_id"] for opened in talk.state["subsessions"]] == ["a"]


def test_u4_an_event_without_an_id_uses_the_current_stack() -> None:
    talk = Talk()
    talk(sub_started(user=None), sub_started("x", user=MAIN))
    talk.set_user_session_id("other")
    assert depths(talk(sub_started("y", user=None), sub_ended("y", user=None))) == [
        ("started", "y", 1),
        ("ended", "y", 1),
    ]
    assert depths(talk(sub_ended(user=None))) == [("ended", MAIN, 0)]
    assert [opened["depth"] for opened in talk.state["subsessions"]] == [1, 2]


def test_u4_without_any_user_session_a_session_has_its_own_stack() -> None:
    talk = Talk(session=None)
    notes = talk(
        sub_started("a", user=None), sub_started("b", user=None), sub_ended("a", user=None)
    )
    assert depths(notes) == [("started", "a", 1), ("started", "b", 1), ("ended", "a", 1)]


def test_u4_an_unmatched_end_has_depth_0() -> None:
    talk = Talk()
    assert talk(sub_ended("sub", **SUB)) == [
        {
            "name": "subsession-ended",
            "session_id": "sub",
            "parent_session_id": MAIN,
            "user_session_id": MAIN,
            "depth": 0,
        }
    ]


def test_u4_the_user_s_turn_ends_open_delegations_innermost_first() -> None:
    talk = Talk()
    talk(sub_started(), sub_started("a", **SUB), sub_started("b", user="elsewhere"))
    notes = talk(TURN_START)
    assert depths(notes) == [("ended", "b", 1), ("ended", "a", 2), ("ended", MAIN, 1)]
    assert talk.state["subsessions"] == []
    assert depths(talk(TURN_START)) == []


@pytest.mark.parametrize("event", [CANCELLED, interaction(False), completion(False), user("x")])
def test_u4_no_other_event_ends_them(event: Json) -> None:
    talk = Talk()
    talk(sub_started(), event)
    assert len(talk.state["subsessions"]) == 1


def test_u4_sessions_of_parallel_delegations_stream_separately() -> None:
    talk = Talk()
    talk(sub_started(), sub_started())
    talk(user("do a", "a", **SUB), user("do b", "b", **SUB))
    talk(
        text("A", "a", **SUB),
        text("B", "b", **SUB),
        thought("a!", "a", **SUB),
        text("b", "b", **SUB),
    )
    notes = talk(
        completion(False, "b", **SUB), sub_ended("b", **SUB), completion(False, "a", **SUB)
    )
    assert depths(notes + talk(sub_ended("a", **SUB))) == [("ended", MAIN, 2), ("ended", MAIN, 1)]
    assert talk.transcript("a") == [
        ("user", "do a"),
        ("assistant", "A"),
        ("assistant (thought)", "a!"),
    ]
    assert talk.transcript("b") == [("user", "do b"), ("assistant", "Bb")]
    assert talk.transcript() == []


def test_u4_the_number_of_open_delegations_is_bounded() -> None:
    talk = Talk()
    talk(*(sub_started(f"s{i}") for i in range(1025)))
    kept = talk.state["subsessions"]
    assert (len(kept), kept[0]["session_id"], kept[-1]["depth"]) == (1024, "s1", 1025)


# -- what is shown next to the text ---------------------------------------------------------


def test_media_is_emitted_and_ends_no_message() -> None:
    talk = Talk()
    talk(text("x"))
    [added] = talk(media("<b>", content_type="text/html", url="u", name="n", sent_by_class="c"))
    assert added["session_id"] == MAIN
    assert added["media"] == {
        "id": "media2",
        "role": "assistant",
        "content_type": "text/html",
        "content": "<b>",
        "url": "u",
        "name": "n",
        "sent_by_class": "c",
        "sent_by_function": None,
        "foreign_content": False,
    }
    assert talk.session()["open_message"]["content"] == "x"


@pytest.mark.parametrize("severity", ["info", "warning", "error"])
def test_a_system_message_is_emitted(severity: str) -> None:
    talk = Talk()
    talk(text("x"))
    assert talk(system("Mind.", severity, "sub")) == [
        {
            "name": "system-notification",
            "type": "system",
            "severity": severity,
            "content": "Mind.",
            "source": None,
            "session_id": "sub",
        }
    ]
    assert only(talk(TURN_START), "message-complete") != []
    assert "sub" not in talk.state["sessions"]


def test_a_system_message_without_severity_is_an_error() -> None:
    [notes] = Talk()(of_session("system_message", content="No."))
    assert notes["severity"] == "error"
