"""Find out when a session is complete again after a link was lost.

A link that begins in the user's turn delivers the whole list of messages, and that completes the
resync. A link that begins in the middle of a turn delivers a list without that turn and then only
its end: the turn has a gap, and the client asks for the list again after the turn.

The resync completes when the text lane has handled the event that completes the session: a mark
is placed directly behind that event.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, final

from .._core._fast_decoder import Incoming
from .._core._local_events import EmitEvent
from .._core._shell_notifications import SessionRestored
from .._lanes._marks import Mark, Marks
from ..events import ChatSessionChangedEvent, Lane

__all__ = ["Resync"]

_logger: Final = logging.getLogger("realtime_trio.connection")


@final
class Resync:
    """One resync at a time; a new link begins a new one. ``post`` hands events to the lanes."""

    def __init__(self, post: Callable[[EmitEvent], None], marks: Marks) -> None:
        self._post = post
        self._marks = marks
        self._asked: str | None = None
        self._expected: SessionRestored | None = None  # emitted when the text lane reaches the mark

    def link_opened(self) -> None:
        """Forget the resync of the last link."""
        self._asked = self._expected = None

    def received(self, event: Incoming) -> None:
        """Handle an event that was just routed."""
        if self._asked is not None and isinstance(event, ChatSessionChangedEvent):
            session = event.chat_session
            if session is not None and session.session_id == self._asked:
                note = SessionRestored(session_id=self._asked, reloaded=True)
                self._asked = None
                self._complete_at(self._marks.place(Lane.TEXT), note)

    def asked(self, session_id: str) -> None:
        """Note that the list of this session was requested: handling it completes the session."""
        self._asked = session_id

    def complete(self, session_id: str | None, mark: Mark) -> None:
        """Complete the resync when the lanes pass this mark."""
        self._complete_at(mark, SessionRestored(session_id=session_id))

    def _complete_at(self, mark: Mark, note: SessionRestored) -> None:
        self._expected = note
        mark.when_passed(Lane.TEXT, lambda _slice: self._emit(note))

    def _emit(self, note: SessionRestored) -> None:
        if self._expected is note:
            self._expected = None
            _logger.info("the session is complete again%s", " (reloaded)" if note.reloaded else "")
            self._post(EmitEvent(note=note))
