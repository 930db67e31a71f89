"""Content, tool calls and results of all vendors in one form (protocol.md §8 U1, T2)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio._core._json_shapes import json_object, json_text
from realtime_trio._core._messages import (
    Content,
    ImagePart,
    Part,
    PlaceholderPart,
    TextPart,
    ToolResultPart,
    ToolUsePart,
)
from realtime_trio._core._tool_shapes import normalise_tool_call, normalise_tool_result, result_text
from realtime_trio._core.vendors._normalise import normalise_content, parts_of
from realtime_trio.events import ToolCall, ToolResult
from realtime_trio.events._json import Mismatch

TEXT = {"type": "text", "text": "said"}
SAID = TextPart("said")


# -- U1: text ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("as it is ", "as it is "),
        ("", ""),
        (None, ""),
        ([], ""),
        ((), ""),
        ([TEXT], "said"),
        ([TEXT, {"type": "text", "text": " more", "citations": []}], "said more"),
        ([TEXT, {"type": "text", "text": " more", "citations": None}], "said more"),
        ([TEXT, {"type": "text", "text": " more", "citations": "ill-typed"}], "said more"),
        (["a", TEXT, "b"], "asaidb"),
        (TEXT, "said"),
        ([{"type": "input_text", "text": "a"}, {"type": "output_text", "text": "b"}], "ab"),
        ([{"type": "refusal", "refusal": "I will not."}], "I will not."),
        ([{"text": "no type"}], "no type"),
        ([{"type": "text"}, {"type": "text", "text": None}], ""),
        ([{"type": "text", "text": {"a": 1}}], '{"a": 1}'),
        (42, "42"),
        (True, "true"),
    ],
)
def test_u1_text_is_one_string(raw: object, text: str) -> None:
    """A string stays, and blocks with only text are joined."""
    assert normalise_content(raw) == text


# -- U1: parts -----------------------------------------------------------------------------

PNG = "iVBORw0KGgo="


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            ImagePart("base64", "image/png", PNG),
        ),
        ({"type": "image", "source": {"data": PNG}}, ImagePart("base64", None, PNG)),
        (
            {"type": "image", "source": {"data": PNG}, "detail": "high"},
            ImagePart("base64", None, PNG, detail="high"),
        ),
        (
            {"type": "image", "source": {"type": "url", "url": "http://x/a.png"}, "detail": "low"},
            ImagePart("url", url="http://x/a.png", detail="low"),
        ),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, PlaceholderPart("image")),
        ({"type": "image", "source": {"type": "url", "data": PNG}}, PlaceholderPart("image")),
        ({"type": "image"}, PlaceholderPart("image")),
        (
            {"type": "image_url", "image_url": {"url": "http://x/a.png", "detail": "high"}},
            ImagePart("url", url="http://x/a.png", detail="high"),
        ),
        (
            {"type": "image_url", "image_url": "http://x/a.png"},
            ImagePart("url", url="http://x/a.png"),
        ),
        (
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            ImagePart("base64", "image/png", PNG),
        ),
        (
            {"type": "input_image", "image_url": f"DATA:;base64,{PNG}", "detail": "auto"},
            ImagePart("base64", None, PNG, detail="auto"),
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:image/svg+xml,<svg/>"}},
            ImagePart("url", url="data:image/svg+xml,<svg/>"),
        ),
        ({"type": "image_url", "image_url": {"url": 1}}, PlaceholderPart("image_url")),
        (
            {"type": "tool_use", "id": "t1", "name": "roll", "input": {"n": 1}},
            ToolUsePart("t1", "roll", {"n": 1}),
        ),
        (
            {"type": "tool_use", "id": "t1", "name": "roll", "input": '{"n": 1}'},
            ToolUsePart("t1", "roll", {"n": 1}),
        ),
        ({"type": "tool_use", "id": 1, "name": "roll"}, PlaceholderPart("tool_use")),
        (
            {"type": "tool_result", "tool_use_id": "t1", "content": [TEXT, TEXT], "is_error": True},
            ToolResultPart("t1", "saidsaid", True),
        ),
        (
            {"type": "tool_result", "tool_use_id": "t1", "is_error": None},
            ToolResultPart("t1", "", False),
        ),
        ({"type": "tool_result", "content": "stray"}, ToolResultPart("", "stray", False)),
        ({"type": "thinking", "thinking": "hm", "signature": "s"}, TextPart("hm", thinking=True)),
        ({"type": "thinking"}, TextPart("", thinking=True)),
        ({"type": "redacted_thinking", "data": "x"}, TextPart("*redacted*", thinking=True)),
        (
            {"type": "document", "title": "T", "source": {"type": "text", "data": "body"}},
            TextPart("body", title="T"),
        ),
        (
            {"type": "document", "source": {"type": "content", "content": [TEXT, TEXT]}},
            TextPart("saidsaid"),
        ),
        (
            {"type": "document", "source": {"type": "base64", "data": "JVBERi0="}, "title": "T"},
            TextPart("[document: T]", title="T"),
        ),
        ({"type": "document", "source": {"type": "text", "text": "x"}}, TextPart("x")),
        (
            {"type": "document", "source": {"type": "url", "url": "http://x/a.pdf"}, "title": "T"},
            TextPart("[document: T]", title="T", url="http://x/a.pdf"),
        ),
        (
            {"type": "document", "source": {"type": "text", "data": "x"}, "url": "http://x/a"},
            TextPart("x", url="http://x/a"),
        ),
        (
            {"type": "text", "text": "x", "citations": [{"cited_text": "y"}]},
            TextPart("x", citations=({"cited_text": "y"},)),
        ),
        ({"type": "document"}, TextPart("[document]")),
        ({"type": "input_audio", "input_audio": {"data": "x"}}, PlaceholderPart("input_audio")),
        ({"type": "file", "file": {"file_id": "f"}}, PlaceholderPart("file")),
        (
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            PlaceholderPart("server_tool_use"),
        ),
        (
            {"type": "web_search_tool_result", "content": [{"type": "web_search_result"}]},
            PlaceholderPart("web_search_tool_result"),
        ),
        ({"type": "hologram", "text": "x", "content": "y"}, PlaceholderPart("hologram")),
        ({"type": 5}, PlaceholderPart("unknown")),
        ({"type": ""}, PlaceholderPart("unknown")),
        ({}, PlaceholderPart("unknown")),
        (None, PlaceholderPart("null")),
        (1.5, PlaceholderPart("number")),
        ([], PlaceholderPart("array")),
    ],
)
def test_u1_mixed_content_becomes_parts(block: object, part: Part) -> None:
    """One part per block, in order; a placeholder keeps the block."""
    if isinstance(part, PlaceholderPart):
        part = attrs.evolve(part, block=block)
    assert normalise_content([TEXT, block, TEXT]) == (SAID, part, SAID)


@pytest.mark.parametrize(
    ("block", "kind", "text"),
    [
        (
            {"type": "search_result", "title": "T", "source": "http://x", "content": [TEXT]},
            "search_result",
            TextPart("said", title="T"),
        ),
        (
            {"type": "search_result", "source": "http://x", "content": "plain"},
            "search_result",
            TextPart("plain"),
        ),
        (
            {"type": "mcp_tool_result", "tool_use_id": "m", "content": "plain"},
            "mcp_tool_result",
            TextPart("plain"),
        ),
        (
            {
                "type": "code_execution_tool_result",
                "content": {"type": "code_execution_result", "stdout": "1\n", "stderr": "!"},
            },
            "code_execution_tool_result",
            TextPart("1\n!"),
        ),
        (
            {
                "type": "web_fetch_tool_result",
                "content": {
                    "type": "web_fetch_result",
                    "content": {"type": "document", "source": {"type": "text", "data": "page"}},
                },
            },
            "web_fetch_tool_result",
            TextPart("page"),
        ),
        ({"type": "hologram", "content": [{"type": "layer"}, TEXT]}, "hologram", SAID),
        ([TEXT], "array", SAID),
    ],
)
def test_u1_text_inside_unknown_blocks_is_kept(block: object, kind: str, text: TextPart) -> None:
    """The placeholder names and keeps the block, and its text follows."""
    assert parts_of(block) == (PlaceholderPart(kind, block), text)


def test_u1_a_single_block_is_content_too() -> None:
    """If a vendor omitted the list."""
    assert normalise_content({"type": "thinking", "thinking": "hm"}) == (
        TextPart("hm", thinking=True),
    )


# -- results -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (None, ""),
        ("", ""),
        ("text", "text"),
        ([], ""),
        ([TEXT, {"type": "image", "source": {}}, "x"], "said[image]x"),
        ([{"type": "tool_result", "content": [TEXT, {"type": "image"}]}], "said[image]"),
        ([{"type": "tool_result", "content": []}], ""),
        ([{"type": "web_search_result", "title": "T"}], "[web_search_result: T]"),
        ([{"type": "search_result", "content": [TEXT]}], "said"),
        ([{"type": "resource", "resource": {"uri": "u", "text": "body"}}], "body"),
        ([{"type": "thinking", "thinking": "hm"}, None, 5, [TEXT]], "hm5said"),
        ([{"type": "text", "text": "a"}, {"no": "type"}], "a[unknown]"),
        ({"type": "text", "text": "one"}, "one"),
        ({"type": "image", "source": {}}, "[image]"),
        ({"type": "success", "text": "data"}, '{"type": "success", "text": "data"}'),
        ({"text": "data"}, '{"text": "data"}'),
        ({"n": 1}, '{"n": 1}'),
        ([1, {"a": 2}], '[1, {"a": 2}]'),
        (3.5, "3.5"),
        (False, "false"),
    ],
)
def test_a_result_is_text(raw: object, text: str) -> None:
    """Nested text is joined, other blocks become their type, other values are JSON."""
    assert result_text(raw) == text


# -- T2 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "arguments"),
    [
        ({"id": "t", "name": "n", "input": {"a": 1}}, {"a": 1}),
        ({"id": "t", "name": "n", "input": '{"a": 1}'}, {"a": 1}),
        ({"id": "t", "name": "n", "arguments": '{"a": 1}'}, {"a": 1}),
        ({"id": "t", "name": "n", "arguments": {"a": 1}}, {"a": 1}),
        ({"id": "t", "name": "n", "input": None, "arguments": '{"a": 1}'}, {"a": 1}),
        (
            {"id": "t", "type": "function", "function": {"name": "n", "arguments": '{"a": 1}'}},
            {"a": 1},
        ),
        ({"id": "t", "type": "function", "function": {"name": "n"}}, {}),
        ({"id": "t", "type": "custom", "custom": {"name": "n", "input": "go"}}, {"_raw": "go"}),
        ({"id": "t", "name": "n"}, {}),
        ({"id": "t", "name": "n", "input": None}, {}),
        ({"id": "t", "name": "n", "input": ""}, {}),
        ({"id": "t", "name": "n", "input": " \n\t"}, {}),
        ({"id": "t", "name": "n", "arguments": ""}, {}),
        ({"id": "t", "type": "function", "function": {"name": "n", "arguments": " "}}, {}),
        ({"id": "t", "name": "n", "input": "null"}, {"_raw": "null"}),
        ({"id": "t", "name": "n", "input": '{"a": "\\ud83d"}'}, {"a": "\ufffd"}),
        (
            {"id": "t", "name": "n", "input": '{"a\\ude00": ["\\ud83d\\ude00"]}'},
            {"a\ufffd": ["😀"]},
        ),
        ({"id": "t", "name": "n", "input": "{broken"}, {"_raw": "{broken"}),
        ({"id": "t", "name": "n", "input": "[1]"}, {"_raw": "[1]"}),
        ({"id": "t", "name": "n", "input": "5"}, {"_raw": "5"}),
        ({"id": "t", "name": "n", "input": '{"a": NaN}'}, {"_raw": '{"a": NaN}'}),
        ({"id": "t", "name": "n", "input": '{"a": 1e999}'}, {"_raw": '{"a": 1e999}'}),
        ({"id": "t", "type": 7, "name": "n"}, {}),
    ],
)
def test_t2_a_call_has_one_normal_form(raw: dict[str, Any], arguments: dict[str, Any]) -> None:
    """Every vendor's shape gives the same call."""
    assert normalise_tool_call(raw) == ToolCall(id="t", name="n", input=arguments)


