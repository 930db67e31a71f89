"""Does an event cost more in a long message, or in a long session?"""

from __future__ import annotations

import time

from realtime_trio import EventStreamProcessor

from ._kit import Kit
from .stream import SESSION, encode, text_deltas

TITLE = "Growth: cost of an event as messages and sessions grow"

SIZES = (10_000, 100_000, 1_000_000)
SESSIONS = (10, 1_000, 10_000)
_WINDOW = 10_000


def _cost(processor: EventStreamProcessor, frames: list[bytes]) -> float:
    """Microseconds of this process for each of so many frames."""
    process = processor.process_frame
    began = time.process_time()
    for frame in frames:
        process(frame)
    return (time.process_time() - began) / len(frames) * 1e6


def _cost_when_read(processor: EventStreamProcessor, frames: list[bytes]) -> float:
    """The same where somebody reads the whole text after every delta."""
    process = processor.process_frame
    began = time.process_time()
    for frame in frames:
        process(frame)
        session = processor.state.sessions[SESSION]
        assert session.open_message is not None
        len(session.open_message.content)
    return (time.process_time() - began) / len(frames) * 1e6


def _deltas(kit: Kit) -> None:
    """One message that grows to a million deltas; the cost of the last ten thousand of each."""
    frames = text_deltas(_WINDOW)
    processor = EventStreamProcessor()
    reached = 0
    for size in SIZES:
        while reached < size - _WINDOW:
            _cost(processor, frames)
            reached += _WINDOW
        cost = _cost(processor, frames)
        reached += _WINDOW
        base = f"delta at {SIZES[0]:,}"
        label = f"delta at {size:,}"
        kit.sample(label, cost, "us", base=None if label == base else base)
        kit.point("a delta in one message", size, cost, x_label="deltas so far", unit="us")
        read = _cost_when_read(processor, frames[:1000])
        kit.sample(f"delta at {size:,}, the text read after each", read, "us")
        kit.point("the same, read after each", size, read, x_label="deltas so far", unit="us")


def _messages(kit: Kit) -> None:
    """A session that grows to ten thousand messages."""
    base = {"session_id": SESSION, "role": "assistant", "user_session_id": SESSION}
    frames = [
        encode({"type": "message", **base, "content": f"message {number}", "format": "markdown"})
        for number in range(SESSIONS[-1])
    ]
    processor = EventStreamProcessor()
    reached = 0
    for size in SESSIONS:
        _cost(processor, frames[reached:size])
        reached = size
        # Whole messages past the bound: each also drops the oldest, as in a session that lasts.
        costs = sorted(_cost(processor, frames[:200]) for _ in range(5))
        label, first = f"message at {size:,}", f"message at {SESSIONS[0]:,}"
        kit.sample(label, costs[2], "us", base=None if label == first else first)
        kit.point("a message in one session", size, costs[2], x_label="messages", unit="us")


def measure(kit: Kit) -> None:
    """Let a message and a session grow."""
    for _ in range(kit.pick(1, 3)):
        _deltas(kit)
        _messages(kit)
