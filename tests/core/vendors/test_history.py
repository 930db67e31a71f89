"""A history gives the same messages as live streaming (protocol.md §8 S2)."""

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


def result_of(identity: str, content: object = "six") -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": identity, "content": content}


def brief(items: Sequence[HistoryItem]) -> list[Any]:
    """Return each item in short: role, text, and tools as name, id and result."""
    return [_brief(item) for item in items]


def _brief(item: HistoryItem) -> Any:
    if isinstance(item, DelegationStarted):
        return ("started", item.sub_agent_type, item.sub_session_type, item.sub_agent_key)
    if isinstance(item, DelegationEnded):
        return ("ended",)
    message = item.message
    role = {"assistant (thought)": "thought"}.get(message.role, message.role)
    results = [(result.tool_use_id, result.content) for result in message.tool_results]
    tools: dict[str, Any] = {}
    for call in message.tool_calls:
        found = next((r for r in results if r[0] == call.id), None)
        if found is not None:
            results.remove(found)
        key = call.id if call.id not in tools else f"{call.id} again"
        assert key not in tools
        tools[key] = None if found is None else found[1]
    assert results == []
    who = f"foreign {role}" if item.foreign else role
    return (who, message.content, tools) if tools else (who, message.content)


# -- messages ------------------------------------------------------------------------------


def test_s2_a_conversation_of_text() -> None:
    """Text stays text, in the vendor's order, complete."""
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
    """A change of kind starts a message; blocks of one kind are joined, even across a tool."""
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
    """It is not a tool, and neither is its result."""
    items = convert(
        user("q"),
        assistant("a", use("t1", "think", thought="hm"), use("t2")),
        user(result_of("t1", "ok"), result_of("t2")),
        assistant(use("t3", "think"), "done"),
    )
    assert brief(items) == [
        ("user", "q"),
        ("assistant", "a"),
        ("thought", "hm", {"t2": "six"}),
        ("assistant", "done"),
    ]


def test_s2_empty_blocks_create_no_message() -> None:
    """As in a live session: a message starts with its first text."""
    items = convert(assistant("", "a", think(""), "b"), assistant(), assistant(""), assistant("c"))
    assert brief(items) == [("assistant", "ab"), ("assistant", "c")]


def test_s2_images_and_unknown_blocks_of_an_assistant_are_parts() -> None:
    """The content becomes parts, including the text."""
    unknown = {"type": "hologram", "n": 1}
    assert brief(convert(assistant("a", unknown, think("hm"), IMAGE))) == [
        ("assistant", (TextPart("a"), PlaceholderPart("hologram", unknown))),
        ("thought", "hm"),
        ("assistant", (SHOWN_IMAGE,)),
    ]


def test_u1_cited_text_of_an_assistant_is_parts() -> None:
    """The citations are kept, and so is the text around them."""
    cited = {"type": "text", "text": "b", "citations": [{"cited_text": "x"}]}
    parts = (TextPart("a"), TextPart("b", citations=({"cited_text": "x"},)), TextPart("c"))
    assert brief(convert(assistant("a", cited, "c"))) == [("assistant", parts)]
    assert brief(convert(assistant("a", {**cited, "citations": None}))) == [("assistant", "ab")]


def test_s2_redacted_thinking_is_a_thought() -> None:
    """As in a live session: its text only says that it was redacted."""
    hidden = {"type": "redacted_thinking", "data": "x"}
    assert brief(convert(assistant(hidden, "a", hidden, hidden, "b"))) == [
        ("thought", "*redacted*"),
        ("assistant", "a"),
        ("thought", "*redacted**redacted*"),
        ("assistant", "b"),
    ]
    assert brief(convert(assistant(think("a"), hidden, think("b")))) == [
        ("thought", "a*redacted*b")
    ]
    assert brief(convert(user(hidden))) == [("user", (TextPart("*redacted*", thinking=True),))]


# -- server tools --------------------------------------------------------------------------


def served(identity: str, name: str = "web_search", kind: str = "server") -> dict[str, Any]:
    return {**use(identity, name), "type": f"{kind}_tool_use"}


