"""Notifications as JSON, one a line: the output of ``chat --json`` and ``send --json``."""

from __future__ import annotations

import sys

from .._core import _notifications as n
from .._core._state import SessionState
from .._replay import note_line
from ._live_transcript import LiveTranscript

__all__ = ["NotificationLines"]


class NotificationLines(LiveTranscript):
    """Prints each notification as ``replay --json`` does; ``event`` counts them from 0."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0

    def show(self, note: n.Notification, state: SessionState, elapsed: float) -> None:
        """Print one notification."""
        sys.stdout.buffer.write(note_line(self._count, note))
        sys.stdout.buffer.flush()
        self._count += 1
        if isinstance(note, n.AllNotificationsCleared):
            self.end_turn()

    def line(self, *_: object, **__: object) -> None:
        """Print nothing: the exit status or a separate line reports an outcome."""
