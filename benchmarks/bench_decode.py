"""What does a frame cost until it is a typed event?"""

from __future__ import annotations

import json

from realtime_trio._core._codec import Codec

from ._kit import Kit, each
from ._recorded import ENOUGH, recordings
from .stream import mixed_stream

TITLE = "Decode: JSON text to typed, validated events"


def measure(kit: Kit) -> None:
    """Time the decoders of the codec and ``json.loads``."""
    frames = mixed_stream(kit.pick(45, 180))
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
    for name, found in recordings():
        recorded = [frame for frames in found for frame in frames]
        recorded *= 1 + ENOUGH // len(recorded)
        kit.rounds(
            {
                f"{name}: json.loads": each(json.loads, recorded),
                f"{name}: events": each(codec.decode_text, recorded),
            },
            ops=len(recorded),
            base=f"{name}: json.loads",
        )