def found(identity: str, content: object = "page", kind: str = "web_search") -> dict[str, Any]:
    return {"type": f"{kind}_tool_result", "tool_use_id": identity, "content": content}


@pytest.mark.parametrize(
    ("call", "result"),
    [
        (served("s"), found("s")),
        (served("s", kind="mcp"), found("s", kind="mcp")),
        (served("s", "code_execution"), found("s", kind="bash_code_execution")),
        (served("s"), result_of("s", "page")),
        (use("s"), found("s")),
        (use("s"), result_of("s", "page")),
    ],
)
def test_s2_server_tools_are_tools(call: Any, result: Any) -> None:
    """Whatever the types are, and wherever the result is."""
    expected = [("assistant", "found", {"s": "page"})]
    assert brief(convert(assistant(call, result, "found"))) == expected
    assert brief(convert(assistant(call), assistant(result, "found"))) == expected
    assert brief(convert(assistant(call, "found"), user(result))) == expected
    assert brief(convert(assistant(call, "found"), user(result, "more"))) == [
        *expected,
        ("user", "more"),
    ]
    assert brief(convert(assistant(call, "found"))) == [("assistant", "found", {"s": None})]
    assert brief(convert(assistant("found", call, result), user("q"))) == [*expected, ("user", "q")]


def test_s2_a_server_tool_keeps_the_types_of_its_records() -> None:
    """As in a live session; its result is text."""
    page = [
        {"type": "web_search_result", "title": "T", "url": "http://x", "encrypted_content": "e"}
    ]
    [item] = convert(assistant(served("s"), found("s", page), "found"))
    assert isinstance(item, HistoryMessage)
    (call,), (result,) = item.message.tool_calls, item.message.tool_results
    assert (call.type, result.type) == ("server_tool_use", "web_search_tool_result")
    assert (result.content, result.is_error) == ("[web_search_result: T]", False)


def test_s2_a_server_tool_attaches_where_it_ended() -> None:
    """As live: to the current text, or to the last message, or to the next."""
    search = (served("s"), found("s"))
    assert brief(convert(assistant(think("hm"), *search, "a"))) == [
        ("thought", "hm", {"s": "page"}),
        ("assistant", "a"),
    ]
    assert brief(convert(assistant("a", *search, "b"))) == [("assistant", "ab", {"s": "page"})]
    assert brief(convert(assistant("a"), assistant(*search, "b"))) == [
        ("assistant", "a", {"s": "page"}),
        ("assistant", "b"),
    ]
    assert brief(convert(assistant(*search), assistant("b", use("t1")))) == [
        ("assistant", "b", {"s": "page", "t1": None})
    ]
    assert brief(convert(assistant(*search))) == [("assistant", "", {"s": "page"})]


def test_s2_a_server_tool_may_think_or_delegate() -> None:
    """The name decides, as for any other tool."""
    thinking = {**served("s", "think"), "input": {"thought": "hm"}}
    assert brief(convert(assistant(thinking, found("s"), "a"))) == [
        ("thought", "hm"),
        ("assistant", "a"),
    ]
    asking = {**served("s", "aa_oneshot"), "input": {"request": "do"}}
    assert brief(convert(assistant("a", asking, found("s", "done"), "b"))) == [
        ("assistant", "ab"),
        ("started", "assist", "oneshot", None),
        ("foreign user", "do"),
        ("foreign assistant", "done"),
        ("ended",),
    ]


def test_s2_a_servers_result_without_a_call_is_a_part() -> None:
    """In its own message."""
    stray = found("s9")
    parts = (PlaceholderPart("web_search_tool_result", stray), TextPart("page"))
    assert brief(convert(assistant(stray), user(stray))) == [("assistant", parts), ("user", parts)]
    assert brief(convert(assistant(result_of("t1"), use("t1")))) == [
        ("assistant", (ToolResultPart("t1", "six"),), {"t1": None})
    ]
    nameless = {"type": "mcp_tool_result", "content": "x"}
    assert brief(convert(user(nameless))) == [
        ("user", (PlaceholderPart("mcp_tool_result", nameless), TextPart("x")))
    ]


