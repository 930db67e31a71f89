"""EventStreamProcessor: the whole of event processing without a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from realtime_trio._core._notifications import MessageStreaming, ProcessingFailed
from realtime_trio._core._state import Limits
from realtime_trio._exceptions import ClosedError
from realtime_trio._processor import EventStreamProcessor, malformed_lane
from realtime_trio.events import (
    REGISTRY,
    AudioFrame,
    Lane,
    PingEvent,
    Registry,
    TextDeltaEvent,
    UnknownEvent,
)
from tests.handlers.talk import CANCELLED, MAIN, TURN_START, message, text

DELTA = TextDeltaEvent(session_id=MAIN, role="assistant", content="x")


def inputs(processor: EventStreamProcessor) -> list[tuple[Callable[..., Any], Any]]:
    """Every way in, with something for it."""
    return [
        (processor.process_event, text("x")),
        (processor.process_frame, "{}"),
        (processor.process_audio, b""),
    ]


def test_it_takes_mappings_typed_events_and_frames() -> None:
    processor = EventStreamProcessor()
    frame = json.dumps(text("é"), ensure_ascii=False)
    notes = [
        *processor.process_event(text("a")),
        *processor.process_event(DELTA),
        *processor.process_frame(frame),
        *processor.process_frame(frame.encode()),
    ]
    assert [note.delta for note in notes if isinstance(note, MessageStreaming)] == [*"axéé"]
    assert processor.state.sessions[MAIN].open_message is not None
    assert processor.state.counters.events == 4


def test_local_and_unknown_events_are_typed_events_too() -> None:
    processor = EventStreamProcessor()
    processor.process_event(AudioFrame(data=b"ab"))
    processor.process_event(UnknownEvent(tag="future", payload={}))
    processor.process_event(PingEvent())
    assert (processor.state.audio.frames, processor.state.counters.unknown) == (1, 1)


@pytest.mark.parametrize("data", [b"ab", bytearray(b"ab"), memoryview(b"ab")])
def test_audio_may_be_any_bytes(data: Any) -> None:
    processor = EventStreamProcessor()
    [note] = processor.process_audio(data)
    assert note.data == b"ab"  # type: ignore[attr-defined]
    assert type(note.data) is bytes  # type: ignore[attr-defined]


def test_time_stands_still_where_nobody_says_it() -> None:
    processor = EventStreamProcessor()
    processor.process_event(message("a"))
    processor.process_event(message("b"), at=5.0)
    processor.process_event(message("c"))
    processor.process_event(message("d"), at=2.0)
    times = [each.timestamp.timestamp() for each in processor.state.sessions[MAIN].messages]
    assert times == [0.0, 5.0, 5.0, 2.0]


@pytest.mark.parametrize("at", [float("nan"), float("inf"), float("-inf")])
def test_a_time_that_is_none_is_refused(at: float) -> None:
    processor = EventStreamProcessor()
    for process, given in inputs(processor):
        with pytest.raises(ValueError, match="finite number of seconds"):
            process(given, at=at)
    assert processor.state.revision == 0


def test_after_close_the_state_is_there_and_nothing_else() -> None:
    processor = EventStreamProcessor()
    processor.process_event(text("x"))
    processor.close()
    processor.close()
    for process, given in inputs(processor):
        with pytest.raises(ClosedError, match="create a new EventStreamProcessor"):
            process(given)
    assert list(processor.state.sessions) == [MAIN]


def test_the_lanes_of_an_event_speak_in_the_order_of_its_row() -> None:
    processor = EventStreamProcessor()
    processor.process_event(text("x"))
    assert [note.name for note in processor.process_event(CANCELLED)] == [
        "turn-cancelled",
        "message-complete",
        "response-cancelled",
    ]
    assert processor.state.audio.cancels == 1


def test_revision_counts_what_the_slices_have_handled() -> None:
    processor = EventStreamProcessor()
    processor.process_event(TURN_START)
    assert processor.state.revision == 3
    processor.process_event(text("x"))
    assert processor.state.revision == 4
    assert processor.state.counters.events == 2


def test_a_malformed_event_is_told_where_its_type_is_at_home() -> None:
    assert malformed_lane("text_delta") is Lane.TEXT
    assert malformed_lane("audio_delta") is Lane.AUDIO
    assert malformed_lane("cancelled") is Lane.CONTROL
    assert malformed_lane("never_heard_of") is Lane.CONTROL
    assert malformed_lane(None) is Lane.CONTROL
    assert malformed_lane("text_delta", Registry()) is Lane.CONTROL


def test_a_registry_of_one_s_own_decides_what_is_known() -> None:
    rows = [row for row in REGISTRY if row.type != "text_delta"]
    processor = EventStreamProcessor(registry=Registry(rows))
    assert processor.process_event(text("x")) == ()
    assert processor.state.counters.unknown == 1


def test_the_bounds_are_the_caller_s() -> None:
    processor = EventStreamProcessor(limits=Limits(max_messages=1))
    processor.process_event(message("a"))
    processor.process_event(message("b"))
    assert len(processor.state.sessions[MAIN].messages) == 1


def test_the_user_session_can_be_unset() -> None:
    processor = EventStreamProcessor()
    processor.set_user_session_id("other")
    processor.process_event(message("a", user=None))
    processor.set_user_session_id(None)
    processor.process_event(message("b", user=None))
    assert [each.is_sub_session for each in processor.state.sessions[MAIN].messages] == [
        True,
        False,
    ]


def test_reset_drops_half_a_sample_too() -> None:
    processor = EventStreamProcessor()
    processor.process_audio(b"abc")
    processor.reset()
    [note] = processor.process_audio(b"de")
    assert note.data == b"de"  # type: ignore[attr-defined]


def test_a_frame_that_cannot_be_read_is_a_processing_error_at_its_time() -> None:
    processor = EventStreamProcessor()
    [note] = processor.process_frame("{", at=3.0)
    assert isinstance(note, ProcessingFailed)
    assert processor.state.control.now == 3.0
