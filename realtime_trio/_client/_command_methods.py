"""One method for each command of the protocol (protocol.md §4).

Each is ``client.send`` of its event: it waits for room in the queue, not for the network,
and returns a receipt. Arguments that no server could read raise ``TypeError`` or
``ValueError`` before anything is queued (protocol.md §2 L5). The command leaves when the turn
gate opens; ``force=True`` does not wait for the gate, and kills the running turn.
"""

from __future__ import annotations

import abc
import base64
from collections.abc import Iterable, Mapping
from typing import Literal

from .._outbound._receipt import Receipt
from ..events import (
    AddWorkspaceEvent,
    AudioInputDeltaEvent,
    ClearAvatarSessionEvent,
    DeleteChatSessionEvent,
    Event,
    GetAgentsEvent,
    GetAvatarsEvent,
    GetToolCatalogEvent,
    GetUserSessionsEvent,
    GetVoicesEvent,
    ListWorkspacesEvent,
    NewChatSessionEvent,
    PingEvent,
    PttEndEvent,
    PttStartEvent,
    RemoveWorkspaceEvent,
    ResumeChatSessionEvent,
    SetAgentEvent,
    SetAgentToolsEvent,
    SetAgentVoiceEvent,
    SetAvatarEvent,
    SetAvatarSessionEvent,
    SetChatSessionNameEvent,
    SetSessionMessagesEvent,
    SetSessionMetadataEvent,
    SetVoiceInputModeEvent,
    TextInputEvent,
)
from ..events._checks import check_bytes, check_several

__all__ = ["Commands"]


class _Sender(abc.ABC):
    @abc.abstractmethod
    async def send(self, event: Event, *, force: bool = False) -> Receipt:
        """Queue an event; see :meth:`realtime_trio.Client.send`."""


class _CatalogueCommands(_Sender):
    """Commands that list what the server offers, and choose from it."""

    async def ping(self) -> Receipt:
        """Ask the server for a sign of life; a ``pong`` event answers."""
        return await self.send(PingEvent())

    async def get_agents(self, *, force: bool = False) -> Receipt:
        """Ask for the agents; they appear in ``state.catalog``."""
        return await self.send(GetAgentsEvent(), force=force)

    async def get_avatars(self, *, force: bool = False) -> Receipt:
        """Ask for the avatars."""
        return await self.send(GetAvatarsEvent(), force=force)

    async def get_voices(self, *, force: bool = False) -> Receipt:
        """Ask for the voices."""
        return await self.send(GetVoicesEvent(), force=force)

    async def get_tool_catalog(self, *, force: bool = False) -> Receipt:
        """Ask for the tools that agents can use."""
        return await self.send(GetToolCatalogEvent(), force=force)

    async def list_workspaces(self, *, force: bool = False) -> Receipt:
        """Ask for the workspaces."""
        return await self.send(ListWorkspacesEvent(), force=force)

    async def add_workspace(self, entry: Mapping[str, object], *, force: bool = False) -> Receipt:
        """Add a workspace."""
        return await self.send(AddWorkspaceEvent(entry=entry), force=force)

    async def remove_workspace(self, name: str, *, force: bool = False) -> Receipt:
        """Remove a workspace."""
        return await self.send(RemoveWorkspaceEvent(name=name), force=force)

    async def set_agent(self, agent_key: str, *, force: bool = False) -> Receipt:
        """Set the agent of the current session."""
        return await self.send(SetAgentEvent(agent_key=agent_key), force=force)

    async def set_agent_tools(self, tools: Iterable[str], *, force: bool = False) -> Receipt:
        """Set the tools of the current agent."""
        check_several(tools, "tools")
        return await self.send(SetAgentToolsEvent(tools=tuple(tools)), force=force)


