"""What does a frame cost until it is a typed event?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from realtime_trio._core._codec import Codec

from ._kit import Kit, Subject
from .stream import mixed_stream

TITLE = "Decode: JSON text to typed, validated events"

RECORDINGS = Path(__file__).parents[1] / "tests" / "data" / "recordings"
_ENOUGH = 5000


def recorded_frames() -> list[bytes]:
    """The text frames of recorded traffic; none where the tests are not beside the suite."""
    frames = []
    for path in sorted(RECORDINGS.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            if entry.get("dir") == "in" and "text" in entry:
                frames.append(entry["text"].encode())
    return frames


def each(work: Callable[[bytes], object], frames: Iterable[bytes]) -> Subject:
    """Do something with every frame."""
    frames = tuple(frames)

    def run() -> None:
        for frame in frames:
            work(frame)

    return run


def measure(kit: Kit) -> None:
    """Time the codec's ways beside ``json.loads``."""
    frames = mixed_stream(kit.pick(60, 180))
    codec = Codec()
    kit.rounds(
        {
            "json.loads": each(json.loads, frames),
            "events": each(codec.decode_text, frames),
            "for the fold": each(codec.read, frames),
            "plain way: json + cattrs": each(
                lambda frame: codec.decode_mapping(json.loads(frame)), frames
            ),
        },
        ops=len(frames),
        base="json.loads",
    )
    recorded = recorded_frames()
    if recorded:
        recorded *= 1 + _ENOUGH // len(recorded)
        kit.rounds(
            {
                "recorded: json.loads": each(json.loads, recorded),
                "recorded: events": each(codec.decode_text, recorded),
            },
            ops=len(recorded),
            base="recorded: json.loads",
        )
