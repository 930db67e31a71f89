"""A history as live streaming would have told it (protocol.md §8 S2)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio._core._messages import (
    ImagePart,
    Message,
    PlaceholderPart,
    TextPart,
    ToolResultPart,
)
from realtime_trio._core.vendors._history import (
    UNREADABLE,
    DelegationEnded,
    DelegationStarted,
    HistoryItem,
    HistoryMessage,
    convert_history,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)
IMAGE = {"type": "image", "source": {"type": "url", "url": "http://x/a.png"}}
SHOWN_IMAGE = ImagePart("url", url="http://x/a.png")


def convert(*messages: object, vendor: str = "anthropic") -> tuple[HistoryItem, ...]:
    ids = (f"m{n}" for n in itertools.count(1))
    return convert_history(
        messages, vendor, session_id="s1", new_id=lambda: next(ids), timestamp=NOW
    )


def user(*content: object) -> dict[str, Any]:
    return {"role": "user", "content": [_block(block) for block in content]}


def assistant(*content: object) -> dict[str, Any]:
    return {"role": "assistant", "content": [_block(block) for block in content]}


def _block(block: object) -> object:
    return {"type": "text", "text": block} if isinstance(block, str) else block


def think(text: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": "s"}


def use(identity: str, name: str = "roll", **arguments: object) -> dict[str, Any]:
    return {"type": "tool_use", "id": identity, "name": name, "input": arguments}


def gave(identity: str, content: object = "six") -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": identity, "content": content}


def brief(items: Sequence[HistoryItem]) -> list[Any]:
    """Each item in a word: who, what, and the tools as name of the id and result."""
    return [_brief(item) for item in items]


def _brief(item: HistoryItem) -> Any:
    if isinstance(item, DelegationStarted):
        return ("started", item.sub_agent_type, item.sub_session_type, item.sub_agent_key)
    if isinstance(item, DelegationEnded):
        return ("ended",)
    message = item.message
    role = {"assistant (thought)": "thought"}.get(message.role, message.role)
    results = {result.tool_use_id: result.content for result in message.tool_results}
    tools = {call.id: results.get(call.id) for call in message.tool_calls}
    assert len(tools) == len(message.tool_calls)
    assert set(results) <= set(tools)
    who = f"foreign {role}" if item.foreign else role
    return (who, message.content, tools) if tools else (who, message.content)


# --- messages ---------------------------------------------------------------------------


def test_s2_a_conversation_of_text() -> None:
    """Text is text, in the vendor's order, whole and complete."""
    items = convert({"role": "user", "content": "hello"}, assistant("Hi ", "there."))
    assert items == (
        HistoryMessage(
            Message(
                id="m1",
                session_id="s1",
                role="user",
                content="hello",
                timestamp=NOW,
                user_session_id="s1",
            ),
            foreign=False,
        ),
        HistoryMessage(
            Message(
                id="m2",
                session_id="s1",
                role="assistant",
                content="Hi there.",
                timestamp=NOW,
                user_session_id="s1",
            ),
            foreign=False,
        ),
    )
    assert items[0].message.status == "complete"


def test_s2_block_order_is_kept() -> None:
    """A change of kind makes a new message; blocks of one kind are one, over a tool too."""
    items = convert(
        assistant("a", use("t1"), "b", think("hm"), think(" yes"), "c"),
        assistant("d"),
    )
    assert brief(items) == [
        ("assistant", "ab"),
        ("thought", "hm yes"),
        ("assistant", "c", {"t1": None}),
        ("assistant", "d"),
    ]


def test_s2_the_think_tool_is_a_thought_in_its_place() -> None:
    """It is no tool, and neither is its result."""
    items = convert(
        user("q"),
        assistant("a", use("t1", "think", thought="hm"), use("t2")),
        user(gave("t1", "ok"), gave("t2")),
        assistant(use("t3", "think"), "done"),
    )
    assert brief(items) == [
        ("user", "q"),
        ("assistant", "a"),
        ("thought", "hm", {"t2": "six"}),
        ("assistant", "done"),
    ]


def test_s2_what_is_empty_makes_no_message() -> None:
    """As live: a message begins with its first text, and an empty one parts nothing."""
    items = convert(assistant("", "a", think(""), "b"), assistant(), assistant(""), assistant("c"))
    assert brief(items) == [("assistant", "ab"), ("assistant", "c")]