def test_s2_system_and_developer_messages_are_not_shown() -> None:
    """They instruct the agent and end no turn."""
    orders = [{"role": "system", "content": "x"}, {"role": "developer", "content": "y"}]
    items = convert(*orders, assistant("a"), *orders, assistant(use("t1")), *orders)
    assert brief(items) == [("assistant", "a", {"t1": None})]


def test_s2_an_unknown_role_is_kept() -> None:
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


# -- S1: bad messages ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "role"),
    [
        (None, "assistant"),
        (42, "assistant"),
        ("text", "assistant"),
        ([], "assistant"),
        ({"content": 5}, "assistant"),
        ({"role": "assistant", "content": 5}, "assistant"),
        ({"role": "assistant", "content": {"type": "text", "text": "x"}}, "assistant"),
        ({"role": "user", "content": 5}, "user"),
        ({"role": "user", "content": False}, "user"),
        ({"role": "user", "content": {}}, "user"),
        ({"role": "critic", "content": 1.5}, "assistant"),
    ],
)
def test_s1_a_bad_message_affects_only_itself(bad: object, role: str) -> None:
    """Other messages and their tools are unchanged."""
    items = convert(
        user("q"), assistant("a", use("t1")), bad, user(result_of("t1")), assistant("b")
    )
    assert brief(items) == [
        ("user", "q"),
        ("assistant", "a", {"t1": "six"}),
        (role, UNREADABLE),
        ("assistant", "b"),
    ]


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"role": "assistant"},
        {"role": "assistant", "content": None},
        {"role": "assistant", "content": None, "tool_calls": None, "refusal": None},
        {"role": "assistant", "content": ""},
        {"role": "assistant", "content": []},
        {"role": "assistant (thought)", "content": ""},
        {"role": "critic"},
    ],
)
def test_s2_an_empty_message_is_omitted(message: dict[str, Any]) -> None:
    """It creates no message and does not split a turn."""
    items = convert(assistant("a", use("t1")), message, user(result_of("t1")), assistant(use("t2")))
    assert brief(items) == [("assistant", "a", {"t1": "six", "t2": None})]


@pytest.mark.parametrize("role", [None, 5, ["user"], ""])
def test_l2_a_message_without_a_role_is_the_assistants(role: object) -> None:
    """Also one with an ill-typed role (L3)."""
    message = {**assistant("a", use("t1")), "role": role}
    assert brief(convert(message, user(result_of("t1")))) == [("assistant", "a", {"t1": "six"})]


@pytest.mark.parametrize("message", [{"role": "user"}, {"role": "user", "content": None}])
def test_s2_a_user_message_without_content_is_named(message: dict[str, Any]) -> None:
    """As in a live session (U2)."""
    assert brief(convert(message)) == [("user", "[User message]")]


@pytest.mark.parametrize("content", ["", []])
def test_s2_an_empty_user_message_stays_empty(content: object) -> None:
    """As in a live session (U2)."""
    assert brief(convert({"role": "user", "content": content})) == [("user", "")]


def test_s2_a_bad_block_affects_only_itself() -> None:
    """An unreadable call becomes a placeholder, and its message keeps its text."""
    items = convert(assistant("a", {"type": "tool_use", "id": 5}, 7, use("t1")))
    bad = PlaceholderPart("tool_use", {"type": "tool_use", "id": 5})
    parts = (TextPart("a"), bad, PlaceholderPart("integer", 7))
    assert brief(items) == [("assistant", parts, {"t1": None})]


@pytest.mark.parametrize("arguments", ["", " ", None, [1], 5])
def test_t2_empty_or_ill_typed_arguments_become_an_empty_mapping(arguments: object) -> None:
    """The call is an empty one."""
    [item] = convert(assistant({**use("t1"), "input": arguments}))
    assert isinstance(item, HistoryMessage)
    assert item.message.tool_calls[0].input == {}


