"""The options of the embedded server, with their units."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from time import time

import attrs

from ._catalog import Account, Agent, avatars, default_agents, toolsets, voices

__all__ = ["ServerConfig"]

_EPOCH = dt.datetime(2026, 1, 1, 12, 0, 0)


@attrs.frozen(slots=True, kw_only=True)
class ServerConfig:
    """How an embedded server behaves.

    The same ``seed`` and the same input give the same output, byte for byte, except for tokens:
    each server signs its own with a random key.
    """

    seed: int = 0
    """Seed of the ids, of the sizes of deltas and of the random faults."""

    users: tuple[Account, ...] = (Account(),)
    """The accounts that can log in; a client with an unknown token counts as the first."""

    accept_any_token: bool = True
    """Whether any non-empty token opens a connection, or only a token that was issued here."""

    allowed_origins: tuple[str, ...] = ()
    """Origins of web pages that may use the server, as in ``"https://example.com"``, besides the
    server's own host; ``"*"`` allows all. A client that sends no ``Origin`` is not a page."""

    token_lifetime: float = 3600.0
    """Seconds until an issued token expires."""

    wall_clock: Callable[[], float] = attrs.field(default=time, repr=False)
    """Returns seconds since 1970; used only for the ``exp`` of tokens."""

    epoch: dt.datetime = _EPOCH
    """The date at which the server starts; all its timestamps count from it."""

    agents: tuple[Agent, ...] = ()
    """The agents, the default agent first; if empty, there are three built-in agents."""

    toolset_count: int = 5
    """Number of toolsets in the catalogue."""

    toolset_schemas: int = 1
    """Tools in each toolset; 40 toolsets of 20 tools are as large as a real catalogue."""

    voice_names: tuple[str, ...] = ("alloy", "ash", "coral", "echo", "sage")
    """Names of the PCM16 voices; a session starts with the first one."""

    avatar_count: int = 0
    """Number of avatars."""

    pace: float = 0.01
    """Seconds between two deltas of a turn without a ``delay``."""

    turn_start: float = 0.001
    """Seconds between an input and ``user_turn_end``: a turn starts as a separate task, so
    commands sent directly after the input are handled first, including a cancel."""

    delta_sizes: tuple[int, int] = (3, 12)
    """Minimum and maximum number of characters in a delta."""

    welcome: str = "Welcome. Say something, and it comes back."
    """The text of the ``render_media`` that ends the initialisation."""

    mute_takeover: bool = False
    """Whether a second socket on a live session is left mute, as some real servers do."""

    ui_session_ttl: float = 600.0
    """Seconds for which a session without a socket is kept."""

    max_ui_sessions: int = 10_000
    """Maximum number of live sessions; those without a socket are evicted, oldest first. A dial
    beyond them is refused with 503."""

    max_chats: int = 10_000
    """Maximum number of stored chat sessions; those unused for longest are evicted first, but
    never one that a UI session is in."""

    max_workspaces: int = 100
    """Maximum number of workspaces; adding one more is an error."""

    max_stored_bytes: int = 256 * 1024 * 1024
    """Maximum size in bytes, as held in memory, of the chat sessions and workspaces together.
    Chat sessions are evicted as with ``max_chats``; without any to evict, a command that stores
    more is an error."""

    max_uploads: int = 1_000
    """Maximum number of upload records; the oldest are evicted first."""

    max_upload_bytes: int = 64 * 1024 * 1024
    """Maximum size in bytes of the body of an HTTP request."""

    max_message_bytes: int = 64 * 1024 * 1024
    """Maximum size in bytes of a websocket message; a larger one closes the connection (1009)."""

    soft_queue: int = 256
    """Frames queued for a slow client before its turn pauses."""

    hard_queue: int = 20_000
    """Frames queued for a slow client before its connection is aborted."""

    max_queued_bytes: int = 64 * 1024 * 1024
    """Maximum size in bytes, as held in memory, of the frames queued for a slow client. From half
    of it on its turn pauses; beyond it the connection is aborted."""

    max_seen: int = 200_000
    """Maximum number of entries in ``server.seen``; the oldest are evicted first."""

    max_seen_bytes: int = 64 * 1024 * 1024
    """Maximum size in bytes, as held in memory, of the entries in ``server.seen``."""

    voice_threshold: float = 0.02
    """Minimum level (RMS, full scale is 1.0) at which a frame counts as speech."""

    voice_hangover: float = 0.5
    """Seconds of silence that end an utterance in voice input mode ``vad``."""

    max_utterance: float = 120.0
    """Maximum seconds of speech kept for the echo; the rest is dropped."""

    @property
    def agent_records(self) -> tuple[Agent, ...]:
        """The agents of this server."""
        names = tuple(f"Toolset{index}" for index in range(self.toolset_count))
        return self.agents or default_agents(names)

    def agent(self, key: str | None) -> Agent | None:
        """Return the agent with that key (``None``: the default agent), or ``None``."""
        agents = self.agent_records
        if key is None:
            return agents[0]
        return next((agent for agent in agents if agent.key == key), None)

    def tools(self) -> list[dict[str, object]]:
        """Return the tool catalogue in its wire form."""
        return toolsets(self.toolset_count, self.toolset_schemas)

    def voices(self) -> list[dict[str, object]]:
        """Return the voices in their wire form."""
        return voices(self.voice_names)

    def avatars(self) -> list[dict[str, object]]:
        """Return the avatars in their wire form."""
        return avatars(self.avatar_count)
