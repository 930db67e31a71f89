"""The shortcuts of the hot path make what the plain constructors make."""

from __future__ import annotations

import json

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from realtime_trio import events as ev
from realtime_trio._core._fast import DELTAS, Delta, fast_way
from realtime_trio._core._json_shapes import json_object
from realtime_trio._core._messages import Message, moment, with_changes
from realtime_trio._core._notifications import (
    MessageStreaming,
    ToolNotification,
    streaming,
)
from realtime_trio._core._state import ActiveTool, TextSlice
from realtime_trio._core._tool_shapes import normalise_tool_call
from realtime_trio._core._unicode import valid_json
from realtime_trio._core._values import draft_of, evolve
from realtime_trio._handlers._tools import tool_note
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
    note = tool_note((a, b), ev.ToolCall(id=b, name=c, input={"x": a}), "executing")
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


def test_a_message_with_changes_is_what_evolve_makes() -> None:
    changed = with_changes(MESSAGE, content="y", status="cancelled")
    assert changed == attrs.evolve(MESSAGE, content="y", status="cancelled")
    assert MESSAGE.content == "x"
    assert with_changes(MESSAGE) == MESSAGE
    with pytest.raises(AttributeError):
        with_changes(MESSAGE, colour="red")


def test_a_struct_with_changes_leaves_the_first_as_it_is() -> None:
    first = TextSlice()
    second = evolve(first, open={"s": object()})
    assert first.open == {}
    assert second != first
    assert evolve(second, open={}, tick=7) == first
    with pytest.raises(TypeError):
        evolve(first, colour="red")


def test_a_draft_becomes_what_it_was_the_draft_of() -> None:
    draft = draft_of(ActiveTool)()
    for name, value in zip(("session_id", "id", "tool_name"), "abc", strict=True):
        setattr(draft, name, value)
    draft.status, draft.arguments = "preparing", {}
    draft.__class__ = ActiveTool
    assert draft == ActiveTool("a", "b", "c", "preparing", {})
    assert type(draft) is ActiveTool
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(draft, "id", "other")  # noqa: B010  it is no draft any more
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        delattr(draft, "id")


@pytest.mark.parametrize("delta", DELTAS, ids=lambda cls: cls.type)
@given(data=st.data())
def test_a_delta_stands_for_its_event(delta: type[Delta], data: st.DataObject) -> None:
    event = data.draw(instances(DELTAS[delta]))
    fields = {field.name: getattr(event, field.name) for field in attrs.fields(type(event))}
    assert set(delta.__struct_fields__) == set(fields)
    assert delta(**fields).event() == event
    assert delta.type == event.type


def test_the_readers_are_made_once() -> None:
    assert fast_way() is fast_way()
    assert ev.TextDeltaEvent in DELTAS.values()
