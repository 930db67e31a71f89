"""Server -> client events (protocol.md §3).

The classes are the table of what the wire may leave out (§2 L1, L2): a field without a
default is required, and any other takes its default when it is missing or null, and when it is
ill-typed, too, unless it is ``NEVER_GUESSED``.
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
    """Who is logged in; part of the full initialisation (§7)."""

    user: User


@frozen
class UiSessionIdChangedEvent(ServerEvent):
    """The id to dial with from now on."""

    ui_session_id: str


@frozen
class AvatarListEvent(ServerEvent):
    """The avatars that can be chosen."""

    avatars: tuple[Avatar, ...]


@frozen
class VoiceListEvent(ServerEvent):
    """The voices that can be chosen."""

    voices: tuple[Voice, ...]


@frozen
class AgentListEvent(ServerEvent):
    """The agents that can be chosen."""

    agents: tuple[AgentCatalogEntry, ...]


@frozen
class ToolCatalogEvent(ServerEvent):
    """The tools that an agent can be given."""

    tools: tuple[Tool, ...]


@frozen
class AgentConfigurationChangedEvent(ServerEvent):
    """The current session's agent was set up again."""

    agent_config: AgentConfiguration


@frozen
class AvatarConnectionChangedEvent(ServerEvent):
    """An avatar's session began or ended; the two mappings are the vendor's own."""

    avatar_session_request: Mapping[str, Any] | None = json_field(default=None)
    avatar_session: Mapping[str, Any] | None = json_field(default=None)


@frozen
class AgentVoiceChangedEvent(ServerEvent):
    """The agent speaks with this voice from here on, in order with the audio frames."""

    voice: Voice


@frozen
class VoiceInputSupportedEvent(ServerEvent):
    """The ways in which the server takes voice input."""

    modes: tuple[VoiceInputMode | str, ...]


@frozen
class ServerListeningEvent(ServerEvent):
    """The server hears the user now."""


@frozen
class UserTurnStartEvent(ServerEvent):
    """It is the user's turn: input is accepted (§7), and everything of the last turn is over."""


@frozen
class UserTurnEndEvent(ServerEvent):
    """The user's turn is over: input is being worked on."""


@frozen
class ChatSessionChangedEvent(ServerEvent):
    """This session is the current one now, with its history (§8 S1)."""

    chat_session: ChatSession | None = attrs.field(default=None, metadata=NEVER_GUESSED)


@frozen
class ChatSessionNameChangedEvent(ServerEvent):
    """The named session, or else the current one, was renamed."""

    session_name: str
    session_id: str | None = None


@frozen
class SessionMetadataChangedEvent(ServerEvent):
    """The current session's metadata as a whole."""

    meta: Mapping[str, Any] = json_field()


@frozen
class ChatSessionAddedEvent(ServerEvent):
    """A session appeared in, or moved within, the list of the user's sessions."""

    chat_session: ChatSessionIndexEntry


@frozen
class ChatSessionDeletedEvent(ServerEvent):
    """The named session, or else the current one, was deleted."""

    session_id: str | None = None


@frozen
class GetUserSessionsResponseEvent(ServerEvent):
    """One page of the list of the user's sessions."""

    sessions: SessionsPage


@frozen
class WorkspaceListEvent(ServerEvent):
    """The workspaces that the agents may use."""

    workspaces: tuple[Mapping[str, Any], ...] = json_field()


@frozen
class WorkspaceAddedEvent(ServerEvent):
    """One workspace more."""

    entry: Mapping[str, Any] = json_field()


@frozen
class ErrorEvent(ServerEvent):
    """The server could not do something; ``source`` says what (§8 D3)."""

    message: str
    source: str | None = None


@frozen
class CancelledEvent(ServerEvent):
    """The server stops the turn that runs (§8 M5)."""


@frozen
class TextDeltaEvent(SessionEvent):
    """A piece of an answer's text."""

    content: str
    format: str = "markdown"


