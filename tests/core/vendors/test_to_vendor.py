"""Messages converted to a vendor's format and back (protocol.md §4, §8 S2)."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio._core._messages import (
    ASSISTANT,
    THOUGHT,
    Content,
    ImagePart,
    Message,
    PlaceholderPart,
    TextPart,
    ToolResultPart,
    ToolUsePart,
)
from realtime_trio._core.vendors._blocks import openai_parts
from realtime_trio._core.vendors._history import HistoryMessage, convert_history
from realtime_trio._core.vendors._normalise import normalise_content
from realtime_trio._core.vendors._to_vendor import to_vendor
from realtime_trio._processor import EventStreamProcessor
from realtime_trio.events import SetSessionMessagesEvent, ToolCall, ToolResult
from realtime_trio.events._checks import check_event

NOW = datetime(2026, 1, 2, tzinfo=UTC)
Vendor = Literal["anthropic", "openai"]
VENDORS: tuple[Vendor, ...] = ("anthropic", "openai")


def said(
    role: str,
    content: Content,
    *tools: tuple[ToolCall, ToolResult | None],
    foreign: bool = False,
    identity: str = "m1",
) -> Message:
    return Message(
        id=identity,
        session_id="s1",
        role=role,
        content=content,
        timestamp=NOW,
        tool_calls=tuple(call for call, _ in tools),
        tool_results=tuple(result for _, result in tools if result is not None),
        is_sub_session=foreign,
        parent_session_id="s1" if foreign else None,
        user_session_id="s1",
    )


def tool(
    identity: str, result: str | None = "six", *, is_error: bool = False
) -> tuple[ToolCall, ToolResult | None]:
    call = ToolCall(id=identity, name="roll", input={"n": 1})
    if result is None:
        return call, None
    return call, ToolResult(tool_use_id=identity, content=result, is_error=is_error)


# -- forms ---------------------------------------------------------------------------------


NO_RESULT = {"content": "[No result: the call did not finish]", "is_error": True}


def test_anthropic_form() -> None:
    """Blocks; each call with a result, before the user's next message."""
    messages = [
        said("user", "q"),
        said(ASSISTANT, "a", tool("t1"), tool("t2", None), tool("t3", "bad", is_error=True)),
        said(THOUGHT, "hm", tool("t4"), identity="m:9"),
        said(ASSISTANT, ""),
        said(THOUGHT, ""),
        said(ASSISTANT, "", tool("t5", None)),
        said("user", "p"),
        said("user", ""),
    ]
    use = {"type": "tool_use", "name": "roll", "input": {"n": 1}}
    gave = {"type": "tool_result", "content": "six"}
    think = {"type": "tool_use", "id": "think_m_9", "name": "think", "input": {"thought": "hm"}}
    assert to_vendor(messages, "anthropic") == [
        {"role": "user", "content": "q"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "a"},
                {**use, "id": "t1"},
                {**use, "id": "t2"},
                {**use, "id": "t3"},
            ],
        },
        {
            "role": "user",
            "content": [
                {**gave, "tool_use_id": "t1"},
                {**gave, "tool_use_id": "t2", **NO_RESULT},
                {**gave, "tool_use_id": "t3", "content": "bad", "is_error": True},
            ],
        },
        {"role": "assistant", "content": [think, {**use, "id": "t4"}]},
        {
            "role": "user",
            "content": [
                {**gave, "tool_use_id": "think_m_9", "content": ""},
                {**gave, "tool_use_id": "t4"},
            ],
        },
        {"role": "assistant", "content": [{**use, "id": "t5"}]},
        {
            "role": "user",
            "content": [{**gave, "tool_use_id": "t5", **NO_RESULT}, {"type": "text", "text": "p"}],
        },
        {"role": "user", "content": "[User message]"},
    ]


