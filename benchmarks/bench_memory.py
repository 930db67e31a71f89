"""Does memory stay bounded over a million events?"""

from __future__ import annotations

from realtime_trio import EventStreamProcessor, Limits

from ._kit import Kit
from ._memory import resident_kilobytes
from .stream import EVENTS_A_TURN, mixed_stream

TITLE = "Memory: a session that goes on for a million events"
PROCESSES = (1, 1)

EVENTS = 1_000_000
STEPS = 20


def measure(kit: Kit) -> None:
    """Fold turn after turn, and measure the process from time to time."""
    _session(kit, "1,000 messages kept", Limits(max_messages=1000))
    if not kit.quick:
        _session(kit, "10,000 messages kept", Limits(max_messages=10_000))
    kit.note("growth of the process since the stream began")


def _session(kit: Kit, name: str, limits: Limits) -> None:
    turns = EVENTS // EVENTS_A_TURN // STEPS
    processor = EventStreamProcessor(limits=limits)
    frames = mixed_stream(turns)
    start = resident_kilobytes()
    half = f"{name}: half way"
    for step in range(1, STEPS + 1):
        # Ids differ from step to step; otherwise the second turn would be a duplicate.
        for frame in frames:
            processor.process_frame(frame.replace(b"tion-", b"tion-%d-" % step))
        used = (resident_kilobytes() - start) / 1024
        kit.point(name, step * len(frames), used, x_label="events", unit="MB")
        if step == STEPS // 2:
            kit.sample(half, used, "MB")
        elif step == STEPS:
            kit.sample(f"{name}: in the end", used, "MB", base=half)
