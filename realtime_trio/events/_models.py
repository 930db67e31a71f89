"""Records: the values that events carry (protocol.md §6).

Only the fields that identify a record, those without a default, are required. Real servers omit the
others or set them to null, and write times as text or as numbers. Here a time is ISO text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from ._base import frozen
from ._json import int64, json_field, not_empty

__all__ = [
    "AgentCatalogEntry",
    "AgentConfiguration",
    "Avatar",
    "ChatSession",
    "ChatSessionIndexEntry",
    "SessionsPage",
    "Tool",
    "ToolCall",
    "ToolResult",
    "User",
    "UserRequestData",
    "Voice",
]


@frozen
class User:
    """The logged-in user. A server's ``password_hash`` is never read."""

    user_id: str
    user_name: str = ""
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    is_active: bool = True
    roles: tuple[Any, ...] = json_field(default=())
    groups: tuple[Any, ...] = json_field(default=())
    created_at: str | None = None
    last_login: str | None = None


@frozen
class AgentCatalogEntry:
    """An available agent. Real servers call its tools ``toolsets``."""

    key: str
    name: str = ""
    agent_description: str | None = None
    category: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()


@frozen
class AgentConfiguration:
    """The configuration of a session's agent."""

    key: str
    version: int = attrs.field(default=0, validator=int64)
    name: str = ""
    model_id: str = ""
    persona: str = ""
    agent_description: str | None = None
    tools: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    agent_params: Mapping[str, Any] | None = json_field(default=None)
    prompt_metadata: Mapping[str, Any] | None = json_field(default=None)
    blocked_tool_patterns: tuple[str, ...] | None = None
    allowed_tool_patterns: tuple[str, ...] | None = None
    uid: str | None = None


@frozen
class Avatar:
    """An avatar that can speak for the agent."""

    avatar_id: str
    created_at: str | None = None
    default_voice: str | None = None
    is_public: bool = False
    normal_preview: str | None = None
    pose_name: str | None = None
    status: str | None = None


@frozen
class Voice:
    """A voice. ``output_format`` is ``pcm16``, ``special`` (avatar) or ``none``."""

    voice_id: str
    vendor: str = ""
    description: str = ""
    output_format: str = "pcm16"


@frozen
class Tool:
    """A tool for agents; ``schemas`` are its functions as JSON Schema."""

    name: str
    description: str = ""
    schemas: tuple[Mapping[str, Any], ...] = json_field(default=())


@frozen
class ToolCall:
    """A tool call, in the normal form for all vendors (protocol.md §8 T2).

    ``input`` holds the arguments; text that is not a JSON object becomes ``{"_raw": text}``.
    """

    id: str
    name: str
    input: Mapping[str, Any] = json_field()
    type: str = "tool_use"


@frozen
class ToolResult:
    """A tool's result; ``content`` is its text, with nested blocks joined."""

    tool_use_id: str
    content: str
    is_error: bool = False
    type: str = "tool_result"


@frozen
class ChatSessionIndexEntry:
    """One entry in the list of a user's sessions."""

    session_id: str = attrs.field(validator=not_empty)
    session_name: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    user_id: str | None = None
    agent_key: str | None = None
    agent_name: str | None = None


@frozen
class SessionsPage:
    """One page of that list: ``total_sessions`` counts all, this page starts at ``offset``."""

    chat_sessions: tuple[ChatSessionIndexEntry, ...] = ()
    total_sessions: int = attrs.field(default=0, validator=int64)
    offset: int = attrs.field(default=0, validator=int64)


@frozen
class ChatSession:
    """A whole session with its history in the vendor's format."""

    session_id: str = attrs.field(validator=not_empty)
    version: int = attrs.field(default=0, validator=int64)
    token_count: int = attrs.field(default=0, validator=int64)
    context_window_size: int = attrs.field(default=0, validator=int64)
    session_name: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    deleted_at: str | None = None
    user_id: str | None = None
    metadata: Mapping[str, Any] = json_field(factory=dict)
    messages: tuple[Any, ...] = json_field(default=())
    agent_config: AgentConfiguration | None = None
    vendor: str = "none"
    display_name: str = ""


@frozen
class UserRequestData:
    """The content of a ``user_request``."""

    message: str = ""


VoiceInputMode = Literal["ptt", "vad", "realtime"]
