"""What waits to be sent, in queues that are bounded in items and bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, final

import attrs
import trio

from ..events import Event
from ._receipt import Receipt

__all__ = ["Entry", "EntryQueue", "OutboxStatistics"]

_MAX_RUN: Final = 32
"""Frames that leave the queue in one go: there are empty ones."""


@attrs.define(slots=True, eq=False)
class Entry:
    """One frame that waits. ``event`` is ``None`` for audio, and for a ping of the transport."""

    frame: str | bytes | None = attrs.field(repr=False)
    size: int
    event: Event | None = attrs.field(default=None, repr=False)
    receipt: Receipt | None = None
    force: bool = False
    of_link: bool = False
    """Made for one link by the shell itself: goes with it."""
    may_pass: bool = False
    """Waits among the commands and might leave through the closed gate."""
    around: str | None = attrs.field(default=None, repr=False)
    """Written before it and behind it, with nothing in between."""
    picked: Callable[[], None] | None = attrs.field(default=None, repr=False)
    """Called when the writer takes it, just before it is written."""


@attrs.frozen(slots=True, kw_only=True)
class OutboxStatistics:
    """What waits to be sent, and what became of the rest.

    ``sent`` and ``sent_bytes`` count frames and their payload, the pings of the library around an
    input aside. ``audio_dropped`` counts frames that were thrown away because the link was away.
    """

    urgent: int
    commands: int
    command_bytes: int
    audio: int
    audio_bytes: int
    sent: int
    sent_bytes: int
    audio_dropped: int


@final
class EntryQueue:
    """Entries in order, bounded in items and bytes; an empty one takes any size."""

    __slots__ = ("entries", "max_bytes", "max_items", "room", "size", "turn")

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self.entries: deque[Entry] = deque()
        self.size: int = 0
        self.max_items: int = max_items
        self.max_bytes: int = max_bytes
        self.turn: trio.Lock = trio.Lock()
        self.room: trio.lowlevel.ParkingLot = trio.lowlevel.ParkingLot()

    def fits(self, size: int) -> bool:
        """Whether something of that size finds room."""
        entries = len(self.entries)
        return not entries or (entries < self.max_items and self.size + size <= self.max_bytes)

    def append(self, entry: Entry) -> None:
        """Take an entry, whatever there is already."""
        self.entries.append(entry)
        self.size += entry.size

    def popleft(self) -> Entry:
        """Give the oldest."""
        entry = self.entries.popleft()
        self._left(entry)
        return entry

    def pop_run(self, max_bytes: int) -> list[bytes]:
        """Give the oldest frames of audio up to so many bytes, or to what is no audio."""
        run: list[bytes] = []
        while self.entries and len(run) < _MAX_RUN:
            frame = self.entries[0].frame
            max_bytes -= self.entries[0].size
            if not isinstance(frame, bytes) or max_bytes < 0:
                break
            self.popleft()
            run.append(frame)
        return run

    def remove(self, entry: Entry) -> None:
        """Take one out, wherever it stands."""
        self.entries.remove(entry)
        self._left(entry)

    def _left(self, entry: Entry) -> None:
        self.size -= entry.size
        self.room.unpark_all()

    def clear(self) -> list[Entry]:
        """Take all out."""
        entries = list(self.entries)
        self.entries.clear()
        self.size = 0
        self.room.unpark_all()
        return entries
