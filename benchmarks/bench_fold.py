"""What does a typed event cost until the state and the notifications are made?"""

from __future__ import annotations

import json

from realtime_trio import EventStreamProcessor
from realtime_trio._core._codec import Codec

from ._kit import Kit, each
from .stream import mixed_stream, text_deltas

TITLE = "Fold: typed events to state and notifications"


def measure(kit: Kit) -> None:
    """Time the fold of decoded events."""
    frames = mixed_stream(kit.pick(45, 180))
    deltas = text_deltas(len(frames))
    codec = Codec()
    events = [codec.decode_text(frame) for frame in frames]
    spoken = [codec.decode_text(frame) for frame in deltas]

    def mixed() -> None:
        process = EventStreamProcessor().process_event
        for event in events:
            process(event)

    def of_one_message() -> None:
        process = EventStreamProcessor().process_event
        for event in spoken:
            process(event)

    kit.rounds(
        {"json.loads": each(json.loads, frames), "mixed": mixed, "text deltas": of_one_message},
        ops=len(frames),
        base="json.loads",
    )
