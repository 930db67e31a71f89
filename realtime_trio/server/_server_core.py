"""The server without its network: frames and times in, frames to send out.

Nothing here waits, reads a clock or draws from a global generator, so the same input gives
the same output. Whoever owns a brain calls it with the time, sends what it returns, and
calls :meth:`Brain.advance` when :meth:`Brain.next_deadline` has come.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from . import _speech, _wire_events
from ._catalog import User
from ._chat_sessions import ChatSession
from ._command_handlers import COMMANDS, HARMLESS, unknown
from ._fields import BadCommand, BadJson, parse
from ._options import ServerConfig
from ._server_state import Close, Effect, Send, World
from ._turn_scheduler import Turns
from ._turn_script import Media, Turn
from ._ui_session import Microphone, UISession
from ._wire_events import Envelope, Event

__all__ = ["Brain", "Close", "Effect", "Refused", "Send"]

_CATALOGUE = ("get_avatars", "get_voices", "get_agents", "get_tool_catalog")
_SAMPLE_BYTES = 2 * 16_000


class Refused(Exception):
    """A connection that is not let in; ``status`` is the HTTP status (protocol.md §7)."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Brain:
    """The whole server as one value that changes only when it is called."""

    def __init__(self, config: ServerConfig, now: float) -> None:
        self.config = config
        self.world: World = World(config, now)
        self._turns = Turns(self.world)
        self._sockets: dict[int, UISession] = {}

    def script(self, turns: Iterable[Turn]) -> None:
        """Queue scripted turns behind those that wait already."""
        self._turns.script(turns)

    def unscript(self) -> None:
        """Forget every scripted turn."""
        self._turns.unscript()

    def admit(self, query: Mapping[str, str]) -> User:
        """Check a dial before its upgrade; raises :class:`Refused`."""
        token = query.get("token")
        if not token:
            raise Refused(403, "no token")
        user = self.world.user_of(token)
        if user is None:
            raise Refused(500, "bad token")
        if self.config.agent(query.get("agent_key")) is None:
            raise Refused(500, "unknown agent")
        return user

    def connect(self, connection: int, query: Mapping[str, str], now: float) -> list[Effect]:
        """Open the connection of that number with what its URL asks for."""
        world = self.world
        world.now = now
        user = self.admit(query)
        self._purge()
        ui_session_id = query.get("ui_session_id") or f"UI-{user.user_id}-{world.ids.words('ui')}"
        session = world.sessions.get(ui_session_id)
        if session is not None and session.user == user:
            self._reattach(connection, session)
        else:
            self._attach_new(connection, user, ui_session_id, query)
        return world.flush()

    def disconnect(self, connection: int, now: float) -> None:
        """The connection of that number is gone; its session and its turn go on."""
        self.world.now = now
        session = self._sockets.pop(connection, None)
        if session is not None and session.connection == connection:
            session.connection = None
            session.detached_at = now

    def receive(self, connection: int, frame: str | bytes, now: float) -> list[Effect]:
        """Take one frame of a client."""
        self.world.now = now
        session = self._sockets.get(connection)
        if session is None:
            return []
        try:
            if isinstance(frame, bytes):
                self._hear(session, frame)
            else:
                self._obey(session, parse(frame))
        except BadJson:
            self.world.send(session, _wire_events.error("Invalid JSON received"))
        except BadCommand as bad:
            self.world.send(session, _wire_events.error(bad.message, bad.source))
        return self.world.flush()

    def cancel(self, ui_session_id: str, now: float) -> list[Effect] | None:
        """Cancel by REST; ``None`` where there is no such session."""
        self.world.now = now
        session = self.world.sessions.get(ui_session_id)
        if session is None:
            return None
        self._turns.cancel(session)
        return self.world.flush()

    def next_deadline(self, held: Container[int | None] = ()) -> float | None:
        """When to call :meth:`advance`; turns of the connections in ``held`` do not count."""
        return self._turns.next_deadline(held)

    def advance(self, now: float, held: Container[int | None] = ()) -> list[Effect]:
        """Let every turn that is due go on, one batch each, but not those in ``held``."""
        self.world.now = now
        self._turns.advance(held)
        return self.world.flush()

    def restart(self) -> None:
        """Lose what a restarted server loses: sockets, UI sessions, turns. Chats stay."""
        for session in self.world.sessions.values():
            self._turns.kill(session)
        self.world.sessions.clear()
        self._sockets.clear()

    def _attach_new(
        self, connection: int, user: User, ui_session_id: str, query: Mapping[str, str]
    ) -> None:
        """Begin a UI session, with the full sequence (protocol.md §7)."""
        world, config = self.world, self.config
        voice = next((v for v in world.voices if v["output_format"] == "pcm16"), world.voices[0])
        microphone = Microphone(
            limit=int(config.max_utterance * _SAMPLE_BYTES),
            threshold=config.voice_threshold,
            hangover=config.voice_hangover,
        )
        session = UISession(id=ui_session_id, user=user, microphone=microphone, voice=voice)
        session.connection = connection
        session.chat = chat = self._chat_for(user, query)
        self._sockets[connection] = world.sessions[ui_session_id] = session
        world.send(
            session, _wire_events.control("ui_session_id_changed", ui_session_id=ui_session_id)
        )
        world.send(
            session, _wire_events.control("chat_user_data", user=user.wire(world.started_at))
        )
        for name in _CATALOGUE:
            COMMANDS[name](self._turns, session, {"type": name})
        world.send_chat(session)
        envelope = Envelope(session_id=chat.session_id, user_session_id=chat.session_id)
        welcome = Media(content=config.welcome, sent_by_class="RealtimeBridge")
        world.send(session, envelope.media(welcome))
        world.send(session, _wire_events.control("user_turn_start"))

    def _reattach(self, connection: int, session: UISession) -> None:
        """Go on with a live UI session: the short sequence. The old socket, if any, goes."""
        world, old = self.world, session.connection
        if old is not None:
            world.close(old)
            self._sockets.pop(old, None)
        session.connection = connection
        self._sockets[connection] = session
        world.send_chat(session)
        if session.turn is None:
            world.send(session, _wire_events.control("user_turn_start"))
        if old is not None and self.config.mute_takeover:
            session.muted = connection

    def _chat_for(self, user: User, query: Mapping[str, str]) -> ChatSession:
        """The session that a dial asks for, or a new one. No agent means the default one."""
        agent_key = query.get("agent_key")
        chat = self.world.chats.get(query.get("chat_session_id", ""))
        if chat is None or chat.user_id != user.user_id:
            return self.world.new_chat(user, agent_key)
        agent = self.config.agent(agent_key)
        if agent is not None and agent.key != chat.agent.key:
            chat.agent = agent
        return chat

    def _purge(self) -> None:
        """Forget sessions that were left too long ago, and the oldest where there are too many."""
        world, config = self.world, self.config
        left = [session for session in world.sessions.values() if session.connection is None]
        left.sort(key=lambda session: session.detached_at)
        surplus = len(world.sessions) - config.max_ui_sessions + 1
        for place, session in enumerate(left):
            if place < surplus or world.now - session.detached_at > config.ui_session_ttl:
                self._turns.kill(session)
                del world.sessions[session.id]

    def _obey(self, session: UISession, event: Event) -> None:
        """Carry out one command; most of them kill the turn that is running."""
        name = str(event["type"])
        current = None if session.chat is None else session.chat.session_id
        resumes = name == "resume_chat_session" and event.get("session_id") == current
        if name not in HARMLESS and not resumes:
            self._turns.kill(session)
        COMMANDS.get(name, unknown)(self._turns, session, event)

    def _hear(self, session: UISession, pcm: bytes) -> None:
        if len(pcm) % 2:
            raise BadCommand("Error processing audio: the frame has an odd length.")
        back, said = _speech.hear(session, pcm)
        if back is not None:
            self.world.send(session, back)
        if said is not None:
            self._turns.begin(session, *_speech.utterance(said))
