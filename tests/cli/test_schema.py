"""``_schema``: the catalogue as JSON Schema and AsyncAPI, and its frozen copy."""

from __future__ import annotations

import copy
import json
from typing import Any, Literal

import attrs
import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_trio import events as ev
from realtime_trio._core._codec import Codec
from realtime_trio._core._local_events import Reading
from realtime_trio._exceptions import DecodeError
from realtime_trio._schema import DIALECT, asyncapi, event_schema, event_schemas
from tests.cli.command import DATA
from tests.cli.schema_rules import ADVICE, REFRESH, Schema, incompatibilities
from tests.wire_strategies import instances

SCHEMAS: Schema = event_schemas()
FROZEN: Schema = json.loads((DATA / "schemas.json").read_text())
ROWS = list(ev.REGISTRY)


def valid(tag: str, value: object) -> bool:
    return bool(jsonschema.Draft202012Validator(SCHEMAS[tag]).is_valid(value))


# -- the frozen copy -----------------------------------------------------------------------


def test_old_recordings_stay_readable() -> None:
    problems = incompatibilities(FROZEN, SCHEMAS)
    assert not problems, ADVICE.format(problems="\n".join(f"  {each}" for each in problems))


def test_the_frozen_copy_is_up_to_date() -> None:
    assert json.loads(json.dumps(SCHEMAS)) == FROZEN, REFRESH


def changed(change: Any) -> list[str]:
    new = copy.deepcopy(FROZEN)
    change(new)
    return incompatibilities(FROZEN, new)


BREAKING: dict[str, Any] = {
    "a type is gone": lambda s: s.pop("cancelled"),
    "a field is gone": lambda s: s["text_delta"]["properties"].pop("format"),
    "a field is required": lambda s: s["text_delta"]["required"].append("format"),
    "a type is narrowed": lambda s: s["error"]["properties"]["source"].update(type="string"),
    "a type is another": lambda s: s["error"]["properties"]["message"].update(type="integer"),
    "a choice is gone": lambda s: s["set_voice_input_mode"]["properties"]["mode"]["enum"].pop(),
    "an alias is gone": lambda s: s["openai_user_message"]["properties"]["type"]["enum"].pop(),
    "a record's field": lambda s: s["voice_list"]["$defs"]["Voice"]["properties"].pop("vendor"),
    "a record requires": lambda s: s["voice_list"]["$defs"]["Voice"]["required"].append("vendor"),
    "free form is narrowed": lambda s: s["text_delta"]["properties"].update(id={"type": "string"}),
    "an item is another": lambda s: s["voice_input_supported"]["properties"]["modes"].update(
        items={"type": "integer"}
    ),
}
COMPATIBLE: dict[str, Any] = {
    "a new type": lambda s: s.update(
        new_event={"type": "object", "properties": {}, "required": []}
    ),
    "a new optional field": lambda s: s["text_delta"]["properties"].update(x={"type": "string"}),
    "a field may be null": lambda s: s["error"]["properties"]["message"].update(
        type=["string", "null"]
    ),
    "a field may be left out": lambda s: s["text_delta"]["required"].remove("content"),
    "a new choice": lambda s: s["set_voice_input_mode"]["properties"]["mode"]["enum"].append("x"),
    "any word for some": lambda s: s["set_voice_input_mode"]["properties"].update(
        mode={"type": "string"}
    ),
    "an integer may be any number": lambda s: s["interaction"]["properties"].update(id={}),
    "nothing": lambda s: None,
}


@pytest.mark.parametrize("name", BREAKING)
def test_a_breaking_change_is_noticed(name: str) -> None:
    assert len(changed(BREAKING[name])) == 1


@pytest.mark.parametrize("name", COMPATIBLE)
def test_a_compatible_change_is_allowed(name: str) -> None:
    assert changed(COMPATIBLE[name]) == []


# -- the schemas ---------------------------------------------------------------------------


def test_every_type_of_the_registry_has_a_schema() -> None:
    assert list(SCHEMAS) == [row.type for row in ROWS]


@pytest.mark.parametrize("tag", SCHEMAS)
def test_each_schema_is_valid(tag: str) -> None:
    schema = SCHEMAS[tag]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == DIALECT
    assert schema["description"]
    text = json.dumps(schema)
    for name in schema.get("$defs", {}):
        assert f'"#/$defs/{name}"' in text


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.type)
@given(data=st.data())
@settings(max_examples=15)
def test_output_of_the_codec_is_valid(row: ev.Row, data: st.DataObject) -> None:
    value = Codec().to_mapping(data.draw(instances(row.cls)))
    jsonschema.Draft202012Validator(SCHEMAS[row.type]).validate(json.loads(json.dumps(value)))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.type)