def test_t2_the_type_is_not_checked() -> None:
    """Server tools have their own types."""
    call = normalise_tool_call({"id": "t", "name": "n", "input": {}, "type": "server_tool_use"})
    assert call.type == "server_tool_use"
    result = normalise_tool_result({"tool_use_id": "t", "content": "", "type": "mcp_tool_result"})
    assert result.type == "mcp_tool_result"


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (5, ("object", "integer", "")),
        ({"name": "n"}, ("string", "nothing", ".id")),
        ({"id": None, "name": "n"}, ("string", "null", ".id")),
        ({"id": "t"}, ("string", "nothing", ".name")),
        ({"id": "t", "function": {"name": 1}}, ("string", "integer", ".function.name")),
    ],
)
def test_t2_a_call_without_identity_is_refused(raw: object, fault: tuple[str, str, str]) -> None:
    """The error has the expected type, the actual type and the place."""
    with pytest.raises(Mismatch) as caught:
        normalise_tool_call(raw)
    assert (caught.value.expected, caught.value.got, caught.value.path) == fault


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"id": "t", "name": "n", "input": [1]}, ".input"),
        ({"id": "t", "function": {"name": "n", "arguments": 1}}, ".function.arguments"),
        ({"id": "t", "name": "n", "input": {"a": [float("inf")]}}, ".input"),
    ],
)
def test_t2_an_ill_typed_input_is_empty(raw: object, path: str) -> None:
    skipped: list[str] = []
    expected = ToolCall(id="t", name="n", input={})
    assert normalise_tool_call(raw, skipped.append) == normalise_tool_call(raw) == expected
    assert skipped == [path]