def test_openai_form() -> None:
    """Calls next to the content; a message of role tool for each result."""
    messages = [
        said("user", "q"),
        said(ASSISTANT, "a", tool("t1"), tool("t2", None)),
        said(ASSISTANT, "b"),
        said(ASSISTANT, ""),
        said(THOUGHT, "hm"),
        said("user", ""),
    ]

    def call(identity: str, name: str, arguments: str) -> dict[str, Any]:
        function = {"name": name, "arguments": arguments}
        return {"id": identity, "type": "function", "function": function}

    assert to_vendor(messages, "openai") == [
        {"role": "user", "content": "q"},
        {
            "role": "assistant",
            "content": "a",
            "tool_calls": [call("t1", "roll", '{"n": 1}'), call("t2", "roll", '{"n": 1}')],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "six"},
        {"role": "tool", "tool_call_id": "t2", "content": NO_RESULT["content"]},
        {"role": "assistant", "content": "b"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [call("think_m1", "think", '{"thought": "hm"}')],
        },
        {"role": "tool", "tool_call_id": "think_m1", "content": ""},
        {"role": "user", "content": ""},
    ]


IMAGE = ImagePart("url", url="http://x/a.png")
HOLOGRAM = {"type": "hologram", "content": [{"type": "text", "text": "deep"}]}
SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"title": "T"}]}
AUDIO = {"type": "input_audio", "input_audio": {"data": "x"}}
PARTS = (
    TextPart("text"),
    TextPart("hm", thinking=True),
    TextPart("body", title="T"),
    ImagePart("base64", "image/png", "AAAA"),
    ImagePart("base64", None, "/9j/AAAA"),
    ImagePart("url", url="http://x/a.png", detail="low"),
    ToolUsePart("t1", "roll", MappingProxyType({"n": 1})),
    ToolResultPart("t1", "six"),
    ToolResultPart("t2", " ", True),
    PlaceholderPart("hologram", HOLOGRAM),
    TextPart("deep"),
    TextPart("cited", citations=({"cited_text": "c"},)),
    PlaceholderPart("input_audio", AUDIO),
    PlaceholderPart("tool_use", {"type": "tool_use", "id": 5}),
    PlaceholderPart("integer", 5),
    PlaceholderPart("array", [{"type": "text", "text": "in it"}]),
    TextPart("in it"),
)
USE = {"type": "tool_use", "id": "t1", "name": "roll", "input": {"n": 1}}


def texts(*said: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text} for text in said]


def test_anthropic_parts_of_a_user() -> None:
    """Each kind of part as its block; calls, thinking and results without calls are text."""
    document = {"type": "text", "media_type": "text/plain", "data": "body"}
    jpeg = {"type": "base64", "media_type": "image/jpeg", "data": "/9j/AAAA"}
    assert to_vendor([said("user", PARTS)], "anthropic")[0]["content"] == [
        *texts("text", "hm"),
        {"type": "document", "source": document, "title": "T"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": jpeg},
        {"type": "image", "source": {"type": "url", "url": "http://x/a.png"}},
        *texts(json.dumps(USE), "six", "[tool_result]"),
        HOLOGRAM,
        {"type": "text", "text": "cited", "citations": [{"cited_text": "c"}]},
        *texts("[input_audio]", "[tool_use]", "5", "[array]", "in it"),
    ]


def test_anthropic_parts_of_an_assistant() -> None:
    """Parts that only a user can send are text; a thought is a separate call."""
    records = to_vendor([said(ASSISTANT, PARTS)], "anthropic")
    think = {"type": "tool_use", "id": "think_m1", "name": "think", "input": {"thought": "hm"}}
    assert [record["role"] for record in records] == ["assistant"] + ["assistant", "user"] * 2
    assert records[0]["content"] == texts("text")
    assert records[1]["content"] == [think]
    assert records[3]["content"] == [
        *texts("body", "[image]", "[image]", "[image: http://x/a.png]"),
        HOLOGRAM,
        {"type": "text", "text": "cited", "citations": [{"cited_text": "c"}]},
        *texts("[input_audio]", "[tool_use]", "5", "[array]", "in it", "[tool_result]"),
        USE,
    ]
    assert records[4]["content"] == [{"type": "tool_result", "tool_use_id": "t1", "content": "six"}]


def test_openai_parts() -> None:
    """Parts unknown to OpenAI become text, and every part of an assistant."""
    [message] = to_vendor([said("user", PARTS)], "openai")
    image = {"url": "http://x/a.png", "detail": "low"}
    assert message["content"] == [
        *texts("text", "hm", "body"),
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "data:;base64,/9j/AAAA"}},
        {"type": "image_url", "image_url": image},
        *texts(json.dumps(USE), "six", "[tool_result]"),
        HOLOGRAM,
        *texts("cited"),
        AUDIO,
        *texts("[tool_use]", "5", "[array]", "in it"),
    ]
    *_, last, result = to_vendor([said(ASSISTANT, PARTS)], "openai")
    assert last["content"][:4] == texts("body", "[image]", "[image]", "[image: http://x/a.png]")
    assert [call["id"] for call in last["tool_calls"]] == ["t1"]
    assert result == {"role": "tool", "tool_call_id": "t1", "content": "six"}


