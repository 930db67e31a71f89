"""The status line: the agent, the session, its tokens, and the link."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import final

from rich.cells import cell_len, set_cell_size

from ..._core._notifications import Notification
from ..._core._shell_notifications import (
    Disconnected,
    Reconnected,
    Reconnecting,
    SessionRestored,
)
from ..._core._state import SessionState
from .._terminal_text import one_line

__all__ = ["ChatStatus"]


@final
class ChatStatus:
    """The content of the status line. ``clock`` returns seconds, for the countdown to a dial."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._link = "connected"
        self._dial_at: float | None = None
        self.waiting: int = 0
        """Inputs that wait for the running answer or the link."""
        self.files: int = 0
        """Uploads to send with the next message."""

    @property
    def moving(self) -> bool:
        """Whether it changes with time."""
        return self._dial_at is not None

    def asked(self) -> None:
        """Hide that the session was restored: the user continues."""
        if self._link == "resynced":
            self._link = "connected"

    def update(self, note: Notification) -> str | None:
        """Handle a notification; return the line to print if it concerns the link."""
        match note:
            case Disconnected(code=code, reason=reason):
                self._link, self._dial_at = "reconnecting", None
                why = one_line(reason, 60) or (f"code {code}" if code is not None else "it broke")
                return f"disconnected ({why}): reconnecting, what you type stays"
            case Reconnecting(delay=delay):
                self._dial_at = self._clock() + delay
            case Reconnected():
                self._link, self._dial_at = "connected", None
                return "connected again"
            case SessionRestored():
                self._link = "resynced"
            case _:
                pass
        return None

    def line(self, state: SessionState, width: int) -> str:
        """Return the line, as wide as the terminal; a part that does not fit is omitted."""
        session = state.current_session
        agent = state.control.agent
        parts = [one_line(agent.name or agent.key, 30) if agent is not None else "no agent"]
        if session is not None:
            parts.append(one_line(session.name or session.id, 30))
        if self.files:
            parts.append(f"{self.files} file{'s' * (self.files > 1)}")
        if self.waiting:
            parts.append(f"{self.waiting} waiting")
        if session is not None:
            parts.append(f"{session.input_tokens} in, {session.output_tokens} out")
        link = self._link_text()
        room = max(0, width - cell_len(link) - 4)
        left = parts[0]
        for part in parts[1:]:
            longer = f"{left} · {part}"
            if cell_len(longer) <= room:
                left = longer
        return f" {set_cell_size(left, room)}  {link} "

    def _link_text(self) -> str:
        if self._dial_at is None:
            return self._link
        rest = math.ceil(self._dial_at - self._clock())
        return f"reconnecting in {rest} s" if rest > 0 else "reconnecting"
