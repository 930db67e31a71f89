"""The client's commands: one function each, found by the event's type in a table."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import cast

import attrs

from . import _speech, _wire_events
from ._chat_sessions import ChatSession
from ._fields import (
    BadCommand,
    integer,
    mapping,
    strings,
    text,
    text_or_none,
)
from ._turn_scheduler import Turns
from ._turn_script import Say, Turn
from ._ui_session import UISession, VoiceMode
from ._wire_events import Event

__all__ = ["COMMANDS", "HARMLESS", "Command", "unknown"]

Command = Callable[[Turns, UISession, Event], None]

HARMLESS = frozenset({"ping", "pong", "client_wants_cancel"})
"""What leaves a running turn alone; anything else kills it (protocol.md §7)."""

_MODES: dict[str, VoiceMode] = {"ptt": "ptt", "vad": "vad", "realtime": "realtime"}


def unknown(turns: Turns, session: UISession, event: Event) -> None:
    """Answer what no command stands for, and a client's ``pong``."""
    content = f"RealtimeBridge did not handle event type: {event['type']}."
    turns.world.notify(session, content, "warning")


def _ping(turns: Turns, session: UISession, event: Event) -> None:
    turns.world.send(session, _wire_events.control("pong"))


def _cancel(turns: Turns, session: UISession, event: Event) -> None:
    turns.cancel(session)


# -- the catalogue --------------------------------------------------------------------


def _get_agents(turns: Turns, session: UISession, event: Event) -> None:
    agents = [agent.entry() for agent in turns.world.config.agent_records]
    turns.world.send(session, _wire_events.control("agent_list", agents=agents))


def _get_avatars(turns: Turns, session: UISession, event: Event) -> None:
    turns.world.send(session, _wire_events.control("avatar_list", avatars=turns.world.avatars))


def _get_voices(turns: Turns, session: UISession, event: Event) -> None:
    turns.world.send(session, _wire_events.control("voice_list", voices=turns.world.voices))


def _get_tool_catalog(turns: Turns, session: UISession, event: Event) -> None:
    turns.world.send(session, _wire_events.control("tool_catalog", tools=turns.world.tools))


# -- the conversation -----------------------------------------------------------------


def _text_input(turns: Turns, session: UISession, event: Event) -> None:
    said = text(event, "text")
    content: object = said
    if file_ids := strings(event, "file_ids"):
        files = [_file_block(turns, file_id) for file_id in file_ids]
        content = [*files, {"type": "text", "text": said}]
    echo = Turn(steps=(Say(text=f"You said: {said}"),))
    turns.begin(session, {"role": "user", "content": content}, (said,), echo)


def _file_block(turns: Turns, file_id: str) -> Event:
    upload = turns.world.uploads.get(file_id)
    if upload is None:
        raise BadCommand(f"Error processing event: File '{file_id}' not found")
    source = {"type": "file", "file_id": file_id}
    return {"type": "document", "title": upload["filename"], "source": source}


def _new_chat_session(turns: Turns, session: UISession, event: Event) -> None:
    world = turns.world
    if session.chat is not None:
        world.send(session, world.touch(session.chat))
    session.chat = world.new_chat(session.user, text_or_none(event, "agent_key"))
    world.send_chat(session)


def _resume_chat_session(turns: Turns, session: UISession, event: Event) -> None:
    world = turns.world
    chat = _find(turns, session, event, text(event, "session_id"))
    changed = chat is not session.chat
    session.chat = chat
    world.send_chat(session)
    if changed:
        world.notify(session, f"Welcome back! **Session ID:** {chat.session_id}")


def _set_chat_session_name(turns: Turns, session: UISession, event: Event) -> None:
    world, name = turns.world, text(event, "session_name")
    chat = _find(turns, session, event, text_or_none(event, "session_id"))
    chat.name = name
    changed = _wire_events.control(
        "chat_session_name_changed", session_name=name, session_id=chat.session_id
    )
    world.send(session, changed)