@pytest.mark.parametrize("vendor", VENDORS)
def test_types_of_the_other_vendor_are_named(vendor: Vendor) -> None:
    """An unknown block goes to both vendors, a foreign one to neither."""
    other = {"type": "search_result", "content": [{"type": "text", "text": "page"}], "title": "T"}
    parts = normalise_content([other, AUDIO, "x"])
    [record] = to_vendor([said("user", parts)], vendor)
    if vendor == "anthropic":
        assert record["content"] == [other, *texts("[input_audio]", "x")]
    else:
        assert record["content"] == [*texts("[search_result]", "page"), AUDIO, *texts("x")]


FILE = {"type": "image", "source": {"type": "file", "file_id": "f"}}
PDF = {
    "type": "document",
    "title": "T",
    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
    "citations": {"enabled": True},
}
LINK = {"type": "document", "source": {"type": "url", "url": "http://x/a.pdf"}, "title": "T"}
CITED = {"type": "text", "text": "so", "citations": [{"type": "char_location", "n": 1}]}
SIGNED = {"type": "thinking", "thinking": "hm", "signature": "s"}
SECRET = {"type": "redacted_thinking", "data": "x"}


@pytest.mark.parametrize("block", [FILE, PDF, LINK, CITED, HOLOGRAM, {"foo": [1]}, {"type": 5}])
def test_u1_blocks_of_a_user_come_back_unchanged(block: dict[str, Any]) -> None:
    """Documents, citations and unknown blocks."""
    content = normalise_content([{"type": "text", "text": "a"}, block])
    assert to_vendor([said("user", content)], "anthropic") == [
        {"role": "user", "content": [*texts("a"), block]}
    ]


@pytest.mark.parametrize("block", [CITED, HOLOGRAM, SIGNED, SECRET])
def test_u1_blocks_of_an_assistant_come_back_unchanged(block: dict[str, Any]) -> None:
    """Also signed and redacted thinking."""
    content = normalise_content([block, {"type": "text", "text": "a"}, SEARCH, FOUND])
    assert to_vendor([said(ASSISTANT, content)], "anthropic") == [
        {"role": "assistant", "content": [block, *texts("a"), SEARCH, FOUND]}
    ]


def test_an_unmatched_block_of_a_server_tool_is_named() -> None:
    """Vendors accept neither a call nor a result alone."""
    for block in (SEARCH, FOUND):
        content = normalise_content([block, {"type": "text", "text": "a"}])
        [record] = to_vendor([said(ASSISTANT, content)], "anthropic")
        assert record["content"] == texts(f"[{block['type']}]", "a")


def test_a_document_without_a_source_is_rebuilt() -> None:
    """No vendor accepts the original."""
    content = normalise_content([{"type": "document", "title": "T"}])
    [record] = to_vendor([said("user", content)], "anthropic")
    source = {"type": "text", "media_type": "text/plain", "data": "[document: T]"}
    assert record["content"] == [{"type": "document", "source": source, "title": "T"}]


def test_documents_without_a_block() -> None:
    """The URL is kept in each format."""
    parts = (
        TextPart("[document: T]", title="T", url="http://x/a.pdf"),
        TextPart("", url="http://x/b.pdf"),
        TextPart("body", url="http://x/c"),
    )
    [record] = to_vendor([said("user", parts)], "anthropic")
    source = {"type": "text", "media_type": "text/plain", "data": "body"}
    assert record["content"] == [
        LINK,
        {"type": "document", "source": {"type": "url", "url": "http://x/b.pdf"}},
        {"type": "document", "source": source, "context": "http://x/c"},
    ]
    [record] = to_vendor([said("user", parts)], "openai")
    assert record["content"] == texts(
        "[document: T]\nhttp://x/a.pdf", "http://x/b.pdf", "body\nhttp://x/c"
    )
    [record] = to_vendor([said("user", (TextPart("x http://x/d", url="http://x/d"),))], "openai")
    assert record["content"] == texts("x http://x/d")


