"""Faults that only the converter reports: each one names what was expected and where."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import attrs
import cattrs
import pytest

from realtime_trio import DecodeError
from realtime_trio import events as ev
from realtime_trio._core._codec import Codec
from realtime_trio._core._converter import explain
from realtime_trio._core._json_shapes import REDACTED, inner_text
from realtime_trio._core._local_events import Reading
from realtime_trio._core._recency import Recency

CODEC = Codec()


@pytest.mark.parametrize(
    ("command", "path", "expected"),
    [
        ({"type": "text_input", "text": "\ud800"}, "$.text", "text"),
        ({"type": "set_session_messages", "messages": [{}, {"a": float("nan")}]}, None, "a number"),
        ({"type": "text_input", "text": 3}, "$.text", "string"),
    ],
)
def test_a_command_is_refused_with_its_place(
    command: dict[str, Any], path: str | None, expected: str
) -> None:
    with pytest.raises(DecodeError) as caught:
        CODEC.decode_command(command)
    assert caught.value.expected == expected
    assert caught.value.path == (path or "$.messages[1].a")


def test_a_mapping_of_another_kind_is_encoded_as_an_object() -> None:
    event = ev.AnthropicUserMessageEvent(message=MappingProxyType({"content": "x"}))
    assert json.loads(CODEC.encode(event))["message"] == {"content": "x"}


@pytest.mark.parametrize(
    ("raw", "path", "expected"),
    [
        ({"type": "interaction", "started": "yes"}, "$.started", "boolean"),
        ({"type": "interaction", "started": True, "session_id": []}, "$.session_id", "string"),
    ],
)
def test_a_field_that_counts_rejects_its_event(
    raw: dict[str, Any], path: str, expected: str
) -> None:
    with pytest.raises(DecodeError) as caught:
        CODEC.decode_text(json.dumps(raw))
    assert (caught.value.path, caught.value.expected) == (path, expected)


@pytest.mark.parametrize(
    ("raw", "skipped"),
    [
        (
            {
                "type": "chat_session_added",
                "chat_session": {"session_id": "s", "created_at": [1]},
            },
            "$.chat_session.created_at",
        ),
        (
            {"type": "tool_call", "active": False, "tool_results": [{"content": "no id"}]},
            "$.tool_results[]",
        ),
    ],
)
def test_a_field_that_does_not_count_is_skipped(raw: dict[str, Any], skipped: str) -> None:
    reading = CODEC.read(json.dumps(raw))
    assert isinstance(reading, Reading)
    assert reading.skipped == (skipped,)


@attrs.frozen
class _Point:
    x: int


@attrs.frozen
class _Line:
    points: list[_Point]


def test_an_error_of_cattrs_is_explained_by_its_notes() -> None:
    converter = cattrs.Converter(detailed_validation=True)
    with pytest.raises(Exception, match="While structuring") as caught:
        converter.structure({"points": [{"x": 1}, {}]}, _Line)
    path, _, got = explain(caught.value)
    assert (path, got) == (".points[1].x", "nothing")
    with pytest.raises(Exception, match="While structuring") as caught:
        converter.structure({"points": [{"x": "one"}]}, _Line)
    assert explain(caught.value) == (".points[0].x", "a valid value", "one that is not")


def test_redacted_thinking_in_a_block_has_a_text_of_its_own() -> None:
    assert inner_text([{"type": "redacted_thinking", "data": "c2VjcmV0"}]) == REDACTED


def test_records_of_use_are_equal_whatever_they_hold() -> None:
    assert len({Recency(), Recency().add("s", 1, 1)}) == 1
