"""When a person starts and stops talking."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_trio.audio import AudioFormat, EnergyVad, VadConfig, VadEvent, silence, tone
from realtime_trio.audio._pcm import samples_of, to_bytes

FRAME = 320  # samples of 20 ms
CONFIG = VadConfig(attack=2, hangover=0.1, pre_roll=0.06)


def loud(frames: int, amplitude: float = 0.3) -> bytes:
    return tone(440, frames * FRAME, 16_000, amplitude)


def quiet(frames: int) -> bytes:
    return silence(frames * FRAME)


def kinds(events: list[VadEvent]) -> list[str]:
    return [event.kind for event in events]


def test_an_utterance_has_its_pre_roll_and_its_hangover() -> None:
    vad = EnergyVad(CONFIG)
    stream = quiet(10) + loud(6) + quiet(20)
    events = vad.process(stream)
    assert kinds(events)[0] == "start"
    assert kinds(events)[-1] == "end"
    # 3 frames of pre-roll, 6 of speech, 5 of hangover, unchanged and without gaps.
    said = b"".join(event.audio for event in events)
    assert said == stream[7 * 2 * FRAME : (10 + 6 + 5) * 2 * FRAME]
    assert not vad.speaking
    assert kinds(vad.process(loud(2))) == ["start"]


def test_a_click_starts_and_a_breath_ends_no_utterance() -> None:
    vad = EnergyVad(CONFIG)
    assert vad.process(quiet(5) + loud(1) + quiet(5)) == []
    events = vad.process(loud(3) + quiet(4) + loud(3))
    assert kinds(events).count("start") == 1
    assert "end" not in kinds(events)
    assert vad.speaking


def test_speech_from_the_first_sample_on_is_detected() -> None:
    assert kinds(EnergyVad(CONFIG).process(loud(2))) == ["start"]


def test_without_a_pre_roll_the_attack_is_the_start() -> None:
    vad = EnergyVad(VadConfig(attack=2, pre_roll=0.0))
    (start,) = vad.process(quiet(5) + loud(2))
    assert start.audio == loud(2)


def test_sound_that_is_too_soft_is_ignored() -> None:
    assert EnergyVad(CONFIG).process(loud(50, amplitude=0.001)) == []


def test_sound_that_is_steady_from_the_start_is_not_speech() -> None:
    vad = EnergyVad(CONFIG)
    hum = loud(50 * 60, amplitude=0.02)  # a minute at -37 dBFS
    assert vad.process(hum) == []
    assert kinds(vad.process(loud(3, amplitude=0.5)))[0] == "start"


def test_noise_that_starts_later_ends_its_utterance() -> None:
    vad = EnergyVad(CONFIG)
    fan = noise(20, -35)
    assert vad.process(noise(3, -60)) == []
    events = vad.process(fan)
    assert kinds(events).count("start") == kinds(events).count("end") == 1
    assert sum(len(event.audio) for event in events) < 6 * 32_000
    assert not vad.speaking
    assert "start" in kinds(vad.process(speech(-20)))


@pytest.mark.parametrize("learning", [0.0, 0.3])
def test_a_steady_loud_tone_is_not_speech_after_three_seconds(learning: float) -> None:
    """Louder than any learned noise, and with nothing learned at its start."""
    vad = EnergyVad(VadConfig(hangover=0.1, learning=learning))
    events = vad.process(loud(50 * 3 - 1))
    assert (kinds(events)[0], kinds(events)[-1]) == ("start", "speech")
    assert kinds(vad.process(loud(50)))[-1] == "end"


def noise(seconds: float, dbfs: float, seed: int = 0, smooth: float = 0.0) -> bytes:
    """Return noise of that level; ``smooth`` filters it: 0 is white, 0.98 like brown."""
    rng, last, values = random.Random(seed), 0.0, array("d")
    for _ in range(round(seconds * 16_000)):
        last = smooth * last + rng.gauss(0, 1)
        values.append(last)
    return at_level(values, dbfs)


def waves(seconds: float, dbfs: float, *frequencies: float) -> bytes:
    """Return sines, higher ones softer: hum and its harmonics."""
    turns = [2 * math.pi * frequency / 16_000 for frequency in frequencies]
    values = array("d")
    for number in range(round(seconds * 16_000)):
        values.append(sum(math.sin(turn * number) / turn for turn in turns))
    return at_level(values, dbfs)


@lru_cache
def speech(dbfs: float, syllables: int = 4) -> bytes:
    """Return vowels of 160 ms with pauses of 60 ms: harmonics of a voice around 600 Hz."""
    values = array("d")
    for syllable in range(syllables):
        pitch = 2 * math.pi * (120 + 8 * syllable) / 16_000
        for number in range(2_560):
            shape = math.sin(math.pi * number / 2_560)
            tones = (math.sin(pitch * k * number) / (1 + abs(k - 5)) for k in range(1, 20))
            values.append(shape * sum(tones))
        values.extend([0.0] * 960)
    return at_level(values, dbfs)


def at_level(values: Sequence[float], dbfs: float) -> bytes:
    power = sum(value * value for value in values) / len(values)
    scale = 32_768 * 10 ** (dbfs / 20) / math.sqrt(power)
    return packed(value * scale for value in values)


def packed(values: Iterable[float]) -> bytes:
    return to_bytes(array("h", [max(-32_768, min(32_767, round(value))) for value in values]))


def mixed(one: bytes, other: bytes) -> bytes:
    """Return both together, as long as the second."""
    first = samples_of(one)
    return packed(a + b for a, b in zip(first, samples_of(other)[: len(first)], strict=False))


def dc(seconds: float, value: int) -> bytes:
    return to_bytes(array("h", [value] * round(seconds * 16_000)))


MAINS_50 = (50, 100, 150, 200, 250, 300, 350)
MAINS_60 = (60, 120, 180, 240, 300, 360, 420)
STEADY = {
    **{f"white at {level}": noise(4, level) for level in (-60, -45, -30)},
    **{f"pink-like at {level}": noise(4, level, 1, 0.7) for level in (-45, -30)},
    **{f"brown-like at {level}": noise(4, level, 2, 0.98) for level in (-45, -30)},
    **{f"50 Hz at {level}": waves(4, level, *MAINS_50) for level in (-40, -20)},
    **{f"60 Hz at {level}": waves(4, level, *MAINS_60) for level in (-40, -20)},
    "DC": dc(4, 12_000),
    "negative DC with noise": mixed(dc(4, -20_000), noise(4, -45)),
    "noise behind silence": silence(8_000) + noise(4, -40),
}


@pytest.mark.parametrize("name", STEADY)
def test_steady_noise_hum_and_dc_are_not_speech(name: str) -> None:
    sound = STEADY[name]
    vad = EnergyVad()
    assert vad.process(sound) == []
    over = silence(3_200) + speech(-18) + silence(16_000)
    events = kinds(vad.process(mixed(over, sound)))
    assert (events.count("start"), events.count("end")) == (1, 1)
    assert vad.process(sound) == []


@pytest.mark.parametrize("rate", [8_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_other_formats_give_the_same_result(rate: int, channels: int) -> None:
    format_ = AudioFormat(rate, channels)
    rng = random.Random(3)
    hiss = packed(rng.gauss(0, 300) for _ in range(4 * rate * channels))
    vad = EnergyVad(format=format_)
    assert vad.process(hiss) == []
    voice = tone(300, rate // 2, rate, 0.3)
    each = [voice[place : place + 2] * channels for place in range(0, len(voice), 2)]
    assert kinds(vad.process(mixed(b"".join(each), hiss)))[0] == "start"


def test_speech_during_the_learning_time_is_complete() -> None:
    """It is softer than the level that always counts as speech."""
    for before in (b"", silence(4_000)):
        vad = EnergyVad()
        said = speech(-26)
        events = vad.process(before + said + silence(16_000))
        assert (kinds(events)[0], kinds(events)[-1]) == ("start", "end")
        assert said in b"".join(event.audio for event in events) + bytes(1)


def test_the_pre_roll_is_complete_at_the_end_of_the_learning() -> None:
    vad = EnergyVad(VadConfig(pre_roll=0.04, attack=2))
    sound = noise(0.2, -60) + loud(30, amplitude=0.05)
    start = vad.process(sound)[0]
    assert start.audio == sound[8 * 2 * FRAME : 15 * 2 * FRAME]


def test_a_threshold_is_that_of_the_softest_band() -> None:
    vad = EnergyVad()
    assert vad.threshold == -50  # nothing has been received
    vad.process(noise(1, -30))
    # The lowest of five bands has a sixteenth of white noise, less what the filter removes.
    assert vad.threshold == pytest.approx(-30 - 12 - 2 + 9, abs=2)
    assert EnergyVad(VadConfig(learning=0.0)).threshold == -50


def test_a_gap_in_the_noise_does_not_end_it() -> None:
    vad = EnergyVad()
    assert vad.process((noise(2, -40) + silence(8_000)) * 3) == []
    muted = EnergyVad()
    assert muted.process(silence(32_000) + noise(2, -40)) == []
    assert kinds(muted.process(silence(16_000) + speech(-25)))[0] == "start"


def test_after_the_noise_ends_softer_speech_is_detected() -> None:
    vad = EnergyVad()
    assert vad.process(noise(2, -30) + noise(0.5, -65)) == []
    assert "start" in kinds(vad.process(mixed(speech(-45), noise(2, -65))))


def test_the_threshold_never_falls_below_the_minimum() -> None:
    vad = EnergyVad(CONFIG)
    vad.process(quiet(200))
    assert vad.threshold == CONFIG.minimum_dbfs


def test_the_end_of_the_stream_ends_the_utterance() -> None:
    vad = EnergyVad(CONFIG)
    assert vad.flush() == []
    vad.process(loud(4) + b"\x01\x00")
    assert vad.flush() == [VadEvent("speech", b"\x01\x00"), VadEvent("end")]
    vad.process(loud(4))
    assert vad.flush() == [VadEvent("end")]
    assert "audio" in repr(VadEvent("start", b"secret"))
    assert "secret" not in repr(VadEvent("start", b"secret"))


@given(st.lists(st.integers(1, 1500), max_size=60))
def test_any_chunks_give_the_same_result(cuts: list[int]) -> None:
    stream = quiet(5) + loud(5) + quiet(8) + loud(4) + quiet(3)
    whole = EnergyVad(CONFIG).process(stream)
    vad = EnergyVad(CONFIG)
    events: list[VadEvent] = []
    place = 0
    for cut in [*cuts, len(stream)]:
        events += vad.process(stream[place : place + cut])
        place += cut
    assert events == whole
