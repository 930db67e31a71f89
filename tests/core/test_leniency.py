"""What servers leave out or get wrong costs its own field, nothing else (protocol.md §2 L1-L3)."""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_trio import events as ev
from realtime_trio._core._codec import Codec
from realtime_trio._core._fast_decoder import Delta
from realtime_trio._core._leniency import SkippedPaths, Tolerated
from realtime_trio._core._local_events import Reading
from realtime_trio._exceptions import DecodeError
from realtime_trio._processor import EventStreamProcessor
from tests.wire_strategies import SERVER_ROWS, instances

CODEC = Codec()

# protocol.md §2 L1, word for word: what is required, by type.
REQUIRED: dict[str, set[str]] = {
    "text_delta": {"content"},
    "thought_delta": {"content"},
    "message": {"content"},
    "system_message": {"content"},
    "audio_delta": {"content"},
    "completion": {"running"},
    "interaction": {"started"},
    "tool_call": {"active"},
    "error": {"message"},
    "chat_user_data": {"user"},
    "ui_session_id_changed": {"ui_session_id"},
    "agent_voice_changed": {"voice"},
    "agent_configuration_changed": {"agent_config"},
    "chat_session_name_changed": {"session_name"},
    "session_metadata_changed": {"meta"},
    "workspace_added": {"entry"},
    "avatar_list": {"avatars"},
    "voice_list": {"voices"},
    "agent_list": {"agents"},
    "tool_catalog": {"tools"},
    "voice_input_supported": {"modes"},
    "workspace_list": {"workspaces"},
    "get_user_sessions_response": {"sessions"},
    "chat_session_added": {"chat_session"},
}
# And the field that identifies a record.
IDENTITY: dict[type, set[str]] = {
    ev.User: {"user_id"},
    ev.AgentCatalogEntry: {"key"},
    ev.AgentConfiguration: {"key"},
    ev.Avatar: {"avatar_id"},
    ev.Voice: {"voice_id"},
    ev.Tool: {"name"},
    ev.ChatSession: {"session_id"},
    ev.ChatSessionIndexEntry: {"session_id"},
    ev.SessionsPage: set(),
    ev.UserRequestData: set(),
}
# §2 L2: the roles that are not "assistant".
ROLES = {
    **dict.fromkeys(("thought_delta", "complete_thought"), "assistant (thought)"),
    **dict.fromkeys(
        ("user_message", "anthropic_user_message", "openai_user_message", "user_request"), "user"
    ),
    **dict.fromkeys(("system_message", "system_prompt", "history", "history_delta"), "system"),
}
# An ill-typed one is an error although it may be missing.
DECISIVE = {"session_id", "chat_session"}

Outcome = tuple[ev.ServerEvent, tuple[str, ...]] | str


def _outcome(read: Any) -> Outcome:
    if isinstance(read, Delta):
        return read.event(), ()
    if isinstance(read, Reading):
        return read.event, read.skipped
    return read, ()


def through_every_door(raw: dict[str, Any]) -> Outcome:
    """What comes of an event: as a frame of bytes, of text and as a mapping alike."""
    text = json.dumps(raw)
    found: list[Outcome] = []
    doors: list[tuple[Callable[[Any], Any], Any]] = [
        (CODEC.read, text),
        (CODEC.read, text.encode()),
        (CODEC.read_mapping, raw),
    ]
    for read, value in doors:
        try:
            found.append(_outcome(read(value)))
        except DecodeError as exc:
            found.append(exc.path)
    assert found[0] == found[1] == found[2]
    return found[0]


def whole(event: ev.ServerEvent) -> dict[str, Any]:
    """The JSON object of an event, every field of it."""
    raw: dict[str, Any] = json.loads(CODEC.encode(event))
    return raw


def default(cls: type[Any], name: str) -> Any:
    """What stands for a field that is missing; ``NOTHING`` where it is required."""
    stands: Any = attrs.fields_dict(cls)[name].default
    return stands.factory() if hasattr(stands, "factory") else stands


# -- values that a field does not take -----------------------------------------------------

_WRONG: dict[str, list[Any]] = {
    "string": ["text"],
    "number": [0, 1, -7, 2.5],
    "boolean": [True, False],
    "array": [[], [1], [{"a": "b"}]],
    "object": [{}, {"a": 1}],
}