def test_s2_images_and_server_tools_of_an_assistant_are_parts() -> None:
    """What is not text makes the message one of parts, and its text stays in it."""
    search = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    assert brief(convert(assistant("a", search, found, think("hm"), IMAGE))) == [
        (
            "assistant",
            (
                TextPart("a"),
                PlaceholderPart("server_tool_use"),
                PlaceholderPart("web_search_tool_result"),
            ),
        ),
        ("thought", "hm"),
        ("assistant", (SHOWN_IMAGE,)),
    ]


def test_s2_redacted_thinking_shows_only_among_parts() -> None:
    """Live streaming never showed it; it parts no thoughts and makes no message."""
    hidden = {"type": "redacted_thinking", "data": "x"}
    shown = PlaceholderPart("redacted_thinking")
    assert brief(convert(assistant(hidden, "a", hidden, "b", hidden))) == [("assistant", "ab")]
    assert brief(convert(assistant(think("a"), hidden, think("b"), hidden))) == [("thought", "ab")]
    assert convert(assistant(hidden)) == ()
    assert brief(convert(assistant(hidden, think("a"), IMAGE, hidden))) == [
        ("thought", "a"),
        ("assistant", (shown, SHOWN_IMAGE, shown)),
    ]


def test_s2_system_and_developer_messages_are_not_shown() -> None:
    """They are orders to the agent, and end no turn."""
    orders = [{"role": "system", "content": "x"}, {"role": "developer", "content": "y"}]
    items = convert(*orders, assistant("a"), *orders, assistant(use("t1")), *orders)
    assert brief(items) == [("assistant", "a", {"t1": None})]


def test_s2_an_unknown_role_speaks_for_itself() -> None:
    """It takes no tools, unless it is a thought."""
    items = convert(
        assistant("a"),
        {"role": "critic", "content": "b"},
        assistant(use("t1")),
        {"role": "assistant (thought)", "content": "c"},
        assistant(use("t2")),
    )
    assert brief(items) == [
        ("assistant", "a", {"t1": None}),
        ("critic", "b"),
        ("thought", "c", {"t2": None}),
    ]


# --- S1: bad messages -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "role"),
    [
        (None, "assistant"),
        (42, "assistant"),
        ("text", "assistant"),
        ([], "assistant"),
        ({}, "assistant"),
        ({"content": "no role"}, "assistant"),
        ({"role": 5, "content": "x"}, "assistant"),
        ({"role": ["user"], "content": "x"}, "assistant"),
        ({"role": "assistant"}, "assistant"),
        ({"role": "assistant", "content": None}, "assistant"),
        ({"role": "assistant", "content": 5}, "assistant"),
        ({"role": "user", "content": 5}, "user"),
        ({"role": "user", "content": False}, "user"),
        ({"role": "critic"}, "assistant"),
    ],
)
def test_s1_a_bad_message_costs_itself(bad: object, role: str) -> None:
    """Its neighbours, and their tools, are as ever."""
    items = convert(user("q"), assistant("a", use("t1")), bad, user(gave("t1")), assistant("b"))
    assert brief(items) == [
        ("user", "q"),
        ("assistant", "a", {"t1": "six"}),
        (role, UNREADABLE),
        ("assistant", "b"),
    ]


@pytest.mark.parametrize("message", [{"role": "user"}, {"role": "user", "content": None}])
def test_s2_a_user_message_without_content_is_named(message: dict[str, Any]) -> None:
    """As live (U2)."""
    assert brief(convert(message)) == [("user", "[User message]")]


@pytest.mark.parametrize("content", ["", []])
def test_s2_an_empty_user_message_is_content(content: object) -> None:
    """As live (U2)."""
    assert brief(convert({"role": "user", "content": content})) == [("user", "")]


def test_s2_a_bad_block_costs_itself() -> None:
    """A call that cannot be read leaves a placeholder, and its message its text."""
    items = convert(assistant("a", {"type": "tool_use", "id": 5}, 7, use("t1")))
    parts = (TextPart("a"), PlaceholderPart("tool_use"), PlaceholderPart("integer"))
    assert brief(items) == [("assistant", parts, {"t1": None})]


