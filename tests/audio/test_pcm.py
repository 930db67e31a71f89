"""Samples as numbers: levels, gain, fades, ramps, tones."""

from __future__ import annotations

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio.audio import _pcm as pcm

SAMPLES = st.lists(st.integers(-32768, 32767), max_size=200)


def packed(*values: int) -> bytes:
    return pcm.to_bytes(array("h", values))


def test_bytes_are_little_endian() -> None:
    assert packed(1, -2) == b"\x01\x00\xfe\xff"
    assert list(pcm.samples_of(b"\x01\x00\xfe\xff")) == [1, -2]


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple"):
        pcm.samples_of(b"\x01")


def test_levels_of_a_sine_of_silence_and_of_an_empty_chunk() -> None:
    sine = pcm.level(pcm.tone(1000, 16_000, 16_000, amplitude=1.0))
    assert sine.rms_dbfs == pytest.approx(-3.01, abs=0.01)
    assert sine.peak_dbfs == pytest.approx(0.0, abs=0.001)
    assert pcm.level(pcm.silence(100)) == pcm.level(b"") == pcm.Level(-120.0, -120.0)
    assert pcm.level(packed(-32768)).peak_dbfs == 0.0


@given(SAMPLES, st.floats(0, 8))
def test_gain_never_wraps(values: list[int], factor: float) -> None:
    after = pcm.samples_of(pcm.gain(packed(*values), factor))
    for old, new in zip(values, after, strict=True):
        assert old * new >= 0
        assert abs(new) <= 32768
        if abs(old * factor) < 32767:
            assert abs(new - old * factor) <= 0.5


@given(SAMPLES, st.lists(st.integers(0, 9)), st.booleans())
def test_any_chunks_give_the_same_samples(values: list[int], sizes: list[int], half: bool) -> None:
    whole = packed(*values)
    stream = whole + b"x" * half
    carries = [pcm.Carry() for _ in range(3)]
    louder, same, power, place = b"", b"", 0.0, 0
    for size in [*sizes, len(stream)]:
        chunk = stream[place : place + size]
        place += size
        louder += pcm.gain(chunk, 0.5, carries[0])
        same += pcm.gain(chunk, 1.0, carries[1])
        before = len(carries[2].rest)
        count = (before + len(chunk)) // 2
        power += count * 10 ** (pcm.level(chunk, carries[2]).rms_dbfs / 10)
    assert louder == pcm.gain(whole, 0.5)
    assert same == whole
    if values:
        together = 10 ** (pcm.level(whole).rms_dbfs / 10)
        assert power / len(values) == pytest.approx(together, rel=1e-6, abs=1e-11)
    for carry in carries:
        assert carry.rest == b"x" * half
        carry.clear()
        assert carry(b"ab") == b"ab"


def test_half_a_sample_of_a_single_chunk_changes_nothing() -> None:
    chunk = packed(1000, -2000)
    assert pcm.level(chunk + b"x") == pcm.level(chunk)
    assert pcm.gain(chunk + b"x", 0.5) == packed(500, -1000) + b"x"
    assert pcm.level(b"x") == pcm.level(b"")
    with pytest.raises(ValueError, match="frame_bytes"):
        pcm.Carry(0)


def test_gain_of_one_is_the_same_object() -> None:
    data = packed(1, 2)
    assert pcm.gain(data, 1.0) is data


@pytest.mark.parametrize("channels", [1, 2])
def test_fades_are_linear(channels: int) -> None:
    data = packed(*[1000] * 10 * channels)
    up = list(pcm.samples_of(pcm.fade(data, 0.0, 1.0, channels)))
    down = list(pcm.samples_of(pcm.fade(data, 1.0, 0.0, channels)))
    expected = [100 * (i + 1) for i in range(10) for _ in range(channels)]
    assert up == expected
    assert down == [1000 - value for value in expected]
    assert pcm.fade(b"", 0.0, 1.0) == b""


def test_a_ramp_begins_near_the_last_frame_and_ends_at_zero() -> None:
    made = list(pcm.samples_of(pcm.ramp([1000, -500], 5)))
    assert made[::2] == [800, 600, 400, 200, 0]
    assert made[1::2] == [-400, -300, -200, -100, 0]


def test_a_tone_continues_from_any_sample() -> None:
    whole = pcm.tone(440, 300, 16_000)
    assert pcm.tone(440, 100, 16_000) + pcm.tone(440, 200, 16_000, first=100) == whole
    assert len(pcm.silence(10, 2)) == 40
    peak = max(pcm.samples_of(whole))
    assert math.isclose(peak, 0.5 * 32767, rel_tol=0.01)