def _set_session_metadata(turns: Turns, session: UISession, event: Event) -> None:
    chat = turns.world.chat_of(session)
    chat.metadata = mapping(event.get("meta"), event, "meta")
    turns.world.send(session, _wire_events.control("session_metadata_changed", meta=chat.metadata))


def _set_session_messages(turns: Turns, session: UISession, event: Event) -> None:
    world, chat = turns.world, turns.world.chat_of(session)
    world.send(session, world.touch(chat))
    given = event.get("messages")
    if not isinstance(given, list):
        raise BadCommand("Error processing event: set_session_messages needs a list as messages.")
    items = cast("list[object]", given)
    chat.messages = [mapping(item, event, "messages") for item in items]
    world.send_chat(session)


def _get_user_sessions(turns: Turns, session: UISession, event: Event) -> None:
    world = turns.world
    offset, limit = integer(event, "offset", 0), integer(event, "limit", 50)
    chats = [c for c in world.chats.values() if c.listed and c.user_id == session.user.user_id]
    chats.sort(key=lambda chat: chat.updated_at, reverse=True)
    page = {
        "chat_sessions": [chat.entry() for chat in chats[offset : offset + limit]],
        "total_sessions": len(chats),
        "offset": offset,
    }
    world.send(session, _wire_events.control("get_user_sessions_response", sessions=page))


def _delete_chat_session(turns: Turns, session: UISession, event: Event) -> None:
    world = turns.world
    chat = _find(turns, session, event, text_or_none(event, "session_id"))
    del world.chats[chat.session_id]
    deleted = _wire_events.control("delete_chat_session", session_id=chat.session_id)
    world.broadcast(session.user, deleted)
    was_current = chat is session.chat
    for other in world.sessions.values():
        if other.chat is chat:
            turns.kill(other)
            other.chat = None
    if was_current:  # real servers stumble here, and say so
        raise BadCommand("Error processing event: the current session was deleted.")


def _find(turns: Turns, session: UISession, event: Event, wanted: str | None) -> ChatSession:
    """The user's chat of that id, or the current one."""
    if wanted is None:
        return turns.world.chat_of(session)
    chat = turns.world.chats.get(wanted)
    if chat is None or chat.user_id != session.user.user_id:
        raise BadCommand(f"Session '{wanted}' not found", str(event["type"]))
    return chat


# -- the agent ------------------------------------------------------------------------


def _set_agent(turns: Turns, session: UISession, event: Event) -> None:
    world, chat = turns.world, turns.world.chat_of(session)
    key = text(event, "agent_key")
    agent = world.config.agent(key)
    if agent is None:
        raise BadCommand(f"Error processing event: Agent {key} not found.")
    if agent.key == chat.agent.key:
        return  # real servers say nothing to that
    chat.agent = agent
    _send_agent(turns, session)


def _set_agent_tools(turns: Turns, session: UISession, event: Event) -> None:
    world, chat = turns.world, turns.world.chat_of(session)
    wanted = strings(event, "tools")
    known = [name for name in wanted if any(tool["name"] == name for tool in world.tools)]
    if len(known) < len(wanted):
        failed = "Some tools failed to equip, see server logs for details"
        world.notify(session, failed, "error")
    chat.agent = attrs.evolve(chat.agent, tools=tuple(known))
    _send_agent(turns, session)
    world.notify(session, "Agent tools updated")


def _send_agent(turns: Turns, session: UISession) -> None:
    config = turns.world.chat_of(session).agent_config()
    turns.world.send(
        session, _wire_events.control("agent_configuration_changed", agent_config=config)
    )


# -- voice and avatar -----------------------------------------------------------------


def _set_agent_voice(turns: Turns, session: UISession, event: Event) -> None:
    voice_id = text(event, "voice_id")
    voice = next((v for v in turns.world.voices if v["voice_id"] == voice_id), None)
    if voice is None:
        raise BadCommand(f"Error processing event: Voice {voice_id} not found.")
    session.voice = voice
    turns.world.send(session, _wire_events.control("agent_voice_changed", voice=voice))