# --- tools ------------------------------------------------------------------------------


def test_s2_each_tool_has_its_own_result() -> None:
    """Matched by id, wherever in the next user message it stands."""
    items = convert(
        user("q"),
        assistant("a", use("t1"), use("t2"), use("t3")),
        user(gave("t3", "three"), gave("t1", [{"type": "text", "text": "one"}])),
        assistant("b"),
    )
    assert brief(items) == [
        ("user", "q"),
        ("assistant", "a", {"t1": "one", "t2": None, "t3": "three"}),
        ("assistant", "b"),
    ]


def test_s2_a_call_is_normalised() -> None:
    """Its input is a mapping, its result text with its error."""
    result = {**gave("t1", [IMAGE]), "is_error": True}
    items = convert(assistant({**use("t1"), "input": '{"n": 1}'}, "a"), user(result))
    assert isinstance(items[0], HistoryMessage)
    (call,), (given_back,) = items[0].message.tool_calls, items[0].message.tool_results
    assert (call.id, call.name, call.input) == ("t1", "roll", {"n": 1})
    assert (given_back.content, given_back.is_error) == ("[image]", True)


def test_s2_only_the_next_user_message_has_results() -> None:
    """One that comes later answers nothing, and stays in its place."""
    items = convert(assistant("a", use("t1")), user("b"), user(gave("t1")))
    assert brief(items) == [
        ("assistant", "a", {"t1": None}),
        ("user", "b"),
        ("user", (ToolResultPart("t1", "six"),)),
    ]


def test_s2_only_results_are_results() -> None:
    """A server's tool has its result in a block of another type, with an id of the same name."""
    other = {"type": "web_search_tool_result", "tool_use_id": "t1", "content": []}
    items = convert(assistant("one", use("t1")), user(other, gave("t1")))
    [message, left] = items
    assert isinstance(message, HistoryMessage)
    assert isinstance(left, HistoryMessage)
    assert [result.content for result in message.message.tool_results] == ["six"]
    assert left.message.content == (PlaceholderPart("web_search_tool_result"),)


def test_s2_text_beside_results_is_kept() -> None:
    """As a message of the user, after the tools have found their place."""
    items = convert(
        assistant("a", use("t1")), user(gave("t1"), "and ", "more"), assistant(use("t2"))
    )
    assert brief(items) == [
        ("assistant", "a", {"t1": "six"}),
        ("user", "and more"),
        ("assistant", "", {"t2": None}),
    ]


def test_s2_parts_beside_results_are_kept() -> None:
    """Every kind of content, except nothing."""
    items = convert(
        assistant("a", use("t1"), use("t2")),
        user(gave("t1"), IMAGE, gave("t9", "stray"), gave("t1", "again")),
    )
    assert brief(items) == [
        ("assistant", "a", {"t1": "six", "t2": None}),
        ("user", (SHOWN_IMAGE, ToolResultPart("t9", "stray"), ToolResultPart("t1", "again"))),
    ]
    assert brief(convert(user({"type": "tool_result", "content": "whose"}))) == [
        ("user", (ToolResultPart("", "whose"),))
    ]
    assert brief(convert(assistant("a", use("t1")), user(gave("t1"), ""))) == [
        ("assistant", "a", {"t1": "six"})
    ]


def test_s2_a_lone_block_as_content_is_read_too() -> None:
    """Where a vendor forgot the list."""
    items = convert(
        {"role": "assistant", "content": use("t1")}, {"role": "user", "content": gave("t1")}
    )
    assert brief(items) == [("assistant", "", {"t1": "six"})]


def test_t4_tools_without_text_go_to_the_turns_last_message() -> None:
    """As live: what was said since the user spoke takes them; a thought does as well."""
    items = convert(
        user("q"),
        assistant(think("hm"), use("t1")),
        user(gave("t1")),
        assistant(use("t2")),
        user(gave("t2")),
        assistant("a"),
        assistant(use("t3")),
    )
    assert brief(items) == [
        ("user", "q"),
        ("thought", "hm", {"t1": "six", "t2": "six"}),
        ("assistant", "a", {"t3": None}),
    ]


