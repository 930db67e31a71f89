"""What does an event cost in openai-python, and here, where it is also folded?"""

from __future__ import annotations

import json

from realtime_trio import EventStreamProcessor
from realtime_trio._core._codec import Codec

from ._kit import Kit, each
from .stream import mixed_stream
from .stream_openai import openai_stream

TITLE = "Peers: openai-python's parsing beside decode and core, each on its own vocabulary"


def measure(kit: Kit) -> None:
    """Time the same number and mix of events in either vocabulary."""
    from . import _openai

    turns = kit.pick(10, 30)
    ours, theirs = mixed_stream(turns), openai_stream(turns)

    def core() -> None:
        process = EventStreamProcessor().process_frame
        for frame in ours:
            process(frame)

    kit.rounds(
        {
            "json.loads": each(json.loads, theirs),
            "openai-python: parse": each(_openai.parser(), theirs),
            "realtime_trio: decode": each(Codec().decode_text, ours),
            "realtime_trio: core": core,
        },
        ops=len(ours),
        base="openai-python: parse",
        rounds=kit.pick(3, 7),
    )
