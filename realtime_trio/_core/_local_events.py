"""Events that do not come from the wire: the shell's own news for a lane.

They travel through the same lanes as the server's, so what the application hears of the
link stands in order with what it hears of the conversation.
"""

from __future__ import annotations

from typing import Literal

from ..events import ServerEvent, frozen
from ._notifications import Notification

__all__ = [
    "InputSentEvent",
    "LinkEvent",
    "LinkLostEvent",
    "Malformed",
    "NoTurnEvent",
    "PlaybackEvent",
    "Reading",
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
class LinkLostEvent(ServerEvent):
    """The link is lost: what was open may have gone on unheard (protocol.md §8 M4, S2)."""


@frozen
class InputSentEvent(ServerEvent):
    """An input is about to be written: the user's turn is over (protocol.md §7 G).

    ``ahead`` is the number of pongs that answer earlier pings and come before those of the
    input. ``None``: nothing is known of pings, and the next ``user_turn_start`` ends its turn.
    """

    ahead: int | None = None


@frozen
class NoTurnEvent(ServerEvent):
    """No turn runs, although no ``user_turn_start`` says so (protocol.md §7 G).

    An input has started none, was refused, or a command has killed the turn.
    """


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
    """News of the playback, emitted in the audio lane."""

    note: Notification


@frozen
class Malformed(ServerEvent):
    """An event that could not be read (protocol.md §8 M8)."""

    event_type: str | None
    error: str


@frozen
class Reading(ServerEvent):
    """An event together with what its class has no field for; the codec makes it when needed.

    ``left_out`` are the places whose value could not be used (§2 L3), without the indexes of
    lists. ``id`` is what the event's JSON object has under that name, whatever the event's
    class makes of it (§8 D1). It stands for its event until the fold; nobody gets to see it.
    """

    event: ServerEvent
    left_out: tuple[str, ...] = ()