def test_t4_tools_wait_for_the_next_message() -> None:
    """Where the turn has none yet."""
    items = convert(user("q"), assistant(use("t1")), user(gave("t1")), assistant("a", use("t2")))
    assert brief(items) == [("user", "q"), ("assistant", "a", {"t1": "six", "t2": None})]


def test_t4_tools_that_wait_in_vain_are_a_message() -> None:
    """At the end of the turn, before the user speaks again."""
    items = convert(
        user("q"), assistant(use("t1")), user(gave("t1"), "b"), assistant(use("t2")), user("c")
    )
    assert brief(items) == [
        ("user", "q"),
        ("assistant", "", {"t1": "six"}),
        ("user", "b"),
        ("assistant", "", {"t2": None}),
        ("user", "c"),
    ]


def test_t4_a_repeated_id_replaces() -> None:
    """In one message; a vendor that counts anew each turn has one tool in each."""
    items = convert(assistant("a", use("t1"), use("t1")), user(gave("t1"), gave("t1", "again")))
    assert brief(items) == [("assistant", "a", {"t1": "again"})]
    again = [assistant("a", use("t1")), user(gave("t1")), assistant("b", use("t1"))]
    assert brief(convert(*again, user(gave("t1", "two")))) == [
        ("assistant", "a", {"t1": "six"}),
        ("assistant", "b", {"t1": "two"}),
    ]


# --- delegations ------------------------------------------------------------------------


def test_s2_a_delegation_is_a_subsession_in_its_parents_list() -> None:
    """Between its two ends the request and the reply, and no tool anywhere."""
    reply = json.dumps({"agent_message": {"role": "assistant", "content": "Hello!"}})
    items = convert(
        user("q"),
        assistant("Go.", use("t1", "aa_oneshot", request="Say hello", agent_key="helper")),
        user(gave("t1", reply)),
        assistant("Done."),
    )
    assert brief(items) == [
        ("user", "q"),
        ("assistant", "Go."),
        ("started", "assist", "oneshot", "helper"),
        ("foreign user", "Say hello"),
        ("foreign assistant", "Hello!"),
        ("ended",),
        ("assistant", "Done."),
    ]
    assert items[2] == DelegationStarted(
        session_id="s1",
        tool_use_id="t1",
        sub_session_type="oneshot",
        sub_agent_type="assist",
        sub_agent_key="helper",
    )
    assert items[5] == DelegationEnded(session_id="s1", tool_use_id="t1")
    assert isinstance(items[3], HistoryMessage)
    message = items[3].message
    assert message.is_sub_session
    assert (message.session_id, message.parent_session_id, message.user_session_id) == (
        "s1",
        "s1",
        "s1",
    )


def test_s2_parallel_delegations_have_their_own_replies() -> None:
    """One is not given the other's, and a reply that never came is not there."""
    items = convert(
        assistant(
            use("t1", "act_chat", message="one"),
            use("t2", "ateam_oneshot", message="two", agent_key="b"),
            use("t3", "aa_chat", message="three", agent_key="c"),
        ),
        user(gave("t2", "text: Two.\n"), gave("t1", "One.")),
    )
    assert brief(items) == [
        ("started", "clone", "chat", None),
        ("foreign user", "one"),
        ("foreign assistant", "One."),
        ("ended",),
        ("started", "team", "oneshot", "b"),
        ("foreign user", "two"),
        ("foreign assistant", "Two."),
        ("ended",),
        ("started", "assist", "chat", "c"),
        ("foreign user", "three"),
        ("ended",),
    ]


def test_t4_tools_pass_the_messages_of_a_subsession_over() -> None:
    """They attach before it or wait beyond it; its user message ends no turn."""
    delegate = use("d", "aa_chat", message="x")
    items = convert(
        user("q"),
        assistant("a", delegate, use("t1")),
        user(gave("d", "r"), gave("t1")),
        assistant(use("t2")),
        user("p"),
        assistant(use("t3"), {**delegate, "id": "e"}),
        assistant("b"),
    )
    foreign = [("foreign user", "x"), ("foreign assistant", "r"), ("ended",)]
    started = ("started", "assist", "chat", None)
    assert brief(items) == [
        ("user", "q"),
        ("assistant", "a", {"t1": "six", "t2": None}),
        started,
        *foreign,
        ("user", "p"),
        started,
        ("foreign user", "x"),
        ("ended",),
        ("assistant", "b", {"t3": None}),
    ]


