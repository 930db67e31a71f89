"""Recorded traffic: what servers really sent, beside the stream that is made from a seed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["ENOUGH", "recordings"]

HERE = Path(__file__).resolve().parent
_ROOT = HERE.parent
# So many frames are folded or read at least for one sample; recordings are short.
ENOUGH = 5_000
# The embedded server's lie beside the tests, and in the suite itself where it is installed.
# Those of a real server are no part of the repository; the tests look for them there, too.
_PLACES = {
    "embedded server": (HERE / "recordings", _ROOT / "tests" / "data" / "recordings"),
    "real server": (
        Path(os.environ.get("REALTIME_TRIO_SHARED") or _ROOT.parent / "shared") / "recordings",
    ),
}


def recordings() -> Iterator[tuple[str, list[list[bytes]]]]:
    """Whose traffic it is, and the text frames of each recording that was found."""
    for name, places in _PLACES.items():
        for place in places:
            found = [frames for path in sorted(place.glob("*.jsonl")) if (frames := _frames(path))]
            if found:
                yield name, found
                break


def _frames(path: Path) -> list[bytes]:
    lines = path.read_text(encoding="utf-8").splitlines()
    entries = map(json.loads, lines)
    return [e["text"].encode() for e in entries if e.get("dir") == "in" and "text" in e]
