"""What the server offers from the start: accounts, agents, voices, avatars and tools."""

from __future__ import annotations

from typing import Literal

import attrs

from ._ids import IdGenerator

__all__ = ["Account", "Agent", "avatars", "default_agents", "toolsets", "voices"]

_FILLER = "A set of tools that exists to be listed; nothing is behind it. "


@attrs.frozen(slots=True, kw_only=True)
class Account:
    """A user who can log in."""

    user_id: str = "admin"
    password: str = attrs.field(default="admin", repr=False)
    email: str = "user@example.com"
    first_name: str = "Admin"
    last_name: str = "User"
    roles: tuple[str, ...] = ("admin",)

    def to_wire(self, created_at: str) -> dict[str, object]:
        """Return the ``user`` of ``chat_user_data``, with the secret that real servers leak."""
        return {
            "version": 1,
            "user_id": self.user_id,
            "user_name": self.user_id,
            "email": self.email,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "created_at": created_at,
            "updated_at": None,
            "deleted_at": None,
            "roles": list(self.roles),
            "groups": [],
            "meta": {},
            "password_hash": "REDACTED-must-never-be-kept",
            "is_active": True,
            "last_login": None,
        }


@attrs.frozen(slots=True, kw_only=True)
class Agent:
    """An agent that a session can use; its vendor decides which events its turns have."""

    key: str
    name: str
    agent_description: str = "An agent of the embedded server"
    vendor: Literal["anthropic", "openai"] = "anthropic"
    model_id: str = "claude-sonnet-4-5"
    persona: str = "You are an agent of the embedded server.\n"
    category: tuple[str, ...] = ("general",)
    tools: tuple[str, ...] = ()

    def list_entry(self) -> dict[str, object]:
        """Return the agent's entry in ``agent_list``."""
        return {
            "name": self.name,
            "key": self.key,
            "agent_description": self.agent_description,
            "category": list(self.category),
            "toolsets": list(self.tools),
        }

    def configuration(self) -> dict[str, object]:
        """Return the ``agent_config`` of a session with this agent."""
        return {
            "version": 2,
            "name": self.name,
            "agent_description": self.agent_description,
            "tools": list(self.tools),
            "blocked_tool_patterns": [],
            "allowed_tool_patterns": [],
            "key": self.key,
            "model_id": self.model_id,
            "agent_params": self._params(),
            "prompt_metadata": {},
            "persona": self.persona,
            "uid": IdGenerator(0).words(f"agent {self.key}", 3),
            "category": list(self.category),
            "short_name": self.name,
        }

    def _params(self) -> dict[str, object]:
        common: dict[str, object] = {
            "model_name": self.model_id,
            "max_tokens": 4000,
            "user_name": None,
            "auth": None,
        }
        if self.vendor == "anthropic":
            return {**common, "type": "claude_non_reasoning", "temperature": None}
        return {
            **common,
            "type": "g_p_t_non_reasoning",
            "tool_choice": None,
            "voice": None,
            "presence_penalty": 0.0,
            "seed": None,
            "service_tier": None,
            "stop": None,
            "temperature": None,
        }


def default_agents(tools: tuple[str, ...]) -> tuple[Agent, ...]:
    """Return the agents of a server without configured agents; the first is the default."""
    return (
        Agent(key="default", name="Demo", category=("general", "default"), tools=tools),
        Agent(key="helper", name="Helper", agent_description="Is delegated to", tools=tools[:3]),
        Agent(
            key="gpt",
            name="Demo GPT",
            agent_description="Speaks as OpenAI's models do",
            vendor="openai",
            model_id="gpt-4o",
            tools=tools[:2],
        ),
    )


def toolsets(number: int, schemas: int, *, filler: int = 60) -> list[dict[str, object]]:
    """Make ``number`` toolsets of ``schemas`` tools, with descriptions of ``filler`` characters."""
    text = (_FILLER * (filler // len(_FILLER) + 1))[:filler]
    return [
        {
            "name": f"Toolset{index}",
            "description": text,
            "schemas": [_schema(f"toolset{index}_run{which}", text) for which in range(schemas)],
        }
        for index in range(number)
    ]


def _schema(name: str, text: str) -> dict[str, object]:
    parameters = {
        "type": "object",
        "properties": {"q": {"type": "string"}},
        "required": ["q"],
    }
    function = {"name": name, "description": text, "parameters": parameters}
    return {"type": "function", "function": function}


def voices(names: tuple[str, ...]) -> list[dict[str, object]]:
    """Return the two voices that every server has, and one voice for each name."""
    return [
        _voice("none", "system", "No Voice (text only)", "none"),
        _voice("avatar", "heygen", "HeyGen Avatar Voice Model", "special"),
        *(_voice(name, "openai", "", "pcm16") for name in names),
    ]


def _voice(voice_id: str, vendor: str, description: str, output_format: str) -> dict[str, object]:
    return {
        "voice_id": voice_id,
        "vendor": vendor,
        "description": description,
        "output_format": output_format,
    }


def avatars(number: int) -> list[dict[str, object]]:
    """Make ``number`` avatars; a real server without a key of the vendor has none."""
    return [
        {
            "avatar_id": f"avatar_{index}",
            "created_at": 1_700_000_000 + index,
            "default_voice": "avatar",
            "is_public": True,
            "normal_preview": f"https://example.invalid/avatar_{index}.webp",
            "pose_name": f"Pose {index}",
            "status": "ACTIVE",
        }
        for index in range(number)
    ]