def test_required_fields_are_those_without_a_default(row: ev.Row) -> None:
    cls: Any = row.cls
    required = {field.name for field in attrs.fields(cls) if field.default is attrs.NOTHING}
    stated = set(event_schema(row)["required"])  # type: ignore[call-overload]
    assert stated - {"type"} == required


def call(**fields: object) -> dict[str, object]:
    calls = [{"id": "a", **fields}]
    return {
        "type": "tool_select_delta",
        "session_id": "s",
        "role": "assistant",
        "tool_calls": calls,
    }


@pytest.mark.parametrize(
    "value",
    [
        call(name="x", input={}),
        call(name="x", input="{}"),
        call(name="x", arguments="{}"),
        call(type="function", function={"name": "x", "arguments": "{}"}),
        call(name="x"),
        call(name=5, input={}),
        call(input={}),
        call(name="x", input=5),
        {"type": "voice_list", "voices": [{"voice_id": "v", "vendor": None}]},
        {"type": "voice_list", "voices": [{"vendor": "x"}]},
        {"type": "cancelled", "extra": 1},
        {"type": "text_delta", "content": "hi"},
        {"type": "text_delta", "content": "hi", "session_id": 5, "role": None},
        {"type": "text_delta", "content": "hi", "session_id": 5.5},
        {"type": "chat_session_changed", "chat_session": {"session_id": ""}},
        {"type": "chat_session_changed", "chat_session": {"session_id": "s", "created_at": 1.5}},
        {"type": "chat_session_changed", "chat_session": {"session_id": "s", "created_at": []}},
        {"type": "chat_session_changed", "chat_session": {"session_id": "s", "version": 2.0}},
        {"type": "voice_input_supported", "modes": ["telepathy"]},
        {"type": "voice_input_supported", "modes": [3]},
        {"type": "system_message", "content": "x", "severity": "critical"},
        {
            "type": "tool_call",
            "active": True,
            "tool_results": [{"tool_use_id": "a", "is_error": 1}],
        },
        {"type": "open_a_i_user_message", "session_id": "s", "role": "user", "message": {}},
        {"type": "text_delta", "session_id": "s", "role": "assistant", "content": None},
        {
            "type": "completion",
            "session_id": "s",
            "role": "r",
            "running": 1,
            "completion_options": {},
        },
    ],
)
def test_a_schema_accepts_what_the_codec_accepts(value: dict[str, Any]) -> None:
    try:
        taken = not isinstance(Codec().read_mapping(value), Reading)
    except DecodeError:
        taken = False
    row = ev.REGISTRY.server_row(value["type"])
    assert row is not None
    assert valid(row.type, value) is taken


def test_accepts_both_names_of_a_field() -> None:
    media = {"type": "render_media"}
    assert valid("render_media", media)
    for name in ("content_type", "content-type"):
        assert valid("render_media", {**media, name: "text/html"})
        assert not valid("render_media", {**media, name: 5})


def test_custom_events_are_in_the_catalogue() -> None:
    @ev.event("render_chart", lanes=ev.Lane.TEXT)
    class RenderChartEvent(ev.SessionEvent):
        """A chart."""

        series: list[float]
        notes: tuple[str, ...] | None = None
        kind: Literal["bar"] | str = "bar"

    row = ev.REGISTRY.row_of(RenderChartEvent)
    try:
        schema: Any = event_schema(row)
    finally:
        ev.REGISTRY.remove(row)
    assert schema["properties"]["series"] == {"type": "array", "items": {"type": "number"}}
    assert schema["properties"]["notes"] == {"type": ["array", "null"], "items": {"type": "string"}}
    assert schema["properties"]["kind"]["examples"] == ["bar"]
    assert "$defs" not in schema


def test_a_field_that_json_cannot_describe_is_named() -> None:
    @ev.frozen
    class OddEvent(ev.ServerEvent):
        """Odd."""

        field: complex

    with pytest.raises(TypeError, match="complex"):
        event_schema(ev.Row("odd", OddEvent, (ev.Lane.TEXT,)))


# -- AsyncAPI ------------------------------------------------------------------------------


def test_asyncapi_names_each_message_once_and_has_no_dead_references() -> None:
    document: Any = asyncapi("1.2.3")
    assert document["asyncapi"] == "3.0.0"
    assert document["info"]["version"] == "1.2.3"
    messages = document["components"]["messages"]
    channel = document["channels"]["realtime"]["messages"]
    assert list(messages) == list(channel) == list(SCHEMAS)
    received, sent = (
        {each["$ref"].rsplit("/", 1)[1] for each in document["operations"][name]["messages"]}
        for name in ("receiveEvents", "sendCommands")
    )
    assert received | sent == set(SCHEMAS)
    assert received & sent == {"ping", "pong", "delete_chat_session"}
    for name, message in messages.items():
        assert message["payload"]["schema"] == SCHEMAS[name]
