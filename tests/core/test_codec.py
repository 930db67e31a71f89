"""The codec: two decoders that agree, round trips, and errors that name the place."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio import events as ev
from realtime_trio._core._codec import Codec
from realtime_trio._core._converter import explain
from realtime_trio._core._depth import MAX_DEPTH
from realtime_trio._core._fast_decoder import DELTAS, Delta, fast_decoders
from realtime_trio._core._local_events import Reading
from realtime_trio._exceptions import DecodeError
from realtime_trio._processor import EventStreamProcessor
from tests.wire_strategies import CLIENT_ROWS, JSON, SERVER_ROWS, TEXT, instances

CODEC = Codec()
DELTA: dict[str, Any] = {
    "type": "text_delta",
    "session_id": "s",
    "role": "assistant",
    "content": "hi",
}


def plain(raw: dict[str, Any]) -> ev.ServerEvent | tuple[str | None, str, str, str]:
    """Return the converter's result for an object: an event or the error."""
    try:
        return CODEC.decode_mapping(raw)
    except DecodeError as exc:
        return (exc.event_type, exc.path, exc.expected, exc.got)


def framed(frame: str | bytes) -> ev.ServerEvent | tuple[str | None, str, str, str]:
    """Return the result for a frame."""
    try:
        return CODEC.decode_text(frame)
    except DecodeError as exc:
        return (exc.event_type, exc.path, exc.expected, exc.got)


# -- round trips ---------------------------------------------------------------------------


@pytest.mark.parametrize("row", SERVER_ROWS, ids=lambda row: row.type)
@given(data=st.data())
def test_every_server_event_survives_its_own_json(row: ev.Row, data: st.DataObject) -> None:
    event = data.draw(instances(row.cls))
    text = CODEC.encode(event)
    assert CODEC.decode_text(text) == event
    assert CODEC.decode_text(text.encode()) == event
    assert CODEC.decode_mapping(json.loads(text)) == event


@pytest.mark.parametrize("row", CLIENT_ROWS, ids=lambda row: row.type)
@given(data=st.data())
def test_every_client_event_survives_its_own_json(row: ev.Row, data: st.DataObject) -> None:
    event = data.draw(instances(row.cls))
    assert CODEC.decode_command(json.loads(CODEC.encode(event))) == event


def test_null_fields_of_client_events_are_omitted() -> None:
    assert json.loads(CODEC.encode(ev.NewChatSessionEvent())) == {"type": "new_chat_session"}
    assert json.loads(CODEC.encode(ev.PingEvent())) == {"type": "ping"}
    assert CODEC.to_mapping(ev.DeleteChatSessionEvent()) == {"type": "delete_chat_session"}


def test_an_unknown_event_keeps_its_payload() -> None:
    raw = {"type": "future_event", "a": [1, {"b": None}]}
    event = CODEC.decode_mapping(raw)
    assert event == ev.UnknownEvent(tag="future_event", payload=raw)
    assert CODEC.to_mapping(event) == raw
    assert "future" in repr(event)
    assert "'b'" not in repr(event)


def test_an_unknown_command_is_refused() -> None:
    with pytest.raises(DecodeError, match=r"\$\.type"):
        CODEC.decode_command({"type": "text_delta"})
    with pytest.raises(DecodeError, match=r"\$\.type"):
        CODEC.decode_command({"type": 3})


# -- the two decoders agree --------------------------------------------------------------------

MUTATIONS = st.sampled_from(["drop", "replace", "add", "null"])


DECODE, READERS = fast_decoders()
FAST = sorted(
    {delta.type for delta in DELTAS} | {str(form.__struct_config__.tag) for form in READERS}
)


def fast_alone(text: str) -> ev.ServerEvent | None:
    """Return the fast decoder's result, or ``None`` if it leaves the frame to the converter."""
    try:
        form = DECODE(text)
        return form.event() if isinstance(form, Delta) else READERS[type(form)](form)
    except ValueError:
        return None


@pytest.mark.parametrize("tag", FAST)
@given(data=st.data())
def test_the_fast_decoder_accepts_only_what_the_converter_accepts(
    tag: str, data: st.DataObject
) -> None:
    """For valid and for broken events."""
    row = ev.REGISTRY.server_row(tag)
    assert row is not None
    raw = json.loads(CODEC.encode(data.draw(instances(row.cls))))
    for _ in range(data.draw(st.integers(0, 2))):
        _mutate(raw, data)
    text = json.dumps(raw)
    fast = fast_alone(text)
    if fast is not None:
        assert type(fast) is row.cls
        assert plain(raw) == fast


