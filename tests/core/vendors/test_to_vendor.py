"""Messages back into a vendor's form, and from there again (protocol.md §4, §8 S2)."""

from __future__ import annotations

import itertools
import json
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
from realtime_trio._core.vendors._history import HistoryMessage, convert_history
from realtime_trio._core.vendors._to_vendor import to_vendor
from realtime_trio.events import ToolCall, ToolResult

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


# --- forms ------------------------------------------------------------------------------


def test_anthropic_form() -> None:
    """Blocks; results in a message of the user; a thought as the tool think."""
    messages = [
        said("user", "q"),
        said(ASSISTANT, "a", tool("t1"), tool("t2", None), tool("t3", "bad", is_error=True)),
        said(THOUGHT, "hm", tool("t4"), identity="m:9"),
        said(ASSISTANT, ""),
        said(THOUGHT, ""),
        said(ASSISTANT, "", tool("t5", None)),
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
        {"role": "user", "content": ""},
    ]


def test_openai_form() -> None:
    """Calls beside the content; a message of role tool for each result."""
    messages = [
        said("user", "q"),
        said(ASSISTANT, "a", tool("t1")),
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
        {"role": "assistant", "content": "a", "tool_calls": [call("t1", "roll", '{"n": 1}')]},
        {"role": "tool", "tool_call_id": "t1", "content": "six"},
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
PARTS = (
    TextPart("text"),
    TextPart("hm", thinking=True),
    TextPart("body", title="T"),
    ImagePart("base64", "image/png", "AAAA"),
    ImagePart("base64", None, "AAAA"),
    ImagePart("url", url="http://x/a.png", detail="low"),
    ToolUsePart("t1", "roll", MappingProxyType({"n": 1})),
    ToolResultPart("t1", "six"),
    ToolResultPart("t2", "bad", True),
    PlaceholderPart("hologram"),
)


def test_anthropic_parts() -> None:
    """Each kind of part as its block."""
    document = {"type": "text", "media_type": "text/plain", "data": "body"}
    assert to_vendor([said("user", PARTS)], "anthropic")[0]["content"] == [
        {"type": "text", "text": "text"},
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "document", "source": document, "title": "T"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": {"type": "base64", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "http://x/a.png"}},
        {"type": "tool_use", "id": "t1", "name": "roll", "input": {"n": 1}},
        {"type": "tool_result", "tool_use_id": "t1", "content": "six"},
        {"type": "tool_result", "tool_use_id": "t2", "content": "bad", "is_error": True},
        {"type": "text", "text": "[hologram]"},
    ]


def test_openai_parts() -> None:
    """What OpenAI has no part for becomes text; a result becomes a message."""
    *results, message = to_vendor([said("user", PARTS)], "openai")
    assert results == [
        {"role": "tool", "tool_call_id": "t1", "content": "six"},
        {"role": "tool", "tool_call_id": "t2", "content": "bad"},
    ]
    use = {"type": "tool_use", "id": "t1", "name": "roll", "input": {"n": 1}}
    image = {"url": "http://x/a.png", "detail": "low"}
    assert message["content"] == [
        {"type": "text", "text": "text"},
        {"type": "text", "text": "hm"},
        {"type": "text", "text": "body"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "data:;base64,AAAA"}},
        {"type": "image_url", "image_url": image},
        {"type": "text", "text": json.dumps(use)},
        {"type": "text", "text": "[hologram]"},
    ]


def test_openai_results_alone_are_messages_alone() -> None:
    """No empty message beside them."""
    records = to_vendor([said("user", (ToolResultPart("t1", "six"),))], "openai")
    assert records == [{"role": "tool", "tool_call_id": "t1", "content": "six"}]


def test_a_delegation_is_a_call_and_its_result() -> None:
    """The request and the reply of a sub-session in its parent's list."""
    request = said("user", "do", foreign=True, identity="m1")
    reply = said(ASSISTANT, "done", foreign=True, identity="m2")
    use = {
        "type": "tool_use",
        "id": "delegation_m1",
        "name": "aa_chat",
        "input": {"message": "do"},
    }
    gave = {
        "type": "tool_result",
        "tool_use_id": "delegation_m1",
        "content": '{"agent_message": "done"}',
    }
    asked = {"role": "assistant", "content": [use]}
    answered = {"role": "user", "content": [gave]}
    assert to_vendor([request, reply], "anthropic") == [asked, answered]
    assert to_vendor([request], "anthropic") == [asked]
    assert to_vendor([request, request, reply], "anthropic") == [asked, asked, answered]
    plain = said("user", "q")
    assert to_vendor([request, plain], "anthropic") == [asked, {"role": "user", "content": "q"}]
    own = said(ASSISTANT, "own")  # of the parent: no reply of the sub-session
    said_own = {"role": "assistant", "content": [{"type": "text", "text": "own"}]}
    assert to_vendor([request, own], "anthropic") == [asked, said_own]
    seen = said(ASSISTANT, (TextPart("see"), PARTS[5]), foreign=True)
    assert back([request, seen], "openai")[1].content == (TextPart("see"), IMAGE)
    assert to_vendor([said("user", PARTS[:2], foreign=True)], "anthropic")[0]["content"] == [
        {**use, "input": {"message": "texthm"}}
    ]
    alone = to_vendor([reply], "anthropic")
    assert alone[0]["content"][0]["input"] == {"message": ""}
    assert alone[1]["content"][0]["content"] == '{"agent_message": "done"}'


