"""The suite's input: the same for everybody, in the shares that are promised, and whole."""

from __future__ import annotations

import hashlib
import json
from collections import Counter

import realtime_trio as rt
from benchmarks.stream import EVENTS_A_TURN, mixed_events, mixed_stream, text_deltas
from benchmarks.stream_openai import openai_stream

TOOLS = {"tool_call", "tool_select_delta"}


def digest(frames: list[bytes]) -> str:
    return hashlib.sha256(b"\n".join(frames)).hexdigest()[:16]


def test_the_stream_is_the_same_every_time_and_everywhere() -> None:
    # These change only together with the stream: then older runs can no longer be compared.
    assert digest(mixed_stream(3)) == "e76dbe8faa854fbe"
    assert digest(text_deltas(100)) == "aff80908d5ee115c"
    assert digest(openai_stream(3)) == "28bf24b27ab9406c"
    assert mixed_stream(2, seed=2) != mixed_stream(2)


def test_the_shares_are_those_that_it_promises() -> None:
    turns = 10
    types = Counter(event["type"] for event in mixed_events(turns))
    assert types.total() == turns * EVENTS_A_TURN
    shares = {
        "text": types["text_delta"] / types.total(),
        "thoughts": types["thought_delta"] / types.total(),
        "tools": sum(types[name] for name in TOOLS) / types.total(),
    }
    assert {name: round(share, 2) for name, share in shares.items()} == {
        "text": 0.85,
        "thoughts": 0.05,
        "tools": 0.05,
    }
    sizes = [len(frame) for frame in mixed_stream(turns)]
    assert 205 < sum(sizes) / len(sizes) < 225


def test_optional_fields_are_there_as_null() -> None:
    deltas = [event for event in mixed_events(1) if event["type"] == "text_delta"]
    assert all(event["parent_session_id"] is None for event in deltas)


def test_the_stream_folds_without_a_fault() -> None:
    processor = rt.EventStreamProcessor()
    for frame in mixed_stream(2) + text_deltas(10):
        processor.process_frame(frame)
    counters = processor.state.counters
    assert (counters.unknown, counters.malformed, counters.handler_errors) == (0, 0, 0)
    assert counters.late_deltas == counters.duplicates == 0
    assert processor.state.text.active_tools == ()


def test_the_peers_vocabulary_has_as_many_events() -> None:
    frames = openai_stream(2)
    assert len(frames) == 2 * EVENTS_A_TURN
    events = [json.loads(frame) for frame in frames]
    assert len({event["event_id"] for event in events}) == len(events)
    text = sum(event["type"] == "response.output_text.delta" for event in events)
    assert text / len(events) == 0.9009009009009009
