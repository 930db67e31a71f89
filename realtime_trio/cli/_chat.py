"""``realtime-trio chat URL``: a conversation in the terminal."""

from __future__ import annotations

import math
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing

import trio
from rich.text import Text

from .._client._client import Client
from .._exceptions import RealtimeError
from .._turns._outcome import TurnFailed, TurnLost
from ._connect import connect, identity
from ._live_transcript import LiveTranscript, follow
from ._terminal_text import clean, one_line

__all__ = ["ChatLoop", "chat"]


def chat(
    url: str,
    /,
    *,
    user: str | None = None,
    token: str | None = None,
    agent: str | None = None,
    session: str | None = None,
) -> None:
    """Talk to a server: type a line, read the answer.

    Ctrl-C stops the running answer, or leaves if there is none. The end of the input leaves too.

    Parameters
    ----------
    url
        The address of the server: https://host, ws://host:port.
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
    trio.run(_chat, connect(url, auth=identity(token, user), agent=agent, session=session))


async def _chat(client_of: AbstractAsyncContextManager[Client]) -> None:
    transcript = LiveTranscript(echo=not sys.stdin.isatty())
    async with client_of as client, trio.open_nursery() as nursery:
        await nursery.start(follow, client, transcript)
        talk = ChatLoop(client, transcript)
        await client.ready()
        nursery.start_soon(_obey_interrupts, talk, nursery.cancel_scope)
        await transcript.turn_over(1)
        async with aclosing(_typed(transcript)) as lines:
            async for line in lines:
                await talk.say(line)
        nursery.cancel_scope.cancel()


class ChatLoop:
    """Says things, one after the other, and knows what was said last."""

    def __init__(self, client: Client, transcript: LiveTranscript) -> None:
        self._client = client
        self._transcript = transcript
        self.asking = False

    async def say(self, text: str) -> None:
        """Say something and wait until all of its answer has been shown."""
        before = self._transcript.turns_over
        self.asking = True
        try:
            async with self._client.ask(text) as turn:
                outcome = await turn.wait()
        finally:
            self.asking = False
        if isinstance(outcome, TurnFailed | TurnLost):
            self._transcript.line("turn", one_line(outcome.reason), style="bold red")
        # Of a turn that was lost no end may ever come.
        with trio.move_on_after(1 if isinstance(outcome, TurnFailed | TurnLost) else math.inf):
            await self._transcript.turn_over(before + 1)

    async def stop(self) -> None:
        """Stop the answer that is being given."""
        try:
            await self._client.cancel()
        except RealtimeError as exc:
            self._transcript.line("cancel", clean(str(exc)), style="bold red")


async def _obey_interrupts(talk: ChatLoop, scope: trio.CancelScope) -> None:
    """Ctrl-C: stop the answer, or leave if there is none."""
    with trio.open_signal_receiver(signal.SIGINT) as signals:
        async for _ in signals:
            if not talk.asking:
                scope.cancel()
                return
            await talk.stop()


async def _typed(transcript: LiveTranscript) -> AsyncGenerator[str, None]:
    """The lines that are typed, without the empty ones."""
    rest = b""
    more = True
    while more:
        if sys.stdin.isatty():
            transcript.console.print(Text(f"{'':<10}you         ", "bold cyan"), end="")
        while b"\n" not in rest and more:
            data = await _read()
            more = bool(data)
            rest += data
        line, _, rest = rest.partition(b"\n")
        more = more or bool(rest)
        text = line.decode(errors="replace").strip()
        if text:
            yield text


async def _read() -> bytes:
    """Some input; empty at its end.

    Abandoned when it is left: a thread that waits for a key cannot be woken. That thread must
    hold nothing that the interpreter wants at its end, so it reads the file, not ``sys.stdin``.
    """
    return await trio.to_thread.run_sync(
        os.read, sys.stdin.fileno(), 65_536, abandon_on_cancel=True
    )