class _SessionCommands(_Sender):
    """Text input and sessions."""

    async def text_input(
        self, text: str, file_ids: Iterable[str] = (), *, force: bool = False
    ) -> Receipt:
        """Send a text without following the turn; ``client.ask`` follows it."""
        check_several(file_ids, "file_ids")
        return await self.send(TextInputEvent(text=text, file_ids=tuple(file_ids)), force=force)

    async def new_chat_session(
        self, agent_key: str | None = None, *, force: bool = False
    ) -> Receipt:
        """Start a new session, with the given agent."""
        return await self.send(NewChatSessionEvent(agent_key=agent_key), force=force)

    async def resume_chat_session(self, session_id: str, *, force: bool = False) -> Receipt:
        """Make a session the current one. The current session can be resumed at any time."""
        return await self.send(ResumeChatSessionEvent(session_id=session_id), force=force)

    async def set_chat_session_name(
        self, session_name: str, session_id: str | None = None, *, force: bool = False
    ) -> Receipt:
        """Rename a session, by default the current one."""
        event = SetChatSessionNameEvent(session_name=session_name, session_id=session_id)
        return await self.send(event, force=force)

    async def set_session_metadata(
        self, meta: Mapping[str, object], *, force: bool = False
    ) -> Receipt:
        """Replace the current session's metadata."""
        return await self.send(SetSessionMetadataEvent(meta=meta), force=force)

    async def set_session_messages(
        self, messages: Iterable[Mapping[str, object]], *, force: bool = False
    ) -> Receipt:
        """Replace the current session's history, in the vendor's form."""
        check_several(messages, "messages")
        return await self.send(SetSessionMessagesEvent(messages=tuple(messages)), force=force)

    async def get_user_sessions(
        self, offset: int = 0, limit: int = 50, *, force: bool = False
    ) -> Receipt:
        """Ask for one page of the list of sessions; ``client.sessions()`` returns all of them."""
        return await self.send(GetUserSessionsEvent(offset=offset, limit=limit), force=force)

    async def delete_chat_session(
        self, session_id: str | None = None, *, force: bool = False
    ) -> Receipt:
        """Delete a session, by default the current one."""
        return await self.send(DeleteChatSessionEvent(session_id=session_id), force=force)


class _VoiceCommands(_Sender):
    """Commands for voices, avatars and voice input."""

    async def set_agent_voice(self, voice_id: str, *, force: bool = False) -> Receipt:
        """Change the agent's voice."""
        return await self.send(SetAgentVoiceEvent(voice_id=voice_id), force=force)

    async def set_voice_input_mode(
        self, mode: Literal["ptt", "vad", "realtime"], *, force: bool = False
    ) -> Receipt:
        """Choose how the server detects the user's utterances."""
        return await self.send(SetVoiceInputModeEvent(mode=mode), force=force)

    async def ptt_start(self, *, force: bool = False) -> Receipt:
        """Announce that the user begins to talk; ``client.push_to_talk()`` sends both commands."""
        return await self.send(PttStartEvent(), force=force)

    async def ptt_end(self) -> Receipt:
        """Announce that the user has finished. It leaves after queued audio and passes the gate."""
        return await self.send(PttEndEvent())

    async def audio_input_delta(self, pcm: bytes, *, force: bool = False) -> Receipt:
        """Send audio as base64 text, for a server that cannot take binary frames.

        Unlike binary frames, it waits at the turn gate.
        """
        check_bytes(pcm, "pcm")
        content = base64.b64encode(pcm).decode("ascii")
        return await self.send(AudioInputDeltaEvent(content=content), force=force)

    async def set_avatar(
        self,
        avatar_id: str,
        quality: str = "medium",
        video_encoding: str = "H264",
        *,
        force: bool = False,
    ) -> Receipt:
        """Choose an avatar."""
        event = SetAvatarEvent(avatar_id=avatar_id, quality=quality, video_encoding=video_encoding)
        return await self.send(event, force=force)

    async def set_avatar_session(
        self, access_token: str, avatar_session_id: str, *, force: bool = False
    ) -> Receipt:
        """Announce an avatar session to the server."""
        event = SetAvatarSessionEvent(
            access_token=access_token, avatar_session_id=avatar_session_id
        )
        return await self.send(event, force=force)

    async def clear_avatar_session(self, session_id: str, *, force: bool = False) -> Receipt:
        """End an avatar's session."""
        return await self.send(ClearAvatarSessionEvent(session_id=session_id), force=force)


class Commands(_CatalogueCommands, _SessionCommands, _VoiceCommands):
    """One method for each command."""