def _set_voice_input_mode(turns: Turns, session: UISession, event: Event) -> None:
    wanted = text(event, "mode")
    mode = _MODES.get(wanted)
    if mode is None:
        raise BadCommand(f"Error processing event: Voice input mode {wanted} is not supported.")
    session.microphone.mode = mode
    session.microphone.release()
    turns.world.send(session, _wire_events.control("voice_input_supported", modes=list(_MODES)))
    if mode != "ptt":
        turns.world.send(session, _wire_events.control("server_listening"))


def _ptt_start(turns: Turns, session: UISession, event: Event) -> None:
    session.microphone.press()
    turns.world.send(session, _wire_events.control("server_listening"))


def _ptt_end(turns: Turns, session: UISession, event: Event) -> None:
    heard = session.microphone.release()
    if heard:
        turns.begin(session, *_speech.utterance(heard))


def _audio_input_delta(turns: Turns, session: UISession, event: Event) -> None:
    """Speech as base64: who sends it so cannot take binary frames either."""
    try:
        pcm = base64.b64decode(text(event, "content"), validate=True)
    except binascii.Error as exc:
        raise BadCommand("Error processing event: the content is not base64.") from exc
    if len(pcm) % 2:
        raise BadCommand("Error processing audio: the frame has an odd length.")
    session.audio_as_text = True
    back, said = _speech.hear(session, pcm)
    if back is not None:
        turns.world.send(session, back)
    if said is not None:
        turns.begin(session, *_speech.utterance(said))


def _set_avatar(turns: Turns, session: UISession, event: Event) -> None:
    world, avatar_id = turns.world, text(event, "avatar_id")
    if not any(avatar["avatar_id"] == avatar_id for avatar in world.avatars):
        raise BadCommand(f"Error processing event: Avatar {avatar_id} not found.")
    request: Event = {
        "avatar_id": avatar_id,
        "quality": text_or_none(event, "quality") or "medium",
        "video_encoding": text_or_none(event, "video_encoding") or "H264",
    }
    avatar_session: Event = {
        "session_id": f"avatar-{world.ids.words('avatar')}",
        "url": "wss://avatar.example.invalid",
        "access_token": world.ids.hex("avatar token"),
    }
    _send_avatar(turns, session, request, avatar_session)


def _set_avatar_session(turns: Turns, session: UISession, event: Event) -> None:
    text(event, "access_token")
    avatar_session: Event = {"session_id": text(event, "avatar_session_id")}
    _send_avatar(turns, session, None, avatar_session)


def _clear_avatar_session(turns: Turns, session: UISession, event: Event) -> None:
    text(event, "session_id")
    _send_avatar(turns, session, None, None)


def _send_avatar(
    turns: Turns, session: UISession, request: Event | None, avatar_session: Event | None
) -> None:
    changed = _wire_events.control(
        "avatar_connection_changed",
        avatar_session_request=request,
        avatar_session=avatar_session,
    )
    turns.world.send(session, changed)


# -- workspaces -----------------------------------------------------------------------


def _list_workspaces(turns: Turns, session: UISession, event: Event) -> None:
    workspaces = _wire_events.control("workspace_list", workspaces=list(turns.world.workspaces))
    turns.world.send(session, workspaces)


def _add_workspace(turns: Turns, session: UISession, event: Event) -> None:
    entry = mapping(event.get("entry"), event, "entry")
    turns.world.workspaces.append(entry)
    turns.world.send(session, _wire_events.control("workspace_added", entry=entry))


def _remove_workspace(turns: Turns, session: UISession, event: Event) -> None:
    world, name = turns.world, text(event, "name")
    kept = [entry for entry in world.workspaces if entry.get("name") != name]
    if len(kept) == len(world.workspaces):
        raise BadCommand(f"Workspace '{name}' not found", "remove_workspace")
    world.workspaces[:] = kept
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
