"""``realtime-trio send URL TEXT``: one turn, for scripts."""

from __future__ import annotations

import abc
import json as json_
import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, TypeAlias

import trio
from cyclopts import Parameter

from .._client._client import Client
from .._core._notifications import MediaAdded, MessageComplete, MessageStreaming, Notification
from .._core._render import message_to_json
from .._lanes._subscription import Subscription
from .._replay import note_line
from .._turns._outcome import Outcome, TurnCancelled, TurnCompleted, TurnFailed, TurnLost
from ._command_error import CommandError
from ._connect import BRISK, check_session, connect, identity
from ._standard_streams import as_text
from ._terminal_text import clean, one_line

__all__ = ["send"]

_Switch: TypeAlias = Annotated[bool, Parameter(negative=())]


def send(
    url: str,
    text: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    json: _Switch = False,
    upload: Annotated[tuple[Path, ...], Parameter(negative=())] = (),
    user: str | None = None,
    token: str | None = None,
    agent: str | None = None,
    session: str | None = None,
) -> int:
    """Say one thing, and print the answer; for scripts.

    The exit status is 0 for a completed turn, 1 for one that failed, 3 for one that was cancelled,
    and 4 if the outcome is unknown.

    Parameters
    ----------
    url
        The address of the server: https://host, ws://host:port.
    text
        What to say; "-" reads it from standard input.
    json
        Print one JSON object per notification, and the outcome at the end.
    upload
        Send this file with the text; may be repeated.
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
    said = sys.stdin.read().rstrip("\n") if text == "-" else as_text(text)
    if not said.strip():
        message = "nothing to send: the text is empty"
        raise CommandError(message)
    client_of = connect(url, auth=auth, agent=agent, session=session, config=BRISK)
    return _report(trio.run(_send, client_of, said, upload, session, json), as_json=json)


async def _send(
    client_of: AbstractAsyncContextManager[Client],
    text: str,
    files: tuple[Path, ...],
    session: str | None,
    as_json: bool,
) -> Outcome:
    output = _JsonOutput() if as_json else _TextOutput()
    async with client_of as client:
        await check_session(client, session)
        output.session_id = client.state.current_session_id
        file_ids = [await _upload(client, file) for file in files]
        with client.subscribe(Notification) as notes:
            async with client.ask(text, file_ids=file_ids) as turn, trio.open_nursery() as nursery:
                nursery.start_soon(_print_all, notes, output)
                outcome = await turn.wait()
                nursery.cancel_scope.cancel()
            with suppress(trio.WouldBlock, trio.EndOfChannel):
                while True:
                    output.show(notes.receive_nowait())
        return outcome


async def _print_all(notes: Subscription[Notification], output: _Output) -> None:
    async for note in notes:
        output.show(note)


async def _upload(client: Client, file: Path) -> str:
    try:
        return (await client.upload_file(file)).id
    except (OSError, ValueError) as exc:
        message = f"cannot upload {file}: {getattr(exc, 'strerror', None) or exc}"
        raise CommandError(message) from None


class _Output(abc.ABC):
    """The output for the notifications of the turn."""

    session_id: str | None = None

    @abc.abstractmethod
    def show(self, note: Notification) -> None:
        """Print a notification, or its part of the answer."""


class _JsonOutput(_Output):
    def __init__(self) -> None:
        self._count = 0

    def show(self, note: Notification) -> None:
        sys.stdout.buffer.write(note_line(self._count, note))
        sys.stdout.buffer.flush()
        self._count += 1


class _TextOutput(_Output):
    """Prints the text of the user's session, with an empty line between two messages."""

    def __init__(self) -> None:
        self._message: str | None = None

    def show(self, note: Notification) -> None:
        match note:
            case MessageStreaming(role="assistant") if note.session_id == self.session_id:
                self._begin(note.message_id)
                print(clean(note.delta), end="", flush=True)
            case MessageComplete(message=message) if message.id == self._message:
                print(flush=True)
                self._message = ""
            case MediaAdded(media=media) if media.content_type.startswith("text/"):
                self._begin(media.id)
                print(clean(media.content or ""), flush=True)
                self._message = ""
            case _:
                pass

    def _begin(self, message_id: str) -> None:
        if self._message not in (None, message_id):
            print("\n" if self._message else "")
        self._message = message_id


_STATUS: Final[Mapping[type[Outcome], tuple[str, int]]] = MappingProxyType(
    {
        TurnCompleted: ("completed", 0),
        TurnFailed: ("failed", 1),
        TurnCancelled: ("cancelled", 3),
        TurnLost: ("lost", 4),
    }
)


def _report(outcome: Outcome, *, as_json: bool) -> int:
    """Report the outcome, and return the exit status."""
    name, status = _STATUS[type(outcome)]
    reason = getattr(outcome, "reason", "")
    if as_json:
        message = outcome.message
        told = {
            "outcome": name,
            "reason": reason or None,
            "errors": list(outcome.errors),
            "message": None if message is None else message_to_json(message),
        }
        print(json_.dumps(told), flush=True)
    elif status:
        why = "; ".join([reason, *outcome.errors] if reason else outcome.errors)
        reason = f"the turn {_ENDED[name]}: {one_line(why, 300)}"
        raise CommandError(reason, status=status)
    return status


_ENDED: Final = {"failed": "failed", "cancelled": "was cancelled", "lost": "was lost"}
