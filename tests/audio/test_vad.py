"""When somebody begins and stops to talk."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from realtime_trio.audio import EnergyVad, VadConfig, VadEvent, silence, tone

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
    # 3 frames of pre-roll, 6 of speech, 5 of hangover, in one piece as they came.
    said = b"".join(event.audio for event in events)
    assert said == stream[7 * 2 * FRAME : (10 + 6 + 5) * 2 * FRAME]
    assert not vad.speaking
    assert kinds(vad.process(loud(2))) == ["start"]


def test_a_click_is_no_speech_and_a_breath_no_end() -> None:
    vad = EnergyVad(CONFIG)
    assert vad.process(quiet(5) + loud(1) + quiet(5)) == []
    events = vad.process(loud(3) + quiet(4) + loud(3))
    assert kinds(events).count("start") == 1
    assert "end" not in kinds(events)
    assert vad.speaking


def test_speech_from_the_first_sample_on_is_heard() -> None:
    assert kinds(EnergyVad(CONFIG).process(loud(2))) == ["start"]


def test_no_pre_roll_is_the_attack_alone() -> None:
    vad = EnergyVad(VadConfig(attack=2, pre_roll=0.0))
    (start,) = vad.process(quiet(5) + loud(2))
    assert start.audio == loud(2)


def test_what_is_too_soft_is_nothing() -> None:
    assert EnergyVad(CONFIG).process(loud(50, amplitude=0.001)) == []


def test_noise_that_stays_is_no_speech_after_a_while() -> None:
    vad = EnergyVad(CONFIG)
    hum = loud(50 * 60, amplitude=0.02)  # a minute at -37 dBFS
    assert "end" in kinds(vad.process(hum))
    assert not vad.speaking
    assert kinds(vad.process(loud(3, amplitude=0.5)))[0] == "start"


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
def test_how_the_stream_is_cut_changes_nothing(cuts: list[int]) -> None:
    stream = quiet(5) + loud(5) + quiet(8) + loud(4) + quiet(3)
    whole = EnergyVad(CONFIG).process(stream)
    vad = EnergyVad(CONFIG)
    events: list[VadEvent] = []
    place = 0
    for cut in [*cuts, len(stream)]:
        events += vad.process(stream[place : place + cut])
        place += cut
    assert events == whole
