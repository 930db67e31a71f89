"""Recorded traffic: what servers really sent, beside the stream that is made from a seed."""

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
# So many frames are folded or read at least for one sample; recordings are short.
ENOUGH = 5_000
# The conversations of the embedded server: always the same ones, or runs could not be compared.
EMBEDDED = ("text", "thoughts", "tools", "delegation", "cancel", "openai")
# They lie beside the tests, and in the suite itself where that is installed.
_PLACES = (HERE / "recordings", _ROOT / "tests" / "data" / "recordings")
# Those of a real server are no part of the repository; the tests look for them there, too.
_SHARED = Path(os.environ.get("REALTIME_TRIO_SHARED") or _ROOT.parent / "shared") / "recordings"


def recordings() -> Iterator[tuple[str, list[list[bytes]]]]:
    """Whose traffic it is, and the text frames of each recording that was found."""
    place = next(filter(Path.is_dir, _PLACES), None)
    if place is not None:
        yield "embedded server", [_frames(place / f"embedded_{name}.jsonl") for name in EMBEDDED]
    elsewhere = [_frames(path) for path in sorted(_SHARED.glob("*.jsonl"))]
    if elsewhere:
        yield "real server", elsewhere


def _frames(path: Path) -> list[bytes]:
    """The frames that the server sent, less those that are no events."""
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
