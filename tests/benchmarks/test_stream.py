"""The suite's input: the same for everybody, and whole."""

from __future__ import annotations

import realtime_trio as rt
from benchmarks.stream import mixed_stream, text_deltas


def test_the_stream_is_the_same_every_time() -> None:
    assert mixed_stream(2) == mixed_stream(2)
    assert mixed_stream(2, seed=2) != mixed_stream(2)


def test_the_stream_folds_without_a_fault() -> None:
    processor = rt.EventStreamProcessor()
    for frame in mixed_stream(2) + text_deltas(10):
        processor.process_frame(frame)
    counters = processor.state.counters
    assert (counters.unknown, counters.malformed, counters.handler_errors) == (0, 0, 0)
    assert counters.late_deltas == counters.duplicates == 0
    assert processor.state.text.active_tools == ()
