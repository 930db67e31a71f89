"""Server-to-client events (protocol.md §3).

The classes define the optional fields (§2 L1, L2). A field without a default is required. Any other
field takes its default when it is missing or null, and also when it is ill-typed, unless it is
``NEVER_GUESSED``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from ._base import ServerEvent, SessionEvent, frozen
from ._json import NEVER_GUESSED, base64_text, int64, json_field
from ._models import (
    AgentCatalogEntry,
    AgentConfiguration,
    Avatar,
    ChatSession,
    ChatSessionIndexEntry,
    SessionsPage,
    Tool,
    ToolCall,
    ToolResult,
    User,
    UserRequestData,
    Voice,
    VoiceInputMode,
)

__all__ = [
    "AgentConfigurationChangedEvent",
    "AgentListEvent",
    "AgentVoiceChangedEvent",
    "AnthropicUserMessageEvent",
    "AudioDeltaEvent",
    "AvatarConnectionChangedEvent",
    "AvatarListEvent",
    "CancelledEvent",
    "ChatSessionAddedEvent",
    "ChatSessionChangedEvent",
    "ChatSessionDeletedEvent",
    "ChatSessionNameChangedEvent",
    "ChatUserDataEvent",
    "CompleteThoughtEvent",
    "CompletionEvent",
    "ErrorEvent",
    "GetUserSessionsResponseEvent",
    "HistoryDeltaEvent",
    "HistoryEvent",
    "InteractionEvent",
    "MessageEvent",
    "OpenAIUserMessageEvent",
    "RenderMediaEvent",
    "ServerListeningEvent",
    "SessionMetadataChangedEvent",
    "SubsessionEndedEvent",
    "SubsessionStartedEvent",
    "SystemMessageEvent",
    "SystemPromptEvent",
    "TextDeltaEvent",
    "ThoughtDeltaEvent",
    "ToolCallEvent",
    "ToolCatalogEvent",
    "ToolSelectDeltaEvent",
    "UiSessionIdChangedEvent",
    "UserMessageEvent",
    "UserRequestEvent",
    "UserTurnEndEvent",
    "UserTurnStartEvent",
    "VoiceInputSupportedEvent",
    "VoiceListEvent",
    "WorkspaceAddedEvent",
    "WorkspaceListEvent",
]


@frozen
class ChatUserDataEvent(ServerEvent):
    """The logged-in user; part of the full initialisation (§7)."""

    user: User


@frozen
class UiSessionIdChangedEvent(ServerEvent):
    """The UI session id for the next dial."""

    ui_session_id: str


@frozen
class AvatarListEvent(ServerEvent):
    """The available avatars."""

    avatars: tuple[Avatar, ...]


@frozen
class VoiceListEvent(ServerEvent):
    """The available voices."""

    voices: tuple[Voice, ...]


@frozen
class AgentListEvent(ServerEvent):
    """The available agents."""

    agents: tuple[AgentCatalogEntry, ...]


@frozen
class ToolCatalogEvent(ServerEvent):
    """The available tools."""

    tools: tuple[Tool, ...]


@frozen
class AgentConfigurationChangedEvent(ServerEvent):
    """The configuration of the current session's agent changed."""

    agent_config: AgentConfiguration


@frozen
class AvatarConnectionChangedEvent(ServerEvent):
    """An avatar session started or ended; both mappings have the vendor's format."""

    avatar_session_request: Mapping[str, Any] | None = json_field(default=None)
    avatar_session: Mapping[str, Any] | None = json_field(default=None)


@frozen
class AgentVoiceChangedEvent(ServerEvent):
    """The agent's voice changed, in order with the audio frames."""

    voice: Voice


@frozen
class VoiceInputSupportedEvent(ServerEvent):
    """The server's voice input modes."""

    modes: tuple[VoiceInputMode | str, ...]


@frozen
class ServerListeningEvent(ServerEvent):
    """The server starts or stops listening to the user."""


@frozen
class UserTurnStartEvent(ServerEvent):
    """The user's turn starts: input is accepted (§7) and the previous turn is over."""


@frozen
class UserTurnEndEvent(ServerEvent):
    """The user's turn ends: the server processes the input."""


@frozen
class ChatSessionChangedEvent(ServerEvent):
    """The current session changed; the event holds its history (§8 S1)."""

    chat_session: ChatSession | None = attrs.field(default=None, metadata=NEVER_GUESSED)


@frozen
class ChatSessionNameChangedEvent(ServerEvent):
    """The given session, or else the current one, was renamed."""

    session_name: str
    session_id: str | None = None


@frozen
class SessionMetadataChangedEvent(ServerEvent):
    """The complete metadata of the current session."""

    meta: Mapping[str, Any] = json_field()


@frozen
class ChatSessionAddedEvent(ServerEvent):
    """A session appeared in, or moved within, the list of the user's sessions."""

    chat_session: ChatSessionIndexEntry


@frozen
class ChatSessionDeletedEvent(ServerEvent):
    """The given session, or else the current one, was deleted."""

    session_id: str | None = None


@frozen
class GetUserSessionsResponseEvent(ServerEvent):
    """One page of the list of the user's sessions."""

    sessions: SessionsPage