@pytest.mark.parametrize(
    ("raw", "result"),
    [
        (
            {"type": "tool_result", "tool_use_id": "t", "content": [TEXT], "is_error": True},
            ToolResult(tool_use_id="t", content="said", is_error=True),
        ),
        (
            {"role": "tool", "tool_call_id": "t", "name": "n", "content": '{"a": 1}'},
            ToolResult(tool_use_id="t", content='{"a": 1}'),
        ),
        (
            {"tool_use_id": "t", "content": {"a": 1}, "is_error": None},
            ToolResult(tool_use_id="t", content='{"a": 1}'),
        ),
        ({"tool_use_id": "t"}, ToolResult(tool_use_id="t", content="")),
    ],
)
def test_a_result_has_one_normal_form(raw: dict[str, Any], result: ToolResult) -> None:
    """Every vendor's shape gives the same result."""
    assert normalise_tool_result(raw) == result


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ([], ("object", "array", "")),
        ({"content": "x"}, ("string", "nothing", ".tool_use_id")),
        ({"tool_use_id": 1}, ("string", "integer", ".tool_use_id")),
        ({"tool_call_id": None}, ("string", "null", ".tool_call_id")),
    ],
)
def test_a_result_without_identity_is_refused(raw: object, fault: tuple[str, str, str]) -> None:
    """The error has the expected type, the actual type and the place."""
    with pytest.raises(Mismatch) as caught:
        normalise_tool_result(raw)
    assert (caught.value.expected, caught.value.got, caught.value.path) == fault


