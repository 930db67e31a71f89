"""The audio lane: whole samples, in the format in force when they arrive."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio._core._audio_format import (
    DEFAULT_FORMAT,
    AudioFormat,
    content_format,
    playback_format,
)
from realtime_trio._core._local_events import LinkEvent
from realtime_trio._core._notifications import AudioOutput, ProcessingFailed
from realtime_trio._core._state import AudioSlice
from realtime_trio._processor import EventStreamProcessor

from .talk import CANCELLED, TURN_END, TURN_START, Json, of_session


def delta(data: bytes, stream: str | None = None, content_type: str = "audio/L16") -> Json:
    content = base64.b64encode(data).decode()
    named = {} if stream is None else {"id": stream}
    return of_session("audio_delta", content=content, content_type=content_type, **named)


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
def test_frames_are_emitted_in_whole_samples(frames: list[bytes], as_text: bool) -> None:
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


def test_audio_has_the_voice_s_format() -> None:
    processor = EventStreamProcessor()
    assert output(processor.process_audio(b"ab")) == [(b"ab", DEFAULT_FORMAT)]
    processor.process_event(voice("pcm16_24000"))
    assert output(processor.process_audio(b"ab")) == [(b"ab", AudioFormat(24_000))]
    assert audio(processor).voice == processor.state.control.voice
    processor.process_event(voice("none"))
    assert output(processor.process_audio(b"abc")) == [(b"ab", None)]


ENDS = [CANCELLED, TURN_END, voice("pcm16")]
LINKS = [LinkEvent(status="connected"), LinkEvent(status="reconnecting", initialized=False)]


@pytest.mark.parametrize("event", [*ENDS, *LINKS])
def test_half_a_sample_ends_with_its_stream(event: Json | LinkEvent) -> None:
    processor = EventStreamProcessor()
    processor.process_event(delta(b"abc", "one"))
    processor.process_audio(b"abc")
    processor.process_event(event)
    assert output(processor.process_audio(b"de")) == [(b"de", DEFAULT_FORMAT)]
    assert output(processor.process_event(delta(b"de", "one"))) == [(b"de", DEFAULT_FORMAT)]


def test_link_events_without_a_status_keep_half_a_sample() -> None:
    processor = EventStreamProcessor()
    processor.process_audio(b"abc")
    processor.process_event(LinkEvent(status=None, initialized=True))
    before = audio(processor)
    assert output(processor.process_audio(b"d")) == [(b"cd", DEFAULT_FORMAT)]
    processor.process_event(LinkEvent(status="connected"))
    assert audio(processor) != before
    assert audio(processor).carry == b""


# The stream of a chunk, and the chunk.
STREAMS = st.lists(
    st.tuples(st.sampled_from([None, "", "a", "b", "c" * 300, "d"]), st.binary(max_size=7))
)


@given(STREAMS, st.sampled_from([1, 2, 3]))
def test_alternating_streams_never_share_a_sample(
    chunks: list[tuple[str | None, bytes]], channels: int
) -> None:
    processor = EventStreamProcessor()
    heard: dict[str | None, bytes] = {}
    sent: dict[str | None, bytes] = {}
    for stream, chunk in chunks:
        event = delta(chunk, stream, f"audio/L16;rate=16000;channels={channels}")
        for data, format_ in output(processor.process_event(event)):
            assert format_ == AudioFormat(16_000, channels)
            heard[stream] = heard.get(stream, b"") + data
        sent[stream] = sent.get(stream, b"") + chunk
    step = 2 * channels
    for stream, data in sent.items():
        assert heard.get(stream, b"") == data[: len(data) // step * step]


@pytest.mark.parametrize("stream", [5, 1.5, True, [], {}, None])
def test_a_stream_may_be_named_by_any_value(stream: object) -> None:
    processor = EventStreamProcessor()
    processor.process_audio(b"ab!")
    for data, whole in ((b"abc", b"ab"), (b"d", b"cd")):
        event = {**delta(data), "id": stream}
        assert output(processor.process_event(event)) == [(whole, DEFAULT_FORMAT)]
        processor.process_event(delta(b"xyz", "another"))


def test_frames_and_deltas_are_separate_streams() -> None:
    processor = EventStreamProcessor()
    processor.process_audio(b"abc")
    assert output(processor.process_event(delta(b"xyz"))) == [(b"xy", DEFAULT_FORMAT)]
    other = {**delta(b"uvw"), "session_id": "other"}
    assert output(processor.process_event(other)) == [(b"uv", DEFAULT_FORMAT)]
    assert output(processor.process_audio(b"d")) == [(b"cd", DEFAULT_FORMAT)]
    assert output(processor.process_event(delta(b"Z"))) == [(b"zZ", DEFAULT_FORMAT)]


def test_with_too_many_streams_the_oldest_half_sample_is_dropped() -> None:
    processor = EventStreamProcessor()
    for number in range(100):
        processor.process_event(delta(b"abc", str(number)))
    assert len(audio(processor).halves) == 16
    assert output(processor.process_event(delta(b"d", "98"))) == [(b"cd", DEFAULT_FORMAT)]
    assert output(processor.process_event(delta(b"de", "0"))) == [(b"de", DEFAULT_FORMAT)]
    processor.reset()
    assert audio(processor).halves == ()


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


def test_a_slice_holds_the_values_of_custom_handlers() -> None:
    slice_ = AudioSlice().with_extra("a", 1).with_extra("b", 2)
    assert slice_.extra == {"a": 1, "b": 2}
    assert AudioSlice().extra == {}


# -- formats -------------------------------------------------------------------------------


def test_a_chunk_has_the_format_of_its_content_type() -> None:
    processor = EventStreamProcessor()
    processor.process_event(voice("pcm16_24000"))
    for content_type, expected in {
        "audio/L16": AudioFormat(24_000),
        "audio/L16;rate=8000;channels=2": AudioFormat(8_000, 2),
        "audio/L16;channels=2": AudioFormat(24_000, 2),
    }.items():
        notes = processor.process_event(delta(b"abcd", content_type, content_type))
        assert output(notes) == [(b"abcd", expected)]
    assert output(processor.process_audio(b"ab")) == [(b"ab", AudioFormat(24_000))]
    processor.process_event(voice("special"))
    notes = processor.process_event(delta(b"abcd", None, "audio/L16;rate=8000"))
    assert output(notes) == [(b"abcd", None)]


def test_a_new_content_type_begins_with_a_whole_sample() -> None:
    processor = EventStreamProcessor()
    processor.process_event(delta(b"abc", "one", "audio/L16;rate=8000"))
    notes = processor.process_event(delta(b"de", "one", "audio/L16;rate=24000"))
    assert output(notes) == [(b"de", AudioFormat(24_000))]


def test_other_content_than_pcm_is_reported_once_and_not_played() -> None:
    processor = EventStreamProcessor()
    processor.process_event(delta(b"abc"))
    (note,) = processor.process_event(delta(b"mp3", None, "audio/mpeg"))
    assert isinstance(note, ProcessingFailed)
    assert note.event_type == "audio_delta"
    assert "'audio/mpeg' is not played: only PCM16" in note.error
    assert processor.process_event(delta(b"mp3", "other", "audio/mpeg")) == ()
    assert (audio(processor).frames, audio(processor).byte_count) == (3, 9)
    assert output(processor.process_event(delta(b"d"))) == [(b"cd", DEFAULT_FORMAT)]
    (other,) = processor.process_event(delta(b"x", None, "audio/" + "x" * 2_000))
    assert isinstance(other, ProcessingFailed)
    assert len(other.error) < 200
    for number in range(100):
        assert len(processor.process_event(delta(b"x", None, f"audio/{number}"))) == 1
    assert len(audio(processor).refused) == 16


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("audio/L16", AudioFormat(22_050, 2)),
        ("", AudioFormat(22_050, 2)),
        ("AUDIO/l16 ; Channels=1 ; RATE=44100", AudioFormat(44_100)),
        ("audio/pcm;rate=24000", AudioFormat(24_000)),
        ("audio/L16;codec=pcm;rate=24000", AudioFormat(24_000)),
        ('audio/L16;rate="8000";channels="2"', AudioFormat(8_000, 2)),
        ("audio/L16;rate=8000;rate=16000", AudioFormat(8_000)),
        ("audio/L16;channels=6", AudioFormat(22_050, 6)),
        ("audio/L16;;", AudioFormat(22_050, 2)),
        ("audio/L16;endianness=little-endian;rate=8000", AudioFormat(8_000)),
        ("audio/L16;endianness=big-endian", None),
        ("audio/L16;rate=0", None),
        ("audio/L16;rate=fast", None),
        ("audio/L16;rate=16000.0", None),
        ("audio/L16;rate=9999999", None),
        ("audio/L16;channels=0", None),
        ("audio/L16;channels=33", None),
        ("audio/L16;rate=\u0662\u0664\u0660\u0660\u0660", None),
        ("audio/L24;rate=48000", None),
        ("audio/mpeg", None),
        ("audio/ogg; codecs=opus", None),
        ("L16", None),
    ],
)
def test_formats_by_content_type(content_type: str, expected: AudioFormat | None) -> None:
    assert content_format(content_type, AudioFormat(22_050, 2)) == expected


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
def test_formats_by_the_output_format_of_a_voice(name: str, expected: AudioFormat | None) -> None:
    assert playback_format(name) == expected


def test_a_format_converts_between_seconds_and_bytes() -> None:
    stereo = AudioFormat(rate=8_000, channels=2)
    assert stereo.frame_bytes == 4
    assert stereo.bytes_of(0.5) == 16_000
    assert stereo.bytes_of(0.0001) == 4
    assert stereo.seconds_of(32_000) == 1.0


@pytest.mark.parametrize("fields", [{"rate": 0}, {"channels": 0}])
def test_a_format_without_samples_is_refused(fields: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        AudioFormat(**fields)
