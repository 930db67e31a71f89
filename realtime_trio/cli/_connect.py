"""The server and the credentials of the commands that connect."""

from __future__ import annotations

import getpass
import os
import sys
from contextlib import AbstractAsyncContextManager

from .._client._client import Client, open_client
from .._config import ClientConfig
from .._connection._recording import Recorder
from .._rest._tokens import PasswordLogin
from ._command_error import CommandError
from ._standard_streams import as_text
from ._terminal_text import clean

__all__ = ["PASSWORD_VARIABLE", "TOKEN_VARIABLE", "connect", "identity"]

TOKEN_VARIABLE = "REALTIME_TRIO_TOKEN"
PASSWORD_VARIABLE = "REALTIME_TRIO_PASSWORD"

# A person waits: fail early instead of retrying for minutes.
_CONFIG = ClientConfig(max_attempts=3, backoff_initial=0.2, connect_timeout=10.0)


def identity(token: str | None, user: str | None) -> str | PasswordLogin:
    """Return the credentials: a token, or a name and a password.

    It may prompt for a password, so call it before anything that takes time. Raises
    :class:`CommandError` without credentials, or with both kinds.
    """
    if token is not None and user is not None:
        message = "pass --token or --user, not both"
        raise CommandError(message)
    if user is not None:
        return PasswordLogin(as_text(user), as_text(_password(user)))
    secret = token or os.environ.get(TOKEN_VARIABLE)
    if not secret:
        message = (
            f"no credentials: pass --user NAME or --token TOKEN, or set the environment variable "
            f"{TOKEN_VARIABLE}"
        )
        raise CommandError(message)
    return as_text(secret)


def _password(user: str) -> str:
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
    return password


def connect(
    url: str,
    *,
    auth: str | PasswordLogin,
    agent: str | None,
    session: str | None,
    recorder: Recorder | None = None,
) -> AbstractAsyncContextManager[Client]:
    """Create a client without opening it. Raises :class:`CommandError` for invalid arguments."""
    try:
        return open_client(
            as_text(url),
            auth=auth,
            agent_key=None if agent is None else as_text(agent),
            chat_session_id=None if session is None else as_text(session),
            config=_CONFIG,
            recorder=recorder,
        )
    except ValueError as exc:
        raise CommandError(str(exc)) from None