def test_an_is_error_that_is_not_a_boolean_is_false() -> None:
    skipped: list[str] = []
    raw = {"tool_use_id": "t", "is_error": "yes"}
    expected = ToolResult(tool_use_id="t", content="")
    assert normalise_tool_result(raw, skipped.append) == normalise_tool_result(raw) == expected
    assert skipped == [".is_error"]


# -- shapes --------------------------------------------------------------------------------


def test_json_text_never_raises() -> None:
    """Values that JSON cannot express become their type's name."""
    circle: list[Any] = []
    circle.append(circle)
    assert json_text(circle) == "[array]"
    assert json_text({"a": MappingProxyType({"b": {1}})}) == '{"a": {"b": "[set]"}}'
    assert json_text({(1, 2): 3}) == "[object]"
    assert json_text("é") == '"é"'


def test_json_object_accepts_only_objects() -> None:
    """Anything else is not an object."""
    assert json_object('{"a": [1]}') == {"a": [1]}
    assert json_object("null") is None
    assert json_object("[" * 100_000) is None
    for depth, known in ((240, True), (241, False), (900, False), (100_000, False)):
        text = '{"a": ' * depth + "1" + "}" * depth
        assert (json_object(text) is not None) == known
        assert (
            json_object('{"a": ' + "[" * (depth - 1) + "]" * (depth - 1) + "}") is None
        ) != known