# --- OpenAI -----------------------------------------------------------------------------


def calls(*named: tuple[str, str, object], content: object = None) -> dict[str, Any]:
    return {
        "role": "assistant",
        "content": content,
        "tool_calls": [
            {
                "id": identity,
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            for identity, name, arguments in named
        ],
    }


def tool(identity: str, content: object = "six") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": identity, "content": content}


def test_s2_openai_calls_and_results() -> None:
    """The same transcript from fields beside the content and from messages of role tool."""
    items = convert(
        {"role": "system", "content": "orders"},
        {"role": "user", "content": "q"},
        calls(("t1", "roll", {"n": 1}), ("t2", "think", {"thought": "hm"}), content="a"),
        tool("t2", ""),
        tool("t1"),
        calls(("t1", "roll", {})),
        tool("t1", [{"type": "text", "text": "two"}]),
        {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
        vendor="openai",
    )
    assert brief(items) == [
        ("user", "q"),
        ("assistant", "a"),
        ("thought", "hm", {"t1": "two"}),
        ("assistant", "b"),
    ]


def test_s2_openai_delegation() -> None:
    """The same."""
    items = convert(
        calls(("t1", "aa_chat", {"message": "x", "agent_key": "k"})), tool("t1", "r"), vendor="none"
    )
    assert brief(items) == [
        ("started", "assist", "chat", "k"),
        ("foreign user", "x"),
        ("foreign assistant", "r"),
        ("ended",),
    ]


def test_s2_openai_function_call() -> None:
    """The old form, that matches by name."""
    items = convert(
        {"role": "assistant", "content": None, "function_call": {"name": "roll", "arguments": "{"}},
        {"role": "function", "name": "roll", "content": "six"},
        {"role": "assistant", "content": "a"},
        {"role": "function", "name": "roll", "content": "stray"},
    )
    assert brief(items) == [
        ("assistant", "a", {"function_call_0": "six"}),
        ("user", (ToolResultPart("roll", "stray"),)),
    ]
    assert isinstance(items[0], HistoryMessage)
    assert items[0].message.tool_calls[0].input == {"_raw": "{"}


def test_s2_openai_results_without_a_call_stay() -> None:
    """As a part of a message of the user."""
    items = convert(tool("t1"), calls(("t1", "roll", {})), {"role": "user", "content": "b"})
    assert brief([*items, *convert(tool("t1"), {"role": "tool"}, {"role": "function"})]) == [
        ("user", (ToolResultPart("t1", "six"),)),
        ("assistant", "", {"t1": None}),
        ("user", "b"),
        ("user", (ToolResultPart("t1", "six"),)),
        ("user", (ToolResultPart("", ""),)),
        ("user", (ToolResultPart("", ""),)),
    ]


def test_s2_openai_content() -> None:
    """Refusals, reasoning and sound beside the content; images, audio and files in it."""
    items = convert(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "see"},
                {"type": "image_url", "image_url": {"url": "http://x/a.png", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}},
                {"type": "file", "file": {"file_id": "f"}},
            ],
        },
        {"role": "assistant", "content": None, "refusal": "No."},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "Never."}]},
        {"role": "assistant", "reasoning_content": "hm", "content": "a"},
        {"role": "assistant", "content": None, "audio": {"id": "x", "transcript": "heard"}},
        {"role": "assistant", "content": None, "audio": {"id": "x"}},
        calls(content="b"),
    )
    assert brief(items) == [
        (
            "user",
            (
                TextPart("see"),
                ImagePart("url", url="http://x/a.png", detail="low"),
                PlaceholderPart("input_audio"),
                PlaceholderPart("file"),
            ),
        ),
        ("assistant", "No."),
        ("assistant", "Never."),
        ("thought", "hm"),
        ("assistant", "a"),
        ("assistant", "heard"),
        ("assistant", (PlaceholderPart("audio"),)),
        ("assistant", "b"),
    ]


def test_s2_an_openai_call_that_cannot_be_read_is_named() -> None:
    """It costs itself."""
    bad = {"role": "assistant", "content": "a", "tool_calls": [{"type": "function"}, 5]}
    parts = (TextPart("a"), PlaceholderPart("function"), PlaceholderPart("integer"))
    assert brief(convert(bad)) == [("assistant", parts)]