# -- tools ---------------------------------------------------------------------------------


def test_s2_each_tool_has_its_own_result() -> None:
    """Matched by id, at any place in the next user message."""
    items = convert(
        user("q"),
        assistant("a", use("t1"), use("t2"), use("t3")),
        user(result_of("t3", "three"), result_of("t1", [{"type": "text", "text": "one"}])),
        assistant("b"),
    )
    assert brief(items) == [
        ("user", "q"),
        ("assistant", "a", {"t1": "one", "t2": None, "t3": "three"}),
        ("assistant", "b"),
    ]


def test_s2_a_call_is_normalised() -> None:
    """Its input is a mapping; its result is text with an error flag."""
    result = {**result_of("t1", [IMAGE]), "is_error": True}
    items = convert(assistant({**use("t1"), "input": '{"n": 1}'}, "a"), user(result))
    assert isinstance(items[0], HistoryMessage)
    (call,), (given_back,) = items[0].message.tool_calls, items[0].message.tool_results
    assert (call.id, call.name, call.input) == ("t1", "roll", {"n": 1})
    assert (given_back.content, given_back.is_error) == ("[image]", True)


def test_s2_only_the_next_user_message_has_results() -> None:
    """A later result matches no call and stays in its place."""
    items = convert(assistant("a", use("t1")), user("b"), user(result_of("t1")))
    assert brief(items) == [
        ("assistant", "a", {"t1": None}),
        ("user", "b"),
        ("user", (ToolResultPart("t1", "six"),)),
    ]


def test_s2_only_results_are_results() -> None:
    """A server tool's result has another block type, with an id of the same name."""
    other = {"type": "web_search_tool_result", "tool_use_id": "t1", "content": []}
    items = convert(assistant("one", use("t1")), user(other, result_of("t1")))
    [message, left] = items
    assert isinstance(message, HistoryMessage)
    assert isinstance(left, HistoryMessage)
    assert [result.content for result in message.message.tool_results] == ["six"]
    assert left.message.content == (PlaceholderPart("web_search_tool_result", other),)


def test_s2_text_next_to_results_is_kept() -> None:
    """As a user message, after the tools were attached."""
    items = convert(
        assistant("a", use("t1")), user(result_of("t1"), "and ", "more"), assistant(use("t2"))
    )
    assert brief(items) == [
        ("assistant", "a", {"t1": "six"}),
        ("user", "and more"),
        ("assistant", "", {"t2": None}),
    ]


def test_s2_parts_next_to_results_are_kept() -> None:
    """Every kind of content that is not empty."""
    items = convert(
        assistant("a", use("t1"), use("t2")),
        user(result_of("t1"), IMAGE, result_of("t9", "stray"), result_of("t1", "again")),
    )
    assert brief(items) == [
        ("assistant", "a", {"t1": "six", "t2": None}),
        ("user", (SHOWN_IMAGE, ToolResultPart("t9", "stray"), ToolResultPart("t1", "again"))),
    ]
    assert brief(convert(user({"type": "tool_result", "content": "whose"}))) == [
        ("user", (ToolResultPart("", "whose"),))
    ]
    assert brief(convert(assistant("a", use("t1")), user(result_of("t1"), ""))) == [
        ("assistant", "a", {"t1": "six"})
    ]


def test_t4_tools_without_text_attach_to_the_turns_last_message() -> None:
    """As live: to a message or a thought after the user's message."""
    items = convert(
        user("q"),
        assistant(think("hm"), use("t1")),
        user(result_of("t1")),
        assistant(use("t2")),
        user(result_of("t2")),
        assistant("a"),
        assistant(use("t3")),
    )
    assert brief(items) == [
        ("user", "q"),
        ("thought", "hm", {"t1": "six", "t2": "six"}),
        ("assistant", "a", {"t3": None}),
    ]


def test_t4_tools_wait_for_the_next_message() -> None:
    """If the turn has none yet."""
    items = convert(
        user("q"), assistant(use("t1")), user(result_of("t1")), assistant("a", use("t2"))
    )
    assert brief(items) == [("user", "q"), ("assistant", "a", {"t1": "six", "t2": None})]


