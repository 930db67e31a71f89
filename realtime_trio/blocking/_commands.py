"""One method for each command.

Written by tools/doors.py: change the native classes instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from .._client._command_methods import Commands as NativeCommands
from ._door import Mirror
from ._turn import Receipt

__all__ = ["Commands"]


class Commands(Mirror[NativeCommands]):
    """One method for each command."""

    def ping(self) -> Receipt:
        """Ask the server for a sign of life; a ``pong`` event answers."""
        return Receipt(self._door, self._door.call(self._native.ping))

    def get_agents(self, *, force: bool = False) -> Receipt:
        """Ask for the agents; they appear in ``state.catalog``."""
        return Receipt(self._door, self._door.call(self._native.get_agents, force=force))

    def get_avatars(self, *, force: bool = False) -> Receipt:
        """Ask for the avatars."""
        return Receipt(self._door, self._door.call(self._native.get_avatars, force=force))

    def get_voices(self, *, force: bool = False) -> Receipt:
        """Ask for the voices."""
        return Receipt(self._door, self._door.call(self._native.get_voices, force=force))

    def get_tool_catalog(self, *, force: bool = False) -> Receipt:
        """Ask for the tools that agents can use."""
        return Receipt(self._door, self._door.call(self._native.get_tool_catalog, force=force))

    def list_workspaces(self, *, force: bool = False) -> Receipt:
        """Ask for the workspaces."""
        return Receipt(self._door, self._door.call(self._native.list_workspaces, force=force))

    def add_workspace(self, entry: Mapping[str, object], *, force: bool = False) -> Receipt:
        """Add a workspace."""
        return Receipt(self._door, self._door.call(self._native.add_workspace, entry, force=force))

    def remove_workspace(self, name: str, *, force: bool = False) -> Receipt:
        """Remove a workspace."""
        return Receipt(
            self._door, self._door.call(self._native.remove_workspace, name, force=force)
        )

    def set_agent(self, agent_key: str, *, force: bool = False) -> Receipt:
        """Set the agent of the current session."""
        return Receipt(self._door, self._door.call(self._native.set_agent, agent_key, force=force))

    def set_agent_tools(self, tools: Iterable[str], *, force: bool = False) -> Receipt:
        """Set the tools of the current agent."""
        return Receipt(
            self._door, self._door.call(self._native.set_agent_tools, tools, force=force)
        )

    def text_input(
        self, text: str, file_ids: Iterable[str] = (), *, force: bool = False
    ) -> Receipt:
        """Send a text without following the turn; ``client.ask`` follows it."""
        return Receipt(
            self._door, self._door.call(self._native.text_input, text, file_ids, force=force)
        )

    def new_chat_session(self, agent_key: str | None = None, *, force: bool = False) -> Receipt:
        """Start a new session, with the given agent."""
        return Receipt(
            self._door, self._door.call(self._native.new_chat_session, agent_key, force=force)
        )

    def resume_chat_session(self, session_id: str, *, force: bool = False) -> Receipt:
        """Make a session the current one. The current session can be resumed at any time."""
        return Receipt(
            self._door, self._door.call(self._native.resume_chat_session, session_id, force=force)
        )

    def set_chat_session_name(
        self, session_name: str, session_id: str | None = None, *, force: bool = False
    ) -> Receipt:
        """Rename a session, by default the current one."""
        return Receipt(
            self._door,
            self._door.call(
                self._native.set_chat_session_name, session_name, session_id, force=force
            ),
        )

    def set_session_metadata(self, meta: Mapping[str, object], *, force: bool = False) -> Receipt:
        """Replace the current session's metadata."""
        return Receipt(
            self._door, self._door.call(self._native.set_session_metadata, meta, force=force)
        )

    def set_session_messages(
        self, messages: Iterable[Mapping[str, object]], *, force: bool = False
    ) -> Receipt:
        """Replace the current session's history, in the vendor's form."""
        return Receipt(
            self._door, self._door.call(self._native.set_session_messages, messages, force=force)
        )

    def get_user_sessions(
        self, offset: int = 0, limit: int = 50, *, force: bool = False
    ) -> Receipt:
        """Ask for one page of the list of sessions; ``client.sessions()`` returns all of them."""
        return Receipt(
            self._door, self._door.call(self._native.get_user_sessions, offset, limit, force=force)
        )

    def delete_chat_session(self, session_id: str | None = None, *, force: bool = False) -> Receipt:
        """Delete a session, by default the current one."""
        return Receipt(
            self._door, self._door.call(self._native.delete_chat_session, session_id, force=force)
        )

    def set_agent_voice(self, voice_id: str, *, force: bool = False) -> Receipt:
        """Change the agent's voice."""
        return Receipt(
            self._door, self._door.call(self._native.set_agent_voice, voice_id, force=force)
        )

    def set_voice_input_mode(
        self, mode: Literal["ptt", "vad", "realtime"], *, force: bool = False
    ) -> Receipt:
        """Choose how the server detects the user's utterances."""
        return Receipt(
            self._door, self._door.call(self._native.set_voice_input_mode, mode, force=force)
        )

    def ptt_start(self, *, force: bool = False) -> Receipt:
        """Announce that the user begins to talk; ``client.push_to_talk()`` sends both commands."""
        return Receipt(self._door, self._door.call(self._native.ptt_start, force=force))

    def ptt_end(self) -> Receipt:
        """Announce that the user has finished. It leaves after queued audio and passes the gate."""
        return Receipt(self._door, self._door.call(self._native.ptt_end))

    def audio_input_delta(self, pcm: bytes, *, force: bool = False) -> Receipt:
        """Send audio as base64 text, for a server that cannot take binary frames.

        Unlike binary frames, it waits at the turn gate.
        """
        return Receipt(
            self._door, self._door.call(self._native.audio_input_delta, pcm, force=force)
        )

    def set_avatar(
        self,
        avatar_id: str,
        quality: str = "medium",
        video_encoding: str = "H264",
        *,
        force: bool = False,
    ) -> Receipt:
        """Choose an avatar."""
        return Receipt(
            self._door,
            self._door.call(
                self._native.set_avatar, avatar_id, quality, video_encoding, force=force
            ),
        )

    def set_avatar_session(
        self, access_token: str, avatar_session_id: str, *, force: bool = False
    ) -> Receipt:
        """Announce an avatar session to the server."""
        return Receipt(
            self._door,
            self._door.call(
                self._native.set_avatar_session, access_token, avatar_session_id, force=force
            ),
        )

    def clear_avatar_session(self, session_id: str, *, force: bool = False) -> Receipt:
        """End an avatar's session."""
        return Receipt(
            self._door, self._door.call(self._native.clear_avatar_session, session_id, force=force)
        )
