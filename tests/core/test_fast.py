"""The shortcuts of the hot path make what the plain constructors make."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio import events as ev
from realtime_trio._core._fast import DELTAS, Delta, fast_way
from realtime_trio._core._messages import Message, moment, with_changes
from realtime_trio._core._notifications import MessageStreaming, streaming
from realtime_trio._core._state import ActiveTool, TextSlice
from realtime_trio._core._values import evolve, slot_setters
from tests.wire_strategies import TEXT, instances

MESSAGE = Message(id="m1", session_id="s", role="assistant", content="x", timestamp=moment(1.5))


@given(TEXT, TEXT, TEXT, TEXT)
def test_a_streaming_note_is_what_its_constructor_makes(a: str, b: str, c: str, d: str) -> None:
    note = streaming(a, b, c, d)
    assert note == MessageStreaming(session_id=a, message_id=b, role=c, delta=d)
    assert hash(note) == hash(attrs.evolve(note))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        note.delta = "other"  # type: ignore[misc]


def test_a_message_with_changes_is_what_evolve_makes() -> None:
    changed = with_changes(MESSAGE, content="y", status="cancelled")
    assert changed == attrs.evolve(MESSAGE, content="y", status="cancelled")
    assert MESSAGE.content == "x"
    assert with_changes(MESSAGE) == MESSAGE
    with pytest.raises(KeyError):
        with_changes(MESSAGE, colour="red")


def test_a_struct_with_changes_leaves_the_first_as_it_is() -> None:
    first = TextSlice()
    second = evolve(first, open={"s": object()})
    assert first.open == {}
    assert second != first
    assert evolve(second, open={}, tick=7) == first
    with pytest.raises(TypeError):
        evolve(first, colour="red")


def test_slots_are_set_in_the_order_of_the_fields() -> None:
    assert list(slot_setters(ActiveTool)) == [field.name for field in attrs.fields(ActiveTool)]


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
