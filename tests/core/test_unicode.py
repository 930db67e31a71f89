"""Text inside the library is valid Unicode, through whichever door it comes (§2 L4)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_trio import events as ev
from realtime_trio._core._codec import Codec
from realtime_trio._core._json_shapes import json_object
from realtime_trio._core._local_events import Reading
from realtime_trio._core._unicode import join_surrogates, valid_json, valid_text
from realtime_trio._exceptions import DecodeError
from realtime_trio._processor import EventStreamProcessor
from realtime_trio._replay import note_line, state_line
from tests.wire_strategies import SERVER_ROWS, instances

CODEC = Codec()
HALF = "\ud83d"
OTHER = "\ude00"

ODD_TEXT = st.text(
    st.sampled_from(["a", "é", "\U0001f600", HALF, OTHER, '"', "\\", "\udbff", "\udc00"]),
    max_size=6,
)


def through_every_door(raw: dict[str, Any]) -> ev.ServerEvent:
    """The event that an object is, whichever way it comes."""
    escaped, plain = json.dumps(raw), json.dumps(raw, ensure_ascii=False)
    events = [
        CODEC.decode_text(escaped),
        CODEC.decode_text(escaped.encode()),
        CODEC.decode_text(plain),
        CODEC.decode_mapping(raw),
        CODEC.decode_mapping(json.loads(escaped)),
    ]
    assert all(event == events[0] for event in events)
    return events[0]


@given(ODD_TEXT)
def test_text_is_made_valid_and_nothing_else_of_it_changes(text: str) -> None:
    valid = valid_text(text)
    valid.encode()
    pairs = json.loads(json.dumps(text))  # JSON's readers join the halves of a pair
    assert valid == "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in pairs)
    assert join_surrogates(text) == pairs
    assert valid_text(valid) is valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("", ""),
        (HALF, "\ufffd"),
        (f"a{HALF}b", "a\ufffdb"),
        (HALF + OTHER, "\U0001f600"),
        (OTHER + HALF, "\ufffd\ufffd"),
        (HALF + HALF + OTHER, "\ufffd\U0001f600"),
    ],
)
def test_halves(text: str, valid: str) -> None:
    assert valid_text(text) == valid
    assert valid_json([{text: [text, 1, None]}]) == [{valid: [valid, 1, None]}]


@pytest.mark.parametrize("tag", ["text_delta", "thought_delta"])
@pytest.mark.parametrize(
    ("content", "kept"),
    [(f"a {HALF}", f"a {HALF}"), (OTHER, OTHER), (f"{HALF}{OTHER}", "\U0001f600")],
)
def test_the_wire_event_of_a_delta_keeps_the_half_as_it_came(
    tag: str, content: str, kept: str
) -> None:
    event: Any = through_every_door({"type": tag, "content": content, "role": f"r{HALF}"})
    assert event.content == kept
    assert event.role == "r\ufffd"
    assert through_every_door(json.loads(CODEC.encode(event))) == event
    assert "\\ud83d" in CODEC.encode(event) or kept.isascii() or HALF not in kept
    CODEC.encode(event).encode()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            {"type": "message", "content": f"x{HALF}", "session_id": f"s{HALF}"},
            ev.MessageEvent(content="x\ufffd", session_id="s\ufffd"),
        ),
        (
            {"type": "session_metadata_changed", "meta": {HALF: [{"k": OTHER}], "e": HALF + OTHER}},
            ev.SessionMetadataChangedEvent(
                meta={"\ufffd": [{"k": "\ufffd"}], "e": "\U0001f600"}
            ),
        ),
        (
            {"type": "tool_call", "active": True,
             "tool_calls": [{"id": "a", "name": HALF, "input": {"q": HALF}}]},
            ev.ToolCallEvent(
                active=True,
                tool_calls=(ev.ToolCall(id="a", name="\ufffd", input={"q": "\ufffd"}),),
            ),
        ),
        (
            {"type": "tool_call", "active": False,
             "tool_results": [{"tool_use_id": "a", "content": [{"type": "text", "text": HALF}]}]},
            ev.ToolCallEvent(
                active=False, tool_results=(ev.ToolResult(tool_use_id="a", content="\ufffd"),)
            ),
        ),
        (
            {"type": f"new_{HALF}", "content": HALF},
            ev.UnknownEvent(
                tag="new_\ufffd", payload={"type": "new_\ufffd", "content": "\ufffd"}
            ),
        ),
    ],
    ids=lambda value: ascii(value)[:50],
)  # fmt: skip
def test_a_half_becomes_the_replacement_character(
    raw: dict[str, Any], expected: ev.ServerEvent
) -> None:
    event = through_every_door(raw)
    assert event == expected
    CODEC.encode(event).encode()


@pytest.mark.parametrize("tag", [[], {}, None, 5, True])
def test_a_type_that_is_no_text_is_refused_whatever_stands_beside_it(tag: object) -> None:
    raw = {"type": tag, "content": HALF}
    with pytest.raises(DecodeError) as framed:
        CODEC.decode_text(json.dumps(raw))
    with pytest.raises(DecodeError) as mapped:
        CODEC.decode_mapping(raw)
    assert framed.value.path == mapped.value.path == "$.type"


@pytest.mark.parametrize("half", ["\\ud83d", "\\uD83D", "\\ude00", "\\uDBFF"])
def test_a_half_in_arguments_that_are_json_text(half: str) -> None:
    arguments = f'{{"a{half}": ["x {half}", "\\ud83d\\ude00"]}}'
    assert json_object(arguments) == {"a\ufffd": ["x \ufffd", "\U0001f600"]}
    event: Any = through_every_door(
        {"type": "tool_call", "active": True,
         "tool_calls": [{"id": "a", "name": "n", "arguments": arguments}]}
    )  # fmt: skip
    assert event.tool_calls[0].input == {"a\ufffd": ["x \ufffd", "\U0001f600"]}


def _halved(value: Any, data: st.DataObject) -> Any:
    """A JSON value with halves in some of its texts, and in the names of fields more."""
    if isinstance(value, str):
        return value + data.draw(ODD_TEXT) if data.draw(st.booleans()) else value
    if isinstance(value, dict):
        more = {f"x{HALF}": value} if data.draw(st.booleans()) else {}
        return {name: _halved(inner, data) for name, inner in value.items()} | more
    if isinstance(value, list):
        return [_halved(item, data) for item in value]
    return value


@pytest.mark.parametrize("row", SERVER_ROWS, ids=lambda row: row.type)
@settings(max_examples=15)
@given(data=st.data())
def test_no_half_costs_an_event_anything_else(row: ev.Row, data: st.DataObject) -> None:
    raw = json.loads(CODEC.encode(data.draw(instances(row.cls))))
    if row.type == "audio_delta":  # base64 has no such text
        del raw["content"]
    fields = {
        name: value if name == "type" else _halved(value, data) for name, value in raw.items()
    }
    if row.type == "audio_delta":
        fields["content"] = ""
    event = through_every_door(fields)
    assert type(event) is row.cls
    if row.type not in ("text_delta", "thought_delta"):
        assert event == CODEC.decode_mapping(valid_json(fields))
    assert not isinstance(CODEC.read_mapping(fields), Reading)
    CODEC.encode(event).encode()
    assert CODEC.decode_text(CODEC.encode(event)) == event


def test_what_was_accepted_can_be_written() -> None:
    processor = EventStreamProcessor()
    history = [
        {"role": "user", "content": f"cut {HALF}"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": HALF, "name": "n",
                                           "input": {HALF: HALF}}]},
    ]  # fmt: skip
    session = {"session_id": "s", "messages": history, "metadata": {HALF: HALF}}
    notes = processor.process_frame(
        json.dumps({"type": "chat_session_changed", "chat_session": session})
    )
    assert "processing-error" not in [note.name for note in notes]
    for note in notes:
        note_line(0, note)
    state_line(processor.state)
    assert len(processor.state.sessions["s"].messages) == 2


@pytest.mark.parametrize("frame", [b'{"type":"error","message":"\xed\xa0\xbd"}', b"\xff"])
def test_bytes_that_are_not_utf_8_are_an_error(frame: bytes) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode_text(frame)


def test_large_integers_cost_only_who_holds_them() -> None:
    digits = "1" * 10_000
    event = CODEC.decode_text(f'{{"type":"error","message":"x","n":{digits}}}')
    assert event == ev.ErrorEvent(message="x")
    assert CODEC.decode_mapping({"type": "error", "message": "x", "n": 10**10_000}) == event
    unknown = CODEC.decode_text(f'{{"type":"new","n":{digits}}}')
    assert unknown == CODEC.decode_mapping({"type": "new", "n": 10**10_000})
    assert json.loads(CODEC.encode(unknown)) == {"type": "new", "n": None}
