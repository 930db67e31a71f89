"""What the commands that talk to a server have in common: whom to talk to, and as whom."""

from __future__ import annotations

import os
from contextlib import AbstractAsyncContextManager

from .._config import ClientConfig
from .._io._client import Client, open_client
from .._io._recording import Recorder
from ._errors import CommandError

__all__ = ["TOKEN_VARIABLE", "connect"]

TOKEN_VARIABLE = "REALTIME_TRIO_TOKEN"

# A person waits: better told soon than tried for minutes.
_CONFIG = ClientConfig(max_attempts=3, backoff_initial=0.2, connect_timeout=10.0)


def connect(
    url: str,
    *,
    token: str | None,
    agent: str | None,
    session: str | None,
    recorder: Recorder | None = None,
) -> AbstractAsyncContextManager[Client]:
    """A client that is not open yet. Raises :class:`CommandError` where it never could be."""
    secret = token or os.environ.get(TOKEN_VARIABLE)
    if not secret:
        msg = f"say who you are: --token TOKEN, or the environment variable {TOKEN_VARIABLE}"
        raise CommandError(msg)
    try:
        return open_client(
            url,
            auth=secret,
            agent_key=agent,
            chat_session_id=session,
            config=_CONFIG,
            recorder=recorder,
        )
    except ValueError as exc:
        raise CommandError(str(exc)) from None