def test_unexpected_parts_are_text() -> None:
    """Writing never fails: a result among OpenAI's parts becomes its text."""
    parts = (ToolResultPart("t1", "six"), ToolResultPart("t1", " "))
    assert openai_parts(parts, "user") == texts("six", "[tool_result]")


def test_a_first_thought_is_a_separate_call() -> None:
    """There is no text before it."""
    parts = (TextPart("hm", thinking=True), TextPart("a"))
    assert [message.content for message in back([said(ASSISTANT, parts)], "openai")] == ["hm", "a"]


# -- limits of vendors -------------------------------------------------------------------


@pytest.mark.parametrize("vendor", VENDORS)
def test_t1_repeated_ids_are_renamed(vendor: Vendor) -> None:
    """In one message and in later ones; never to the id of another call."""
    messages = [
        said(ASSISTANT, "a", tool("t1", "one"), tool("t1", "two")),
        said(ASSISTANT, "b", tool("t1-2", "three"), tool("t1", "four"), tool("", "five")),
        said(ASSISTANT, "c", tool("t1", None)),
    ]
    again = back(messages, vendor)
    calls = [call.id for message in again for call in message.tool_calls]
    results = [result.content for message in again for result in message.tool_results]
    assert calls == ["t1", "t1-3", "t1-2", "t1-4", "call", "t1-5"]
    assert results == ["one", "two", "three", "four", "five", NO_RESULT["content"]]


def test_ids_and_names_respect_the_vendors_limits() -> None:
    """Characters and length; two different ids stay different."""
    calls = [tool("functions.ls:0"), tool("functions_ls:0"), tool("x" * 70), tool("x" * 71)]
    odd = ToolCall(id="t9", name="über.tool/" + "n" * 200, input={}), None
    messages = [said(ASSISTANT, "a", *calls, odd, (ToolCall(id="t10", name="", input={}), None))]
    blocks = to_vendor(messages, "anthropic")[0]["content"][1:]
    assert [block["id"] for block in blocks] == [
        *("functions_ls_0", "functions_ls_0-2", "x" * 64, "x" * 62 + "-2", "t9", "t10")
    ]
    assert [block["name"] for block in blocks[-2:]] == ["_ber_tool_" + "n" * 118, "tool"]
    made = to_vendor(messages, "openai")[0]["tool_calls"]
    assert [call["id"] for call in made] == [
        *("functions.ls:0", "functions_ls:0", "x" * 40, "x" * 38 + "-2", "t9", "t10")
    ]
    assert made[-2]["function"]["name"] == "_ber_tool_" + "n" * 54


def test_results_find_their_calls_across_messages() -> None:
    """A call among the parts has its result in the user's next message."""
    messages = [
        said(ASSISTANT, (TextPart("a"), ToolUsePart("t1", "roll", {}), IMAGE)),
        said("user", (ToolResultPart("t2", "stray"), ToolResultPart("t1", "six"), TextPart("q"))),
        said(ASSISTANT, (ToolUsePart("t3", "roll", {}),)),
        said("user", (ToolResultPart("t3", "seven"),)),
        said("user", (ToolResultPart("t3", "stray"),)),
    ]
    roll = {"type": "tool_use", "name": "roll", "input": {}}
    assert to_vendor(messages, "anthropic") == [
        {
            "role": "assistant",
            "content": [*texts("a", "[image: http://x/a.png]"), {**roll, "id": "t1"}],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "six"},
                *texts("stray", "q"),
            ],
        },
        {"role": "assistant", "content": [{**roll, "id": "t3"}]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t3", "content": "seven"},
                *texts("stray"),
            ],
        },
    ]
    assert [record["role"] for record in to_vendor(messages, "openai")] == [
        *("assistant", "tool", "user", "assistant", "tool", "user")
    ]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_result_without_a_call_is_text(vendor: Vendor) -> None:
    """Attached or not, at any place."""
    stray = ToolResult(tool_use_id="t9", content="stray")
    attached = attrs.evolve(said(ASSISTANT, "a"), tool_results=(stray,))
    assert [message.content for message in back([attached], vendor)] == ["astray"]
    lone = said("user", (ToolResultPart("t1", "six"),))
    assert [message.content for message in back([lone], vendor)] == ["six"]


