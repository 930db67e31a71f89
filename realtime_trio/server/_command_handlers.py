"""One function for each command of a client, and the table that finds it by event type."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import cast

import attrs

from . import _speech
from ._chat_commands import answer_chat_command, is_chat_command
from ._chat_sessions import StoredSession
from ._fields import (
    BadCommand,
    integer,
    mapping,
    pcm16,
    strings,
    text,
    text_or_none,
)
from ._storage import held_bytes
from ._turn_scheduler import TurnScheduler
from ._turn_script import Say, ScriptedTurn
from ._ui_session import UISession, VoiceMode
from ._wire_events import Event, control_event

__all__ = ["COMMANDS", "KEEPS_TURN", "Command", "unknown"]

Command = Callable[[TurnScheduler, UISession, Event], None]

KEEPS_TURN = frozenset({"ping", "pong", "client_wants_cancel"})
"""Commands that do not affect a running turn; every other one kills it (protocol §7)."""

_MODES: dict[str, VoiceMode] = {"ptt": "ptt", "vad": "vad", "realtime": "realtime"}


def unknown(turns: TurnScheduler, session: UISession, event: Event) -> None:
    """Answer a command that has no handler, and a client's ``pong``."""
    content = f"RealtimeBridge did not handle event type: {event['type']}."
    turns.state.notify(session, content, "warning")


def _ping(turns: TurnScheduler, session: UISession, event: Event) -> None:
    turns.state.send(session, control_event("pong"))


def _cancel(turns: TurnScheduler, session: UISession, event: Event) -> None:
    turns.cancel(session)


# -- catalogue -----------------------------------------------------------------------------


def _get_agents(turns: TurnScheduler, session: UISession, event: Event) -> None:
    agents = [agent.list_entry() for agent in turns.state.config.agent_records]
    turns.state.send(session, control_event("agent_list", agents=agents))


def _get_avatars(turns: TurnScheduler, session: UISession, event: Event) -> None:
    turns.state.send(session, control_event("avatar_list", avatars=turns.state.avatars))


def _get_voices(turns: TurnScheduler, session: UISession, event: Event) -> None:
    turns.state.send(session, control_event("voice_list", voices=turns.state.voices))


def _get_tool_catalog(turns: TurnScheduler, session: UISession, event: Event) -> None:
    turns.state.send(session, control_event("tool_catalog", tools=turns.state.tools))


# -- conversation --------------------------------------------------------------------------


def _text_input(turns: TurnScheduler, session: UISession, event: Event) -> None:
    user_text, file_ids = text(event, "text"), strings(event, "file_ids")
    if not turns.has_script(user_text):
        if not user_text.strip() and not file_ids:
            return  # real servers do not answer in this case
        if is_chat_command(user_text):
            answer_chat_command(turns.state, session, user_text)
            return
    # The answer can be as long as the input: without a script, it repeats it.
    turns.state.make_room(2 * held_bytes(event))
    uploads = turns.state.uploads
    missing = next((file_id for file_id in file_ids if file_id not in uploads), None)
    content: object = user_text
    if missing is not None:
        problem = f"Error preparing chat parameters: File '{missing}' not found"
        echo = ScriptedTurn(unprepared=problem)
    else:
        echo = ScriptedTurn(steps=(Say(text=f"You said: {user_text}"),))
        if file_ids:
            files = [_file_block(file_id, uploads[file_id]) for file_id in file_ids]
            content = [*files, {"type": "text", "text": user_text}]
    turns.start(session, {"role": "user", "content": content}, (user_text,), echo)


def _file_block(file_id: str, upload: Event) -> Event:
    source = {"type": "file", "file_id": file_id}
    return {"type": "document", "title": upload["filename"], "source": source}


def _new_chat_session(turns: TurnScheduler, session: UISession, event: Event) -> None:
    state = turns.state
    if session.chat.session_id in state.chats:  # a deleted session stays deleted
        state.send(session, state.touch(session.chat))
    session.chat = state.new_chat(session.user, text_or_none(event, "agent_key"))
    state.send_chat(session)


def _resume_chat_session(turns: TurnScheduler, session: UISession, event: Event) -> None:
    state = turns.state
    chat = _find_chat(turns, session, event, text(event, "session_id"))
    changed = chat is not session.chat
    session.chat = chat
    state.send_chat(session)
    if changed:
        state.notify(session, f"Welcome back! **Session ID:** {chat.session_id}")


def _set_chat_session_name(turns: TurnScheduler, session: UISession, event: Event) -> None:
    state, name = turns.state, text(event, "session_name")
    chat = _find_chat(turns, session, event, text_or_none(event, "session_id"))
    state.make_room(held_bytes(name))
    chat.name = name
    if chat is not session.chat:
        return  # real servers do not answer in this case
    changed = control_event(
        "chat_session_name_changed", session_name=name, session_id=chat.session_id
    )
    state.send(session, changed)


