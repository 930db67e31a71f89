"""In a long session, an event costs the same as in a short one: calls and bytes, not time."""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from types import FrameType
from typing import Any

import pytest

from realtime_trio._core._notifications import SessionsIndexUpdated
from realtime_trio._core._state import Limits
from realtime_trio._processor import EventStreamProcessor
from realtime_trio.events import ToolCall

from .talk import (
    CANCELLED,
    MAIN,
    TURN_START,
    Json,
    begin,
    call,
    chat_session,
    completion,
    end,
    interaction,
    media,
    message,
    select,
    sub_ended,
    sub_started,
    text,
    thought,
    user,
)

MESSAGES = 10_000
DELTAS = 1_000_000
SAMPLES = 9
# The last chunk of a log is copied when it grows: 64 references. All 10,000 would take 80 kB.
SLACK_BYTES = 1024

numbers = count()

KINDS: dict[str, Callable[[], Json]] = {
    "text_delta": lambda: text("another piece "),
    "text_delta with an id": lambda: text("another piece ", id=f"e{next(numbers)}"),
    "thought_delta": lambda: thought("another piece "),
    "message": lambda: message("a whole message"),
    "user message": lambda: user("a question"),
    "completion": lambda: completion(False, input_tokens=1, output_tokens=1),
    "interaction": lambda: interaction(False),
    "tool selected": lambda: select(call("t")),
    "tool begun": lambda: begin(call("t")),
    "tool ended": lambda: end(call("t")),
    "cancelled": lambda: CANCELLED,
    "user_turn_start": lambda: TURN_START,
    "media": media,
    "delegation": lambda: sub_ended() if next(numbers) % 2 else sub_started(),
    "renamed": lambda: {"type": "chat_session_name_changed", "session_name": "n"},
}


@contextmanager
def calls_counted() -> Iterator[list[int]]:
    """Count the calls of Python functions."""
    counted = [0]

    def profile(_frame: FrameType, what: str, _arg: Any) -> None:
        counted[0] += what == "call"

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield counted
    finally:
        sys.setprofile(before)


def cost(processor: EventStreamProcessor, kind: str) -> tuple[int, int]:
    """Return calls and bytes of one more event: the minimum, since storage grows at times."""
    calls, sizes = [], []
    for _ in range(SAMPLES):
        wire = KINDS[kind]()
        with calls_counted() as counted:
            processor.process_event(wire)
        calls.append(counted[0])
        wire = KINDS[kind]()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        processor.process_event(wire)
        sizes.append(tracemalloc.get_traced_memory()[1] - before)
        tracemalloc.stop()
    return min(calls), min(sizes)


def short() -> EventStreamProcessor:
    processor = EventStreamProcessor()
    for wire in (chat_session(), user("?"), message("x"), text("a piece ")):
        processor.process_event(wire)
    return processor


@pytest.fixture(scope="module")
def long() -> EventStreamProcessor:
    processor = EventStreamProcessor(limits=Limits(max_messages=MESSAGES))
    processor.process_event(chat_session())
    for i in range(MESSAGES):
        processor.process_event(message("x") if i % 2 else user("?"))
    delta = json.dumps(text("a piece "))
    for _ in range(DELTAS):
        processor.process_frame(delta)
    session = processor.state.sessions[MAIN]
    assert len(session.messages) == MESSAGES
    assert session.open_message is not None
    assert len(session.open_message.content) == DELTAS * 8
    return processor


@pytest.mark.parametrize("kind", list(KINDS))
def test_an_event_costs_the_same_at_the_end_as_at_the_start(
    kind: str, long: EventStreamProcessor
) -> None:
    few_calls, few_bytes = cost(short(), kind)
    calls, size = cost(long, kind)
    assert calls <= few_calls + 4
    assert size <= few_bytes + SLACK_BYTES


def test_a_state_costs_nothing_to_keep(long: EventStreamProcessor) -> None:
    kept = [long.state for _ in range(100)]
    assert all(each.text is kept[0].text for each in kept)
    assert kept[0].sessions[MAIN].messages is kept[1].sessions[MAIN].messages


