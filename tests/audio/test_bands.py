"""Levels by frequency band."""

from __future__ import annotations

import pytest

from realtime_trio.audio import AudioFormat, level, silence, tone
from realtime_trio.audio._bands import Bands, HighPass, together
from realtime_trio.audio._pcm import samples_of


@pytest.mark.parametrize(
    ("frequency", "band"), [(6_000, 0), (3_000, 1), (1_500, 2), (700, 3), (350, 4)]
)
def test_a_tone_is_in_its_band(frequency: float, band: int) -> None:
    bands = Bands(AudioFormat(16_000))
    bands(tone(frequency, 3_200, 16_000))  # the filter has settled
    levels = bands(tone(frequency, 3_200, 16_000, first=3_200))
    assert levels.index(max(levels)) == band
    whole = level(tone(frequency, 3_200, 16_000)).rms_dbfs
    assert together(levels) == pytest.approx(whole, abs=0.6)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_hum_and_dc_are_filtered(rate: int) -> None:
    bands = Bands(AudioFormat(rate))
    assert bands.count == len(bands(silence(rate // 50)))
    bands(b"\x00\x40" * rate)
    assert together(bands(b"\x00\x40" * (rate // 50))) < -90
    for frequency, most in ((50, -30), (60, -30), (100, -20)):
        bands(tone(frequency, rate, rate, 0.5))
        assert together(bands(tone(frequency, rate, rate, 0.5, first=rate))) < most
    assert together(bands(tone(1_000, rate, rate, 0.5))) == pytest.approx(-9, abs=0.5)


def test_channels_are_mixed() -> None:
    stereo = Bands(AudioFormat(16_000, 2))
    one = tone(700, 320, 16_000)
    both = b"".join(one[place : place + 2] * 2 for place in range(0, len(one), 2))
    assert stereo(both) == pytest.approx(Bands(AudioFormat(16_000))(one))


def test_a_filter_keeps_its_state() -> None:
    samples = samples_of(tone(440, 600, 8_000))
    whole, parts = HighPass(8_000), HighPass(8_000)
    assert parts(samples[:250]) + parts(samples[250:]) == whole(samples)