def test_anthropic_gets_no_blank_text_and_no_empty_error() -> None:
    """Blank text of an assistant is omitted; a user's blank message is named."""
    messages = [
        said(ASSISTANT, " \n"),
        said(ASSISTANT, "\n", tool("t1", "", is_error=True)),
        said("user", " "),
        said(ASSISTANT, (TextPart("a"), TextPart(" "))),
        said("user", (TextPart(""),)),
    ]
    records = to_vendor(messages, "anthropic")
    gave = {"type": "tool_result", "tool_use_id": "t1", "content": "[error]", "is_error": True}
    assert [record["content"] for record in records] == [
        [{**USE, "id": "t1"}],
        [gave, *texts("[User message]")],
        texts("a"),
        texts("[User message]"),
    ]


def test_other_roles() -> None:
    """System messages are kept if there is a place for them; others are the assistant's."""
    messages = [said("system", "x"), said("developer", ()), said("critic", "y")]
    assert to_vendor(messages, "anthropic") == [{"role": "assistant", "content": texts("y")}]
    assert to_vendor(messages, "openai") == [
        {"role": "system", "content": "x"},
        {"role": "developer", "content": ""},
        {"role": "assistant", "content": "y"},
    ]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_call_of_another_role_has_its_result_too(vendor: Vendor) -> None:
    """Under an id of its own: it is written as the assistant's."""
    call = ToolUsePart("t1", "roll", {})
    messages = [said(role, (call,)) for role in ("critic", ASSISTANT, "critic")]
    given, answered = [], []
    for record in to_vendor(messages, vendor):
        blocks = record["content"] if isinstance(record["content"], list) else []
        given += [
            block["id"] for block in (*blocks, *record.get("tool_calls", ())) if "id" in block
        ]
        answered += [block["tool_use_id"] for block in blocks if "tool_use_id" in block]
        answered += [record["tool_call_id"]] if "tool_call_id" in record else []
    assert given == answered == ["t1", "t1-2", "t1-3"]


def test_l4_the_output_can_be_encoded() -> None:
    """Also for messages that an application created."""
    call = ToolCall(id="t\ud83d", name="roll", input={"\ude00": "\ud83d"})
    messages = [said("user", "\ud83d"), said(ASSISTANT, "a", (call, None))]
    for vendor in VENDORS:
        json.dumps(to_vendor(messages, vendor), ensure_ascii=False).encode()


@pytest.mark.parametrize("vendor", VENDORS)
def test_arguments_are_never_too_deep_for_a_frame(vendor: Vendor) -> None:
    """Arguments from a frame can be so deep that a history with them would be refused."""
    deep: dict[str, Any] = {}
    for _ in range(252):
        deep = {"a": deep}
    call = {"id": "t", "name": "n", "input": deep}
    processor = EventStreamProcessor()
    for active in (True, False):
        frame = {"type": "tool_call", "session_id": "s", "active": active, "tool_calls": [call]}
        processor.process_frame(json.dumps(frame))
    processor.process_event({"type": "user_turn_start"})
    [message] = processor.state.sessions["s"].messages
    assert message.tool_calls[0].input == deep
    check_event(SetSessionMessagesEvent(messages=tuple(to_vendor([message], vendor))))


# -- delegations ---------------------------------------------------------------------------


