"""The server and the credentials of the commands that connect."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import attrs

from .._client._client import Client, open_client
from .._config import ClientConfig
from .._connection._recording import Recorder
from .._exceptions import ConnectionFailed, RealtimeError
from .._rest._tokens import PasswordLogin
from ..abc import Connector
from ._command_error import CommandError
from ._standard_streams import as_text
from ._terminal_text import clean

__all__ = [
    "BRISK",
    "PASSWORD_VARIABLE",
    "PATIENT",
    "STEADY",
    "TOKEN_VARIABLE",
    "check_session",
    "connect",
    "identity",
    "password_of",
]

_UNKNOWN_AGENT: Final = (404, 500)  # protocol §7.3

TOKEN_VARIABLE = "REALTIME_TRIO_TOKEN"
PASSWORD_VARIABLE = "REALTIME_TRIO_PASSWORD"

# A wrong address is reported soon. After a connection has worked, the client redials without limit:
# typed or recorded input is kept, and Ctrl-C ends the wait. A silent link is tested often, because
# the system does not report a dead link when a laptop moves to another network.
PATIENT: Final = ClientConfig(
    first_attempts=3,
    max_attempts=None,
    backoff_initial=0.2,
    backoff_max=10.0,
    connect_timeout=10.0,
    ping_interval=10.0,
    pong_timeout=10.0,
)
"""For ``chat``, ``voice`` and ``record`` when a person waits, who can end the wait."""

STEADY: Final = attrs.evolve(PATIENT, max_attempts=8)
"""The same when nobody waits, because the input is a pipe or a file: give up after 30 seconds."""

BRISK: Final = ClientConfig(max_attempts=3, backoff_initial=0.2, connect_timeout=10.0)
"""For commands that scripts run: these fail instead of waiting."""


def identity(token: str | None, user: str | None) -> str | PasswordLogin:
    """Return the credentials: a token, or a name and a password.

    It may prompt for a password, so call it before anything that takes time. Raises
    :class:`CommandError` without credentials, or with both kinds.
    """
    if token is not None and user is not None:
        message = "pass --token or --user, not both"
        raise CommandError(message)
    if user is not None:
        return PasswordLogin(as_text(user), password_of(user))
    secret = token or os.environ.get(TOKEN_VARIABLE)
    if not secret:
        message = (
            f"no credentials: pass --user NAME or --token TOKEN, or set the environment variable "
            f"{TOKEN_VARIABLE}"
        )
        raise CommandError(message)
    return as_text(secret)


def password_of(user: str) -> str:
    """Get the password. It is never an argument, because other users can see those of a process."""
    password = os.environ.get(PASSWORD_VARIABLE, "")
    if not password and sys.stdin.isatty():
        try:
            password = getpass.getpass(f"password of {clean(user)}: ")
        except EOFError:
            password = ""
    if not password:
        message = f"no password: type it at a terminal, or set {PASSWORD_VARIABLE}"
        raise CommandError(message)
    return as_text(password)


def connect(
    url: str,
    *,
    auth: str | PasswordLogin,
    agent: str | None,
    session: str | None,
    config: ClientConfig,
    recorder: Recorder | None = None,
    transport: Connector | None = None,
) -> AbstractAsyncContextManager[Client]:
    """Create a client without opening it. Raises :class:`CommandError` for invalid arguments.

    Entering it also raises :class:`CommandError`, for an agent that the server does not have.
    """
    try:
        made = open_client(
            as_text(url),
            auth=auth,
            agent_key=None if agent is None else as_text(agent),
            chat_session_id=None if session is None else as_text(session),
            config=config,
            recorder=recorder,
            transport=transport,
        )
    except ValueError as exc:
        raise CommandError(str(exc)) from None
    return made if agent is None else _with_agent(made, url, auth, as_text(agent))


@asynccontextmanager
async def _with_agent(
    client_of: AbstractAsyncContextManager[Client], url: str, auth: str | PasswordLogin, agent: str
) -> AsyncGenerator[Client, None]:
    """Name an agent that the server does not have: it refuses the dial and does not say why."""
    opened = False
    try:
        async with client_of as client:
            opened = True
            yield client
    except ConnectionFailed as exc:
        if opened or exc.status not in _UNKNOWN_AGENT:
            raise
        known = await _agents(url, auth)
        if not known or agent in known:
            raise
        raise CommandError(_unknown("agent", agent, known)) from None


async def _agents(url: str, auth: str | PasswordLogin) -> list[str]:
    """Return the agents of the server; none if it does not list them."""
    try:
        async with open_client(as_text(url), auth=auth, config=BRISK) as client:
            await client.ready()
            return [each.key for each in client.state.catalog.agents]
    except RealtimeError:
        return []


async def check_session(client: Client, session: str | None) -> None:
    """Wait until the server takes input; raise :class:`CommandError` for an unknown session.

    A server that does not know the session starts another one.
    """
    await client.ready()
    current = client.state.current_session_id
    if session is not None and current != as_text(session):
        known = [each.session_id for each in client.state.control.index]
        raise CommandError(_unknown("session", session, known))


def _unknown(what: str, key: str, known: list[str]) -> str:
    some = f"; available: {', '.join(known[:20])}" if known else ""
    return f"the server has no {what} {key!r}{some}"
