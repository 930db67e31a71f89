"""When a session is whole again after a link was lost.

A link that begins in the user's turn brings the whole list of messages, and is done with that.
One that begins in the middle of a turn brings a list without that turn and then only its end:
the turn has a hole, and the list is asked for anew once it is over.

The receive task knows what was asked and what came, the text lane may be far behind it. So both
count the events that can make a session whole, as with turns, and it is told when the text lane
has come as far.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from .._core._fast_decoder import Incoming
from .._core._local_events import SaidEvent
from .._core._shell_notifications import SessionRestored
from ..events import ChatSessionChangedEvent, UserTurnStartEvent

__all__ = ["Repair"]

_COUNTED: Final = (UserTurnStartEvent, ChatSessionChangedEvent)


@final
class Repair:
    """Follows one repair at a time; a new link begins anew. ``post`` hands news to the lanes."""

    def __init__(self, post: Callable[[SaidEvent], None]) -> None:
        self._post = post
        self._came = self._passed = 0
        self._asked: str | None = None
        self._whole_at: int | None = None
        self._note = SessionRestored(session_id=None)

    # -- the receive task's side -----------------------------------------------------------

    def link_opened(self) -> None:
        """Forget what was to be repaired on the last link."""
        self._asked = self._whole_at = None

    def saw(self, event: Incoming) -> None:
        """Count one event; it is on its way to the text lane."""
        if not isinstance(event, _COUNTED):
            return
        self._came += 1
        if self._asked is not None and isinstance(event, ChatSessionChangedEvent):
            session = event.chat_session
            if session is not None and session.session_id == self._asked:
                self._asked = None
                self._whole(self._note)

    def asked(self, session_id: str) -> None:
        """The list of this session was asked for: it is whole when that has come."""
        self._asked = session_id
        self._note = SessionRestored(session_id=session_id, reloaded=True)

    def complete(self, session_id: str | None) -> None:
        """Nothing is missing once the event that came last is handled."""
        self._whole(SessionRestored(session_id=session_id))

    def _whole(self, note: SessionRestored) -> None:
        self._note = note
        self._whole_at = self._came
        self._tell()

    # -- the text lane's side --------------------------------------------------------------

    def handled(self) -> None:
        """The text lane has handled one of the events that are counted."""
        self._passed += 1
        self._tell()

    def _tell(self) -> None:
        if self._whole_at is not None and self._passed >= self._whole_at:
            self._whole_at = None
            self._post(SaidEvent(note=self._note))
