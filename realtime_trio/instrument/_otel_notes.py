"""Keep notifications with their times, and build spans from them a little later. A span costs more
than handling an event, and so does waking a task. So a lane only keeps what it dispatches, and one
task builds the spans of an interval together.
"""

from __future__ import annotations

import time
from typing import Final, final

import trio

from .._core._shell_notifications import Lagged
from ._otel_spans import SpanNote, SpanTree

__all__ = ["INTERVAL", "NoteLog"]

INTERVAL: Final = 0.2
"""Seconds between two builds of spans."""

_MAX_NOTES: Final = 4096


@final
class NoteLog:
    """Notifications that are not in a span yet, with their times."""

    def __init__(self, tree: SpanTree) -> None:
        self._tree = tree
        self._notes: list[tuple[int, SpanNote]] = []
        self.more: trio.Event = trio.Event()
        """Set while there are notes."""

    def put(self, note: SpanNote) -> None:
        """Keep one notification. Called in the middle of a lane's step. Beyond the bound, one note
        replaces all others and counts them.
        """
        now, notes = time.time_ns(), self._notes
        if not notes:
            self.more.set()
        elif len(notes) >= _MAX_NOTES:
            notes[:] = [(now, Lagged(count=_MAX_NOTES))]
        notes.append((now, note))

    def build(self) -> None:
        """Build the spans of all notes."""
        notes, self._notes = self._notes, []
        self.more = trio.Event()
        for at, note in notes:
            self._tree.take(note, at)