def test_a_delegation_is_a_call_and_its_result() -> None:
    """From the request and the reply of a sub-session in its parent's list."""
    request = said("user", "do", foreign=True, identity="m1")
    reply = said(ASSISTANT, "done", foreign=True, identity="m2")
    use = {
        "type": "tool_use",
        "id": "delegation_m1",
        "name": "aa_chat",
        "input": {"message": "do"},
    }
    gave = {"type": "tool_result", "tool_use_id": "delegation_m1"}
    done = {**gave, "content": '{"agent_message": "done"}'}
    asked = {"role": "assistant", "content": [use]}
    asked_again = {"role": "assistant", "content": [{**use, "id": "delegation_m1-2"}]}
    mute = {"content": '{"agent_message": ""}', "is_error": True}
    unanswered = {"role": "user", "content": [{**gave, **mute}]}
    assert to_vendor([request, reply], "anthropic") == [asked, {"role": "user", "content": [done]}]
    assert to_vendor([request], "anthropic") == [asked, unanswered]
    assert to_vendor([request, request, reply], "anthropic") == [
        asked,
        unanswered,
        asked_again,
        {"role": "user", "content": [{**done, "tool_use_id": "delegation_m1-2"}]},
    ]
    plain = said("user", "q")
    assert to_vendor([request, plain], "anthropic") == [
        asked,
        {"role": "user", "content": [*unanswered["content"], *texts("q")]},
    ]
    own = said(ASSISTANT, "own")  # of the parent, not a reply of the sub-session
    said_own = {"role": "assistant", "content": texts("own")}
    assert to_vendor([request, own], "anthropic") == [asked, unanswered, said_own]
    seen = said(ASSISTANT, (TextPart("see"), PARTS[5]), foreign=True)
    assert back([request, seen], "openai")[1].content == (TextPart("see"), IMAGE)
    assert to_vendor([said("user", PARTS[:2], foreign=True)], "anthropic")[0]["content"] == [
        {**use, "input": {"message": "texthm"}}
    ]
    alone = to_vendor([reply], "anthropic")
    assert alone[0]["content"][0]["input"] == {"message": ""}
    assert alone[1]["content"][0]["content"] == '{"agent_message": "done"}'


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_thoughts_of_a_delegate_come_back(vendor: Vendor) -> None:
    """Before its reply, or without one."""
    request = said("user", "do", foreign=True)
    thoughts = [said(THOUGHT, text, foreign=True) for text in ("hm", "so")]
    reply = said(ASSISTANT, "done", foreign=True)
    for messages in ([request, *thoughts, reply], [request, *thoughts], [request, *thoughts] * 2):
        assert facts(back(messages, vendor)) == facts(messages)


def test_a_sub_sessions_own_list_is_written_like_any_other() -> None:
    """In it, its messages are not foreign."""
    message = attrs.evolve(said("user", "do", foreign=True), session_id="sub")
    assert to_vendor([message], "anthropic") == [{"role": "user", "content": "do"}]


# -- round trips ------------------------------------------------------------------------


def back(messages: Sequence[Message], vendor: Vendor) -> list[Message]:
    ids = (f"n{n}" for n in itertools.count())
    records = json.loads(json.dumps(to_vendor(messages, vendor)))
    items = convert_history(
        records, vendor, session_id="s1", new_id=lambda: next(ids), timestamp=NOW
    )
    return [item.message for item in items if isinstance(item, HistoryMessage)]


LETTERS = st.sampled_from("ab {}[]\"'\\:,\n\té😀")
# Anthropic accepts no blank text; another test covers it.
WORDS = st.text(LETTERS, min_size=1, max_size=6).filter(str.strip)
TEXTS = st.text(LETTERS, max_size=6)
NAMES = st.sampled_from(["roll", "web_search", "actor"])
IDS = st.sampled_from(["t0", "t1", "t1-2", "toolu_01", "functions.ls:0", "srvtoolu_1"])
INPUTS = st.dictionaries(WORDS, WORDS | st.integers(-9, 9) | st.lists(st.booleans()), max_size=3)
IMAGES = st.builds(ImagePart, st.just("base64"), st.sampled_from(["image/png", None]), WORDS) | (
    st.builds(lambda path: ImagePart("url", url=f"http://x/{path}"), WORDS)
)
MIXED = st.builds(
    lambda before, image, after: (*before, image, *after),
    st.lists(st.builds(TextPart, WORDS) | IMAGES, max_size=2),
    IMAGES,
    st.lists(st.builds(TextPart, WORDS), max_size=2),
).map(tuple)
DOCUMENTS = st.lists(
    st.builds(lambda a, b: TextPart(a, title=b), WORDS, WORDS)
    | st.builds(lambda a, b: TextPart(f"[document: {a}]", title=a, url=b), WORDS, WORDS)
    | st.builds(lambda a, b: TextPart(a, citations=(b,)), WORDS, INPUTS)
    | st.builds(lambda a: PlaceholderPart("hologram", {**a, "type": "hologram"}), INPUTS),
    min_size=1,
)


@st.composite
def tools(draw: st.DrawFn, vendor: Vendor) -> list[Any]:
    drawn: list[Any] = []
    for _ in range(draw(st.integers(0, 2))):
        call = ToolCall(id=draw(IDS), name=draw(NAMES), input=draw(INPUTS))
        flag = draw(st.booleans()) and vendor == "anthropic"
        text = draw(WORDS if flag else TEXTS)
        result = ToolResult(tool_use_id=call.id, content=text, is_error=flag)
        drawn.append((call, result if draw(st.booleans()) else None))
    return drawn


