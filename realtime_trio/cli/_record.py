"""``realtime-trio record URL FILE``: write all frames of a conversation to a file."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Annotated

import trio
from cyclopts import Parameter

from .._client._client import Client
from .._connection._recording import Recorder
from ._chat_loop import ChatLoop
from ._command_error import CommandError
from ._connect import PATIENT, STEADY, check_session, connect, identity
from ._live_transcript import LiveTranscript, follow
from ._signals import until_signalled
from ._standard_streams import as_text
from ._terminal_text import clean

__all__ = ["record"]


def record(
    url: str,
    file: Path,
    /,
    *,
    say: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    user: str | None = None,
    token: str | None = None,
    agent: str | None = None,
    session: str | None = None,
) -> None:
    """Record a conversation without its secrets; "replay" shows it again.

    Without --say it records until Ctrl-C or SIGTERM.

    Parameters
    ----------
    url
        The address of the server: https://host, ws://host:port.
    file
        The file to write; compressed if its name ends in ".gz".
    say
        Send this, wait for the answer, and leave; repeat the option to send more.
    overwrite
        Overwrite an existing file.
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
    if file.exists() and not overwrite:
        message = f"{file} already exists: choose another name, or pass --overwrite"
        raise CommandError(message)
    recorder = Recorder(file)
    auth = identity(token, user)
    client_of = connect(
        url,
        auth=auth,
        agent=agent,
        session=session,
        config=STEADY if say else PATIENT,
        recorder=recorder,
    )
    trio.run(_record, client_of, file, say, session)
    _report(recorder, file)


async def _record(
    client_of: AbstractAsyncContextManager[Client],
    file: Path,
    say: tuple[str, ...],
    session: str | None,
) -> None:
    async with until_signalled() as ending:
        with _writing(file):
            async with client_of as client:
                ending.started = True
                await _converse(client, say, session)


async def _converse(client: Client, say: tuple[str, ...], session: str | None) -> None:
    transcript = LiveTranscript()
    async with trio.open_nursery() as nursery:
        await nursery.start(follow, client, transcript)
        await check_session(client, session)
        await transcript.turn_over(1)
        talk = ChatLoop(client, transcript)
        for text in say:
            await talk.say(as_text(text))
        if not say:
            await trio.sleep_forever()
        nursery.cancel_scope.cancel()


@contextmanager
def _writing(file: Path) -> Generator[None, None, None]:
    try:
        yield
    except OSError as exc:
        if exc.filename is None:
            raise
        message = f"cannot write {file}: {exc.strerror}"
        raise CommandError(message) from None


def _report(recorder: Recorder, file: Path) -> None:
    statistics = recorder.statistics()
    if statistics.error is not None:
        lost = f"{statistics.dropped} lines are missing"
        message = f"{file}: the recording ends early ({statistics.error}); {lost}"
        raise CommandError(message, status=1)
    lost = f", {statistics.dropped} dropped" if statistics.dropped else ""
    print(f"{clean(str(file))}: {statistics.written} lines{lost}", file=sys.stderr)
