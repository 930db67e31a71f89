"""How much of an answer came and was heard."""

from __future__ import annotations

from realtime_trio._core._audio_format import AudioFormat
from realtime_trio._core._spoken import SpokenAnswer

LOW, HIGH = AudioFormat(16_000), AudioFormat(48_000, 2)


def test_an_answer_is_counted_in_milliseconds_of_whatever_format() -> None:
    answer = SpokenAnswer()
    assert (answer.spoken, answer.heard_ms, answer.unheard_ms) == (False, 0.0, 0.0)
    answer.add_received(32_000, LOW)
    answer.add_received(192_000, HIGH)
    answer.add_heard(48_000, LOW)
    answer.add_heard(-16_000, LOW)
    answer.add_heard(96_000, HIGH)
    assert (answer.spoken, answer.heard_ms, answer.unheard_ms) == (True, 1500.0, 500.0)


def test_what_resampling_adds_is_no_more_than_came() -> None:
    answer = SpokenAnswer()
    answer.add_received(32_000, LOW)
    answer.add_heard(192_004, HIGH)
    assert answer.unheard_ms == 0.0
