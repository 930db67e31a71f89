"""The chat without a terminal: plain lines in, plain text or JSON out."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Final

import trio
from rich.console import Console
from rich.text import Text

from .._client._client import Client
from ._chat_loop import ChatLoop
from ._connect import check_session
from ._live_transcript import LiveTranscript, follow
from ._notification_lines import NotificationLines

__all__ = ["chat_in_lines"]


_CUT: Final = 4095
"""Bytes of a typed line at which the line editing of Linux cuts it."""


async def chat_in_lines(
    client_of: AbstractAsyncContextManager[Client], session: str | None, as_json: bool
) -> None:
    """Send each line of standard input, and print the answers."""
    silent = as_json or not sys.stdin.isatty()
    transcript = NotificationLines() if as_json else LiveTranscript(echo=silent)
    async with client_of as client, trio.open_nursery() as nursery:
        await nursery.start(follow, client, transcript)
        talk = ChatLoop(client, transcript)
        await check_session(client, session)
        nursery.start_soon(_obey_interrupts, talk, nursery.cancel_scope)
        await transcript.turn_over(1)
        async with aclosing(_typed(None if silent else transcript.console)) as lines:
            async for line in lines:
                await talk.say(line)
        nursery.cancel_scope.cancel()


async def _obey_interrupts(talk: ChatLoop, scope: trio.CancelScope) -> None:
    """Ctrl-C: stop the answer, or leave if there is none."""
    with trio.open_signal_receiver(signal.SIGINT) as signals:
        async for _ in signals:
            if not talk.asking:
                scope.cancel()
                return
            await talk.stop()


async def _typed(prompt: Console | None) -> AsyncGenerator[str, None]:
    """Yield the typed lines, without the empty ones."""
    rest = b""
    more = True
    while more:
        if prompt is not None:
            prompt.print(Text(f"{'':<10}you         ", "bold cyan"), end="")
        while b"\n" not in rest and more:
            data = await _read()
            more = bool(data)
            rest += data
        line, _, rest = rest.partition(b"\n")
        more = more or bool(rest)
        text = line.decode(errors="replace").strip()
        if prompt is not None and len(line) == _CUT:
            prompt.print(_told_cut(), style="yellow", soft_wrap=True)
        elif text:
            yield text


def _told_cut() -> str:
    return (
        f"not sent: the terminal cuts lines at {_CUT} bytes. Send several lines, or pipe the text: "
        "realtime-trio chat URL < FILE"
    )


async def _read() -> bytes:
    """Read some input; empty at its end.

    The thread is abandoned on cancellation: a thread that waits for a key cannot be woken. It must
    not hold a lock that the interpreter needs at exit, so it reads the file, not ``sys.stdin``.
    """
    return await trio.to_thread.run_sync(
        os.read, sys.stdin.fileno(), 65_536, abandon_on_cancel=True
    )
