"""The sans-IO server: frames and times in, frames to send out.

Nothing here waits, reads a clock or uses the global random generator, so the same input
gives the same output. The owner of a core passes it the time, sends the effects that it
returns, and calls :meth:`ServerCore.advance` at :meth:`ServerCore.next_deadline`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from . import _speech
from ._catalog import Account
from ._chat_sessions import StoredSession
from ._command_handlers import COMMANDS, KEEPS_TURN, unknown
from ._fields import BadCommand, BadJson, decode_event, pcm16
from ._options import ServerConfig
from ._script_checks import Script
from ._server_state import Close, Effect, Send, ServerState
from ._turn_scheduler import TurnScheduler
from ._turn_script import ScriptedMedia
from ._ui_session import UISession, UtteranceBuffer
from ._wire_events import Event, SessionEvents, control_event, error_event

__all__ = ["Close", "Effect", "Refused", "Send", "ServerCore"]

_CATALOGUE = ("get_avatars", "get_voices", "get_agents", "get_tool_catalog")
_SAMPLE_BYTES = 2 * 16_000
_MAX_ID = 256
"""Maximum number of characters in the id of a UI session."""


class Refused(Exception):
    """A connection that is not accepted; ``status`` is the HTTP status (protocol §7)."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class ServerCore:
    """The whole server as a value that changes only when it is called."""

    def __init__(self, config: ServerConfig, now: float) -> None:
        self.config = config
        self.state: ServerState = ServerState(config, now)
        self._turns = TurnScheduler(self.state)
        self._sockets: dict[int, UISession] = {}

    def script(self, scripts: Iterable[Script]) -> None:
        """Queue scripts after those that are already queued; raises for an invalid one."""
        self._turns.script(scripts)

    def unscript(self) -> None:
        """Drop all scripts."""
        self._turns.unscript()

    def authorize(self, query: Mapping[str, str]) -> Account:
        """Check a dial before its upgrade; raises :class:`Refused`."""
        token = query.get("token")
        if not token:
            raise Refused(403, "the URL has no token")
        user = self.state.user_for_token(token)
        if user is None:
            raise Refused(500, "unknown or expired token")
        if self.config.agent(query.get("agent_key")) is None:
            raise Refused(500, "the agent does not exist")
        self._check_session_limit(query.get("ui_session_id", ""))
        return user

    def _check_session_limit(self, ui_session_id: str) -> None:
        """Refuse a dial for a new UI session if every session within the limit has a socket."""
        if len(ui_session_id) > _MAX_ID:
            raise Refused(400, "the ui_session_id is too long")
        if ui_session_id in self.state.sessions:
            return
        if len(self._sockets) >= self.config.max_ui_sessions:
            raise Refused(503, "the limit of UI sessions is reached (ServerConfig.max_ui_sessions)")

    def connect(self, connection: int, query: Mapping[str, str], now: float) -> list[Effect]:
        """Open the connection with that number for the session that its URL names."""
        state = self.state
        state.now = now
        user = self.authorize(query)
        self._evict_detached()
        ui_session_id = query.get("ui_session_id") or f"UI-{user.user_id}-{state.ids.words('ui')}"
        session = state.sessions.get(ui_session_id)
        if session is not None and session.user == user:
            self._reattach(connection, session)
        else:
            self._attach_new(connection, user, ui_session_id, query)
        return state.take_effects()

    def disconnect(self, connection: int, now: float) -> None:
        """Drop the connection with that number; its session and turn keep running."""
        self.state.now = now
        session = self._sockets.pop(connection, None)
        if session is not None and session.connection == connection:
            session.connection = None
            session.detached_at = now

    def receive(self, connection: int, frame: str | bytes, now: float) -> list[Effect]:
        """Receive one frame of a client."""
        self.state.now = now
        session = self._sockets.get(connection)
        if session is None:
            return []
        try:
            if isinstance(frame, bytes):
                self._receive_audio(session, frame)
            else:
                self._dispatch(session, decode_event(frame))
        except BadJson:
            self.state.send(session, error_event("Invalid JSON received"))
        except BadCommand as bad:
            self.state.send(session, error_event(bad.message, bad.source))
        return self.state.take_effects()

    def cancel(self, ui_session_id: str, now: float) -> list[Effect] | None:
        """Cancel through REST; ``None`` if the session does not exist."""
        self.state.now = now
        session = self.state.sessions.get(ui_session_id)
        if session is None:
            return None
        self._turns.cancel(session)
        return self.state.take_effects()

    def next_deadline(self, paused: Container[int | None] = ()) -> float | None:
        """Return when to call :meth:`advance`, ignoring turns of ``paused`` connections."""
        return self._turns.next_deadline(paused)

    def advance(self, now: float, paused: Container[int | None] = ()) -> list[Effect]:
        """Run one batch of every turn that is due, except on ``paused`` connections."""
        self.state.now = now
        self._turns.advance(paused)
        return self.state.take_effects()

    def restart(self) -> None:
        """Drop sockets, UI sessions and turns, as a restart does; chats are kept."""
        for session in self.state.sessions.values():
            self._turns.kill(session)
        self.state.sessions.clear()
        self._sockets.clear()

    def _attach_new(
        self, connection: int, user: Account, ui_session_id: str, query: Mapping[str, str]
    ) -> None:
        """Start a UI session with the full initialisation (protocol §7)."""
        state, config = self.state, self.config
        voice = next((v for v in state.voices if v["output_format"] == "pcm16"), state.voices[0])
        utterances = UtteranceBuffer(
            limit=int(config.max_utterance * _SAMPLE_BYTES),
            threshold=config.voice_threshold,
            hangover=config.voice_hangover,
        )
        chat = self._chat_for(user, query)
        session = UISession(
            id=ui_session_id, user=user, utterances=utterances, voice=voice, chat=chat
        )
        session.connection = connection
        self._sockets[connection] = state.sessions[ui_session_id] = session
        state.send(session, control_event("ui_session_id_changed", ui_session_id=ui_session_id))
        state.send(session, control_event("chat_user_data", user=user.to_wire(state.started_at)))
        for name in _CATALOGUE:
            COMMANDS[name](self._turns, session, {"type": name})
        state.send_chat(session)
        events = SessionEvents(session_id=chat.session_id, user_session_id=chat.session_id)
        welcome = ScriptedMedia(content=config.welcome, sent_by_class="RealtimeBridge")
        state.send(session, events.media(welcome))
        state.send(session, control_event("user_turn_start"))

    def _reattach(self, connection: int, session: UISession) -> None:
        """Continue a live UI session with the short initialisation; replaces its old socket."""
        state, old = self.state, session.connection
        if old is not None:
            state.close(old)
            self._sockets.pop(old, None)
        session.connection = connection
        self._sockets[connection] = session
        state.send_chat(session)
        if session.turn is None:
            state.send(session, control_event("user_turn_start"))
        if old is not None and self.config.mute_takeover:
            session.muted = connection

    def _chat_for(self, user: Account, query: Mapping[str, str]) -> StoredSession:
        """Return the chat session that a dial asks for, or create one.

        Without an agent in the URL the chat gets the default agent and keeps it: only a live UI
        session knows its chat's agent (protocol §1).
        """
        agent_key = query.get("agent_key")
        chat = self.state.chats.get(query.get("chat_session_id", ""))
        if chat is None or chat.user_id != user.user_id:
            return self.state.new_chat(user, agent_key)
        agent = self.config.agent(agent_key)
        if agent is not None and agent.key != chat.agent.key:
            chat.agent = agent
        return chat

    def _evict_detached(self) -> None:
        """Evict sessions that have been detached too long, and the oldest beyond the limit."""
        state, config = self.state, self.config
        detached = [session for session in state.sessions.values() if session.connection is None]
        detached.sort(key=lambda session: session.detached_at)
        surplus = len(state.sessions) - config.max_ui_sessions + 1
        for index, session in enumerate(detached):
            if index < surplus or state.now - session.detached_at > config.ui_session_ttl:
                self._turns.kill(session)
                del state.sessions[session.id]

    def _dispatch(self, session: UISession, event: Event) -> None:
        """Dispatch one command; most commands kill the running turn."""
        name = str(event["type"])
        current = session.chat.session_id
        resumes = name == "resume_chat_session" and event.get("session_id") == current
        if name not in KEEPS_TURN and not resumes:
            self._turns.kill(session)
        if self._turns.answer_by_script(session, event):
            return
        COMMANDS.get(name, unknown)(self._turns, session, event)

    def _receive_audio(self, session: UISession, pcm: bytes) -> None:
        echo, utterance = _speech.receive_audio(session, pcm16(pcm))
        if echo is not None:
            self.state.send(session, echo)
        if utterance is not None:
            self._turns.start(session, *_speech.utterance_input(utterance))
