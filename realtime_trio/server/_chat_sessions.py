"""Chat sessions as the server stores them, and their form on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import attrs

from ._catalog import Agent
from ._options import ServerConfig
from ._storage import held_bytes

__all__ = ["StoredSession"]

_RECORD = 4096
"""Bytes that count for a session besides its name, messages and metadata."""


@attrs.define(slots=True, kw_only=True)
class StoredSession:
    """One stored conversation.

    ``messages`` holds finished turns only, in the vendor's own format. ``listed`` says whether
    the index contains the session: its first turn adds it, and so does leaving it.

    Change ``messages`` and ``metadata`` with the methods, which keep ``held`` up to date.
    """

    session_id: str
    user_id: str
    agent: Agent
    created_at: str
    updated_at: str
    name: str | None = None
    metadata: dict[str, object] = attrs.Factory(dict[str, object])
    messages: list[dict[str, object]] = attrs.Factory(list[dict[str, object]])
    listed: bool = False
    _messages_held: int = 0
    _metadata_held: int = 0

    def __attrs_post_init__(self) -> None:
        self._messages_held = held_bytes(self.messages)
        self._metadata_held = held_bytes(self.metadata)

    @property
    def held(self) -> int:
        """Bytes that the session takes in memory."""
        return _RECORD + held_bytes(self.name) + self._messages_held + self._metadata_held

    def add_messages(self, messages: Iterable[dict[str, object]]) -> None:
        """Append the messages of a finished turn."""
        added = list(messages)
        self.messages.extend(added)
        self._messages_held += held_bytes(added)

    def replace_messages(self, messages: Iterable[dict[str, object]]) -> None:
        """Replace all messages."""
        self.messages = list(messages)
        self._messages_held = held_bytes(self.messages)

    def replace_metadata(self, metadata: dict[str, object]) -> None:
        """Replace the metadata."""
        self.metadata = metadata
        self._metadata_held = held_bytes(metadata)

    @classmethod
    def from_wire(cls, record: Mapping[str, object], config: ServerConfig) -> StoredSession:
        """Read the result of :meth:`to_wire`; an unknown agent becomes the default one."""
        agent_config = cast("Mapping[str, str]", record["agent_config"])
        agent = config.agent(agent_config["key"]) or config.agent_records[0]
        return cls(
            session_id=str(record["session_id"]),
            user_id=str(record["user_id"]),
            agent=agent,
            created_at=str(record["created_at"]),
            updated_at=str(record["updated_at"]),
            name=cast("str | None", record["session_name"]),
            metadata=dict(cast("Mapping[str, object]", record["metadata"])),
            messages=list(cast("list[dict[str, object]]", record["messages"])),
            listed=True,
        )

    @property
    def display_name(self) -> str:
        """The session's name, or one derived from its agent."""
        return self.name or f"New chat with {self.agent.name}"

    def to_wire(self) -> dict[str, object]:
        """Return the session as ``chat_session_changed`` carries it."""
        return {
            "version": 1,
            "session_id": self.session_id,
            "token_count": 0,
            "context_window_size": 0,
            "session_name": self.name,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "deleted_at": None,
            "user_id": self.user_id,
            "metadata": dict(self.metadata),
            "messages": list(self.messages),
            "agent_config": self.agent_config(),
            "vendor": self.agent.vendor,
            "display_name": self.display_name,
        }

    def agent_config(self) -> dict[str, object]:
        """Return the configuration of the session's agent."""
        return self.agent.configuration()

    def index_entry(self) -> dict[str, object]:
        """Return the session's entry in the index."""
        return {
            "session_id": self.session_id,
            "session_name": self.display_name,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "user_id": self.user_id,
            "agent_key": self.agent.key,
            "agent_name": self.agent.name,
        }
