"""Notifications for the application (protocol.md §5): one immutable class per name.

``name`` is the name in the protocol's documents. Notifications about a session have a
``session_id``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import attrs

from .._value import Value
from ..events import ToolCall, ToolResult, Voice
from ._audio_format import AudioFormat
from ._media_file import file_name, media_bytes, write_new
from ._messages import Message

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


# -- connection ----------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class Initialized(Notification):
    """The server has sent its initial state and the user's first turn has begun."""

    name: ClassVar[str] = "initialized"


# -- messages ------------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class MessageStreaming(Notification):
    """``delta`` was added to the end of a message under construction."""

    name: ClassVar[str] = "message-streaming"
    session_id: str
    message_id: str
    role: str
    delta: str


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class MessageComplete(Notification):
    """A message is finished and stored in this form."""

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
    """A stored message changed: a tool's result was attached."""

    name: ClassVar[str] = "message-updated"
    session_id: str
    message: Message


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class UserMessage(Notification):
    """A user's message, as sent by the server."""

    name: ClassVar[str] = "user-message"
    session_id: str
    vendor: str
    message: str | Mapping[str, Any] | None


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class SessionMessagesLoaded(Notification):
    """The server's list replaced a session's messages."""

    name: ClassVar[str] = "session-messages-loaded"
    session_id: str
    messages: tuple[Message, ...]


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class ResponseCancelled(Notification):
    """The messages of the cancelled turn have ended, in ``session_ids``."""

    name: ClassVar[str] = "response-cancelled"
    session_ids: tuple[str, ...]


# -- tools ---------------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class ToolNotification(Notification):
    """A tool reached ``status``."""

    name: ClassVar[str] = "tool-notification"
    session_id: str
    id: str
    tool_name: str
    status: ToolStatus
    arguments: Mapping[str, Any]


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class ToolNotificationRemoved(Notification):
    """A tool is no longer active and did not complete."""

    name: ClassVar[str] = "tool-notification-removed"
    session_id: str
    id: str


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class ToolCallComplete(Notification):
    """Tools have completed, with these calls and results."""

    name: ClassVar[str] = "tool-call-complete"
    session_id: str
    tool_calls: tuple[ToolCall, ...]
    tool_results: tuple[ToolResult, ...]


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class SessionNotificationsCleared(Notification):
    """No tool of this session is active any more."""

    name: ClassVar[str] = "session-notifications-cleared"
    session_id: str


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AllNotificationsCleared(Notification):
    """No tool of any session is active any more."""

    name: ClassVar[str] = "all-notifications-cleared"


# -- media, system -------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class Media(Value):
    """Media to show next to the text. ``foreign_content`` is untrusted: sanitise it."""

    id: str
    role: str
    content_type: str
    content: str | None
    url: str | None
    name: str | None
    sent_by_class: str | None
    sent_by_function: str | None
    foreign_content: bool

    def save(self, directory: str | os.PathLike[str], *, max_bytes: int = 10 * 2**20) -> Path:
        """Write the content to a new file in ``directory`` and return its path.

        The file is named after ``name``, made safe: no directories, no leading dot, no
        device of Windows. It never overwrites a file and never follows a link; a number is added
        instead. Only its owner can read it. Binary types (``image/png``) are decoded from
        base64, and so is a ``data:`` URL; any other URL is not fetched.

        Raises ``ValueError`` for more than ``max_bytes`` and for media without content, and
        ``OSError`` if the file cannot be written. It blocks until the file is on disk: in trio,
        call it with ``trio.to_thread.run_sync``.
        """
        data = media_bytes(self.content, self.url, self.content_type)
        if len(data) > max_bytes:
            message = f"this media is {len(data)} bytes; the limit is {max_bytes} (max_bytes)"
            raise ValueError(message)
        return write_new(Path(directory), file_name(self.name, self.content_type), data)


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class MediaAdded(Notification):
    """A session received media."""

    name: ClassVar[str] = "media-added"
    session_id: str
    media: Media


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class SystemNotification(Notification):
    """A message from the server to the user; ``type`` is "error" for error events (§8 D3)."""

    name: ClassVar[str] = "system-notification"
    type: Literal["system", "error"]
    severity: Literal["error", "warning", "info"] | str
    content: str
    source: str | None = None
    session_id: str | None = None


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class ProcessingFailed(Notification):
    """An event was malformed or its handler raised. The state is unchanged (§8 M8, D3)."""

    name: ClassVar[str] = "processing-error"
    event_type: str | None
    error: str


