"""Does an event cost more in a long message, or in a long session?"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

from realtime_trio import EventStreamProcessor

from ._kit import Kit, Subject
from .stream import SESSION, Json, encode, text_deltas

TITLE = "Growth: cost of an event as messages and sessions grow"
PROCESSES = (1, 3)

DELTAS = (10_000, 100_000, 1_000_000)
MESSAGES = (10, 1_000, 10_000)
LISTED = (10, 10_000)
CALLS = (10, 4_000)
# The number of events in a sample, and of those whose text is read after each.
_WINDOW, _READ = 2_000, 200
_BATCH = 5


def _fold(processor: EventStreamProcessor, frames: list[bytes]) -> float:
    """Return the seconds for the frames."""
    process = processor.process_frame
    began = time.process_time()
    for frame in frames:
        process(frame)
    return time.process_time() - began


def _fold_and_read(processor: EventStreamProcessor, frames: list[bytes]) -> float:
    """Return the seconds if the whole text is read after every delta."""
    process = processor.process_frame
    began = time.process_time()
    for frame in frames:
        process(frame)
        session = processor.state.sessions[SESSION]
        assert session.open_message is not None
        len(session.open_message.content)
    return time.process_time() - began


def _message_of(count: int, frames: list[bytes]) -> EventStreamProcessor:
    """Make a session whose message has so many deltas, less those to be timed."""
    processor = EventStreamProcessor()
    left = count - len(frames)
    while left > 0:
        _fold(processor, frames[:left])
        left -= len(frames)
    return processor


def _session_of(count: int, frames: list[bytes]) -> EventStreamProcessor:
    processor = EventStreamProcessor()
    _fold(processor, frames[:count])
    return processor


def _grown(
    size: int,
    smallest: int,
    make: Callable[[], EventStreamProcessor],
    fold: Callable[[EventStreamProcessor], float],
) -> Subject:
    """Fold at a size. A small session is created for each sample, because it would not stay small;
    a large one is created once, because the samples add little.
    """
    if size == smallest:
        return lambda: fold(make())
    processor = make()
    return lambda: fold(processor)


def _deltas(kit: Kit) -> None:
    """Measure messages of three sizes, with further deltas for each in turn."""
    frames = text_deltas(_WINDOW)
    subjects: dict[str, Subject] = {}
    read: dict[str, Subject] = {}
    for size in DELTAS:

        def make(size: int = size) -> EventStreamProcessor:
            return _message_of(size, frames)

        name = f"delta at {size:,}"
        subjects[name] = _grown(size, DELTAS[0], make, lambda p: _fold(p, frames))
        read[f"{name}, text read after each"] = _grown(
            size, DELTAS[0], make, lambda p: _fold_and_read(p, frames[:_READ])
        )
    kit.rounds(subjects, ops=_WINDOW, base=f"delta at {DELTAS[0]:,}", rounds=kit.pick(7, 15))
    kit.rounds(read, ops=_READ, base=f"delta at {DELTAS[0]:,}, text read after each")
    for size, name, name_read in zip(DELTAS, subjects, read, strict=True):
        _point(kit, "a delta in one message", size, name, "deltas so far")
        _point(kit, "the same, text read after each", size, name_read, "deltas so far")


def _point(kit: Kit, curve: str, size: int, series: str, x_label: str) -> None:
    kit.point(curve, size, statistics.median(kit.samples(series)), x_label=x_label, unit="us")


def _messages(kit: Kit) -> None:
    """Measure sessions of three sizes, with further messages for each in turn. The largest is full,
    so each further message also drops the oldest.
    """
    base = {"session_id": SESSION, "role": "assistant", "user_session_id": SESSION}
    frames = [
        encode({"type": "message", **base, "content": f"message {number}", "format": "markdown"})
        for number in range(MESSAGES[-1])
    ]

    def often(size: int) -> Subject:
        # A few messages are too short to time, so a sample has several small sessions.
        grown = _grown(
            size,
            MESSAGES[0],
            lambda: _session_of(size, frames),
            lambda processor: _fold(processor, frames[:_BATCH]),
        )
        return lambda: sum(filter(None, (grown() for _ in range(_WINDOW // _BATCH))))

    subjects = {f"message at {size:,}": often(size) for size in MESSAGES}
    kit.rounds(subjects, ops=_WINDOW, base=f"message at {MESSAGES[0]:,}")
    for size, name in zip(MESSAGES, subjects, strict=True):
        _point(kit, "a message in one session", size, name, "messages so far")


def _list_entry(number: int) -> Json:
    entry = {"session_id": f"session-{number}", "session_name": f"name {number}"}
    return {"type": "chat_session_added", "chat_session": entry}


def _tool_call(number: int) -> Json:
    calls = [{"id": f"call-{number}", "name": "search", "input": {}, "type": "tool_use"}]
    base = {"session_id": SESSION, "user_session_id": SESSION, "role": "assistant"}
    return {"type": "tool_call", **base, "active": True, "vendor": "anthropic", "tool_calls": calls}


def _entries(kit: Kit, what: str, sizes: tuple[int, int], event: Callable[[int], Json]) -> None:
    """Events about a few of many entries, and about the same few where there are no others."""
    smallest, largest = sizes
    frames = [encode(event(number)) for number in range(largest)]

    def few(processor: EventStreamProcessor) -> float:
        return sum(_fold(processor, frames[:smallest]) for _ in range(_WINDOW // smallest))

    subjects: dict[str, Subject] = {}
    for size in sizes:
        processor = EventStreamProcessor()
        _fold(processor, frames[:size])
        subjects[f"{what} at {size:,}"] = partial(few, processor)
    kit.rounds(subjects, ops=_WINDOW, base=f"{what} at {smallest:,}", rounds=kit.pick(5, 9))


def measure(kit: Kit) -> None:
    """Let a message, a session, the list of sessions and the tools of a message grow."""
    _deltas(kit)
    _messages(kit)
    _entries(kit, "listed session", LISTED, _list_entry)
    _entries(kit, "tool call", CALLS, _tool_call)
