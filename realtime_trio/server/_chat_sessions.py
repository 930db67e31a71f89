"""Chat sessions: the vendor's message history and how a session looks on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import attrs

from ._catalog import Agent
from ._options import ServerConfig

__all__ = ["StoredSession"]


@attrs.define(slots=True, kw_only=True)
class StoredSession:
    """One conversation as the server keeps it.

    ``messages`` hold finished turns only, in the vendor's own format. ``listed`` says whether
    the index knows it: a session comes there with its first turn, or when it is left.
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

    @classmethod
    def from_wire(cls, record: Mapping[str, object], config: ServerConfig) -> StoredSession:
        """Read what :meth:`wire` gave; an agent that ``config`` does not know is the default."""
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
        """Its name, or one made of its agent's."""
        return self.name or f"New chat with {self.agent.name}"

    def to_wire(self) -> dict[str, object]:
        """The session as ``chat_session_changed`` carries it."""
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
        """The configuration of its agent."""
        return self.agent.configuration()

    def index_entry(self) -> dict[str, object]:
        """The session as the index lists it."""
        return {
            "session_id": self.session_id,
            "session_name": self.display_name,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "user_id": self.user_id,
            "agent_key": self.agent.key,
            "agent_name": self.agent.name,
        }