def _set_session_metadata(turns: TurnScheduler, session: UISession, event: Event) -> None:
    chat, meta = session.chat, mapping(event.get("meta"), event, "meta")
    turns.state.make_room(held_bytes(meta))
    chat.replace_metadata(meta)
    turns.state.send(session, control_event("session_metadata_changed", meta=chat.metadata))


def _set_session_messages(turns: TurnScheduler, session: UISession, event: Event) -> None:
    state, chat = turns.state, session.chat
    state.send(session, state.touch(chat))
    value = event.get("messages")
    if not isinstance(value, list):
        message = "Error processing event: messages of set_session_messages must be a list."
        raise BadCommand(message)
    items = cast("list[object]", value)
    messages = [mapping(item, event, "messages") for item in items]
    state.make_room(held_bytes(messages))
    chat.replace_messages(messages)
    state.send_chat(session)


def _get_user_sessions(turns: TurnScheduler, session: UISession, event: Event) -> None:
    state = turns.state
    offset, limit = integer(event, "offset", 0), integer(event, "limit", 50)
    chats = [c for c in state.chats.values() if c.listed and c.user_id == session.user.user_id]
    chats.sort(key=lambda chat: chat.updated_at, reverse=True)
    page = {
        "chat_sessions": [chat.index_entry() for chat in chats[offset : offset + limit]],
        "total_sessions": len(chats),
        "offset": offset,
    }
    state.send(session, control_event("get_user_sessions_response", sessions=page))


def _delete_chat_session(turns: TurnScheduler, session: UISession, event: Event) -> None:
    """Delete a chat; a UI session in it continues there, and its next turn stores it again."""
    state = turns.state
    chat = _find_chat(turns, session, event, text_or_none(event, "session_id"))
    if chat.session_id not in state.chats:
        raise _not_found(chat.session_id, event)
    del state.chats[chat.session_id]
    if chat is not session.chat:
        state.notify(session, f"Session '{chat.session_id}' deleted")
        return
    deleted = control_event("delete_chat_session", session_id=chat.session_id)
    state.broadcast(session.user, deleted)
    # Real servers fail here and report it.
    message = "Error processing event: the current session was deleted."
    raise BadCommand(message)


def _find_chat(
    turns: TurnScheduler, session: UISession, event: Event, session_id: str | None
) -> StoredSession:
    """Return the user's chat with the given id, or the current chat."""
    if session_id is None:
        return session.chat
    chat = turns.state.chats.get(session_id)
    if chat is None or chat.user_id != session.user.user_id:
        raise _not_found(session_id, event)
    return chat


def _not_found(session_id: str, event: Event) -> BadCommand:
    return BadCommand(f"Session '{session_id}' not found", str(event["type"]))


# -- agent ---------------------------------------------------------------------------------


def _set_agent(turns: TurnScheduler, session: UISession, event: Event) -> None:
    state, chat = turns.state, session.chat
    key = text(event, "agent_key")
    agent = state.config.agent(key)
    if agent is None:
        message = f"Error processing event: Agent {key} not found."
        raise BadCommand(message)
    if agent.key == chat.agent.key:
        return  # real servers do not answer in this case
    chat.agent = agent
    _send_agent(turns, session)


def _set_agent_tools(turns: TurnScheduler, session: UISession, event: Event) -> None:
    state, chat = turns.state, session.chat
    requested = list(dict.fromkeys(strings(event, "tools")))
    known = [name for name in requested if any(tool["name"] == name for tool in state.tools)]
    if len(known) < len(requested):
        failed = "Some tools failed to equip, see server logs for details"
        state.notify(session, failed, "error")
    chat.agent = attrs.evolve(chat.agent, tools=tuple(known))
    _send_agent(turns, session)
    state.notify(session, "Agent tools updated")


def _send_agent(turns: TurnScheduler, session: UISession) -> None:
    config = session.chat.agent_config()
    turns.state.send(session, control_event("agent_configuration_changed", agent_config=config))


# -- voice and avatar ----------------------------------------------------------------------


def _set_agent_voice(turns: TurnScheduler, session: UISession, event: Event) -> None:
    voice_id = text(event, "voice_id")
    voice = next((v for v in turns.state.voices if v["voice_id"] == voice_id), None)
    # Real servers send this for every voice, and then change it. An unknown one changes nothing.
    turns.state.notify(session, f"Voice {voice_id} not found.", "error")
    session.voice = voice or session.voice
    turns.state.send(session, control_event("agent_voice_changed", voice=session.voice))


def _set_voice_input_mode(turns: TurnScheduler, session: UISession, event: Event) -> None:
    name = text(event, "mode")
    mode = _MODES.get(name)
    if mode is None:
        message = f"Error processing event: Voice input mode {name} is not supported."
        raise BadCommand(message)
    session.utterances.mode = mode
    session.utterances.finish()
    turns.state.send(session, control_event("voice_input_supported", modes=list(_MODES)))
    if mode != "ptt":
        turns.state.send(session, control_event("server_listening"))


