"""Send texts to a server, one after the other, and follow each turn to its end."""

from __future__ import annotations

import math

import trio

from .._client._client import Client
from .._exceptions import RealtimeError
from .._turns._outcome import TurnFailed, TurnLost
from ._live_transcript import LiveTranscript
from ._terminal_text import clean, one_line

__all__ = ["ChatLoop"]


class ChatLoop:
    """Sends texts, one after the other, and remembers the last one."""

    def __init__(self, client: Client, transcript: LiveTranscript) -> None:
        self._client = client
        self._transcript = transcript
        self.asking = False

    async def say(self, text: str) -> None:
        """Send a text and wait until its whole answer has been shown."""
        before = self._transcript.turns_over
        self.asking = True
        try:
            async with self._client.ask(text) as turn:
                outcome = await turn.wait()
        finally:
            self.asking = False
        if isinstance(outcome, TurnFailed | TurnLost):
            self._transcript.line("turn", one_line(outcome.reason), style="bold red")
        # A lost turn may never get an end.
        with trio.move_on_after(1 if isinstance(outcome, TurnFailed | TurnLost) else math.inf):
            await self._transcript.turn_over(before + 1)

    async def stop(self) -> None:
        """Stop the running answer."""
        try:
            await self._client.cancel()
        except RealtimeError as exc:
            self._transcript.line("cancel", clean(str(exc)), style="bold red")
