"""Custom handlers: in which lanes they can run, and what their errors affect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import realtime_trio as rt
from realtime_trio import events as ev
from realtime_trio._handlers import has_custom_handlers

RAW = {"type": "own_event", "session_id": "s", "role": "assistant", "value": 1}


@pytest.fixture
def own() -> Iterator[type[Any]]:
    @rt.event("own_event", lanes=(rt.Lane.TEXT, rt.Lane.CONTROL))
    class OwnEvent(rt.SessionEvent):
        value: int

    yield OwnEvent
    ev.REGISTRY.remove(ev.REGISTRY.row_of(OwnEvent))


def test_each_lane_has_its_own_handler_and_keeps_its_own_value(own: type[Any]) -> None:
    @rt.handles(own, lane=rt.Lane.TEXT)
    def in_text(slice_: rt.TextSlice, event: Any) -> Any:
        note = rt.SystemNotification(type="system", severity="info", content=str(event.value))
        return slice_.with_extra("value", event.value), (note,)

    @rt.handles(own, lane=rt.Lane.CONTROL)
    def in_control(slice_: rt.ControlSlice, event: Any) -> Any:
        return slice_.with_extra("value", -event.value), ()

    processor = rt.EventStreamProcessor()
    assert [note.name for note in processor.process_event(RAW)] == ["system-notification"]
    assert processor.state.text.extra == {"value": 1}
    assert processor.state.control.extra == {"value": -1}
    assert processor.state.counters.events == 1
    assert processor.state.revision == 2


def test_an_audio_handler_keeps_its_value_too() -> None:
    @rt.event("own_audio", lanes=rt.Lane.AUDIO)
    class OwnAudio(rt.ServerEvent):
        pass

    @rt.handles(OwnAudio)
    def in_audio(slice_: rt.AudioSlice, event: OwnAudio) -> Any:
        return slice_.with_extra("seen", True), ()

    try:
        processor = rt.EventStreamProcessor()
        assert processor.process_event({"type": "own_audio"}) == ()
        assert processor.state.audio.extra == {"seen": True}
    finally:
        ev.REGISTRY.remove(ev.REGISTRY.row_of(OwnAudio))


def test_an_event_without_a_handler_changes_nothing(own: type[Any]) -> None:
    processor = rt.EventStreamProcessor()
    assert processor.process_event(RAW) == ()
    assert processor.state.counters.events == 1


def test_the_lane_is_required_if_an_event_has_two(own: type[Any]) -> None:
    with pytest.raises(ValueError, match=r"lane=Lane\.TEXT, lane=Lane\.CONTROL"):
        rt.handles(own)
    with pytest.raises(ValueError, match="does not go to the audio lane"):
        rt.handles(own, lane=rt.Lane.AUDIO)


def test_built_in_handlers_cannot_be_replaced() -> None:
    def handler(slice_: Any, event: Any) -> Any:
        return slice_, ()

    with pytest.raises(ValueError, match="has a handler in the text lane already"):
        rt.handles(ev.TextDeltaEvent)(handler)
    with pytest.raises(ValueError, match="a protocol event without effect"):
        rt.handles(ev.PingEvent)


@pytest.mark.parametrize("answer", [None, (1, ()), (rt.TextSlice(), [])], ids=str)
def test_a_wrong_return_value_affects_only_its_event(own: type[Any], answer: Any) -> None:
    @rt.handles(own, lane=rt.Lane.TEXT)
    def handler(slice_: rt.TextSlice, event: Any) -> Any:
        return answer

    processor = rt.EventStreamProcessor()
    before = processor.state.text
    (note,) = processor.process_event(RAW)
    assert isinstance(note, rt.ProcessingFailed)
    assert note.event_type == "own_event"
    assert "the text handler of own_event raised TypeError" in note.error
    assert processor.state.text == before
    assert processor.state.counters.handler_errors == 1
    assert processor.state.counters.malformed == 0


def test_lanes_with_custom_handlers_are_known(own: type[Any]) -> None:
    """Such handlers run in the lane's own task."""
    before = {lane: has_custom_handlers(lane) for lane in rt.Lane}

    @rt.handles(own, lane=rt.Lane.CONTROL)
    def in_control(slice_: rt.ControlSlice, event: Any) -> Any:
        return slice_, ()

    assert {lane: has_custom_handlers(lane) for lane in rt.Lane} == {
        **before,
        rt.Lane.CONTROL: True,
    }