# --- properties -------------------------------------------------------------------------

WORDS = st.text(st.sampled_from('abc {"\\\n:é😀'), min_size=1, max_size=6)
IDS = st.sampled_from(["t1", "t2", "t3"])
NAMES = st.sampled_from(["roll", "think", "aa_chat", "act_oneshot"])
INPUTS = st.dictionaries(st.sampled_from(["message", "thought", "n"]), WORDS, max_size=2)
RESULTS = WORDS | st.lists(WORDS, max_size=2) | st.none()
ODD = st.sampled_from([None, 5, {"type": "tool_use"}, {"type": "redacted_thinking"}, IMAGE])
BLOCKS = (
    st.builds(_block, WORDS)
    | st.builds(think, WORDS)
    | st.builds(lambda i, n, a: {**use(i, n), "input": a}, IDS, NAMES, INPUTS)
    | st.builds(gave, IDS, RESULTS)
    | ODD
)
CONTENTS = WORDS | st.lists(BLOCKS, max_size=5) | st.none() | st.integers() | BLOCKS
ROLES = st.sampled_from(["user", "assistant", "tool", "function", "system", "critic"])
MESSAGES = (
    st.fixed_dictionaries(
        {"role": ROLES, "content": CONTENTS},
        optional={
            "tool_calls": st.lists(BLOCKS, max_size=3),
            "tool_call_id": IDS,
            "name": NAMES,
            "function_call": st.builds(lambda n: {"name": n, "arguments": "{}"}, NAMES),
            "refusal": WORDS,
        },
    )
    | ODD
)


@given(st.lists(MESSAGES, max_size=12))
def test_s2_no_history_raises_or_breaks_the_form(history: list[Any]) -> None:
    """Ids are new, tools stand where tools may, and delegations open and close."""
    items = convert(*history)
    messages = [item.message for item in items if isinstance(item, HistoryMessage)]
    assert len({message.id for message in messages}) == len(messages)
    for message in messages:
        assert message.session_id == message.user_session_id == "s1"
        assert message.role in ("assistant", "assistant (thought)") or not message.tool_calls
        told = message.content or message.tool_calls or message.role != "assistant"
        assert told or message.is_sub_session
    depth = 0
    for item in items:
        depth += isinstance(item, DelegationStarted) - isinstance(item, DelegationEnded)
        assert depth == (isinstance(item, DelegationStarted) or _foreign(item))


def _foreign(item: HistoryItem) -> bool:
    return isinstance(item, HistoryMessage) and item.foreign


@given(st.lists(MESSAGES, max_size=12))
def test_s2_text_is_never_lost(history: list[Any]) -> None:
    """Every text block of a user or an assistant is there, in the order it was said."""
    said: list[str] = []
    for message in history:
        if isinstance(message, dict) and message.get("role") in ("user", "assistant"):
            content = message["content"]
            blocks = content if isinstance(content, list) else [content]
            said += [block for block in blocks if isinstance(block, str)]
            said += [b["text"] for b in blocks if isinstance(b, dict) and b.get("type") == "text"]
    shown = "".join(
        item.message.content if isinstance(item.message.content, str) else _text(item.message)
        for item in convert(*history)
        if isinstance(item, HistoryMessage) and not item.foreign
    )
    place = 0
    for text in said:
        place = shown.index(text, place) + len(text)


def _text(message: Message) -> str:
    return "".join(part.text for part in message.content if isinstance(part, TextPart))


@given(st.lists(MESSAGES, max_size=8), ODD, st.integers(0, 8))
def test_s1_a_message_without_a_role_changes_nothing_else(
    history: list[Any], bad: Any, place: int
) -> None:
    """Texts before and after it are what they were, and each result is given out once."""
    spoiled = [*history[:place], bad, *history[place:]]
    others = [
        item
        for item in brief(convert(*spoiled))
        if item[:2] != ("assistant", UNREADABLE) and item[0] != "assistant"
    ]
    plain = [
        item
        for item in brief(convert(*history))
        if item[:2] != ("assistant", UNREADABLE) and item[0] != "assistant"
    ]
    assert [item[:2] for item in others] == [item[:2] for item in plain]