def _ptt_start(turns: TurnScheduler, session: UISession, event: Event) -> None:
    session.utterances.start()
    turns.state.send(session, control_event("server_listening"))


def _ptt_end(turns: TurnScheduler, session: UISession, event: Event) -> None:
    utterance = session.utterances.finish()
    if utterance:
        turns.start(session, *_speech.utterance_input(utterance))


def _audio_input_delta(turns: TurnScheduler, session: UISession, event: Event) -> None:
    """Receive speech as base64; such a client gets its audio as base64 as well."""
    try:
        content = base64.b64decode(text(event, "content"), validate=True)
    except ValueError as exc:  # not base64, or not ASCII
        message = "Error processing event: content of audio_input_delta must be base64."
        raise BadCommand(message) from exc
    pcm = pcm16(content)
    session.audio_as_text = True
    echo, utterance = _speech.receive_audio(session, pcm)
    if echo is not None:
        turns.state.send(session, echo)
    if utterance is not None:
        turns.start(session, *_speech.utterance_input(utterance))


def _set_avatar(turns: TurnScheduler, session: UISession, event: Event) -> None:
    state, avatar_id = turns.state, text(event, "avatar_id")
    if not any(avatar["avatar_id"] == avatar_id for avatar in state.avatars):
        message = f"Error processing event: Avatar {avatar_id} not found."
        raise BadCommand(message)
    request: Event = {
        "avatar_id": avatar_id,
        "quality": text_or_none(event, "quality") or "medium",
        "video_encoding": text_or_none(event, "video_encoding") or "H264",
    }
    avatar_session: Event = {
        "session_id": f"avatar-{state.ids.words('avatar')}",
        "url": "wss://avatar.example.invalid",
        "access_token": state.ids.hex("avatar token"),
    }
    _send_avatar(turns, session, request, avatar_session)


def _set_avatar_session(turns: TurnScheduler, session: UISession, event: Event) -> None:
    text(event, "access_token")
    avatar_session: Event = {"session_id": text(event, "avatar_session_id")}
    _send_avatar(turns, session, None, avatar_session)


def _clear_avatar_session(turns: TurnScheduler, session: UISession, event: Event) -> None:
    text(event, "session_id")
    _send_avatar(turns, session, None, None)


def _send_avatar(
    turns: TurnScheduler, session: UISession, request: Event | None, avatar_session: Event | None
) -> None:
    changed = control_event(
        "avatar_connection_changed",
        avatar_session_request=request,
        avatar_session=avatar_session,
    )
    turns.state.send(session, changed)


# -- workspaces ----------------------------------------------------------------------------


def _list_workspaces(turns: TurnScheduler, session: UISession, event: Event) -> None:
    workspaces = control_event("workspace_list", workspaces=list(turns.state.workspaces))
    turns.state.send(session, workspaces)


def _add_workspace(turns: TurnScheduler, session: UISession, event: Event) -> None:
    entry = mapping(event.get("entry"), event, "entry")
    limit = turns.state.config.max_workspaces
    if len(turns.state.workspaces) >= limit:
        message = f"Error processing event: there are already {limit} workspaces."
        raise BadCommand(message)
    turns.state.make_room(held_bytes(entry))
    turns.state.workspaces.append(entry)
    turns.state.send(session, control_event("workspace_added", entry=entry))


def _remove_workspace(turns: TurnScheduler, session: UISession, event: Event) -> None:
    state, name = turns.state, text(event, "name")
    remaining = [entry for entry in state.workspaces if entry.get("name") != name]
    if len(remaining) == len(state.workspaces):
        message = f"Workspace '{name}' not found"
        raise BadCommand(message, "remove_workspace")
    state.workspaces[:] = remaining
    _list_workspaces(turns, session, event)


COMMANDS: dict[str, Command] = {
    "ping": _ping,
    "pong": unknown,
    "client_wants_cancel": _cancel,
    "get_agents": _get_agents,
    "get_avatars": _get_avatars,
    "get_voices": _get_voices,
    "get_tool_catalog": _get_tool_catalog,
    "text_input": _text_input,
    "new_chat_session": _new_chat_session,
    "resume_chat_session": _resume_chat_session,
    "set_chat_session_name": _set_chat_session_name,
    "set_session_metadata": _set_session_metadata,
    "set_session_messages": _set_session_messages,
    "get_user_sessions": _get_user_sessions,
    "delete_chat_session": _delete_chat_session,
    "set_agent": _set_agent,
    "set_agent_tools": _set_agent_tools,
    "set_agent_voice": _set_agent_voice,
    "set_voice_input_mode": _set_voice_input_mode,
    "ptt_start": _ptt_start,
    "ptt_end": _ptt_end,
    "audio_input_delta": _audio_input_delta,
    "set_avatar": _set_avatar,
    "set_avatar_session": _set_avatar_session,
    "clear_avatar_session": _clear_avatar_session,
    "list_workspaces": _list_workspaces,
    "add_workspace": _add_workspace,
    "remove_workspace": _remove_workspace,
}
