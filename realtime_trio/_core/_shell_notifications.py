"""What the trio shell tells the application (protocol.md §5): the link, the login, the buffers.

Nothing here is folded from the conversation, so no processor without a network makes it; what
is stands in ``_notifications``.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from ._notifications import Notification

__all__ = [
    "AgentChanged",
    "AudioFlushed",
    "AudioGap",
    "AuthFailed",
    "AuthLogin",
    "AuthLogout",
    "AuthStateChanged",
    "AuthTokensRefreshed",
    "Connected",
    "ConnectionGivenUp",
    "Disconnected",
    "Lagged",
    "MemoryPressure",
    "Reconnected",
    "Reconnecting",
    "SessionRestored",
]


# --- connection -------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class Connected(Notification):
    """The first link of this client is open and proven."""

    name: ClassVar[str] = "connected"


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class Disconnected(Notification):
    """The link ended. ``code`` is the websocket's, ``None`` where it broke without one."""

    name: ClassVar[str] = "disconnected"
    code: int | None = None
    reason: str = ""


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class Reconnecting(Notification):
    """A new dial comes after ``delay`` seconds; ``attempt`` counts from 1."""

    name: ClassVar[str] = "reconnecting"
    attempt: int
    delay: float


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class Reconnected(Notification):
    """A new link is open and proven; :class:`SessionRestored` follows when nothing is missing.

    Restored are the subscriptions, the turn that is asked for, the ``commands`` that wait
    to be sent, and the session ``session_id``, which the new link goes on with (``None``
    where there was none yet). ``missed`` tells that a turn may have been running, so that
    pieces of it may have gone by; ``audio_dropped`` counts the frames of the user's speech
    that were thrown away. It took ``attempts`` dials.
    """

    name: ClassVar[str] = "reconnected"
    attempts: int = 1
    missed: bool = False
    session_id: str | None = None
    commands: int = 0
    audio_dropped: int = 0


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AgentChanged(Notification):
    """A new link goes on with the session, and its agent is another one than before.

    ``expected`` is the key of the agent that the session had, or that the client asked for;
    ``got`` that of the one that the server gave it.
    """

    name: ClassVar[str] = "agent-changed"
    expected: str
    got: str


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class SessionRestored(Notification):
    """After a lost link, all that the server has of the current session is in the state.

    It comes once for each :class:`Reconnected`, unless the link is lost again before.
    ``reloaded`` tells that a turn had a hole and the messages were asked for anew.
    """

    name: ClassVar[str] = "session-restored"
    session_id: str | None
    reloaded: bool = False


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class ConnectionGivenUp(Notification):
    """No link could be opened in ``attempts`` dials; the client ends."""

    name: ClassVar[str] = "connection-failed"
    attempts: int
    reason: str


# --- auth -------------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AuthLogin(Notification):
    """The credentials were accepted."""

    name: ClassVar[str] = "auth-login"


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AuthLogout(Notification):
    """The tokens were forgotten."""

    name: ClassVar[str] = "auth-logout"


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AuthTokensRefreshed(Notification):
    """A fresh token is in use."""

    name: ClassVar[str] = "auth-tokens-refreshed"


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AuthStateChanged(Notification):
    """Whether the client holds a token."""

    name: ClassVar[str] = "auth-state-changed"
    authenticated: bool


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AuthFailed(Notification):
    """The server refused the credentials or the token."""

    name: ClassVar[str] = "auth-error"
    error: str


# --- audio ------------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AudioGap(Notification):
    """A subscriber or the playback left out ``bytes`` of audio in ``frames`` pieces."""

    name: ClassVar[str] = "audio-gap"
    frames: int
    bytes: int


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AudioFlushed(Notification):
    """Audio that was waiting to be played was thrown away."""

    name: ClassVar[str] = "audio-flushed"
    bytes: int
    heard_ms: float = 0.0
    unheard_ms: float = 0.0


# --- health -----------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class MemoryPressure(Notification):
    """A lane is filled to ``level`` percent of its bound; 0 when it has fallen back."""

    name: ClassVar[str] = "memory-pressure"
    lane: str
    level: int


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class Lagged(Notification):
    """This subscription dropped ``count`` items before the next one, as its rule says."""

    name: ClassVar[str] = "lagged"
    count: int