@pytest.mark.parametrize("tag", FAST)
@given(data=st.data())
def test_the_fast_decoder_accepts_every_valid_event(tag: str, data: st.DataObject) -> None:
    row = ev.REGISTRY.server_row(tag)
    assert row is not None
    event = data.draw(instances(row.cls))
    assert fast_alone(CODEC.encode(event)) == event


@pytest.mark.parametrize("other", ["error", "ping", "thought_delta", "nobody_knows", 3, None])
def test_with_two_types_the_last_counts_in_both_decoders(other: Any) -> None:
    text = json.dumps(DELTA)
    for frame in (
        f'{text[:-1]}, "type": {json.dumps(other)}}}',
        f'{{"type": {json.dumps(other)}, {text[1:]}',
        f'{text[:-1]}, "t\\u0079pe": {json.dumps(other)}}}',
    ):
        assert framed(frame) == framed(frame.encode()) == plain(json.loads(frame))


def _mutate(raw: dict[str, Any], data: st.DataObject) -> None:
    names = sorted(set(raw) - {"type"})
    kind = data.draw(MUTATIONS)
    if kind == "add":
        raw[data.draw(TEXT.filter(lambda name: name != "type"))] = data.draw(JSON)
    elif names:
        name = data.draw(st.sampled_from(names))
        if kind == "drop":
            del raw[name]
        else:
            raw[name] = None if kind == "null" else data.draw(JSON)


@given(data=st.data())
def test_a_frame_and_its_object_have_the_same_result(data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(SERVER_ROWS))
    raw = json.loads(CODEC.encode(data.draw(instances(row.cls))))
    for _ in range(data.draw(st.integers(0, 2))):
        _mutate(raw, data)
    text = json.dumps(raw)
    assert framed(text) == framed(text.encode()) == plain(json.loads(text))


# -- refusals ------------------------------------------------------------------------------

DEEP_OK: Any = None
for _ in range(200):
    DEEP_OK = [DEEP_OK]
TOO_DEEP: Any = None
for _ in range(MAX_DEPTH + 10):
    TOO_DEEP = [TOO_DEEP]

TOOL = {"type": "tool_call", "session_id": "s", "role": "assistant", "active": True}
REFUSED: list[tuple[dict[str, Any], tuple[str | None, str, str, str]]] = [
    ({}, (None, "$.type", "string", "nothing")),
    ({"type": None}, (None, "$.type", "string", "null")),
    ({"type": 7}, (None, "$.type", "string", "integer")),
    ({**DELTA, "content": None}, ("text_delta", "$.content", "string", "null")),
    ({**DELTA, "content": 1.5}, ("text_delta", "$.content", "string", "number")),
    ({"type": "text_delta"}, ("text_delta", "$.content", "string", "nothing")),
    ({**DELTA, "session_id": []}, ("text_delta", "$.session_id", "string", "array")),
    ({**DELTA, "session_id": True}, ("text_delta", "$.session_id", "string", "boolean")),
    ({"type": "error", "message": {"a": 1}}, ("error", "$.message", "string", "object")),
    ({"type": "agent_list", "agents": "x"}, ("agent_list", "$.agents", "array", "string")),
    ({"type": "agent_list"}, ("agent_list", "$.agents", "array", "nothing")),
    ({"type": "chat_user_data", "user": 3}, ("chat_user_data", "$.user", "object", "integer")),
    (
        {"type": "agent_voice_changed", "voice": {"vendor": "x"}},
        ("agent_voice_changed", "$.voice.voice_id", "string", "nothing"),
    ),
    (
        {"type": "chat_session_changed", "chat_session": [1]},
        ("chat_session_changed", "$.chat_session", "object", "array"),
    ),
    (
        {"type": "chat_session_changed", "chat_session": {"session_id": ""}},
        (
            "chat_session_changed",
            "$.chat_session.session_id",
            "a string that is not empty",
            "an empty string",
        ),
    ),
    ({**TOOL, "active": 1}, ("tool_call", "$.active", "boolean", "integer")),
    (
        {"type": "session_metadata_changed", "meta": {"a": [10**400]}},
        ("session_metadata_changed", "$.meta.a[0]", "an integer of 64 bits", "a larger one"),
    ),
    (
        {"type": "audio_delta", "session_id": "s", "role": "a", "content": "no base64!"},
        ("audio_delta", "$.content", "base64", "other text"),
    ),
]


