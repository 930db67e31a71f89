"""Events that do not come from the wire: the shell's own news for a lane.

They travel through the same lanes as the server's, so what the application hears of the
link stands in order with what it hears of the conversation.
"""

from __future__ import annotations

from typing import Literal

from ..events import ServerEvent, frozen
from ._notifications import Notification

__all__ = [
    "LinkEvent",
    "Malformed",
    "PlaybackEvent",
    "SaidEvent",
    "SessionsWipedEvent",
    "VoiceRequestedEvent",
]


@frozen
class LinkEvent(ServerEvent):
    """The link changed: folded into the control slice, ``note`` told to the application.

    With a ``status`` it is the border between two links, in the audio lane too.
    """

    status: Literal["connecting", "connected", "reconnecting", "closed"] | None
    attempt: int = 0
    initialized: bool | None = None
    note: Notification | None = None


@frozen
class VoiceRequestedEvent(ServerEvent):
    """The application asked for a voice: the change that follows is its own."""

    voice_id: str


@frozen
class SaidEvent(ServerEvent):
    """Something to tell the application that changes nothing."""

    note: Notification


@frozen
class SessionsWipedEvent(ServerEvent):
    """The application forgets every session (protocol.md §8 S4)."""


@frozen
class PlaybackEvent(ServerEvent):
    """News of the playback, told in the audio lane; without ``note``, a mark.

    A mark stands in the lane where somebody stopped the playback: what is before it belongs
    to the answer that was stopped.
    """

    note: Notification | None = None


@frozen
class Malformed(ServerEvent):
    """An event that could not be read (protocol.md §8 M8)."""

    event_type: str | None
    error: str
