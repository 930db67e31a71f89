"""Fast constructors of the notifications that a fold creates often.

Each does what its class's constructor does and takes a fraction of the time (see
:func:`~realtime_trio._core._unchecked.unchecked_constructor`). A fold's values are valid already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from ._notifications import (
    AllNotificationsCleared,
    ChatSessionChanged,
    Media,
    MediaAdded,
    MessageAdded,
    MessageComplete,
    MessageStreaming,
    MessageUpdated,
    SessionMessagesLoaded,
    SessionNotificationsCleared,
    SessionsIndexUpdated,
    SessionsUpdated,
    SubsessionEnded,
    SubsessionStarted,
    SystemNotification,
    ToolCallComplete,
    ToolNotification,
    TurnStateChanged,
    UserMessage,
)
from ._unchecked import unchecked_constructor

__all__ = [
    "ALL_NOTIFICATIONS_CLEARED",
    "chat_session_changed",
    "media",
    "media_added",
    "message_added",
    "message_complete",
    "message_updated",
    "session_messages_loaded",
    "session_notifications_cleared",
    "sessions_index_updated",
    "sessions_updated",
    "streaming",
    "subsession_ended",
    "subsession_started",
    "system_notification",
    "tool_call_complete",
    "tool_notification",
    "turn_state_changed",
    "user_message",
]

# One is created per delta, so its arguments are positional.
streaming = cast(
    "Callable[[str, str, str, str], MessageStreaming]", unchecked_constructor(MessageStreaming)
)

message_added = unchecked_constructor(MessageAdded)
message_complete = unchecked_constructor(MessageComplete)
message_updated = unchecked_constructor(MessageUpdated)
user_message = unchecked_constructor(UserMessage)
tool_notification = unchecked_constructor(ToolNotification)
tool_call_complete = unchecked_constructor(ToolCallComplete)
session_notifications_cleared = unchecked_constructor(SessionNotificationsCleared)
ALL_NOTIFICATIONS_CLEARED = AllNotificationsCleared()
media = unchecked_constructor(Media)
media_added = unchecked_constructor(MediaAdded)
system_notification = unchecked_constructor(SystemNotification)
chat_session_changed = unchecked_constructor(ChatSessionChanged)
session_messages_loaded = unchecked_constructor(SessionMessagesLoaded)
sessions_updated = unchecked_constructor(SessionsUpdated)
sessions_index_updated = unchecked_constructor(SessionsIndexUpdated)
subsession_started = unchecked_constructor(SubsessionStarted)
subsession_ended = unchecked_constructor(SubsessionEnded)
turn_state_changed = unchecked_constructor(TurnStateChanged)
