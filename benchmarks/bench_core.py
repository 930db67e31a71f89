"""What does the whole core cost: bytes in, notifications and state out?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from realtime_trio import EventStreamProcessor

from ._kit import Kit, Subject, each
from ._recorded import ENOUGH, recordings
from .stream import mixed_stream, text_deltas

TITLE = "Core: a frame to notifications and state"


def _folded(*streams: Sequence[str | bytes]) -> Subject:
    """Fold streams, each of them from the beginning."""

    def run() -> None:
        for stream in streams:
            process = EventStreamProcessor().process_frame
            for frame in stream:
                process(frame)

    return run


def _beside_json(
    kit: Kit, name: str, *streams: Sequence[str | bytes], rounds: int | None = None
) -> None:
    """Time ``process_frame`` and ``json.loads`` on the same lines."""
    frames = [frame for stream in streams for frame in stream]
    label, base = (f"{name}: core", f"{name}: json.loads") if name else ("core", "json.loads")
    subjects = {base: each(json.loads, frames), label: _folded(*streams)}
    kit.rounds(subjects, ops=len(frames), base=base, rounds=rounds)


def _often_enough(streams: Iterable[Sequence[bytes]]) -> list[Sequence[bytes]]:
    known = list(streams)
    return known * (1 + ENOUGH // sum(map(len, known)))


def measure(kit: Kit) -> None:
    """Measure the mixed stream as bytes, which the budget judges, and other inputs."""
    frames = mixed_stream(kit.pick(60, 180))
    _beside_json(kit, "", frames, rounds=kit.pick(7, 15))
    _beside_json(kit, "str", [frame.decode() for frame in frames])
    _beside_json(kit, "deltas", text_deltas(len(frames)))
    for name, found in recordings():
        _beside_json(kit, name, *_often_enough(found))
    kit.note("a str takes json.loads less time than bytes, which it has to decode first")
