"""The audio lane: whole samples, in the format that is in force when they come."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio._core._audio import DEFAULT_FORMAT, AudioFormat, playback_format
from realtime_trio._core._notifications import AudioOutput
from realtime_trio._core._state import AudioSlice
from realtime_trio._processor import EventStreamProcessor

from .talk import CANCELLED, TURN_END, TURN_START, Json, of_session


def delta(data: bytes) -> Json:
    return of_session("audio_delta", content=base64.b64encode(data).decode())


def voice(output_format: str) -> Json:
    return {
        "type": "agent_voice_changed",
        "voice": {"voice_id": "v", "output_format": output_format},
    }


def audio(processor: EventStreamProcessor) -> AudioSlice:
    return processor.state.audio


def output(notes: Any) -> list[tuple[bytes, AudioFormat | None]]:
    return [(note.data, note.format) for note in notes if isinstance(note, AudioOutput)]


@given(st.lists(st.binary(max_size=7)), st.booleans())
def test_frames_are_handed_on_in_whole_samples(frames: list[bytes], as_text: bool) -> None:
    processor = EventStreamProcessor()
    heard = []
    for frame in frames:
        notes = processor.process_event(delta(frame)) if as_text else processor.process_audio(frame)
        heard += output(notes)
    sent = b"".join(frames)
    assert b"".join(data for data, _ in heard) == sent[: len(sent) // 2 * 2]
    assert all(data and len(data) % 2 == 0 for data, _ in heard)
    assert audio(processor).frames == len(frames)
    assert audio(processor).byte_count == len(sent)
    assert audio(processor).carry == sent[len(sent) // 2 * 2 :]


def test_what_is_heard_is_in_the_voice_s_format() -> None:
    processor = EventStreamProcessor()
    assert output(processor.process_audio(b"ab")) == [(b"ab", DEFAULT_FORMAT)]
    processor.process_event(voice("pcm16_24000"))
    assert output(processor.process_audio(b"ab")) == [(b"ab", AudioFormat(24_000))]
    assert audio(processor).voice == processor.state.control.voice
    processor.process_event(voice("none"))
    assert output(processor.process_audio(b"abc")) == [(b"ab", None)]


@pytest.mark.parametrize("event", [CANCELLED, TURN_END, voice("pcm16")])
def test_half_a_sample_does_not_outlive_what_it_began(event: Json) -> None:
    processor = EventStreamProcessor()
    processor.process_audio(b"abc")
    processor.process_event(event)
    assert output(processor.process_audio(b"de")) == [(b"de", DEFAULT_FORMAT)]


def test_the_user_s_turn_begins_while_the_agent_may_still_be_heard() -> None:
    processor = EventStreamProcessor()
    processor.process_audio(b"abc")
    processor.process_event(TURN_START)
    assert output(processor.process_audio(b"d")) == [(b"cd", DEFAULT_FORMAT)]


def test_who_speaks_and_who_listens() -> None:
    processor = EventStreamProcessor()
    processor.process_event(TURN_START)
    processor.process_event({"type": "server_listening"})
    assert (audio(processor).user_turn, audio(processor).listening) == (True, True)
    processor.process_event(TURN_END)
    assert (audio(processor).user_turn, audio(processor).listening) == (False, False)
    processor.process_event(CANCELLED)
    assert audio(processor).cancels == 1


def test_frames_are_not_part_of_the_conversation() -> None:
    processor = EventStreamProcessor()
    before = processor.state
    processor.process_event(delta(b"ab"))
    assert processor.state.text == before.text
    assert processor.state.counters.events == 1


def test_a_slice_holds_what_handlers_of_one_s_own_keep() -> None:
    slice_ = AudioSlice().with_extra("a", 1).with_extra("b", 2)
    assert slice_.extra == {"a": 1, "b": 2}
    assert AudioSlice().extra == {}


# --- formats ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pcm16", DEFAULT_FORMAT),
        ("pcm16_16000", DEFAULT_FORMAT),
        ("pcm16_48000", AudioFormat(48_000)),
        ("pcm16_0", None),
        ("pcm16_fast", None),
        ("special", None),
        ("none", None),
        ("", None),
    ],
)
def test_formats_by_the_names_that_voices_use(name: str, expected: AudioFormat | None) -> None:
    assert playback_format(name) == expected


def test_a_format_converts_between_seconds_and_bytes() -> None:
    stereo = AudioFormat(rate=8_000, channels=2)
    assert stereo.frame_bytes == 4
    assert stereo.bytes_of(0.5) == 16_000
    assert stereo.bytes_of(0.0001) == 4
    assert stereo.seconds_of(32_000) == 1.0


@pytest.mark.parametrize("fields", [{"rate": 0}, {"channels": 0}])
def test_a_format_without_samples_is_none(fields: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        AudioFormat(**fields)
