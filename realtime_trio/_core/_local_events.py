"""Local events: the shell sends them through the lanes; they do not come from the wire.

They pass through the same lanes as server events, so the application receives link notifications
and conversation notifications in order.
"""

from __future__ import annotations

from typing import Literal

from ..events import ServerEvent, frozen
from ._notifications import Notification

__all__ = [
    "EmitEvent",
    "InputSentEvent",
    "LinkEvent",
    "LinkLostEvent",
    "Malformed",
    "NoTurnEvent",
    "PlaybackEvent",
    "Reading",
    "SessionsWipedEvent",
    "VoiceRequestedEvent",
]


@frozen
class LinkEvent(ServerEvent):
    """The link changed: it is folded into the control slice and ``note`` is emitted.

    With a ``status`` it separates two links, in the audio lane too.
    """

    status: Literal["connecting", "connected", "reconnecting", "closed"] | None
    attempt: int = 0
    initialized: bool | None = None
    note: Notification | None = None


@frozen
class LinkLostEvent(ServerEvent):
    """The link is lost: open messages may have missed deltas (protocol.md §8 M4, S2)."""


@frozen
class InputSentEvent(ServerEvent):
    """An input is about to be written: the user's turn is over (protocol.md §7 G).

    ``ahead`` is the number of pongs that answer earlier pings and come before those of the
    input. With ``None``, pings are unknown and the next ``user_turn_start`` ends its turn.
    """

    ahead: int | None = None


@frozen
class NoTurnEvent(ServerEvent):
    """No turn is running, although no ``user_turn_start`` was received (protocol.md §7 G).

    An input started no turn or was refused, or a command killed the turn.
    """


@frozen
class VoiceRequestedEvent(ServerEvent):
    """The application requested a voice: the change that follows has the client as its source."""

    voice_id: str


@frozen
class EmitEvent(ServerEvent):
    """Notifications to emit without a change of state."""

    note: Notification


@frozen
class SessionsWipedEvent(ServerEvent):
    """The application clears all sessions (protocol.md §8 S4)."""


@frozen
class PlaybackEvent(ServerEvent):
    """A playback notification, emitted in the audio lane."""

    note: Notification


@frozen
class Malformed(ServerEvent):
    """An event that could not be decoded (protocol.md §8 M8)."""

    event_type: str | None
    error: str


@frozen
class Reading(ServerEvent):
    """An event with decoding details that its class has no field for.

    ``skipped`` holds the paths of unusable values (§2 L3), without list indexes. ``id`` is the raw
    ``id`` of the event's JSON object, even if the event's class changes it (§8 D1). The codec
    creates a reading only if there are such details. It represents its event up to the fold and
    never reaches the application.
    """

    event: ServerEvent
    skipped: tuple[str, ...] = ()
