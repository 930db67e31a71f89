"""``realtime-trio chat URL``: a conversation in the terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, TypeAlias

import trio
from cyclopts import Parameter

from ._connect import PATIENT, STEADY, connect, identity
from ._plain_chat import chat_in_lines

__all__ = ["chat"]

_Switch: TypeAlias = Annotated[bool, Parameter(negative=())]


def chat(
    url: str,
    /,
    *,
    json: _Switch = False,
    thoughts: _Switch = False,
    vi: _Switch = False,
    history: Path | None = None,
    user: str | None = None,
    token: str | None = None,
    agent: str | None = None,
    session: str | None = None,
) -> None:
    """Talk to a server: type a line, read the answer.

    At a terminal: /help lists the commands, Ctrl-C cancels the answer, clears the line, or leaves
    if there is neither, and Ctrl-D leaves. Without a terminal: plain lines in, plain text out.

    Parameters
    ----------
    url
        The address of the server: https://host, ws://host:port.
    json
        Print one JSON object per notification instead of text.
    thoughts
        Show thoughts unfolded.
    vi
        Edit with the keys of vi, not of emacs.
    history
        The file for the input history; by default it is in the user's state directory.
    user
        Log in with this name. The command asks for the password, unless the environment
        variable REALTIME_TRIO_PASSWORD contains it.
    token
        Use this token instead; the default is the environment variable REALTIME_TRIO_TOKEN.
    agent
        The agent of a new session.
    session
        The session to continue.
    """
    auth = identity(token, user)
    drawn = not json and _is_terminal()
    patience = PATIENT if drawn else STEADY
    client_of = connect(url, auth=auth, agent=agent, session=session, config=patience)
    if drawn:
        # Imports prompt_toolkit, which no other command needs.
        from ._interactive._chat_tasks import ChatOptions, chat_at_terminal

        options = ChatOptions(vi=vi, thoughts=thoughts, history=history)
        trio.run(chat_at_terminal, client_of, session, options)
    else:
        trio.run(chat_in_lines, client_of, session, json)


def _is_terminal() -> bool:
    """Return whether input and output are a terminal that can move its cursor."""
    able = os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
    return able and sys.stdin.isatty() and sys.stdout.isatty()
