"""Converting the rate and the channels of a stream."""

from __future__ import annotations

import math
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import realtime_trio as rt
from realtime_trio.audio import AudioFormat, Resampler, _extras, tone
from realtime_trio.audio._pcm import samples_of

LOW, HIGH = AudioFormat(16_000), AudioFormat(24_000)
pytest.importorskip("soxr")


def through(data: bytes, *steps: Resampler) -> bytes:
    for step in steps:
        data = step(data) + step.flush()
    return data


def snr_db(wanted: bytes, got: bytes) -> float:
    """Return the signal-to-noise ratio of the middle, without the edges."""
    a, b = samples_of(wanted)[1000:-1000], samples_of(got)[1000:-1000]
    noise = sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
    return 10 * math.log10(sum(x * x for x in a) / max(noise, 1))


@pytest.mark.parametrize("frequency", [100.0, 440.0, 1000.0, 3000.0, 6000.0])
def test_a_round_trip_of_a_sine_keeps_60_db(frequency: float) -> None:
    sine = tone(frequency, 32_000, 16_000)
    back = through(sine, Resampler(LOW, HIGH), Resampler(HIGH, LOW))
    assert len(back) == len(sine)
    assert snr_db(sine, back) >= 60


@settings(max_examples=30)
@given(st.lists(st.integers(0, 3000), max_size=20))
def test_any_chunks_give_the_same_stream(sizes: list[int]) -> None:
    sine = tone(440, 8_000, 16_000)
    resampler = Resampler(LOW, HIGH)
    out, place = b"", 0
    for size in [*sizes, 8_000]:
        out += resampler(sine[2 * place : 2 * (place + size)])
        place += size
    assert out + resampler.flush() == through(sine, Resampler(LOW, HIGH))


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 999), max_size=30),
    st.sampled_from([LOW, HIGH, AudioFormat(8_000, 2), AudioFormat(48_000, 3)]),
    st.sampled_from([LOW, HIGH, AudioFormat(16_000, 2)]),
    st.integers(0, 5),
)
def test_a_chunk_can_end_anywhere_in_a_frame(
    sizes: list[int], source: AudioFormat, target: AudioFormat, over: int
) -> None:
    stream = tone(440, 2_400, 16_000)
    whole = len(stream + bytes(over)) // source.frame_bytes * source.frame_bytes
    expected = through((stream + bytes(over))[:whole], Resampler(source, target))
    resampler = Resampler(source, target)
    for _ in range(2):  # the second stream has no samples of the first
        out, place = b"", 0
        for size in [*sizes, len(stream) + over]:
            out += resampler((stream + bytes(over))[place : place + size])
            assert len(out) % target.frame_bytes == 0
            place += size
        assert out + resampler.flush() == expected


def test_after_a_flush_another_stream_begins() -> None:
    resampler = Resampler(LOW, HIGH)
    sine = tone(440, 1600, 16_000)
    assert through(sine, resampler) == through(sine, resampler)


def test_equal_formats_are_the_same_object() -> None:
    data = tone(440, 10, 16_000)
    same = Resampler(LOW, LOW)
    assert same(data) is data
    assert same.flush() == b""


def test_channels_are_mixed_and_duplicated() -> None:
    mix = Resampler(AudioFormat(16_000, 2), LOW)
    assert mix(b"\x02\x00\x04\x00\x06\x00\x08\x00") == b"\x03\x00\x07\x00"
    assert mix.flush() == b""
    spread = Resampler(LOW, AudioFormat(16_000, 3))
    assert spread(b"\x01\x02") == b"\x01\x02" * 3
    both = Resampler(AudioFormat(48_000, 2), LOW)
    stereo = b"".join(two * 2 for two in _pairs(tone(440, 48_000, 48_000)))
    assert len(both(stereo) + both.flush()) == 32_000


def _pairs(data: bytes) -> list[bytes]:
    return [data[place : place + 2] for place in range(0, len(data), 2)]


@pytest.mark.parametrize("missing", ["numpy", "soxr"])
def test_a_missing_extra_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(rt.RealtimeError, match=rf"needs {missing}: pip install"):
        Resampler(LOW, HIGH)
    Resampler(LOW, LOW)


def test_a_missing_portaudio_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(_extras, "import_module", no_library)
    with pytest.raises(rt.RealtimeError, match="PortAudio, which is not installed"):
        _extras.sounddevice()
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(rt.RealtimeError, match=r"needs sounddevice: pip install"):
        _extras.sounddevice()