def test_t4_tools_without_a_message_become_one() -> None:
    """At the end of the turn, before the next user message."""
    items = convert(
        user("q"), assistant(use("t1")), user(result_of("t1"), "b"), assistant(use("t2")), user("c")
    )
    assert brief(items) == [
        ("user", "q"),
        ("assistant", "", {"t1": "six"}),
        ("user", "b"),
        ("assistant", "", {"t2": None}),
        ("user", "c"),
    ]


def test_t1_a_repeated_id_is_another_call() -> None:
    """In one message, where calls get results in order, and in later ones."""
    items = convert(
        assistant("a", use("t1"), use("t1")), user(result_of("t1"), result_of("t1", "again"))
    )
    assert brief(items) == [("assistant", "a", {"t1": "six", "t1 again": "again"})]
    again = [assistant("a", use("t1")), user(result_of("t1")), assistant("b", use("t1"))]
    assert brief(convert(*again, user(result_of("t1", "two")))) == [
        ("assistant", "a", {"t1": "six"}),
        ("assistant", "b", {"t1": "two"}),
    ]


def test_t1_a_result_belongs_to_the_latest_call_without_one() -> None:
    """Among the calls whose results can be there."""
    first, second = assistant("a", use("t1")), assistant("b", use("t1"))
    assert brief(convert(first, second, user(result_of("t1", "x")))) == [
        ("assistant", "a", {"t1": None}),
        ("assistant", "b", {"t1": "x"}),
    ]
    assert brief(convert(first, second, user(result_of("t1", "x"), result_of("t1", "y")))) == [
        ("assistant", "a", {"t1": "y"}),
        ("assistant", "b", {"t1": "x"}),
    ]
    assert brief(convert(first, tool("t1", "x"), second, tool("t1", "y"), tool("t1", "z"))) == [
        ("assistant", "a", {"t1": "x"}),
        ("assistant", "b", {"t1": "y"}),
        ("user", (ToolResultPart("t1", "z"),)),
    ]
    assert brief(
        convert(first, user("q"), second, user(result_of("t1"), result_of("t1", "z")))
    ) == [
        ("assistant", "a", {"t1": None}),
        ("user", "q"),
        ("assistant", "b", {"t1": "six"}),
        ("user", (ToolResultPart("t1", "z"),)),
    ]


def test_t1_repeated_ids_of_delegations_and_think() -> None:
    """Each has its own reply; a thought takes no other call's result."""
    items = convert(
        assistant(
            use("t1", "aa_chat", message="one"),
            use("t1", "think", thought="hm"),
            use("t1", "aa_chat", message="two"),
        ),
        user(result_of("t1", "One."), result_of("t1", "ok"), result_of("t1", "Two.")),
    )
    started = ("started", "assist", "chat", None)
    assert brief(items) == [
        ("thought", "hm"),
        started,
        ("foreign user", "one"),
        ("foreign assistant", "One."),
        ("ended",),
        started,
        ("foreign user", "two"),
        ("foreign assistant", "Two."),
        ("ended",),
    ]


# -- times and ends ------------------------------------------------------------------------

THEN = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "fields",
    [
        {"timestamp": "2025-03-04T05:06:07Z"},
        {"timestamp": "2025-03-04T07:06:07+02:00"},
        {"timestamp": "2025-03-04 05:06:07"},
        {"timestamp": THEN.timestamp()},
        {"timestamp": int(THEN.timestamp())},
        {"created_at": "2025-03-04T05:06:07"},
        {"updated_at": int(THEN.timestamp())},
        {"timestamp": "2025-03-04T05:06:07Z", "created_at": 0, "updated_at": 0},
        {"timestamp": None, "created_at": "yesterday", "updated_at": "2025-03-04T05:06:07Z"},
        {"timestamp": True, "created_at": 1e300, "updated_at": int(THEN.timestamp())},
        {"timestamp": "0001-01-01T00:00:00+10:00", "created_at": int(THEN.timestamp())},
        {"timestamp": [1], "created_at": float("nan"), "updated_at": int(THEN.timestamp())},
    ],
)
def test_messages_have_the_time_of_their_record(fields: dict[str, Any]) -> None:
    """From the first field with a time; in UTC."""
    dated = [{**message, **fields} for message in (user("q"), assistant(think("a"), "b"))]
    items = convert(*dated, assistant("c"), {**user(), "content": 5, **fields})
    times = [item.message.timestamp for item in items if isinstance(item, HistoryMessage)]
    assert times == [THEN, THEN, THEN, NOW, THEN]
    assert all(time.utcoffset() == UTC.utcoffset(None) for time in times)