# -- sessions ------------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class ChatSessionChanged(Notification):
    """The current session changed."""

    name: ClassVar[str] = "chat-session-changed"
    previous_session_id: str | None
    current_session_id: str | None


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class SessionsUpdated(Notification):
    """The set of sessions in the state changed, or one of them did.

    ``session_ids`` is an immutable sequence, built when it is read.
    """

    name: ClassVar[str] = "sessions-updated"
    session_ids: Sequence[str]


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class SessionsIndexUpdated(Notification):
    """The list of the user's sessions changed: ``total`` exist, ``session_ids`` are known.

    ``session_ids`` is an immutable sequence, built when it is read.
    """

    name: ClassVar[str] = "sessions-index-updated"
    total: int
    session_ids: Sequence[str]


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class SessionCleared(Notification):
    """A session left the state: it was deleted or evicted (§8 S4)."""

    name: ClassVar[str] = "session-cleared"
    session_id: str


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AllSessionsCleared(Notification):
    """The application cleared all sessions."""

    name: ClassVar[str] = "all-sessions-cleared"


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class RequestUserSessions(Notification):
    """The application requested ``limit`` entries of the session list, from ``offset``."""

    name: ClassVar[str] = "request-user-sessions"
    offset: int
    limit: int


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class SubsessionStarted(Notification):
    """An agent started a delegation; ``depth`` is 1 for the outermost (§8 U4)."""

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
    """A delegation ended; ``depth`` is 0 if none was open."""

    name: ClassVar[str] = "subsession-ended"
    session_id: str
    parent_session_id: str | None
    user_session_id: str | None
    depth: int


# -- turn ----------------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class TurnStateChanged(Notification):
    """Whether the server accepts input now."""

    name: ClassVar[str] = "turn-state-changed"
    can_send_input: bool


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class CancelConfirmed(Notification):
    """The server confirmed a cancel. It is emitted immediately, ahead of queued text.

    The protocol's documents call it ``turn-cancelled``. :class:`TurnCancelled` is the outcome of an
    ``ask``.
    """

    name: ClassVar[str] = "turn-cancelled"


# -- voice, avatar -------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class VoicesUpdated(Notification):
    """The list of available voices changed."""

    name: ClassVar[str] = "voices-updated"
    voices: tuple[Voice, ...]


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class VoiceChanged(Notification):
    """The agent's voice changed; ``source`` is the side that requested it."""

    name: ClassVar[str] = "voice-changed"
    previous: Voice | None
    current: Voice
    source: Literal["client", "server"]


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AvatarSessionStarted(Notification):
    """An avatar session started; both mappings have the vendor's format."""

    name: ClassVar[str] = "avatar-session-started"
    avatar_session_request: Mapping[str, Any] | None = attrs.field(repr=False)
    avatar_session: Mapping[str, Any] | None = attrs.field(repr=False)


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AvatarSessionEnded(Notification):
    """The avatar session ended."""

    name: ClassVar[str] = "avatar-session-ended"


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AvatarStateChanged(Notification):
    """Whether an avatar speaks for the agent."""

    name: ClassVar[str] = "avatar-state-changed"
    active: bool


# -- audio ---------------------------------------------------------------------------------


@attrs.frozen(slots=True, kw_only=True, eq=False, repr=False)
class AudioOutput(Notification):
    """Samples to play: whole frames of ``format``, or ``None`` if there is no playback."""

    name: ClassVar[str] = "audio-output"
    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    format: AudioFormat | None