def kinds(tp: Any, name: str) -> Iterator[str]:
    """The kinds of JSON values that a field takes."""
    if tp is Any:
        yield from _WRONG
    elif get_origin(tp) in (Union, types.UnionType):
        for each in get_args(tp):
            yield from kinds(each, name)
    elif tp is str or get_origin(tp) is Literal:
        yield "string"
        if name.endswith("session_id") or name in ("created_at", "updated_at"):
            yield "number"
        if name in ("deleted_at", "last_login"):
            yield "number"
    elif tp in (int, float):
        yield "number"
    elif tp is bool:
        yield "boolean"
    elif get_origin(tp) is tuple:
        yield "array"
    elif tp == Mapping[str, Any] or attrs.has(tp):
        yield "object"


def wrong_values(tp: Any, name: str) -> list[Any]:
    """Values that are ill-typed for a field."""
    taken = set(kinds(tp, name))
    if name == "schemas":  # some documents show a mapping
        taken.add("object")
    wrong = [each for kind, values in _WRONG.items() if kind not in taken for each in values]
    if tp in (int, int | None):
        wrong += [2.5, 10**400]
    if "number" in taken and tp is not Any and tp not in (int, int | None):
        wrong += [True]
    if name.endswith("session_id"):
        wrong += [2.5]
    return wrong


FIELDS = [
    pytest.param(row, field.name, id=f"{row.type}.{field.name}")
    for row in SERVER_ROWS
    for field in attrs.fields(attrs.resolve_types(row.cls))  # type: ignore[type-var, arg-type]
    if field.name != "id" or row.type in ("interaction", "audio_delta")
]


# -- the table -----------------------------------------------------------------------------


@pytest.mark.parametrize("row", SERVER_ROWS, ids=lambda row: row.type)
def test_what_identifies_an_event_is_required_and_nothing_else(row: ev.Row) -> None:
    fields: Any = attrs.fields(row.cls)  # type: ignore[arg-type]
    required = {field.name for field in fields if field.default is attrs.NOTHING}
    assert required == REQUIRED.get(row.type, set())


@pytest.mark.parametrize("cls", IDENTITY, ids=lambda cls: cls.__name__)
def test_what_identifies_a_record_is_required_and_nothing_else(cls: type[Any]) -> None:
    required = {field.name for field in attrs.fields(cls) if field.default is attrs.NOTHING}
    assert required == IDENTITY[cls]


def test_the_defaults_are_those_of_the_protocol() -> None:
    for row in SERVER_ROWS:
        for field in attrs.fields(attrs.resolve_types(row.cls)):  # type: ignore[type-var, arg-type]
            stands = default(row.cls, field.name)
            if field.name == "role":
                assert stands == ROLES.get(row.type, "assistant")
            elif field.name == "vendor" and row.type.endswith("_user_message"):
                assert stands == row.type.partition("_")[0]
            elif field.name in (known := {
                "format": "markdown", "content_type": None, "sub_session_type": "chat",
                "sub_agent_type": "assist", "severity": "error", "foreign_content": False,
                "data": ev.UserRequestData(message=""),
            }):  # fmt: skip
                if field.name == "content_type":
                    assert stands == ("audio/L16" if row.type == "audio_delta" else "text/plain")
                else:
                    assert stands == known[field.name]
            elif field.name == "vendor" and field.type is str:
                assert stands == "none"
            elif stands is not attrs.NOTHING:
                assert stands == ("" if field.type is str else None) or stands in ((), {})


# -- every field of every event ------------------------------------------------------------


@pytest.mark.parametrize(("row", "name"), FIELDS)
@settings(max_examples=4)
@given(data=st.data())
def test_a_field_that_is_missing_null_or_ill_typed_costs_no_other(
    row: ev.Row, name: str, data: st.DataObject
) -> None:
    event: Any = data.draw(instances(row.cls))
    raw = whole(event)
    field = attrs.fields_dict(row.cls)[name]  # type: ignore[arg-type]
    stands = default(row.cls, name)
    required = name in REQUIRED.get(row.type, ())
    missing = through_every_door({key: value for key, value in raw.items() if key != name})
    nulled = through_every_door({**raw, name: None})
    if required:
        assert missing == nulled == f"$.{name}"
    else:
        assert missing == (attrs.evolve(event, **{name: stands}), ())
        assert nulled == missing
    for wrong in wrong_values(field.type, name):
        spoiled = through_every_door({**raw, name: wrong})
        if required or name in DECISIVE:
            assert isinstance(spoiled, str)
            assert spoiled.startswith(f"$.{name}")
        else:
            assert spoiled == (attrs.evolve(event, **{name: stands}), (f"$.{name}",))