def test_a_delegation_has_the_times_of_its_call_and_its_result() -> None:
    """Tools without a message have the time of their call."""
    asked = {**assistant(use("t1", "aa_chat", message="x"), use("t2")), "timestamp": 1}
    answered = {**user(result_of("t1", "done")), "timestamp": 2}
    items = convert(user("q"), asked, answered, {**user("q"), "timestamp": 3})
    assert [
        (item.message.content, item.message.timestamp.timestamp())
        for item in items
        if isinstance(item, HistoryMessage)
    ] == [("q", NOW.timestamp()), ("x", 1), ("done", 2), ("", 1), ("q", 3)]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"status": "incomplete"}, "interrupted"),
        ({"status": "interrupted"}, "interrupted"),
        ({"stop_reason": "interrupted"}, "interrupted"),
        ({"stop_reason": "client_cancel"}, "cancelled"),
        ({"status": "cancelled", "stop_reason": "end_turn"}, "cancelled"),
        ({"status": "completed", "stop_reason": "end_turn"}, "complete"),
        ({"status": 5, "stop_reason": None}, "complete"),
    ],
)
def test_the_last_message_of_a_record_has_its_status(fields: dict[str, Any], status: str) -> None:
    """Earlier messages of the record are complete."""
    items = convert({**assistant(think("hm"), "a"), **fields})
    messages = [item.message for item in items if isinstance(item, HistoryMessage)]
    assert [message.status for message in messages] == ["complete", status]
    reason = None if status == "complete" else status
    assert [message.metadata.stop_reason for message in messages] == [None, reason]


def test_l4_half_a_surrogate_pair_affects_only_itself() -> None:
    """In texts, arguments, results and names."""
    call = {**use("t1", "ro\ud83dll"), "input": '{"a\\ude00": "\\ud83d"}'}
    items = convert(
        {"role": "user", "content": "cut \ud83d"},
        assistant("x\ude00", call, {"type": "hol\ud83d"}),
        user(result_of("t1", "\ud83d.")),
    )
    assert brief(items) == [
        ("user", "cut \ufffd"),
        (
            "assistant",
            (TextPart("x\ufffd"), PlaceholderPart("hol\ufffd", {"type": "hol\ufffd"})),
            {"t1": "\ufffd."},
        ),
    ]
    assert isinstance(items[1], HistoryMessage)
    [read] = items[1].message.tool_calls
    assert (read.name, read.input) == ("ro\ufffdll", {"a\ufffd": "\ufffd"})


# -- delegations ---------------------------------------------------------------------------


