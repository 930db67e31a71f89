"""Recorded traffic of servers, in addition to the stream that is made from a seed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from realtime_trio import ProtocolError
from realtime_trio._core._codec import Codec

__all__ = ["EMBEDDED", "ENOUGH", "recordings"]

HERE = Path(__file__).resolve().parent
_ROOT = HERE.parent
# Minimum number of frames for one sample; recordings are short.
ENOUGH = 5_000
# The conversations of the embedded server, always the same, so that runs can be compared.
EMBEDDED = ("text", "thoughts", "tools", "delegation", "cancel", "openai")
# They are next to the tests, and in the suite itself if that is installed.
_PLACES = (HERE / "recordings", _ROOT / "tests" / "data" / "recordings")
# Those of a real server are not in the repository; the tests look for them there as well.
_SHARED = Path(os.environ.get("REALTIME_TRIO_SHARED") or _ROOT.parent / "shared") / "recordings"


def recordings() -> Iterator[tuple[str, list[list[bytes]]]]:
    """Return the origin of the traffic, and the text frames of each recording that was found."""
    place = next(filter(Path.is_dir, _PLACES), None)
    if place is not None:
        yield "embedded server", [_frames(place / f"embedded_{name}.jsonl") for name in EMBEDDED]
    elsewhere = [_frames(path) for path in sorted(_SHARED.glob("*.jsonl"))]
    if elsewhere:
        yield "real server", elsewhere


def _frames(path: Path) -> list[bytes]:
    """Return the events among the frames of the server."""
    lines = path.read_text(encoding="utf-8").splitlines()
    entries = map(json.loads, lines)
    frames = [e["text"].encode() for e in entries if e.get("dir") == "in" and "text" in e]
    return [frame for frame in frames if _is_event(frame)]


def _is_event(frame: bytes) -> bool:
    try:
        Codec().decode_text(frame)
    except ProtocolError:
        return False
    return True