RECORDS = {
    ev.User: ("chat_user_data", "user"),
    ev.AgentConfiguration: ("agent_configuration_changed", "agent_config"),
    ev.Voice: ("agent_voice_changed", "voice"),
    ev.ChatSession: ("chat_session_changed", "chat_session"),
    ev.ChatSessionIndexEntry: ("chat_session_added", "chat_session"),
    ev.SessionsPage: ("get_user_sessions_response", "sessions"),
    ev.AgentCatalogEntry: ("agent_list", "agents"),
    ev.Avatar: ("avatar_list", "avatars"),
    ev.Tool: ("tool_catalog", "tools"),
}
RECORD_FIELDS = [
    pytest.param(cls, field.name, id=f"{cls.__name__}.{field.name}")
    for cls in RECORDS
    for field in attrs.fields(attrs.resolve_types(cls))
]


def _only_record(event: Any, place: str) -> Any:
    value = getattr(event, place)
    return value[0] if isinstance(value, tuple) and value else value


@pytest.mark.parametrize(("cls", "name"), RECORD_FIELDS)
@settings(max_examples=4)
@given(data=st.data())
def test_a_field_of_a_record_costs_no_other(cls: type[Any], name: str, data: st.DataObject) -> None:
    tag, place = RECORDS[cls]
    row = ev.REGISTRY.server_row(tag)
    assert row is not None
    record = data.draw(instances(cls))
    in_list = place.endswith("s") and cls is not ev.SessionsPage
    event: Any = row.cls(**{place: (record,) if in_list else record})
    raw = whole(event)
    fields = raw[place][0] if in_list else raw[place]
    step = f"$.{place}[]" if in_list else f"$.{place}"
    stands = default(cls, name)

    def spoil(**change: Any) -> Outcome:
        spoiled = {key: value for key, value in fields.items() if key != name} | change
        return through_every_door({**raw, place: [spoiled] if in_list else spoiled})

    def check(outcome: Outcome, *, faulty: bool) -> None:
        if name in IDENTITY[cls]:
            if in_list:
                assert outcome == (row.cls(**{place: ()}), (step,))
            else:
                assert outcome == f"$.{place}.{name}"
            return
        assert not isinstance(outcome, str)
        skipped = (f"{step}.{name}",) if faulty else ()
        assert outcome[1] == skipped
        assert _only_record(outcome[0], place) == attrs.evolve(record, **{name: stands})

    check(spoil(), faulty=False)
    if type(None) not in get_args(attrs.fields_dict(cls)[name].type):
        check(spoil(**{name: None}), faulty=False)
    for wrong in wrong_values(attrs.fields_dict(cls)[name].type, name):
        check(spoil(**{name: wrong}), faulty=True)


# -- lists ---------------------------------------------------------------------------------

VOICE = {"voice_id": "v"}


