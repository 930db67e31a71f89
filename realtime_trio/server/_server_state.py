"""The state of a server, and its pending effects."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterable, Mapping

import attrs

from ._catalog import Account
from ._chat_sessions import StoredSession
from ._fields import BadCommand
from ._ids import IdGenerator
from ._jwt import Tokens
from ._options import ServerConfig
from ._storage import held_bytes
from ._turn_script import WireFrame
from ._ui_session import UISession
from ._wire_events import Event, bridge_message, control_event

__all__ = ["Close", "Effect", "Send", "ServerState"]


@attrs.frozen(slots=True)
class Send:
    """Send ``frame`` on the connection with that number."""

    connection: int
    frame: WireFrame


@attrs.frozen(slots=True)
class Close:
    """Close the connection with that number."""

    connection: int
    code: int = 1000
    reason: str = ""


Effect = Send | Close


class ServerState:
    """The accounts, chats and UI sessions of one server, its time, and its pending effects."""

    def __init__(self, config: ServerConfig, now: float) -> None:
        self.config = config
        self.ids: IdGenerator = IdGenerator(config.seed)
        # Not from the seed: with the seed, anyone could sign tokens for any account.
        key = secrets.token_bytes(32)
        self.tokens: Tokens = Tokens(key, config.token_lifetime, config.wall_clock)
        self.users: dict[str, Account] = {user.user_id: user for user in config.users}
        self.voices: list[dict[str, object]] = config.voices()
        self.avatars: list[dict[str, object]] = config.avatars()
        self.tools: list[dict[str, object]] = config.tools()
        self.workspaces: list[dict[str, object]] = []
        self.uploads: dict[str, dict[str, object]] = {}
        self.chats: dict[str, StoredSession] = {}
        self.sessions: dict[str, UISession] = {}
        self.now = now
        self._start = now
        self._effects: list[Effect] = []

    def take_effects(self) -> list[Effect]:
        """Return the effects since the last call."""
        effects, self._effects = self._effects, []
        return effects

    def timestamp(self, now: float | None = None) -> str:
        """Format the date at ``now`` (by default the current time) as records do."""
        elapsed = (self.now if now is None else now) - self._start
        date = self.config.epoch + dt.timedelta(seconds=elapsed)
        return date.isoformat(timespec="microseconds")

    @property
    def started_at(self) -> str:
        """The date at which the server started."""
        return self.timestamp(self._start)

    def user_for_token(self, token: str) -> Account | None:
        """Return the account that a token belongs to."""
        user = self.users.get(self.tokens.user_of(token) or "")
        if user is None and self.config.accept_any_token:
            return self.config.users[0]
        return user

    def send(self, session: UISession, frame: WireFrame) -> None:
        """Send to the session's socket; without a socket the frame is lost."""
        if session.connection is not None and session.muted != session.connection:
            self._effects.append(Send(session.connection, frame))

    def close(self, connection: int, code: int = 1000, reason: str = "") -> None:
        """Close a connection after everything that was sent on it."""
        self._effects.append(Close(connection, code, reason))

    def send_chat(self, session: UISession) -> None:
        """Send the session's chat as ``chat_session_changed``."""
        chat = session.chat.to_wire()
        self.send(session, control_event("chat_session_changed", chat_session=chat))

    def notify(self, session: UISession, content: str, severity: str = "info") -> None:
        """Send a bridge ``system_message`` in the session's chat."""
        self.send(session, bridge_message(session.chat.session_id, content, severity))

    def broadcast(self, user: Account, frame: WireFrame) -> None:
        """Send to every UI session of ``user``."""
        for session in self.sessions.values():
            if session.user == user:
                self.send(session, frame)

    def new_chat(self, user: Account, agent_key: str | None) -> StoredSession:
        """Create a chat session; raises :class:`BadCommand` if the agent does not exist."""
        agent = self.config.agent(agent_key)
        if agent is None:
            message = f"Error processing event: Agent {agent_key} not found."
            raise BadCommand(message)
        session_id = f"{user.user_id}-{self.ids.words('chat')}"
        while session_id in self.chats:  # taken by a chat of an earlier server
            session_id = f"{user.user_id}-{self.ids.words('chat')}"
        self._evict_chats(0, new=1)
        date = self.timestamp()
        chat = StoredSession(
            session_id=session_id,
            user_id=user.user_id,
            agent=agent,
            created_at=date,
            updated_at=date,
        )
        self.chats[session_id] = chat
        return chat

    def touch(self, chat: StoredSession) -> Event:
        """Store the chat as the latest, list it, and return the ``chat_session_added`` event."""
        chat.listed = True
        chat.updated_at = self.timestamp()
        self.chats.pop(chat.session_id, None)
        self.chats[chat.session_id] = chat
        return control_event("chat_session_added", chat_session=chat.index_entry())

    def make_room(self, size: int) -> None:
        """Make room for ``size`` more bytes; raises :class:`BadCommand` if there is none.

        The chats that have not been used for longest go first, never one that a session is in.
        """
        if self._evict_chats(size) > 0:
            limit = self.config.max_stored_bytes
            message = (
                "Error processing event: the server is full; it stores at most"
                f" {limit} bytes (ServerConfig.max_stored_bytes)."
            )
            raise BadCommand(message)

    def _evict_chats(self, size: int, new: int = 0) -> int:
        """Evict unused chats for ``new`` chats and ``size`` bytes; return the bytes missing."""
        used = {session.chat.session_id: session.chat for session in self.sessions.values()}
        stored = {**used, **self.chats}
        total = size + held_bytes(self.workspaces) + sum(chat.held for chat in stored.values())
        missing = total - self.config.max_stored_bytes
        surplus = len(self.chats) + new - self.config.max_chats
        for chat in list(self.chats.values()) if missing > 0 or surplus > 0 else ():
            if missing <= 0 and surplus <= 0:
                break
            if chat.session_id not in used:
                del self.chats[chat.session_id]
                missing -= chat.held
                surplus -= 1
        return missing

    def import_chats(self, chats: Iterable[Mapping[str, object]]) -> None:
        """Import sessions in their wire form; an unknown agent becomes the default one."""
        for record in chats:
            chat = StoredSession.from_wire(record, self.config)
            self.chats[chat.session_id] = chat
        self._evict_chats(0)
