"""What the library tells the application (protocol.md §5): immutable values, one class a name.

``name`` is the name that the protocol's documents use. Every session's notifications name
their ``session_id``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, cast

import attrs

from .._value import Value
from ..events import RenderMediaEvent, ToolCall, ToolResult, Voice
from ._audio_format import AudioFormat
from ._messages import Message
from ._values import unchecked_constructor

__all__ = [
    "AllNotificationsCleared",
    "AllSessionsCleared",
    "AudioOutput",
    "AvatarSessionEnded",
    "AvatarSessionStarted",
    "AvatarStateChanged",
    "CancelConfirmed",
    "ChatSessionChanged",
    "Initialized",
    "Media",
    "MediaAdded",
    "MessageAdded",
    "MessageComplete",
    "MessageStreaming",
    "MessageUpdated",
    "Notification",
    "ProcessingFailed",
    "RequestUserSessions",
    "ResponseCancelled",
    "SessionCleared",
    "SessionMessagesLoaded",
    "SessionNotificationsCleared",
    "SessionsIndexUpdated",
    "SessionsUpdated",
    "SubsessionEnded",
    "SubsessionStarted",
    "SystemNotification",
    "ToolCallComplete",
    "ToolNotification",
    "ToolNotificationRemoved",
    "TurnStateChanged",
    "UserMessage",
    "VoiceChanged",
    "VoicesUpdated",
]

ToolStatus = Literal["preparing", "executing", "complete"]


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class Notification(Value):
    """Base of all notifications."""

    name: ClassVar[str] = ""


# --- connection -------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class Initialized(Notification):
    """The server has told what a client needs, and it is the user's turn for the first time."""

    name: ClassVar[str] = "initialized"


# --- messages ---------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class MessageStreaming(Notification):
    """``delta`` was added to the end of a message under construction."""

    name: ClassVar[str] = "message-streaming"
    session_id: str
    message_id: str
    role: str
    delta: str


# There is one for every delta.
streaming = cast(
    "Callable[[str, str, str, str], MessageStreaming]", unchecked_constructor(MessageStreaming)
)


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class MessageComplete(Notification):
    """A message is finished and stored as it stands here."""

    name: ClassVar[str] = "message-complete"
    session_id: str
    message: Message


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class MessageAdded(Notification):
    """A message that was not streamed is stored."""

    name: ClassVar[str] = "message-added"
    session_id: str
    message: Message


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class MessageUpdated(Notification):
    """A message has changed: a tool's result was attached to it."""

    name: ClassVar[str] = "message-updated"
    session_id: str
    message: Message


# There is one for every tool that has run.
message_updated = unchecked_constructor(MessageUpdated)


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class UserMessage(Notification):
    """A message of the user, as the server sent it."""

    name: ClassVar[str] = "user-message"
    session_id: str
    vendor: str
    message: str | Mapping[str, Any] | None


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class SessionMessagesLoaded(Notification):
    """A session's messages were replaced by the server's list."""

    name: ClassVar[str] = "session-messages-loaded"
    session_id: str
    messages: tuple[Message, ...]


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class ResponseCancelled(Notification):
    """The cancelled turn's messages have ended, those of ``session_ids``."""

    name: ClassVar[str] = "response-cancelled"
    session_ids: tuple[str, ...]


# --- tools ------------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class ToolNotification(Notification):
    """A tool reached ``status``."""

    name: ClassVar[str] = "tool-notification"
    session_id: str
    id: str
    tool_name: str
    status: ToolStatus
    arguments: Mapping[str, Any]


# Each call of a tool has three or more.
tool_notification = unchecked_constructor(ToolNotification)


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class ToolNotificationRemoved(Notification):
    """A tool is no longer active, without having completed."""

    name: ClassVar[str] = "tool-notification-removed"
    session_id: str
    id: str


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class ToolCallComplete(Notification):
    """Tools have run; these were their calls and their results."""

    name: ClassVar[str] = "tool-call-complete"
    session_id: str
    tool_calls: tuple[ToolCall, ...]
    tool_results: tuple[ToolResult, ...]


tool_call_complete = unchecked_constructor(ToolCallComplete)


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class SessionNotificationsCleared(Notification):
    """No tool of this session is active any more."""

    name: ClassVar[str] = "session-notifications-cleared"
    session_id: str


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AllNotificationsCleared(Notification):
    """No tool of any session is active any more."""

    name: ClassVar[str] = "all-notifications-cleared"


