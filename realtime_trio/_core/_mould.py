"""What the frames of neighbouring deltas have in common: all but what they say.

A server writes the deltas of one message alike, so the text of the next frame is that of the
last with another JSON string in one place. Where that place is known, a frame need not be
read to see that it is such a delta: it begins as the other does, ends as the other does, and
what stands between is one JSON string, which is what it says. For JSON has no context: where
one whole string may stand, another may, and nothing around it is read differently.

That the place is the right one (not the ``content`` of something nested, say) is not argued
but tried, once for each mould: with another string there, the frame must be read as the
delta with that content.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from ._fast_decoder import Delta, fast_way
from ._values import evolve

__all__ = ["MAX_MOULD", "alike", "mould_of", "said"]

MAX_MOULD: Final = 4096  # characters of a frame that is looked through for its content

said = msgspec.json.Decoder(str).decode
"""Read one JSON string; ``ValueError`` where it is none, or not one alone."""

_CONTENT: Final = re.compile(r'"content"\s*:\s*("(?:[^"\\]+|\\.)*")')
_PROBES: Final = ("?", "!")


def alike(frame: str, other: str) -> bool:
    """Whether a mould of the one is worth making to try the other: they begin alike.

    Making one costs more than reading a frame, and where two answers come at once each
    delta differs from the one before.
    """
    place = frame.find('"content"')
    return place >= 0 and frame[:place] == other[:place]


def mould_of(frame: str, delta: Delta) -> tuple[str, str] | None:
    """The text before and after what a delta says in its frame; ``None`` where none is found."""
    if len(frame) > MAX_MOULD:
        return None
    found = _CONTENT.search(frame)
    if found is None:
        return None
    before, after = frame[: found.start(1)], frame[found.end(1) :]
    read, _ = fast_way()
    # One that it does not say itself: else nothing would change where the place is a wrong one.
    probe = _PROBES[delta.content == _PROBES[0]]
    try:
        tried = read(f'{before}"{probe}"{after}')
    except ValueError:
        return None
    return (before, after) if tried == evolve(delta, content=probe) else None
