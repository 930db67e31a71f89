"""Client -> server events (protocol.md §4), and the two that travel both ways."""

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
    """Are you there? Either side may ask (§1)."""


@frozen
class PongEvent(ServerEvent):
    """I am here."""


@frozen
class DeleteChatSessionEvent(ServerEvent):
    """Delete a session, by default the current one; servers broadcast it back (§3)."""

    session_id: str | None = None


@frozen
class GetAgentsEvent(ClientEvent):
    """Ask for ``agent_list``."""


@frozen
class GetAvatarsEvent(ClientEvent):
    """Ask for ``avatar_list``."""


@frozen
class GetVoicesEvent(ClientEvent):
    """Ask for ``voice_list``."""


@frozen
class GetToolCatalogEvent(ClientEvent):
    """Ask for ``tool_catalog``."""


@frozen
class ListWorkspacesEvent(ClientEvent):
    """Ask for ``workspace_list``."""


@frozen
class SetAgentEvent(ClientEvent):
    """Give the current session another agent."""

    agent_key: str


@frozen
class SetAgentToolsEvent(ClientEvent):
    """Give the current agent these tools."""

    tools: tuple[str, ...]


@frozen
class SetAgentVoiceEvent(ClientEvent):
    """Let the agent speak with this voice."""

    voice_id: str


@frozen
class SetAvatarEvent(ClientEvent):
    """Choose an avatar."""

    avatar_id: str
    quality: str = "medium"
    video_encoding: str = "H264"


@frozen
class SetAvatarSessionEvent(ClientEvent):
    """Tell the server of an avatar's session. ``access_token`` is a secret and has no repr."""

    access_token: str = attrs.field(repr=False)
    avatar_session_id: str


@frozen
class ClearAvatarSessionEvent(ClientEvent):
    """End an avatar's session."""

    session_id: str


@frozen
class TextInputEvent(ClientEvent):
    """What the user says, with the ids of uploaded files: text, files or both."""

    text: str
    file_ids: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Check every field. A server answers a blank text by nothing at all (§7)."""
        check_event(self)
        if not self.file_ids and not self.text.strip():
            msg = "TextInputEvent needs text that is not blank, or file_ids"
            raise ValueError(msg)


@frozen
class NewChatSessionEvent(ClientEvent):
    """Start a new session, with another agent if one is named."""

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
    """Replace the current session's history, in the vendor's form."""

    messages: tuple[Mapping[str, Any], ...]


@frozen
class GetUserSessionsEvent(ClientEvent):
    """Ask for one page of the list of sessions."""

    offset: int = 0
    limit: int = 50


@frozen
class PttStartEvent(ClientEvent):
    """The user begins to talk."""


@frozen
class PttEndEvent(ClientEvent):
    """The user has finished talking."""


@frozen
class SetVoiceInputModeEvent(ClientEvent):
    """How the server is to take voice input."""

    mode: VoiceInputMode


@frozen
class AudioInputDeltaEvent(ClientEvent):
    """The user's voice as base64 text, for a server that cannot take binary frames."""

    content: str
    content_type: str = "audio/L16"


@frozen
class ClientWantsCancelEvent(ClientEvent):
    """Stop the turn that runs."""


@frozen
class AddWorkspaceEvent(ClientEvent):
    """Give the agents one workspace more."""

    entry: Mapping[str, Any]


@frozen
class RemoveWorkspaceEvent(ClientEvent):
    """Take a workspace away."""

    name: str