def test_any_depth_is_handled() -> None:
    """Nested blocks are walked without recursion."""
    block: dict[str, Any] = TEXT
    for _ in range(50_000):
        block = {"type": "tool_result", "tool_use_id": "t", "content": [block]}
    assert normalise_content([block]) == (ToolResultPart("t", "said"),)
    assert result_text([block]) == "said"
    deep: Any = []
    for _ in range(1_000_000):  # since Python 3.14, only the stack of the system limits json
        deep = [deep]
    assert result_text({"deep": deep}) == "[object]"
    # Free it from the outside in: Python frees such nesting safely, but cannot compare it.
    assert isinstance(normalise_content(deep), tuple)


# -- properties ----------------------------------------------------------------------------

WORDS = st.text(st.sampled_from('abc {"\\\n:é😀'), min_size=1, max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
KEYS = st.sampled_from(
    [
        "type",
        "text",
        "thinking",
        "content",
        "source",
        "data",
        "url",
        "title",
        "id",
        "name",
        "input",
        "arguments",
        "function",
        "tool_use_id",
        "tool_call_id",
        "is_error",
        "image_url",
        "detail",
        "media_type",
        "resource",
        "stdout",
        "role",
    ]
)
TYPES = st.sampled_from(
    [
        "text",
        "input_text",
        "refusal",
        "image",
        "image_url",
        "tool_use",
        "tool_result",
        "thinking",
        "document",
        "redacted_thinking",
        "search_result",
        "mcp_tool_result",
        "base64",
        "hologram",
    ]
)
JSON = st.recursive(
    SCALARS | TYPES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS | WORDS, inner, max_size=5)
        | st.builds(lambda kind, rest: {**rest, "type": kind}, TYPES, st.dictionaries(KEYS, inner))
    ),
    max_leaves=25,
)


@given(JSON)
def test_u1_nothing_raises(raw: Any) -> None:
    """Any JSON becomes text or parts, and a placeholder keeps its block."""
    content = normalise_content(raw)
    assert isinstance(content, str) or all(isinstance(part, Part) for part in content)
    blocks = raw if isinstance(raw, list) else [raw]
    for part in content if isinstance(content, tuple) else ():
        if isinstance(part, PlaceholderPart):
            assert any(part.block is block for block in blocks)
    assert isinstance(result_text(raw), str)
    for read in (normalise_tool_call, normalise_tool_result):
        with suppress(Mismatch):
            read(raw)


TEXTS = st.builds(lambda text: {"type": "text", "text": text}, WORDS)
THOUGHTS = st.builds(lambda text: {"type": "thinking", "thinking": text}, WORDS)
OPAQUE = st.sampled_from([{"type": "image"}, {"type": "hologram", "x": 1}, 5, None])


def _nest(kind: str, blocks: list[Any]) -> dict[str, Any]:
    if kind == "document":
        return {"type": kind, "source": {"type": "content", "content": blocks}}
    return {"type": kind, "tool_use_id": "t", "content": blocks}


BLOCKS = st.recursive(
    TEXTS | THOUGHTS | OPAQUE | WORDS,
    lambda inner: st.builds(
        _nest,
        st.sampled_from(["tool_result", "search_result", "mcp_tool_result", "document", "new"]),
        st.lists(inner, min_size=1, max_size=4),
    ),
    max_leaves=15,
)


def _said(block: Any) -> Iterator[str]:
    if isinstance(block, str):
        yield block
    elif isinstance(block, dict):
        yield from (block[key] for key in ("text", "thinking") if key in block)
        for inner in block.get("content", block.get("source", {}).get("content", [])):
            yield from _said(inner)


def _shown(content: Content) -> str:
    if isinstance(content, str):
        return content
    return "".join(
        part.text if isinstance(part, TextPart) else part.content
        for part in content
        if isinstance(part, TextPart | ToolResultPart)
    )


@given(st.lists(BLOCKS, max_size=6))
def test_u1_text_is_never_lost(blocks: list[Any]) -> None:
    """All text of known text blocks is there, in order, at any depth."""
    shown, place = _shown(normalise_content(blocks)), 0
    for text in (text for block in blocks for text in _said(block)):
        place = shown.index(text, place) + len(text)


@given(st.lists(BLOCKS, min_size=1, max_size=6))
def test_a_results_text_is_never_lost(blocks: list[Any]) -> None:
    """The same for a tool's result; a list without blocks becomes JSON."""
    shown, place = result_text(blocks), 0
    if all(block is None or block == 5 for block in blocks):
        assert json.loads(shown) == blocks
    for text in (text for block in blocks for text in _said(block)):
        place = shown.index(text, place) + len(text)