@frozen
class WorkspaceListEvent(ServerEvent):
    """The workspaces of the agents."""

    workspaces: tuple[Mapping[str, Any], ...] = json_field()


@frozen
class WorkspaceAddedEvent(ServerEvent):
    """A workspace was added."""

    entry: Mapping[str, Any] = json_field()


@frozen
class ErrorEvent(ServerEvent):
    """The server reports an error; ``source`` names its origin (§8 D3)."""

    message: str
    source: str | None = None


@frozen
class CancelledEvent(ServerEvent):
    """The server cancelled the running turn (§8 M5)."""


@frozen
class TextDeltaEvent(SessionEvent):
    """A delta of an answer's text."""

    content: str
    format: str = "markdown"


@frozen
class ThoughtDeltaEvent(SessionEvent):
    """A delta of a thought; its role is ``assistant (thought)``."""

    role: str = "assistant (thought)"
    content: str
    format: str = "markdown"


@frozen
class CompleteThoughtEvent(SessionEvent):
    """The complete text of a streamed thought; it repeats known text."""

    role: str = "assistant (thought)"
    content: str = ""
    format: str = "markdown"


@frozen
class MessageEvent(SessionEvent):
    """A whole message to display."""

    content: str
    format: str = "markdown"


@frozen
class CompletionEvent(SessionEvent):
    """A model call started (``running``) or ended, with its token counts."""

    running: bool
    completion_options: Mapping[str, Any] = json_field(factory=dict)
    stop_reason: str | None = None
    input_tokens: int | None = attrs.field(default=None, validator=int64)
    output_tokens: int | None = attrs.field(default=None, validator=int64)


@frozen
class InteractionEvent(SessionEvent):
    """The runtime started or ended its work on one input."""

    started: bool
    id: str = ""


@frozen
class ToolSelectDeltaEvent(SessionEvent):
    """The tools that the model has selected so far; always the whole list."""

    tool_calls: tuple[ToolCall, ...] | None = None


@frozen
class ToolCallEvent(SessionEvent):
    """Tools started (``active``) or completed, with their results."""

    active: bool
    vendor: str | None = None
    tool_calls: tuple[ToolCall, ...] | None = None
    tool_results: tuple[ToolResult, ...] | None = None


@frozen
class RenderMediaEvent(SessionEvent):
    """Media to show with the text: markup in ``content`` or a file at ``url``."""

    content_type: str = "text/plain"
    foreign_content: bool = False
    content: str | None = None
    url: str | None = None
    name: str | None = None
    sent_by_class: str | None = None
    sent_by_function: str | None = None


@frozen
class SystemMessageEvent(SessionEvent):
    """A message from the server to the user."""

    role: str = "system"
    content: str
    format: str = "markdown"
    severity: Literal["error", "warning", "info"] | str = "error"


@frozen
class HistoryEvent(SessionEvent):
    """The whole history in the vendor's format; it repeats known messages."""

    role: str = "system"
    vendor: str = "none"
    messages: tuple[Mapping[str, Any], ...] = json_field(default=())


@frozen
class HistoryDeltaEvent(SessionEvent):
    """The history added by a turn, in the vendor's format; it repeats known messages."""

    role: str = "system"
    vendor: str | None = None
    messages: tuple[Mapping[str, Any], ...] = json_field(default=())


@frozen
class SystemPromptEvent(SessionEvent):
    """The agent's system prompt."""

    role: str = "system"
    content: str = ""
    format: str = "markdown"


@frozen
class UserRequestEvent(SessionEvent):
    """A user's request, as an instruction to a runtime."""

    role: str = "user"
    data: UserRequestData = UserRequestData()


@frozen
class UserMessageEvent(SessionEvent):
    """A user message, in a vendor's format or as plain ``text``."""

    role: str = "user"
    vendor: str = "none"
    message: str | Mapping[str, Any] | None = json_field(default=None)
    text: str | None = None


@frozen
class AnthropicUserMessageEvent(SessionEvent):
    """A user message in Anthropic's format."""

    role: str = "user"
    message: Mapping[str, Any] = json_field(factory=dict)
    vendor: str = "anthropic"


@frozen
class OpenAIUserMessageEvent(SessionEvent):
    """A user message in OpenAI's format."""

    role: str = "user"
    message: Mapping[str, Any] = json_field(factory=dict)
    vendor: str = "openai"


@frozen
class SubsessionStartedEvent(SessionEvent):
    """A delegation starts; ``session_id`` is the delegating session (§7)."""

    sub_session_type: Literal["chat", "oneshot"] | str = "chat"
    sub_agent_type: Literal["clone", "team", "assist", "tool"] | str = "assist"
    prime_agent_key: str = ""
    sub_agent_key: str = ""


@frozen
class SubsessionEndedEvent(SessionEvent):
    """A delegation ended."""


@frozen
class AudioDeltaEvent(SessionEvent):
    """Audio as base64 text, for clients without binary frames. ``id`` identifies its stream."""

    content: str = attrs.field(validator=base64_text)
    id: str | None = None
    content_type: str = "audio/L16"
