"""What does the whole core cost: bytes in, notifications and state out?"""

from __future__ import annotations

import json

from realtime_trio import EventStreamProcessor

from ._kit import Kit
from .bench_decode import each, recorded_frames
from .stream import mixed_stream, text_deltas

TITLE = "Core: bytes of a frame to notifications and state"


def measure(kit: Kit) -> None:
    """Time ``process_frame`` beside ``json.loads`` on the same lines."""
    frames = mixed_stream(kit.pick(90, 180))
    deltas = text_deltas(len(frames))

    def core(lines: list[bytes]) -> None:
        process = EventStreamProcessor().process_frame
        for line in lines:
            process(line)

    kit.rounds(
        {
            "json.loads": each(json.loads, frames),
            "core": lambda: core(frames),
        },
        ops=len(frames),
        base="json.loads",
        rounds=kit.pick(5, 9),
    )
    kit.rounds(
        {
            "deltas: json.loads": each(json.loads, deltas),
            "deltas: core": lambda: core(deltas),
        },
        ops=len(deltas),
        base="deltas: json.loads",
    )
    recorded = recorded_frames()
    if recorded:
        kit.rounds(
            {
                "recorded: json.loads": each(json.loads, recorded),
                "recorded: core": lambda: core(recorded),
            },
            ops=len(recorded),
            base="recorded: json.loads",
        )
