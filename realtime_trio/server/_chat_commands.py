"""The chat commands of a real server: texts such as ``!help`` that start no turn (protocol §7)."""

from __future__ import annotations

from collections.abc import Callable

from ._server_state import ServerState
from ._turn_script import ScriptedMedia
from ._ui_session import UISession
from ._wire_events import SessionEvents

__all__ = ["answer_chat_command", "is_chat_command"]

_PREFIX = "!"
_HELP = """\
# Commands

- `!help`: this list
- `!la`: the agents
- `!ti NAME`: a toolset
- `!pp`: the agent's prompt
- `!fork`: continue in a copy of this session
- `!rewind`: no effect on this server
"""


def is_chat_command(text: str) -> bool:
    """Return whether an input is a chat command, known or not."""
    return text.startswith(_PREFIX)


def answer_chat_command(state: ServerState, session: UISession, text: str) -> None:
    """Answer a chat command outside any turn; an unknown one gets a ``system_message``."""
    name, _, argument = text.strip().partition(" ")
    command = _COMMANDS.get(name)
    if command is None:
        state.notify(session, f"Unknown command: {name}", "error")
    else:
        command(state, session, argument.strip())


def _help(state: ServerState, session: UISession, argument: str) -> None:
    _render(state, session, _HELP)


def _list_agents(state: ServerState, session: UISession, argument: str) -> None:
    lines = [f"- `{agent.key}`: {agent.name}" for agent in state.config.agent_records]
    _render(state, session, "# Agents\n\n" + "\n".join(lines))


def _tool_info(state: ServerState, session: UISession, argument: str) -> None:
    found = next((tool for tool in state.tools if tool["name"] == argument), None)
    about = f"Toolset '{argument}' not found." if found is None else str(found["description"])
    _render(state, session, about)


def _print_prompt(state: ServerState, session: UISession, argument: str) -> None:
    chat = session.chat
    events = _events_of(session)
    message = {"role": "user", "content": "!pp"}
    state.send(session, events.user_message(chat.agent.vendor, message))
    _render(state, session, chat.agent.persona)


def _fork(state: ServerState, session: UISession, argument: str) -> None:
    source = session.chat
    state.make_room(source.held)
    fork = state.new_chat(session.user, source.agent.key)
    fork.agent, fork.name = source.agent, source.name
    fork.metadata = dict(source.metadata)
    fork.replace_messages(source.messages)
    session.chat = fork
    state.send(session, state.touch(fork))
    state.send_chat(session)
    state.notify(session, f"Welcome back! **Session ID:** {fork.session_id}")
    state.notify(session, f"Forked from {source.session_id}.")


def _rewind(state: ServerState, session: UISession, argument: str) -> None:
    """Send no answer, as real servers do."""


def _render(state: ServerState, session: UISession, content: str) -> None:
    media = ScriptedMedia(content=content, sent_by_class="RealtimeBridge")
    state.send(session, _events_of(session).media(media))


def _events_of(session: UISession) -> SessionEvents:
    session_id = session.chat.session_id
    return SessionEvents(session_id=session_id, user_session_id=session_id)


_COMMANDS: dict[str, Callable[[ServerState, UISession, str], None]] = {
    "!help": _help,
    "!la": _list_agents,
    "!ti": _tool_info,
    "!pp": _print_prompt,
    "!fork": _fork,
    "!rewind": _rewind,
}
