"""Client-to-server events (protocol.md §4), and the two that both sides send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ._base import ClientEvent, ServerEvent, frozen
from ._checks import check_event
from ._models import VoiceInputMode

__all__ = [
    "AddWorkspaceEvent",
    "AudioInputDeltaEvent",
    "ClearAvatarSessionEvent",
    "ClientWantsCancelEvent",
    "DeleteChatSessionEvent",
    "GetAgentsEvent",
    "GetAvatarsEvent",
    "GetToolCatalogEvent",
    "GetUserSessionsEvent",
    "GetVoicesEvent",
    "ListWorkspacesEvent",
    "NewChatSessionEvent",
    "PingEvent",
    "PongEvent",
    "PttEndEvent",
    "PttStartEvent",
    "RemoveWorkspaceEvent",
    "ResumeChatSessionEvent",
    "SetAgentEvent",
    "SetAgentToolsEvent",
    "SetAgentVoiceEvent",
    "SetAvatarEvent",
    "SetAvatarSessionEvent",
    "SetChatSessionNameEvent",
    "SetSessionMessagesEvent",
    "SetSessionMetadataEvent",
    "SetVoiceInputModeEvent",
    "TextInputEvent",
]


@frozen
class PingEvent(ServerEvent):
    """Check that the peer is alive. Either side can send it (§1)."""


@frozen
class PongEvent(ServerEvent):
    """Answer a ping."""


@frozen
class DeleteChatSessionEvent(ServerEvent):
    """Delete a session, by default the current one; servers broadcast it back (§3)."""

    session_id: str | None = None


@frozen
class GetAgentsEvent(ClientEvent):
    """Request ``agent_list``."""


@frozen
class GetAvatarsEvent(ClientEvent):
    """Request ``avatar_list``."""


@frozen
class GetVoicesEvent(ClientEvent):
    """Request ``voice_list``."""


@frozen
class GetToolCatalogEvent(ClientEvent):
    """Request ``tool_catalog``."""


@frozen
class ListWorkspacesEvent(ClientEvent):
    """Request ``workspace_list``."""


@frozen
class SetAgentEvent(ClientEvent):
    """Set the current session's agent."""

    agent_key: str


@frozen
class SetAgentToolsEvent(ClientEvent):
    """Set the current agent's tools."""

    tools: tuple[str, ...]


@frozen
class SetAgentVoiceEvent(ClientEvent):
    """Set the agent's voice."""

    voice_id: str


@frozen
class SetAvatarEvent(ClientEvent):
    """Choose an avatar."""

    avatar_id: str
    quality: str = "medium"
    video_encoding: str = "H264"


@frozen
class SetAvatarSessionEvent(ClientEvent):
    """Announce an avatar session to the server. ``access_token`` is a secret and has no repr."""

    access_token: str = attrs.field(repr=False)
    avatar_session_id: str


@frozen
class ClearAvatarSessionEvent(ClientEvent):
    """End an avatar session."""

    session_id: str


@frozen
class TextInputEvent(ClientEvent):
    """Send a user message: text, the ids of uploaded files, or both."""

    text: str
    file_ids: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Check every field. A server does not answer blank text (§7)."""
        check_event(self)
        if not self.file_ids and not self.text.strip():
            message = "TextInputEvent needs text that is not blank, or file_ids"
            raise ValueError(message)


@frozen
class NewChatSessionEvent(ClientEvent):
    """Start a new session, with another agent if given."""

    agent_key: str | None = None


@frozen
class ResumeChatSessionEvent(ClientEvent):
    """Make this session the current one."""

    session_id: str


@frozen
class SetChatSessionNameEvent(ClientEvent):
    """Rename a session, by default the current one."""

    session_name: str
    session_id: str | None = None


@frozen
class SetSessionMetadataEvent(ClientEvent):
    """Replace the current session's metadata."""

    meta: Mapping[str, Any]


@frozen
class SetSessionMessagesEvent(ClientEvent):
    """Replace the current session's history, in the vendor's format."""

    messages: tuple[Mapping[str, Any], ...]


@frozen
class GetUserSessionsEvent(ClientEvent):
    """Request one page of the list of sessions."""

    offset: int = 0
    limit: int = 50


@frozen
class PttStartEvent(ClientEvent):
    """The user starts to talk."""


@frozen
class PttEndEvent(ClientEvent):
    """The user stops talking."""


@frozen
class SetVoiceInputModeEvent(ClientEvent):
    """Set the server's voice input mode."""

    mode: VoiceInputMode


@frozen
class AudioInputDeltaEvent(ClientEvent):
    """Send the user's voice as base64 text, for a server without support for binary frames."""

    content: str
    content_type: str = "audio/L16"


@frozen
class ClientWantsCancelEvent(ClientEvent):
    """Cancel the running turn."""


@frozen
class AddWorkspaceEvent(ClientEvent):
    """Add a workspace for the agents."""

    entry: Mapping[str, Any]


@frozen
class RemoveWorkspaceEvent(ClientEvent):
    """Remove a workspace."""

    name: str