@st.composite
def turns(draw: st.DrawFn, vendor: Vendor) -> list[Message]:
    """A turn as streaming leaves it: the user's message, then the agent's messages."""
    contents: st.SearchStrategy[Content] = WORDS | MIXED
    if vendor == "anthropic":
        contents |= DOCUMENTS.map(tuple)
    messages = [said("user", draw(contents))]
    for kind in draw(st.lists(st.sampled_from(["assistant", "thought", "delegation"]), max_size=4)):
        if kind == "delegation":
            messages.append(said("user", draw(TEXTS), foreign=True))
            messages += [
                said(THOUGHT, thought, foreign=True)
                for thought in draw(st.lists(WORDS, max_size=2))
            ]
            if draw(st.booleans()):
                messages.append(said(ASSISTANT, draw(WORDS | MIXED), foreign=True))
            continue
        role = ASSISTANT if kind == "assistant" else THOUGHT
        messages.append(said(role, draw(WORDS), *draw(tools(vendor))))
    if all(message.role == "user" or message.is_sub_session for message in messages):
        last = draw(tools(vendor))
        messages += [said(ASSISTANT, "", *last)] if last else []
    return messages


@st.composite
def transcripts(draw: st.DrawFn, vendor: Vendor) -> list[Message]:
    rounds = draw(st.lists(turns(vendor), max_size=4))
    messages = itertools.chain.from_iterable(rounds)
    return [attrs.evolve(message, id=f"m{n}") for n, message in enumerate(messages)]


def facts(messages: Sequence[Message]) -> list[Any]:
    return [(m.role, m.content, *_run(m), m.is_sub_session) for m in messages]


def _run(message: Message) -> tuple[Any, Any]:
    """Return the tools of a message with their results; ids only link the two."""
    left = list(message.tool_results)
    results: list[tuple[str, bool] | None] = []
    for call in message.tool_calls:
        found = next((result for result in left if result.tool_use_id == call.id), None)
        if found is not None:
            left.remove(found)
        results.append(None if found is None else (found.content, found.is_error))
    assert left == []
    return [(call.name, call.input) for call in message.tool_calls], results


def with_results(message: Message, vendor: Vendor) -> Message:
    """Return the message as it reads back: a call without a result has an error."""
    ids = [f"{message.id}.{n}" for n in range(len(message.tool_calls))]
    left = list(message.tool_results)
    results = []
    for call, identity in zip(message.tool_calls, ids, strict=True):
        found = next((result for result in left if result.tool_use_id == call.id), None)
        if found is not None:
            left.remove(found)
        else:
            error = vendor == "anthropic"
            found = ToolResult(tool_use_id="", content=str(NO_RESULT["content"]), is_error=error)
        results.append(
            ToolResult(tool_use_id=identity, content=found.content, is_error=found.is_error)
        )
    calls = [
        ToolCall(id=identity, name=call.name, input=call.input)
        for call, identity in zip(message.tool_calls, ids, strict=True)
    ]
    return attrs.evolve(message, tool_calls=tuple(calls), tool_results=tuple(results))


@pytest.mark.parametrize("vendor", VENDORS)
@given(data=st.data())
def test_a_round_trip_keeps_the_transcript(data: st.DataObject, vendor: Vendor) -> None:
    """Text, roles, order, tools, results, and which messages are a sub-session's."""
    messages = data.draw(transcripts(vendor))
    kept = [with_results(message, vendor) for message in messages]
    assert facts(back(messages, vendor)) == facts(kept)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
BLOCKS = st.builds(lambda text: {"type": "text", "text": text}, WORDS) | st.sampled_from(
    [
        {"type": "thinking", "thinking": "hm"},
        {"type": "tool_use", "id": "t1", "name": "roll", "input": {}},
        {"type": "tool_use", "id": "t2", "name": "aa_chat", "input": {"message": "do"}},
        {"type": "tool_result", "tool_use_id": "t1", "content": "six"},
        {"type": "tool_result", "tool_use_id": "t2", "content": "done"},
        {"type": "tool_result", "tool_use_id": "t2", "content": "", "is_error": True},
        {"type": "hologram"},
        {"type": "redacted_thinking", "data": "x"},
        SEARCH,
        FOUND,
        AUDIO,
        CITED,
        PDF,
        LINK,
        FILE,
        {"type": "image", "source": {"type": "url", "url": "http://x/a.png"}},
        {"type": "text", "text": " "},
        "",
    ]
)
HISTORIES = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "assistant", "system"]),
            "content": JSON | st.lists(BLOCKS, max_size=4),
        }
    ),
    max_size=6,
)


