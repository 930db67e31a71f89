"""The options of the embedded server, each with its unit and its reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from time import time

import attrs

from . import _catalog
from ._catalog import Account, Agent

__all__ = ["ServerConfig"]

_EPOCH = dt.datetime(2026, 1, 1, 12, 0, 0)


@attrs.frozen(slots=True, kw_only=True)
class ServerConfig:
    """How an embedded server behaves.

    With the same ``seed`` and the same input it says the same, byte for byte.
    """

    seed: int = 0
    """Ids, the sizes of deltas and what faults do come from it."""

    users: tuple[Account, ...] = (Account(),)
    """Who may log in; whoever comes with an unknown token (see below) is the first of them."""

    accept_any_token: bool = True
    """Whether any token that is not empty opens a connection, or only one that was issued here."""

    token_lifetime: float = 3600.0
    """Seconds until an issued token expires."""

    wall_clock: Callable[[], float] = attrs.field(default=time, repr=False)
    """Seconds since 1970, for the ``exp`` of tokens only."""

    epoch: dt.datetime = _EPOCH
    """The date of the server's start: all its timestamps count from it."""

    agents: tuple[Agent, ...] = ()
    """The agents, the first being the default one; empty: three that are made up."""

    toolset_count: int = 5
    """How many toolsets the catalogue lists."""

    toolset_schemas: int = 1
    """How many tools a toolset has; 40 toolsets of 20 make the 190 kB of a real server."""

    voice_names: tuple[str, ...] = ("alloy", "ash", "coral", "echo", "sage")
    """The voices that speak PCM16; the first is the one a session starts with."""

    avatar_count: int = 0
    """How many avatars there are."""

    pace: float = 0.01
    """Seconds between two deltas of a turn that names no delay of its own."""

    delta_sizes: tuple[int, int] = (3, 12)
    """The least and the greatest number of characters in a delta."""

    welcome: str = "Welcome. Say something, and it comes back."
    """The ``render_media`` that ends the initialisation."""

    mute_takeover: bool = False
    """Whether a second socket on a live session is left mute, as some real servers do."""

    ui_session_ttl: float = 600.0
    """Seconds for which a session without a socket is kept."""

    max_ui_sessions: int = 10_000
    """Bound of the live sessions; those without a socket go first, the oldest ahead."""

    max_uploads: int = 1_000
    """Bound of the uploaded files whose facts are kept; the oldest go first."""

    max_upload_bytes: int = 64 * 1024 * 1024
    """Largest body of an HTTP request."""

    max_message_bytes: int = 64 * 1024 * 1024
    """Largest websocket message that is taken; a larger one closes the connection with 1009."""

    soft_queue: int = 256
    """Frames that may wait for a slow client before its turn pauses."""

    hard_queue: int = 20_000
    """Frames that may wait before the connection is aborted."""

    max_seen: int = 200_000
    """Bound of ``server.seen``: the oldest entries go first."""

    voice_threshold: float = 0.02
    """The level (RMS, of full scale 1.0) from which on a frame counts as speech."""

    voice_hangover: float = 0.5
    """Seconds of silence that end an utterance in the voice input mode ``vad``."""

    max_utterance: float = 120.0
    """Seconds of speech that are kept for the echo; what comes after is left out."""

    @property
    def agent_records(self) -> tuple[Agent, ...]:
        """The agents in force."""
        names = tuple(f"Toolset{index}" for index in range(self.toolset_count))
        return self.agents or _catalog.default_agents(names)

    def agent(self, key: str | None) -> Agent | None:
        """The agent of that key (``None``: the default one), or ``None``."""
        agents = self.agent_records
        if key is None:
            return agents[0]
        return next((agent for agent in agents if agent.key == key), None)

    def tools(self) -> list[dict[str, object]]:
        """The tool catalogue as it travels."""
        return _catalog.toolsets(self.toolset_count, self.toolset_schemas)

    def voices(self) -> list[dict[str, object]]:
        """The voices as they travel."""
        return _catalog.voices(self.voice_names)

    def avatars(self) -> list[dict[str, object]]:
        """The avatars as they travel."""
        return _catalog.avatars(self.avatar_count)