def test_s2_a_delegation_is_a_subsession_in_its_parents_list() -> None:
    """Request and reply are between its start and its end, and there is no tool."""
    reply = json.dumps({"agent_message": {"role": "assistant", "content": "Hello!"}})
    items = convert(
        user("q"),
        assistant("Go.", use("t1", "aa_oneshot", request="Say hello", agent_key="helper")),
        user(result_of("t1", reply)),
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
    """None gets another's reply; a missing reply is omitted."""
    items = convert(
        assistant(
            use("t1", "act_chat", message="one"),
            use("t2", "ateam_oneshot", message="two", agent_key="b"),
            use("t3", "aa_chat", message="three", agent_key="c"),
        ),
        user(result_of("t2", "text: Two.\n"), result_of("t1", "One.")),
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


def test_t4_tools_skip_the_messages_of_a_subsession() -> None:
    """They attach before it or wait until after it; its user message ends no turn."""
    delegate = use("d", "aa_chat", message="x")
    items = convert(
        user("q"),
        assistant("a", delegate, use("t1")),
        user(result_of("d", "r"), result_of("t1")),
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


# -- OpenAI --------------------------------------------------------------------------------


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
    """The same transcript from fields next to the content and from messages of role tool."""
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
        ("thought", "hm", {"t1": "six", "t1 again": "two"}),
        ("assistant", "b"),
    ]


def test_s2_openai_delegation() -> None:
    """The same transcript."""
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
    """The old form, which matches by name."""
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


def test_s2_results_by_id_and_by_name_are_used_once() -> None:
    """A call with a result of one kind takes none of the other."""
    by_name = {"role": "function", "name": "roll", "content": "named"}
    roll = calls(("t1", "roll", {}), ("t2", "roll", {}))
    assert brief(convert(roll, tool("t1", "one"), by_name)) == [
        ("assistant", "", {"t1": "one", "t2": "named"})
    ]
    one = calls(("t1", "roll", {}))
    assert brief(convert(one, tool("t1", "one"), by_name)) == [
        ("assistant", "", {"t1": "one"}),
        ("user", (ToolResultPart("roll", "named"),)),
    ]


def test_s2_openai_results_without_a_call_are_kept() -> None:
    """As a part of a user message."""
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
    """Refusals, reasoning and audio next to the content; images, audio and files in it."""
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
                PlaceholderPart(
                    "input_audio",
                    {"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}},
                ),
                PlaceholderPart("file", {"type": "file", "file": {"file_id": "f"}}),
            ),
        ),
        ("assistant", "No."),
        ("assistant", "Never."),
        ("thought", "hm"),
        ("assistant", "a"),
        ("assistant", "heard"),
        ("assistant", (PlaceholderPart("audio", {"id": "x"}),)),
        ("assistant", "b"),
    ]


def test_s2_an_unreadable_openai_call_is_named() -> None:
    """It affects only itself."""
    bad = {"role": "assistant", "content": "a", "tool_calls": [{"type": "function"}, 5]}
    unread = PlaceholderPart("function", {"type": "function"})
    parts = (TextPart("a"), unread, PlaceholderPart("integer", 5))
    assert brief(convert(bad)) == [("assistant", parts)]


# -- properties ----------------------------------------------------------------------------

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
    | st.builds(result_of, IDS, RESULTS)
    | st.builds(served, IDS, NAMES)
    | st.builds(found, IDS, RESULTS)
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
def test_s2_no_history_raises_or_gives_an_invalid_list(history: list[Any]) -> None:
    """Ids are new, tools are on allowed messages, and delegations start and end."""
    items = convert(*history)
    messages = [item.message for item in items if isinstance(item, HistoryMessage)]
    assert len({message.id for message in messages}) == len(messages)
    for message in messages:
        assert message.session_id == message.user_session_id == "s1"
        assert len(message.tool_results) <= len(message.tool_calls)
        assert message.role in ("assistant", "assistant (thought)") or not message.tool_calls
        visible = message.content or message.tool_calls or message.role != "assistant"
        assert visible or message.is_sub_session
    depth = 0
    for item in items:
        depth += isinstance(item, DelegationStarted) - isinstance(item, DelegationEnded)
        assert depth == (isinstance(item, DelegationStarted) or _foreign(item))


def _foreign(item: HistoryItem) -> bool:
    return isinstance(item, HistoryMessage) and item.foreign


@given(st.lists(MESSAGES, max_size=12))
def test_s2_text_is_never_lost(history: list[Any]) -> None:
    """Every text block of a user or an assistant is there, in order."""
    said: list[str] = []
    for message in history:
        if isinstance(message, dict) and message.get("role") in ("user", "assistant"):
            content = message["content"]
            if isinstance(content, dict):  # a bad message
                continue
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
    """Texts before and after it are unchanged, and each result is used once."""
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