# --- media, system ----------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class Media(Value):
    """Something to show beside the text. ``foreign_content`` comes from outside: sanitise it."""

    id: str
    role: str
    content_type: str
    content: str | None
    url: str | None
    name: str | None
    sent_by_class: str | None
    sent_by_function: str | None
    foreign_content: bool

    @classmethod
    def of(cls, event: RenderMediaEvent, media_id: str) -> Media:
        """The media of an event."""
        return cls(
            id=media_id,
            role=event.role,
            content_type=event.content_type,
            content=event.content,
            url=event.url,
            name=event.name,
            sent_by_class=event.sent_by_class,
            sent_by_function=event.sent_by_function,
            foreign_content=event.foreign_content,
        )


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class MediaAdded(Notification):
    """A session shows something."""

    name: ClassVar[str] = "media-added"
    session_id: str
    media: Media


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class SystemNotification(Notification):
    """A word of the server to the user: ``type`` "error" for its error events (§8 D3)."""

    name: ClassVar[str] = "system-notification"
    type: Literal["system", "error"]
    severity: Literal["error", "warning", "info"] | str
    content: str
    source: str | None = None
    session_id: str | None = None


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class ProcessingFailed(Notification):
    """One event was malformed or its handler raised; it changed nothing (§8 M8, D3)."""

    name: ClassVar[str] = "processing-error"
    event_type: str | None
    error: str


# --- sessions ---------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class ChatSessionChanged(Notification):
    """Another session is the current one."""

    name: ClassVar[str] = "chat-session-changed"
    previous_session_id: str | None
    current_session_id: str | None


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class SessionsUpdated(Notification):
    """The sessions that are held in memory, or something about one of them, changed.

    ``session_ids`` is an immutable sequence that is put together when somebody reads it.
    """

    name: ClassVar[str] = "sessions-updated"
    session_ids: Sequence[str]


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class SessionsIndexUpdated(Notification):
    """The list of the user's sessions changed: ``total`` there are, ``session_ids`` are known.

    ``session_ids`` is an immutable sequence that is put together when somebody reads it.
    """

    name: ClassVar[str] = "sessions-index-updated"
    total: int
    session_ids: Sequence[str]


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class SessionCleared(Notification):
    """A session left the memory: it was deleted, or another needed its place (§8 S4)."""

    name: ClassVar[str] = "session-cleared"
    session_id: str


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AllSessionsCleared(Notification):
    """The application wiped all sessions."""

    name: ClassVar[str] = "all-sessions-cleared"


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class RequestUserSessions(Notification):
    """The application asked for ``limit`` more lines of the list of sessions, from ``offset``."""

    name: ClassVar[str] = "request-user-sessions"
    offset: int
    limit: int


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class SubsessionStarted(Notification):
    """An agent delegates; ``depth`` is 1 for the outermost delegation (§8 U4)."""

    name: ClassVar[str] = "subsession-started"
    session_id: str
    parent_session_id: str | None
    user_session_id: str | None
    sub_session_type: str
    sub_agent_type: str
    prime_agent_key: str | None
    sub_agent_key: str | None
    depth: int


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class SubsessionEnded(Notification):
    """A delegation is over; ``depth`` 0 where none was open."""

    name: ClassVar[str] = "subsession-ended"
    session_id: str
    parent_session_id: str | None
    user_session_id: str | None
    depth: int


# --- turn -------------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class TurnStateChanged(Notification):
    """Whether the server accepts input now."""

    name: ClassVar[str] = "turn-state-changed"
    can_send_input: bool


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class CancelConfirmed(Notification):
    """The server confirms a cancel. Comes at once, ahead of the text that is waiting.

    ``turn-cancelled`` on the wire's side of the documents; :class:`TurnCancelled` is how an
    ``ask`` ends.
    """

    name: ClassVar[str] = "turn-cancelled"


# --- voice, avatar ----------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class VoicesUpdated(Notification):
    """The voices that can be chosen."""

    name: ClassVar[str] = "voices-updated"
    voices: tuple[Voice, ...]


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class VoiceChanged(Notification):
    """The agent speaks with another voice; ``source`` is who wanted it."""

    name: ClassVar[str] = "voice-changed"
    previous: Voice | None
    current: Voice
    source: Literal["client", "server"]


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AvatarSessionStarted(Notification):
    """An avatar's session began; its two mappings are the vendor's own."""

    name: ClassVar[str] = "avatar-session-started"
    avatar_session_request: Mapping[str, Any] | None = attrs.field(repr=False)
    avatar_session: Mapping[str, Any] | None = attrs.field(repr=False)


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AvatarSessionEnded(Notification):
    """The avatar's session is over."""

    name: ClassVar[str] = "avatar-session-ended"


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AvatarStateChanged(Notification):
    """Whether an avatar speaks for the agent."""

    name: ClassVar[str] = "avatar-state-changed"
    active: bool


# --- audio ------------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AudioOutput(Notification):
    """Samples to play: whole frames of ``format``; ``None`` where the voice is not for playing."""

    name: ClassVar[str] = "audio-output"
    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    format: AudioFormat | None