@pytest.mark.parametrize(("raw", "why"), REFUSED, ids=lambda value: str(value)[:60])
def test_an_error_names_type_place_expected_and_actual(
    raw: dict[str, Any], why: tuple[str | None, str, str, str]
) -> None:
    assert plain(raw) == why
    assert framed(json.dumps(raw)) == why


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b"", "a JSON object"),
        (b"hello", "a JSON object"),
        (b"[1]", "object"),
        (b"null", "object"),
        (b'{"type": "ping", "x": NaN}', "a JSON object"),
        (b'{"type": "ping", "x": Infinity}', "a JSON object"),
        (b'{"type": "session_metadata_changed", "meta": {"x": Infinity}}', "a JSON object"),
        (b'{"type": "ping", "x": 1e999, "y": NaN}', "a JSON object"),
        (b'{"type": "error", "message": "\\ud80"}', "a JSON object"),
        (b'{"type": "error", "message": "\\ud800', "a JSON object"),
        (b'{"type": "ping", "x": "\xff"}', "UTF-8"),
        (b'{"type": "ping"', "a JSON object"),
        ("[" * 100_000, "a JSON object"),
        ("[" * 600 + "]" * 600, "object"),
        ('{"type": "ping", "x": ' + "[" * 600 + "}", "a JSON object"),
        (b'{"type": "error", "message": "\xed\xa0\xbd"}', "UTF-8"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_other_json_than_an_object_is_refused(frame: str | bytes, expected: str) -> None:
    with pytest.raises(DecodeError) as caught:
        CODEC.decode_text(frame)
    assert caught.value.expected == expected
    assert caught.value.event_type is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"type": "ping", "x": float("nan")}, "a number"),
        ({"type": "ping", "x": {1: 2}}, "names that are strings"),
        ({"type": "ping", "x": {1, 2}}, "a JSON value"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_values_that_json_cannot_express_are_refused(raw: dict[str, Any], expected: str) -> None:
    with pytest.raises(DecodeError) as caught:
        CODEC.decode_mapping(raw)
    assert caught.value.expected == expected
    assert caught.value.event_type == "ping"


def test_a_fault_among_valid_values_is_found() -> None:
    with pytest.raises(DecodeError) as caught:
        CODEC.decode_mapping(
            {"type": "session_metadata_changed", "meta": {"x": [2**70, 1, 1.5, "x", None]}}
        )
    assert caught.value.path == "$.meta.x[0]"


def test_a_number_too_large_for_a_float_affects_only_its_field() -> None:
    assert framed('{"type": "ping", "x": 1e999}') == ev.PingEvent()
    assert framed('{"type": "server_listening", "x": 1e999}') == ev.ServerListeningEvent()
    held = framed('{"type": "session_metadata_changed", "meta": {"x": 1e999}}')
    assert held == (
        "session_metadata_changed",
        "$.meta.x",
        "a finite number",
        "one that is not",
    )


def nested(levels: int) -> Any:
    value: Any = "deep"
    for n in range(levels):
        value = {"x": value} if n % 2 else [value]
    return value


DEEP = nested(400)


@pytest.mark.parametrize("levels", [MAX_DEPTH, 400, 100_000])
@pytest.mark.parametrize(
    "head", ['{"type": "ping", "x": ', '{"type": "error", "message": "m", "y": ']
)
def test_depth_in_an_unknown_field_has_no_effect(head: str, levels: int) -> None:
    frame = head + "[" * levels + '"]", 1' + "]" * levels + "}"
    assert framed(frame) == framed(head + "1}")


@pytest.mark.parametrize(
    ("event", "shown", "path"),
    [
        (
            {"type": "chat_session_changed", "chat_session": {"session_id": "s", "metadata": DEEP}},
            {"type": "chat_session_changed", "chat_session": {"session_id": "s"}},
            "$.chat_session.metadata",
        ),
        (
            {"type": "completion", "running": True, "completion_options": {"x": DEEP}},
            {"type": "completion", "running": True},
            "$.completion_options",
        ),
        (
            {"type": "error", "message": "m", "source": DEEP},
            {"type": "error", "message": "m"},
            "$.source",
        ),
        (
            {
                "type": "tool_call",
                "active": True,
                "tool_calls": [{"id": "t", "name": "n", "input": {"x": DEEP}}],
            },
            {
                "type": "tool_call",
                "active": True,
                "tool_calls": [{"id": "t", "name": "n", "input": {}}],
            },
            "$.tool_calls[].input",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_field_nested_too_deep_takes_its_default(
    event: dict[str, Any], shown: dict[str, Any], path: str
) -> None:
    expected = plain(shown)
    for reading in (Codec().read(json.dumps(event)), Codec().read_mapping(event)):
        assert isinstance(reading, Reading)
        assert reading.skipped == (path,)
        assert reading.event == expected


@pytest.mark.parametrize(
    "event",
    [
        {"type": "session_metadata_changed", "meta": {"x": DEEP}},
        {"type": "workspace_added", "entry": {"x": DEEP}},
        {"type": "error", "message": DEEP},
    ],
    ids=lambda event: str(event["type"]),
)
def test_depth_in_a_required_field_is_an_error(event: dict[str, Any]) -> None:
    for refusal in (framed(json.dumps(event)), plain(event)):
        assert isinstance(refusal, tuple)
        assert refusal[0] == event["type"]


def test_depth_in_one_field_keeps_the_others() -> None:
    whole = {"a": [1, "x", {"b": None}], "c": {}}
    event = {
        "type": "avatar_connection_changed",
        "avatar_session_request": {"x": DEEP},
        "avatar_session": whole,
    }
    for reading in (Codec().read(json.dumps(event)), Codec().read_mapping(event)):
        assert isinstance(reading, Reading)
        assert isinstance(reading.event, ev.AvatarConnectionChangedEvent)
        assert reading.event.avatar_session_request is None
        assert reading.event.avatar_session == whole
        assert reading.skipped == ("$.avatar_session_request",)


def test_depth_in_a_history_affects_only_the_nested_value() -> None:
    messages = [{"role": "user", "content": "kept"}, {"role": "user", "content": [DEEP]}]
    event = {
        "type": "chat_session_changed",
        "chat_session": {"session_id": "s", "messages": messages},
    }
    for reading in (Codec().read(json.dumps(event)), Codec().read_mapping(event)):
        assert isinstance(reading, Reading)
        assert isinstance(reading.event, ev.ChatSessionChangedEvent)
        assert reading.event.chat_session is not None
        assert len(reading.event.chat_session.messages) == 2
        assert reading.skipped == ("$.chat_session.messages[]",)


def test_large_and_deep_events_that_are_well_formed_apply() -> None:
    big = {**DELTA, "content": "x" * (10 << 20)}
    assert framed(json.dumps(big)) == plain(big)
    deep = {"type": "session_metadata_changed", "meta": {"x": DEEP_OK, "y": "\u00e9" * 400}}
    assert framed(json.dumps(deep).encode()) == plain(deep)
    assert isinstance(plain(deep), ev.SessionMetadataChangedEvent)
    brackets = {**DELTA, "content": "[" * 2000 + "\\" + '"' + "{" * 2000}
    assert framed(json.dumps(brackets)) == plain(brackets)


@pytest.mark.parametrize(
    "filler",
    ['"', '\\"', "\\", '"\\', "[", '["', '[\\"', '"a', '\\"\\'],
)
def test_the_check_of_depth_never_backtracks(filler: str) -> None:
    """A quadratic scan of a text of this size would not end in the time of a test."""
    for head in ("", "[" * 300, '{"type": "ping", "x": "' + "{" * 300):
        frame = head + filler * (2**20 // len(filler))
        with pytest.raises(DecodeError):
            CODEC.decode_text(frame)


def test_a_malformed_event_affects_one_event_and_shows_no_payload() -> None:
    processor = EventStreamProcessor()
    for raw, _ in REFUSED:
        secret = {**raw, "password_hash": "hunter2"}
        for notes in (
            processor.process_event(secret),
            processor.process_frame(json.dumps(secret)),
        ):
            assert [note.name for note in notes] == ["processing-error"]
            assert "hunter2" not in repr(notes)
    notes = processor.process_event(DELTA)
    assert [note.name for note in notes] == ["message-streaming"]
    assert processor.state.counters.malformed == 2 * len(REFUSED)
    assert processor.state.counters.events == 2 * len(REFUSED) + 1


# -- variants that real servers send -----------------------------------------------------


def test_unknown_fields_are_ignored_and_secrets_never_kept() -> None:
    raw = {"type": "chat_user_data", "user": {"user_id": "u", "password_hash": "hunter2"}}
    event = CODEC.decode_mapping(raw)
    assert isinstance(event, ev.ChatUserDataEvent)
    assert "hunter2" not in repr(event)
    assert "hunter2" not in CODEC.encode(event)


def test_null_is_the_default_in_fields_that_do_not_identify_a_record() -> None:
    event = CODEC.decode_mapping(
        {"type": "voice_list", "voices": [{"voice_id": "v", "vendor": None, "description": None}]}
    )
    assert event == ev.VoiceListEvent(voices=(ev.Voice(voice_id="v"),))


def test_other_spellings_are_accepted() -> None:
    agents = CODEC.decode_mapping(
        {"type": "agent_list", "agents": [{"key": "k", "toolsets": ["t"]}]}
    )
    assert agents == ev.AgentListEvent(agents=(ev.AgentCatalogEntry(key="k", tools=("t",)),))
    schema = {"type": "object"}
    tools = CODEC.decode_mapping(
        {"type": "tool_catalog", "tools": [{"name": "n", "schemas": schema}]}
    )
    assert tools == ev.ToolCatalogEvent(tools=(ev.Tool(name="n", schemas=(schema,)),))
    media = {"type": "render_media", "session_id": "s", "role": "tool", "foreign_content": False}
    for name in ("content_type", "content-type"):
        event = CODEC.decode_mapping({**media, name: "text/html"})
        assert isinstance(event, ev.RenderMediaEvent)
        assert event.content_type == "text/html"
    for tag in ("openai_user_message", "open_a_i_user_message", "open_ai_user_message"):
        raw = {"type": tag, "session_id": "s", "role": "user", "message": {"content": "x"}}
        assert CODEC.decode_mapping(raw).type == "openai_user_message"


def test_a_given_mapping_is_not_shared() -> None:
    meta = {"a": [1]}
    event = CODEC.decode_mapping({"type": "session_metadata_changed", "meta": meta})
    meta["a"].append(2)
    assert event == ev.SessionMetadataChangedEvent(meta={"a": [1]})


# -- custom types --------------------------------------------------------------------


@attrs.frozen
class Point:
    """A nested class."""

    x: float
    y: float = 0.0


def test_a_custom_type_is_decoded_by_its_annotations() -> None:
    @ev.event("render_points", lanes=ev.Lane.TEXT, aliases=("points",))
    class RenderPointsEvent(ev.SessionEvent):
        points: list[Point]
        label: str | None = None

    row = ev.REGISTRY.row_of(RenderPointsEvent)
    try:
        raw = {
            "type": "points",
            "session_id": "s",
            "role": "a",
            "points": [{"x": 1}, {"x": 2.5, "y": 3}],
        }
        event: Any = CODEC.decode_mapping(raw)
        assert event == RenderPointsEvent(
            session_id="s", role="a", points=[Point(1.0), Point(2.5, 3.0)]
        )
        assert CODEC.decode_text(CODEC.encode(event)) == event
        assert plain({**raw, "points": [{"x": "1"}, {"x": 2}]}) == attrs.evolve(
            event, points=[Point(2.0)]
        )
        assert plain({**raw, "points": 3}) == ("points", "$.points", "array", "integer")
    finally:
        ev.REGISTRY.remove(row)


def test_a_custom_validator_rejects_like_any_other() -> None:
    @ev.event("picky", lanes=ev.Lane.TEXT)
    class PickyEvent(ev.ServerEvent):
        count: int = attrs.field(validator=attrs.validators.gt(0))

    try:
        assert plain({"type": "picky", "count": 0}) == (
            "picky",
            "$",
            "a valid value",
            "one that is not",
        )
    finally:
        ev.REGISTRY.remove(ev.REGISTRY.row_of(PickyEvent))


def test_a_note_of_a_validator_is_not_a_path() -> None:
    """Any code can add notes; the codec looks for those of cattrs."""

    def explained(*notes: str) -> tuple[str, str, str]:
        error = KeyError("x")
        for note in notes:
            error.add_note(note)
        return explain(error)

    assert explained("by hand") == explained()