@pytest.mark.parametrize(
    ("raw", "expected", "skipped"),
    [
        (
            {"type": "voice_list", "voices": [3, VOICE, {}, {"voice_id": 5}, None]},
            ev.VoiceListEvent(voices=(ev.Voice(voice_id="v"),)),
            ("$.voices[]",),
        ),
        (
            {"type": "agent_list", "agents": [{"key": "k", "tools": ["a", 2, "b"]}]},
            ev.AgentListEvent(agents=(ev.AgentCatalogEntry(key="k", tools=("a", "b")),)),
            ("$.agents[].tools[]",),
        ),
        (
            {"type": "voice_input_supported", "modes": ["ptt", True, "telepathy"]},
            ev.VoiceInputSupportedEvent(modes=("ptt", "telepathy")),
            ("$.modes[]",),
        ),
        (
            {"type": "workspace_list", "workspaces": ["a", {"x": -(10**30), "y": [10**400, {}]}]},
            ev.WorkspaceListEvent(workspaces=({"x": None, "y": [None, {}]},)),
            ("$.workspaces[]",),
        ),
        (
            {"type": "tool_call", "active": True, "tool_calls": [{"id": "a", "name": 3}, 5]},
            ev.ToolCallEvent(active=True, tool_calls=()),
            ("$.tool_calls[]",),
        ),
        (
            {
                "type": "tool_call",
                "active": True,
                "tool_calls": [{"id": "a", "name": "n", "input": 5}],
            },
            ev.ToolCallEvent(active=True, tool_calls=(ev.ToolCall(id="a", name="n", input={}),)),
            ("$.tool_calls[].input",),
        ),
        (
            {
                "type": "tool_select_delta",
                "tool_calls": [{"id": "a", "function": {"name": "n", "arguments": [1]}}],
            },
            ev.ToolSelectDeltaEvent(tool_calls=(ev.ToolCall(id="a", name="n", input={}),)),
            ("$.tool_calls[].function.arguments",),
        ),
        (
            {
                "type": "tool_call",
                "active": False,
                "tool_results": [{"tool_use_id": "a", "is_error": 1}, {"content": "x"}],
            },
            ev.ToolCallEvent(
                active=False, tool_results=(ev.ToolResult(tool_use_id="a", content=""),)
            ),
            ("$.tool_results[].is_error", "$.tool_results[]"),
        ),
        (
            {
                "type": "chat_session_changed",
                "chat_session": {
                    "session_id": "s",
                    "messages": [5, {"role": "user", "n": 10**400}],
                },
            },
            ev.ChatSessionChangedEvent(
                chat_session=ev.ChatSession(
                    session_id="s", messages=(5, {"role": "user", "n": None})
                )
            ),
            ("$.chat_session.messages[]",),
        ),
        (
            {
                "type": "chat_session_changed",
                "chat_session": {"session_id": "s", "agent_config": {}},
            },
            ev.ChatSessionChangedEvent(chat_session=ev.ChatSession(session_id="s")),
            ("$.chat_session.agent_config",),
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_entry_that_cannot_be_read_is_skipped(
    raw: dict[str, Any], expected: ev.ServerEvent, skipped: tuple[str, ...]
) -> None:
    assert through_every_door(raw) == (expected, skipped)


# -- conversions ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "field", "value"),
    [
        ({"type": "completion", "running": False, "output_tokens": 12.0}, "output_tokens", 12),
        ({"type": "text_delta", "content": "x", "session_id": 7}, "session_id", "7"),
        ({"type": "text_delta", "content": "x", "session_id": 7.0}, "session_id", "7"),
        ({"type": "text_delta", "content": "x", "session_id": None}, "session_id", ""),
        ({"type": "text_delta", "content": "x", "session_id": ""}, "session_id", ""),
        ({"type": "text_delta", "content": "x", "user_session_id": -3}, "user_session_id", "-3"),
        ({"type": "message", "content": "", "session_id": 10**30}, "session_id", str(10**30)),
        ({"type": "chat_session_deleted", "session_id": 5}, "session_id", "5"),
        ({"type": "delete_chat_session", "session_id": 5}, "session_id", "5"),
        ({"type": "system_message", "content": "x", "severity": "dire"}, "severity", "dire"),
        ({"type": "subsession_started", "sub_agent_type": "new"}, "sub_agent_type", "new"),
        ({"type": "render_media", "content-type": "a/b"}, "content_type", "a/b"),
        (
            {"type": "render_media", "content_type": None, "content-type": "a/b"},
            "content_type",
            "a/b",
        ),
    ],
    ids=lambda value: str(value)[:70],
)  # fmt: skip
def test_what_can_be_read_is_not_left_out(raw: dict[str, Any], field: str, value: object) -> None:
    outcome = through_every_door(raw)
    assert not isinstance(outcome, str)
    assert outcome[1] == ()
    assert getattr(outcome[0], field) == value
    assert type(getattr(outcome[0], field)) is type(value)


@pytest.mark.parametrize(
    ("sent", "kept", "skipped"),
    [
        (1731000000, "2024-11-07T17:20:00+00:00", False),
        (1731000000.5, "2024-11-07T17:20:00.500000+00:00", False),
        (0, "1970-01-01T00:00:00+00:00", False),
        ("yesterday", "yesterday", False),
        (10**15, None, True),
        (10**400, None, True),
        (True, None, True),
    ],
)
def test_a_time_as_a_number_is_kept_as_iso_text(
    sent: object, kept: str | None, skipped: bool
) -> None:
    for place in ("created_at", "updated_at"):
        outcome = through_every_door(
            {"type": "chat_session_added", "chat_session": {"session_id": "s", place: sent}}
        )
        assert not isinstance(outcome, str)
        assert isinstance(outcome[0], ev.ChatSessionAddedEvent)
        assert getattr(outcome[0].chat_session, place) == kept
        assert bool(outcome[1]) is skipped
    avatar = {"avatar_id": "a", "created_at": sent}
    outcome = through_every_door({"type": "avatar_list", "avatars": [avatar]})
    assert not isinstance(outcome, str)
    assert isinstance(outcome[0], ev.AvatarListEvent)
    assert outcome[0].avatars[0].created_at == kept


@pytest.mark.parametrize("session", [{}, {"session_id": ""}, {"session_id": None}, [], "s", 5])
@pytest.mark.parametrize("tag", ["chat_session_changed", "chat_session_added"])
def test_a_session_without_an_id_is_an_error(tag: str, session: object) -> None:
    assert isinstance(through_every_door({"type": tag, "chat_session": session}), str)


# -- types of one's own --------------------------------------------------------------------


def test_a_type_of_ones_own_is_read_with_the_same_leniency() -> None:
    @ev.event("render_plan", lanes=ev.Lane.TEXT)
    class RenderPlanEvent(ev.SessionEvent):
        steps: tuple[str, ...]
        kind: Literal["rough", "exact"] = "rough"
        count: int = attrs.field(default=1, validator=attrs.validators.gt(0))
        size: float = attrs.field(default=1.0, validator=attrs.validators.gt(0))

    try:
        raw = {"type": "render_plan", "steps": ["a", 5], "kind": "new", "count": -1, "size": 3}
        expected: Any = RenderPlanEvent(steps=("a",), size=3.0)
        assert through_every_door(raw) == (expected, ("$.steps[]", "$.kind", "$.count"))
        assert through_every_door({"type": "render_plan"}) == "$.steps"
    finally:
        ev.REGISTRY.remove(ev.REGISTRY.row_of(RenderPlanEvent))


def test_a_field_without_an_annotation_takes_anything() -> None:
    @ev.event("anything", lanes=ev.Lane.TEXT)
    class AnythingEvent(ev.ServerEvent):
        thing = attrs.field(default=1)

    try:
        outcome = through_every_door({"type": "anything", "thing": [{"a": 5}]})
        expected: Any = AnythingEvent
        assert outcome == (expected(thing=[{"a": 5}]), ())
    finally:
        ev.REGISTRY.remove(ev.REGISTRY.row_of(AnythingEvent))


# -- what becomes of it --------------------------------------------------------------------


def test_what_is_left_out_is_counted_once_and_remembered() -> None:
    processor = EventStreamProcessor()
    spoiled = {"type": "voice_list", "voices": [{}, {"voice_id": "v", "vendor": 5}]}
    for _ in range(2):
        notes = processor.process_event(spoiled)
        assert [note.name for note in notes] == ["voices-updated"]
    processor.process_frame(json.dumps({"type": "agent_configuration_changed",
                                        "agent_config": {"key": "k", "tools": 5}}))  # fmt: skip
    counters = processor.state.counters
    assert (counters.events, counters.tolerated, counters.malformed) == (3, 3, 0)
    assert processor.tolerated == (
        ("voice_list", "$.voices[]"),
        ("voice_list", "$.voices[].vendor"),
        ("agent_configuration_changed", "$.agent_config.tools"),
    )


def test_the_memory_of_what_was_left_out_is_bounded() -> None:
    skipped = SkippedPaths()
    for i in range(1000):
        skipped.add(f".{i}")
    assert len(skipped.paths) == 256
    tolerated = Tolerated()
    event = ev.PingEvent()
    assert len(tolerated.add(Reading(event=event, skipped=tuple(skipped.paths)))) == 256
    assert tolerated.add(Reading(event=event, skipped=("$.more",))) == []
    assert len(list(tolerated)) == 256