def with_many(sessions: int, tools: int) -> EventStreamProcessor:
    """Return a list of sessions, and a message with many tools."""
    processor = EventStreamProcessor()
    processor.process_event(chat_session())
    for n in range(sessions):
        processor.process_event(listed_session(f"known{n}"))
    processor.process_event(text("a piece "))
    for n in range(tools):
        processor.process_event(end(call(f"ended{n}")))
    return processor


def listed_session(session_id: str) -> Json:
    return {"type": "chat_session_added", "chat_session": {"session_id": session_id}}


OF_MANY: dict[str, Callable[[], Json]] = {
    "session added": lambda: listed_session(f"new{next(numbers)}"),
    "session changed": lambda: listed_session("known3"),
    "session deleted": lambda: {
        "type": "chat_session_deleted",
        "session_id": f"known{next(numbers) % 8}",
    },
    "page": lambda: {
        "type": "get_user_sessions_response",
        "sessions": {
            "chat_sessions": [{"session_id": "known1"}],
            "total_sessions": 9,
            "offset": 3,
        },
    },
    "tool selected": lambda: select(call(f"t{next(numbers)}")),
    "tool begun": lambda: begin(call(f"t{next(numbers)}")),
    "tool ended": lambda: end(call(f"t{next(numbers)}")),
}


@pytest.fixture(scope="module")
def many() -> EventStreamProcessor:
    processor = with_many(sessions=10_000, tools=4_000)
    assert len(processor.state.control.index) == 10_000
    open_message = processor.state.sessions[MAIN].open_message
    assert open_message is not None
    assert len(open_message.head.tool_calls) == 4_000
    return processor


@pytest.mark.parametrize("kind", list(OF_MANY))
def test_an_event_costs_the_same_with_many_as_with_ten(
    kind: str, many: EventStreamProcessor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, kind, OF_MANY[kind])
    few_calls, few_bytes = cost(with_many(sessions=10, tools=10), kind)
    calls, size = cost(many, kind)
    assert calls <= few_calls + 8
    assert size <= few_bytes + SLACK_BYTES


def with_an_old_tool(messages: int) -> EventStreamProcessor:
    """Return a tool that ended, and messages after it."""
    processor = EventStreamProcessor(limits=Limits(max_messages=MESSAGES))
    for wire in (chat_session(), message("x"), begin(call("old")), end(call("old"))):
        processor.process_event(wire)
    for _ in range(messages):
        processor.process_event(message("y"))
    return processor


def test_a_repeated_end_finds_its_message_among_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "old tool ended", lambda: end(call("old")))
    few_calls, _ = cost(with_an_old_tool(10), "old tool ended")
    calls, _ = cost(with_an_old_tool(4_000), "old tool ended")
    assert calls <= few_calls + 4


def test_queued_notifications_share_their_lists(many: EventStreamProcessor) -> None:
    """1,000 of them with the ids of 10,000 sessions would take 80 MB."""
    tracemalloc.start()
    waiting = [many.process_event(listed_session("known5")) for _ in range(1_000)]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 4_000_000
    (note,) = waiting[0]
    assert isinstance(note, SessionsIndexUpdated)
    assert len(note.session_ids) == len(tuple(note.session_ids)) == 10_000


def test_of_a_tool_that_ended_only_the_call_in_its_message_is_tracked() -> None:
    """The other values of its life are kept, but the garbage collector never visits them."""
    tools = 50
    processor = EventStreamProcessor()
    for number in range(tools):
        given = call(f"tracked-{number}", "ls", {"path": "/"})
        for event in (select(call(f"tracked-{number}", "ls")), begin(given), end(given)):
            processor.process_frame(json.dumps(event))
    state = processor.state
    gc.collect()
    calls = [each for each in gc.get_objects() if isinstance(each, ToolCall)]
    assert sum(each.id.startswith("tracked-") for each in calls) == tools
    assert state.current_session is None  # the state still holds them
