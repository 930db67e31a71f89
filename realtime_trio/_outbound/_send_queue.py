"""Queues of entries to send, bounded in items and bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, final

import attrs
import trio

from .._idle import EMPTY, WaitingTasks
from ..events import Event
from ._receipt import Receipt

__all__ = ["Entry", "EntryQueue", "OutboxStatistics"]

_MAX_RUN: Final = 32
"""Maximum number of frames that leave the queue together: frames can be empty."""


@attrs.define(slots=True, eq=False)
class Entry:
    """One queued frame. ``event`` is ``None`` for audio and for a ping of the transport."""

    frame: str | bytes | None = attrs.field(repr=False)
    size: int
    event: Event | None = attrs.field(default=None, repr=False)
    receipt: Receipt | None = None
    force: bool = False
    of_link: bool = False
    """Made for one link by the client itself: it is dropped with that link."""
    may_pass: bool = False
    """Whether it is a queued command that may leave through the closed gate."""
    around: str | None = attrs.field(default=None, repr=False)
    """Frame to write directly before and directly after it."""
    on_write: Callable[[], None] | None = attrs.field(default=None, repr=False)
    """Called when the writer takes the entry, just before writing it."""


@attrs.frozen(slots=True, kw_only=True)
class OutboxStatistics:
    """Queue depths and counters of the outbox.

    ``sent`` and ``sent_bytes`` count frames and their payload, without the library's pings around
    an input. ``audio_dropped`` counts frames that were dropped because there was no link.
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
    """Entries in order, bounded in items and bytes; an empty queue accepts any size."""

    __slots__ = ("_room", "_turn", "entries", "max_bytes", "max_items", "size")

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self.entries: deque[Entry] = EMPTY
        self.size: int = 0
        self.max_items: int = max_items
        self.max_bytes: int = max_bytes
        self._turn: trio.Lock | None = None  # most queues are never full
        self._room = WaitingTasks()

    def fits(self, size: int) -> bool:
        """Whether there is room for an entry of that size."""
        entries = len(self.entries)
        return not entries or (entries < self.max_items and self.size + size <= self.max_bytes)

    @property
    def turn(self) -> trio.Lock:
        """Held by the task that waits for room; the others wait for the lock."""
        if self._turn is None:
            self._turn = trio.Lock()
        return self._turn

    @property
    def awaited(self) -> bool:
        """Whether a task waits for room: all others queue behind it."""
        return self._turn is not None and self._turn.locked()

    async def wait(self) -> None:
        """Wait until an entry has left the queue."""
        await self._room.park()

    def wake_waiter(self) -> None:
        """Let the task that waits for room check again."""
        self._room.unpark_all()

    def append(self, entry: Entry) -> None:
        """Append an entry, even beyond the bounds."""
        if self.entries is EMPTY:
            self.entries = deque()
        self.entries.append(entry)
        self.size += entry.size

    def popleft(self) -> Entry:
        """Remove and return the oldest entry."""
        entry = self.entries.popleft()
        self._left(entry)
        return entry

    def pop_run(self, max_bytes: int) -> list[bytes]:
        """Remove and return the oldest audio frames: up to ``max_bytes`` and to other entries."""
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
        """Remove one entry at any place in the queue."""
        self.entries.remove(entry)
        self._left(entry)

    def _left(self, entry: Entry) -> None:
        if not self.entries:
            self.entries = EMPTY
        self.size -= entry.size
        self.wake_waiter()

    def clear(self) -> list[Entry]:
        """Remove and return all entries."""
        entries = list(self.entries)
        self.entries = EMPTY
        self.size = 0
        self.wake_waiter()
        return entries