@frozen
class ThoughtDeltaEvent(SessionEvent):
    """A piece of a thought; its role is ``assistant (thought)``."""

    role: str = "assistant (thought)"
    content: str
    format: str = "markdown"


@frozen
class CompleteThoughtEvent(SessionEvent):
    """The whole of a thought that was streamed; repeats what is known."""

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
    """A call of the model began (``running``) or ended, with its counts of tokens."""

    running: bool
    completion_options: Mapping[str, Any] = json_field(factory=dict)
    stop_reason: str | None = None
    input_tokens: int | None = attrs.field(default=None, validator=int64)
    output_tokens: int | None = attrs.field(default=None, validator=int64)


@frozen
class InteractionEvent(SessionEvent):
    """The runtime began or ended its work on one input."""

    started: bool
    id: str = ""


@frozen
class ToolSelectDeltaEvent(SessionEvent):
    """The tools that the model has chosen so far: the whole list, again and again."""

    tool_calls: tuple[ToolCall, ...] | None = None


@frozen
class ToolCallEvent(SessionEvent):
    """Tools run (``active``) or have run, then with their results."""

    active: bool
    vendor: str | None = None
    tool_calls: tuple[ToolCall, ...] | None = None
    tool_results: tuple[ToolResult, ...] | None = None


@frozen
class RenderMediaEvent(SessionEvent):
    """Something to show with the text: markup in ``content`` or a file at ``url``."""

    content_type: str = "text/plain"
    foreign_content: bool = False
    content: str | None = None
    url: str | None = None
    name: str | None = None
    sent_by_class: str | None = None
    sent_by_function: str | None = None


@frozen
class SystemMessageEvent(SessionEvent):
    """A word of the server to the user."""

    role: str = "system"
    content: str
    format: str = "markdown"
    severity: Literal["error", "warning", "info"] | str = "error"


@frozen
class HistoryEvent(SessionEvent):
    """The vendor's whole history; repeats what is known."""

    role: str = "system"
    vendor: str = "none"
    messages: tuple[Mapping[str, Any], ...] = json_field(default=())


@frozen
class HistoryDeltaEvent(SessionEvent):
    """What a turn added to the vendor's history; repeats what is known."""

    role: str = "system"
    vendor: str | None = None
    messages: tuple[Mapping[str, Any], ...] = json_field(default=())


@frozen
class SystemPromptEvent(SessionEvent):
    """The prompt that the agent works under."""

    role: str = "system"
    content: str = ""
    format: str = "markdown"


@frozen
class UserRequestEvent(SessionEvent):
    """What a user asked, as an order to a runtime."""

    role: str = "user"
    data: UserRequestData = UserRequestData()


@frozen
class UserMessageEvent(SessionEvent):
    """A message of the user, in a vendor's form or as plain ``text``."""

    role: str = "user"
    vendor: str = "none"
    message: str | Mapping[str, Any] | None = json_field(default=None)
    text: str | None = None


@frozen
class AnthropicUserMessageEvent(SessionEvent):
    """A message of the user in Anthropic's form."""

    role: str = "user"
    message: Mapping[str, Any] = json_field(factory=dict)
    vendor: str = "anthropic"


@frozen
class OpenAIUserMessageEvent(SessionEvent):
    """A message of the user in OpenAI's form."""

    role: str = "user"
    message: Mapping[str, Any] = json_field(factory=dict)
    vendor: str = "openai"


@frozen
class SubsessionStartedEvent(SessionEvent):
    """A delegation begins; ``session_id`` is that of the session that delegates (§7)."""

    sub_session_type: Literal["chat", "oneshot"] | str = "chat"
    sub_agent_type: Literal["clone", "team", "assist", "tool"] | str = "assist"
    prime_agent_key: str = ""
    sub_agent_key: str = ""


@frozen
class SubsessionEndedEvent(SessionEvent):
    """A delegation is over."""


@frozen
class AudioDeltaEvent(SessionEvent):
    """Audio as base64 text, for who cannot take binary frames. ``id`` names its stream."""

    content: str = attrs.field(validator=base64_text)
    id: str | None = None
    content_type: str = "audio/L16"
