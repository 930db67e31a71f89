"""Notifications of the trio shell (protocol.md §5): the link, the login, the buffers.

They are not folded from the conversation, so a processor without a network never emits them.
Notifications of the fold are in ``_notifications``.
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
    "Jumped",
    "Lagged",
    "MemoryPressure",
    "Reconnected",
    "Reconnecting",
    "SessionRestored",
]


# -- connection ----------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class Connected(Notification):
    """The first link of this client is open and confirmed."""

    name: ClassVar[str] = "connected"


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class Disconnected(Notification):
    """The link ended. ``code`` is the websocket's close code, or ``None`` without one."""

    name: ClassVar[str] = "disconnected"
    code: int | None = None
    reason: str = ""


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class Reconnecting(Notification):
    """The client dials again after ``delay`` seconds; ``attempt`` counts from 1."""

    name: ClassVar[str] = "reconnecting"
    attempt: int
    delay: float


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class Reconnected(Notification):
    """A new link is open and confirmed. :class:`SessionRestored` follows after the resync.

    The subscriptions, the pending ``ask`` and the queued ``commands`` are kept. The new link
    continues the session ``session_id`` (``None`` if there was none yet). ``missed`` is true if a
    turn may have been running, so that events of it may be lost. ``audio_dropped`` counts the
    dropped frames of the user's speech. ``attempts`` counts the dials.
    """

    name: ClassVar[str] = "reconnected"
    attempts: int = 1
    missed: bool = False
    session_id: str | None = None
    commands: int = 0
    audio_dropped: int = 0


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AgentChanged(Notification):
    """A new link continues the session with a different agent.

    ``expected`` is the key of the session's previous agent, or of the agent that the client
    requested; ``got`` is the key of the agent that the server assigned.
    """

    name: ClassVar[str] = "agent-changed"
    expected: str
    got: str


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class SessionRestored(Notification):
    """The resync after a lost link is complete: the state matches the server's current session.

    It is emitted once for each :class:`Reconnected`, unless the link is lost again first.
    ``reloaded`` is true if events of a turn were lost and the messages were loaded again.
    """

    name: ClassVar[str] = "session-restored"
    session_id: str | None
    reloaded: bool = False


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class ConnectionGivenUp(Notification):
    """All ``attempts`` dials failed; the client ends."""

    name: ClassVar[str] = "connection-failed"
    attempts: int
    reason: str


# -- auth ----------------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AuthLogin(Notification):
    """The credentials were accepted."""

    name: ClassVar[str] = "auth-login"


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AuthLogout(Notification):
    """The client discarded its tokens."""

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
    """The server rejected the credentials or the token."""

    name: ClassVar[str] = "auth-error"
    error: str


# -- audio ---------------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AudioGap(Notification):
    """A subscriber or the playback dropped ``bytes`` of audio in ``frames`` frames."""

    name: ClassVar[str] = "audio-gap"
    frames: int
    bytes: int


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AudioFlushed(Notification):
    """Queued playback audio was discarded."""

    name: ClassVar[str] = "audio-flushed"
    bytes: int
    heard_ms: float = 0.0
    unheard_ms: float = 0.0


# -- health --------------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class Jumped(Notification):
    """A session of a fleet continues from a snapshot: the entries ``first`` to ``last`` are
    missing. The state is complete, but the notifications in between are not delivered. ``why`` is
    "jumped" (the node could not write for too long), "trimmed" (the follower was too slow),
    "rewound" (the store lost acknowledged entries) or "damaged". After a rewind the session may
    continue at an earlier position: ``last`` is then less than ``first``, and the entries after it
    were lost.
    """

    name: ClassVar[str] = "jumped"
    first: int
    last: int
    why: str


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class MemoryPressure(Notification):
    """A lane's backlog reached ``level`` percent of its limit; 0 means it has recovered."""

    name: ClassVar[str] = "memory-pressure"
    lane: str
    level: int


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class Lagged(Notification):
    """This subscription dropped ``count`` items before the next one (its overflow rule)."""

    name: ClassVar[str] = "lagged"
    count: int
