"""Notes what happens and when; the spans are built from the notes a little later.

A span costs more than an event, and to wake a task costs as much again. So a lane only notes what
it dispatches, with its time, and one task builds the spans of an interval together.
"""

from __future__ import annotations

import time
from typing import Final, final

import trio

from .._core._shell_notifications import Lagged
from ._otel_spans import News, SpanTree

__all__ = ["INTERVAL", "NewsLog"]

INTERVAL: Final = 0.2
"""Seconds between two builds."""

_MAX_NOTES: Final = 4096


@final
class NewsLog:
    """Notifications that no span contains yet, with their times."""

    def __init__(self, tree: SpanTree) -> None:
        self._tree = tree
        self._notes: list[tuple[int, News]] = []
        self.more: trio.Event = trio.Event()
        """Set while there are notes."""

    def put(self, news: News) -> None:
        """Note one. Called in the middle of a lane's step.

        Past the bound, all notes are dropped for one that says how many they were.
        """
        now, notes = time.time_ns(), self._notes
        if not notes:
            self.more.set()
        elif len(notes) >= _MAX_NOTES:
            notes[:] = [(now, Lagged(count=_MAX_NOTES))]
        notes.append((now, news))

    def build(self) -> None:
        """Build the spans of all notes."""
        notes, self._notes = self._notes, []
        self.more = trio.Event()
        for at, news in notes:
            self._tree.take(news, at)
