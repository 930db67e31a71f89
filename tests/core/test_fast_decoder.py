"""The shortcuts of the hot path make what the plain constructors make."""

from __future__ import annotations

import json

import attrs
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from realtime_trio import events as ev
from realtime_trio._core._constructors import streaming, tool_notification
from realtime_trio._core._fast_decoder import DELTAS, Delta, fast_decoders
from realtime_trio._core._json_shapes import json_object
from realtime_trio._core._messages import Message, moment
from realtime_trio._core._notifications import MessageStreaming, ToolNotification
from realtime_trio._core._records import Record, SessionDraft
from realtime_trio._core._state import (
    ConversationDraft,
    ConversationRecord,
    SessionState,
    TextSlice,
)
from realtime_trio._core._tool_shapes import normalise_tool_call
from realtime_trio._core._unchecked import unchecked_constructor
from realtime_trio._core._unicode import valid_json
from realtime_trio._core._values import evolve, freeze, thaw
from realtime_trio.events._json import check_json
from tests.wire_strategies import JSON, TEXT, instances

MESSAGE = Message(id="m1", session_id="s", role="assistant", content="x", timestamp=moment(1.5))


@given(TEXT, TEXT, TEXT, TEXT)
def test_a_streaming_note_is_what_its_constructor_makes(a: str, b: str, c: str, d: str) -> None:
    note = streaming(a, b, c, d)
    assert note == MessageStreaming(session_id=a, message_id=b, role=c, delta=d)
    assert hash(note) == hash(attrs.evolve(note))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        note.delta = "other"  # type: ignore[misc]


@given(TEXT, TEXT, TEXT)
def test_a_tool_s_note_is_what_its_constructor_makes(a: str, b: str, c: str) -> None:
    note = tool_notification(
        session_id=a, id=b, tool_name=c, status="executing", arguments={"x": a}
    )
    plain = ToolNotification(
        session_id=a, id=b, tool_name=c, status="executing", arguments={"x": a}
    )
    assert note == plain
    assert type(note) is ToolNotification


@given(instances(ev.ToolCall))
def test_a_tool_call_is_what_its_constructor_makes(call: ev.ToolCall) -> None:
    raw = {name: getattr(call, name) for name in ("id", "name", "input", "type")}
    made = normalise_tool_call(raw)
    assert made == call
    assert type(made) is ev.ToolCall


def _plain_json_object(text: str) -> object:
    """What Python's own reader makes of ``text``, where it is an object."""
    try:
        value = json.loads(text, parse_constant=lambda _: 1 / 0)
        check_json(value)
    except (ValueError, RecursionError, ZeroDivisionError):
        return None
    return valid_json(value) if isinstance(value, dict) else None


ODD_JSON = (
    '{"a": "\\ud800"}', '{"a": "\\ud83d\\ude00"}', '{"a": 1e309}', '{"a": NaN}', '{"a": -0}',
    '{"a": -0.0}', '{"a": 18446744073709551616}', '{"a": 1, "b": 2, "a": 3}', '{"a": 1}x',
    ' {"a": 1}\n', '\ufeff{}', '{"a": "\t"}', '{"a": 01}', '{"a": 1,}', "[1]", "", "{",
    '{"a": "\ud800"}', '{"a": ' + "1" * 5000 + "}", '{"a": 0.1e-400}',
)  # fmt: skip


@example(ODD_JSON)
@given(st.lists(JSON.map(json.dumps) | TEXT).map(tuple))
def test_arguments_are_read_as_python_reads_them(texts: tuple[str, ...]) -> None:
    for text in texts:
        assert repr(json_object(text)) == repr(_plain_json_object(text))


def test_a_struct_with_changes_leaves_the_first_as_it_is() -> None:
    first = TextSlice()
    second = evolve(first, open={"s": object()})
    assert first.open == {}
    assert second != first
    assert evolve(second, open={}, tick=7) == first
    with pytest.raises(TypeError):
        evolve(first, colour="red")


@attrs.frozen(slots=True)
class _Point:
    x: int
    label: str = "p"
    colour: str = attrs.field(default="red", kw_only=True)


def test_an_unchecked_constructor_has_the_parameters_and_defaults_of_the_class() -> None:
    make = unchecked_constructor(_Point)
    assert make(1) == _Point(1)
    assert make(1, "q", colour="blue") == _Point(1, "q", colour="blue")
    assert type(make(1)) is _Point
    with pytest.raises(TypeError, match="x"):
        make()  # type: ignore[call-arg]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(make(1), "x", 2)  # noqa: B010  the checkers know that it is frozen
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        delattr(make(1), "x")


def test_a_class_with_a_default_factory_has_no_unchecked_constructor() -> None:
    with pytest.raises(TypeError, match="SessionState has a default factory"):
        unchecked_constructor(SessionState)


@pytest.mark.parametrize(
    ("frozen", "draft"),
    [(Record(id="s"), SessionDraft), (ConversationRecord(), ConversationDraft)],
    ids=["record", "conversation"],
)
def test_a_draft_is_a_copy_that_can_be_changed_until_it_is_frozen(
    frozen: msgspec.Struct, draft: type[msgspec.Struct]
) -> None:
    cls = type(frozen)
    assert draft.__struct_fields__ == cls.__struct_fields__
    name = cls.__struct_fields__[-1]
    before = getattr(frozen, name)
    copy = thaw(frozen, draft)
    assert type(copy) is draft
    setattr(copy, name, 7)
    made = freeze(copy, cls)
    assert made is copy
    assert type(made) is cls
    assert (getattr(made, name), getattr(frozen, name)) == (7, before)
    with pytest.raises(AttributeError, match="immutable"):
        setattr(made, name, 8)


def test_records_are_equal_apart_from_when_they_were_touched() -> None:
    assert Record(id="s", touched=1) == Record(id="s")
    assert Record(id="s") != Record(id="t")


@pytest.mark.parametrize("delta", DELTAS, ids=lambda cls: cls.type)
@given(data=st.data())
def test_a_delta_stands_for_its_event(delta: type[Delta], data: st.DataObject) -> None:
    event = data.draw(instances(DELTAS[delta]))
    fields = {field.name: getattr(event, field.name) for field in attrs.fields(type(event))}
    assert set(delta.__struct_fields__) == set(fields)
    assert delta(**fields).event() == event
    assert delta.type == event.type


def test_the_readers_are_made_once() -> None:
    assert fast_decoders() is fast_decoders()
    assert ev.TextDeltaEvent in DELTAS.values()