def test_a_sub_sessions_own_list_is_written_as_any_other() -> None:
    """There its messages are not foreign."""
    message = attrs.evolve(said("user", "do", foreign=True), session_id="sub")
    assert to_vendor([message], "anthropic") == [{"role": "user", "content": "do"}]


# --- there and back ---------------------------------------------------------------------


def back(messages: Sequence[Message], vendor: Vendor) -> list[Message]:
    ids = (f"n{n}" for n in itertools.count())
    records = json.loads(json.dumps(to_vendor(messages, vendor)))
    items = convert_history(
        records, vendor, session_id="s1", new_id=lambda: next(ids), timestamp=NOW
    )
    return [item.message for item in items if isinstance(item, HistoryMessage)]


LETTERS = st.sampled_from("ab {}[]\"'\\:,\n\té😀")
WORDS = st.text(LETTERS, min_size=1, max_size=6)
TEXTS = st.text(LETTERS, max_size=6)
NAMES = st.sampled_from(["roll", "web_search", "actor"])
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
DOCUMENTS = st.lists(st.builds(lambda a, b: TextPart(a, title=b), WORDS, WORDS), min_size=1)
RESULT_PARTS = st.builds(ToolResultPart, st.just("stray"), WORDS, st.booleans())


@st.composite
def tools(draw: st.DrawFn, counter: itertools.count[int], vendor: Vendor) -> list[Any]:
    drawn: list[Any] = []
    for _ in range(draw(st.integers(0, 2))):
        call = ToolCall(id=f"t{next(counter)}", name=draw(NAMES), input=draw(INPUTS))
        flag = draw(st.booleans()) and vendor == "anthropic"
        result = ToolResult(tool_use_id=call.id, content=draw(TEXTS), is_error=flag)
        drawn.append((call, result if draw(st.booleans()) else None))
    return drawn


@st.composite
def turns(draw: st.DrawFn, counter: itertools.count[int], vendor: Vendor) -> list[Message]:
    """A turn as streaming leaves it: the user, then what the agent said and did."""
    contents: st.SearchStrategy[Content] = TEXTS | MIXED
    if vendor == "anthropic":
        contents |= DOCUMENTS.map(tuple) | st.tuples(RESULT_PARTS, IMAGES)
    messages = [said("user", draw(contents))]
    for kind in draw(st.lists(st.sampled_from(["assistant", "thought", "delegation"]), max_size=4)):
        if kind == "delegation":
            messages.append(said("user", draw(TEXTS), foreign=True))
            if draw(st.booleans()):
                messages.append(said(ASSISTANT, draw(TEXTS | MIXED), foreign=True))
            continue
        role = ASSISTANT if kind == "assistant" else THOUGHT
        content = draw(WORDS if role == THOUGHT else WORDS | MIXED)
        messages.append(said(role, content, *draw(tools(counter, vendor))))
    if all(message.role == "user" or message.is_sub_session for message in messages):
        last = draw(tools(counter, vendor))
        messages += [said(ASSISTANT, "", *last)] if last else []
    return messages


@st.composite
def transcripts(draw: st.DrawFn, vendor: Vendor) -> list[Message]:
    counter = itertools.count()
    rounds = draw(st.lists(turns(counter, vendor), max_size=4))
    messages = itertools.chain.from_iterable(rounds)
    return [attrs.evolve(message, id=f"m{n}") for n, message in enumerate(messages)]


def facts(messages: Sequence[Message]) -> list[Any]:
    return [(m.role, m.content, m.tool_calls, m.tool_results, m.is_sub_session) for m in messages]


@pytest.mark.parametrize("vendor", VENDORS)
@given(data=st.data())
def test_a_round_trip_keeps_the_transcript(data: st.DataObject, vendor: Vendor) -> None:
    """Text, roles, order, tools and results, and which of them are a sub-session's."""
    messages = data.draw(transcripts(vendor))
    assert facts(back(messages, vendor)) == facts(messages)


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
        {"type": "hologram"},
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


@given(HISTORIES, st.sampled_from(VENDORS))
def test_text_of_any_history_comes_back(history: list[Any], vendor: Vendor) -> None:
    """What was converted once keeps every word on the way there and back."""
    items = convert_history(
        history, "anthropic", session_id="s1", new_id=lambda: "m1", timestamp=NOW
    )
    messages = [item.message for item in items if isinstance(item, HistoryMessage)]
    again = "\n".join(word for message in back(messages, vendor) for word in _words(message))
    for message in messages:
        for word in _words(message):
            assert word in again


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


def test_a_vendor_without_a_form_is_refused() -> None:
    with pytest.raises(ValueError, match="one of anthropic, openai"):
        to_vendor([], "none")  # type: ignore[arg-type]
