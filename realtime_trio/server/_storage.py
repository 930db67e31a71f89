"""Measure the memory of values, for the storage limits of a server."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from sys import getsizeof
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from ._hub import Received

__all__ = ["SeenFrames", "held_bytes"]

_ENTRY = 256
"""Bytes that an entry of ``seen`` takes besides its frame."""


def held_bytes(value: object) -> int:
    """Return the bytes that a JSON value takes, the objects in it included.

    The work is linear in the number of objects. A string that is held twice counts twice.
    """
    total, pending = 0, [value]
    while pending:
        item = pending.pop()
        total += getsizeof(item)
        if isinstance(item, Mapping):
            fields = cast("Mapping[str, object]", item)
            pending.extend(fields)
            pending.extend(fields.values())
        elif isinstance(item, (list, tuple)):
            pending.extend(cast("list[object]", item))
    return total


class SeenFrames:
    """Keeps the latest frames in ``frames``, within a number of entries and of bytes.

    The owner of ``frames`` may clear it at any time.
    """

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self.frames: deque[Received] = deque(maxlen=max_entries)
        self._max_bytes = max_bytes
        self._bytes = 0

    def add(self, received: Received) -> None:
        """Add a frame. Beyond ``max_bytes``, the oldest go until a quarter of it is free."""
        self.frames.append(received)
        self._bytes += _size(received)
        if self._bytes <= self._max_bytes:
            return
        # Recount: the deque may have evicted entries, and its owner may have cleared it.
        self._bytes = sum(map(_size, self.frames))
        if self._bytes <= self._max_bytes:
            return
        while self.frames and self._bytes > self._max_bytes * 3 // 4:
            self._bytes -= _size(self.frames.popleft())


def _size(received: Received) -> int:
    return getsizeof(received.frame) + _ENTRY