OPENAI_HISTORIES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant"]), "content": st.none() | TEXTS},
        optional={
            "tool_calls": st.lists(
                st.builds(lambda i, n: {"id": i, "name": n, "arguments": ""}, IDS, NAMES),
                max_size=3,
            )
        },
    )
    | st.builds(lambda i, t: {"role": "tool", "tool_call_id": i, "content": t}, IDS, TEXTS),
    max_size=8,
)


@given(HISTORIES | OPENAI_HISTORIES)
def test_vendors_accept_the_output(history: list[Any]) -> None:
    """Their checks find no fault, whatever the input was."""
    messages = read(history)
    check_anthropic(to_vendor(messages, "anthropic"))
    check_openai(to_vendor(messages, "openai"))
    for vendor in VENDORS:  # and the client sends it
        check_event(SetSessionMessagesEvent(messages=tuple(to_vendor(messages, vendor))))


def check_anthropic(records: list[Any]) -> None:
    seen: set[str] = set()
    waiting: list[str] = []
    for record in records:
        assert record["role"] in ("user", "assistant")
        content = record["content"]
        blocks = texts(content) if isinstance(content, str) else content
        assert blocks
        if record["role"] == "user":
            size = len(waiting)
            assert [block.get("tool_use_id") for block in blocks[:size]] == waiting
            assert all(block["type"] == "tool_result" for block in blocks[:size])
            waiting, blocks = [], blocks[size:]
        assert waiting == []
        for block in blocks:
            kind = block.get("type")
            assert kind not in ("tool_result", "input_audio")
            assert kind != "text" or block["text"].strip()
            assert kind not in ("image", "document") or record["role"] == "user"
            assert kind != "thinking" or block["signature"]
            if kind == "tool_use":
                assert record["role"] == "assistant"
                assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", block["id"])
                assert block["id"] not in seen
                seen.add(block["id"])
                waiting.append(block["id"])
    assert waiting == []


def check_openai(records: list[Any]) -> None:
    seen: set[str] = set()
    waiting: list[str] = []
    for record in records:
        if record["role"] == "tool":
            assert record["tool_call_id"] == waiting.pop(0)
            assert isinstance(record["content"], str)
            continue
        assert waiting == []
        assert record["role"] in ("user", "assistant")
        content = record["content"]
        waiting = [call["id"] for call in record.get("tool_calls", ())]
        assert len(set(waiting)) == len(waiting)
        assert not seen & set(waiting)
        assert all(len(identity) <= 40 for identity in waiting)
        seen |= set(waiting)
        assert content or waiting or record["role"] == "user"
        for part in content if isinstance(content, list) else ():
            assert part.get("type") not in ("tool_use", "tool_result", "thinking", "document")
            assert part.get("type") != "image_url" or record["role"] == "user"
    assert waiting == []


def read(history: list[Any]) -> list[Message]:
    ids = (f"m{n}" for n in itertools.count())
    items = convert_history(
        history, "anthropic", session_id="s1", new_id=lambda: next(ids), timestamp=NOW
    )
    return [item.message for item in items if isinstance(item, HistoryMessage)]


@given(HISTORIES, st.sampled_from(VENDORS))
def test_the_text_of_any_history_comes_back(history: list[Any], vendor: Vendor) -> None:
    """A round trip keeps all text except Anthropic's blank text."""
    messages = read(history)
    again = "\n".join(word for message in back(messages, vendor) for word in _words(message))
    for message in messages:
        for word in _words(message):
            assert word in again or (vendor == "anthropic" and not word.strip())


def _words(message: Message) -> list[str]:
    words = [result.content for result in message.tool_results]
    if isinstance(message.content, str):
        return [message.content, *words]
    for part in message.content:
        if isinstance(part, TextPart):
            words.append(part.text)
        elif isinstance(part, ToolResultPart):
            words.append(part.content)
    return words


def test_an_unknown_vendor_is_refused() -> None:
    with pytest.raises(ValueError, match="one of: anthropic, openai"):
        to_vendor([], "none")  # type: ignore[arg-type]
