"""A live transcript: the answer is shown while it is streamed."""

from __future__ import annotations

import trio
from rich.console import Console
from rich.text import Text

from .._client._client import Client
from .._core import _notifications as n
from .._core._messages import THOUGHT
from .._core._state import SessionState
from ._terminal_text import clean
from ._transcript import Transcript, ending, label_of

__all__ = ["LiveTranscript", "follow"]

_INDENT = 22  # column of the text of an entry
_MARGIN = 12  # a line breaks at the first space within so many columns of its end


class LiveTranscript(Transcript):
    """Shows deltas of the user's session immediately, other messages when complete.

    With ``echo``, the user's messages are shown too.
    """

    def __init__(self, console: Console | None = None, *, echo: bool = True) -> None:
        super().__init__(console, states=True)
        self._echo = echo
        self._writing: str | None = None  # the message at the cursor
        self._written: set[str] = set()  # messages shown up to their last delta
        self._column = 0
        self.turns_over = 0
        self._news = trio.Event()

    def show(self, note: n.Notification, state: SessionState, elapsed: float) -> None:
        """Show one notification."""
        if isinstance(note, n.MessageStreaming):
            if not note.session_id or state.text.user_session_id in (None, note.session_id):
                self._state = state
                self.at(elapsed)
                self._write(note)
            return
        if isinstance(note, n.MessageComplete) and self._complete(note):
            return
        if isinstance(note, n.MessageAdded) and note.message.role == "user" and not self._echo:
            return
        super().show(note, state, elapsed)
        if isinstance(note, n.AllNotificationsCleared):
            self.end_turn()

    def end_turn(self) -> None:
        """Count a turn that was shown whole."""
        self.turns_over += 1
        self._news.set()
        self._news = trio.Event()

    async def turn_over(self, count: int) -> None:
        """Wait until ``count`` turns have been shown completely."""
        while self.turns_over < count:
            await self._news.wait()

    def line(
        self,
        label: str,
        body: Text | str,
        *,
        style: str = "",
        label_style: str = "",
        depth: int = 0,
    ) -> None:
        """Print one entry, on a separate line."""
        self._leave()
        super().line(label, body, style=style, label_style=label_style, depth=depth)

    def _show_begun(self, session_id: str) -> None:
        """Show an open message, except text that was already shown."""
        message = self._state.text.open.get(session_id)
        if message is None or message.id not in self._written:
            super()._show_begun(session_id)
        else:
            self._show_tools(session_id)

    def _write(self, note: n.MessageStreaming) -> None:
        style = "dim italic" if note.role == THOUGHT else ""
        if self._writing != note.message_id:
            self._leave()
            self._head(note.role, again=note.message_id in self._written)
            self._writing = note.message_id
            self._written.add(note.message_id)
        made = Text(style=style)
        width = self.console.width
        for char in clean(note.delta):
            wide = Text(char).cell_len if ord(char) > 0x2FF else 1
            if char == "\n" or (char == " " and self._column > width - _MARGIN):
                char = "\n"
            elif self._column + wide > width:
                made.append("\n" + " " * _INDENT)
                self._column = _INDENT
            made.append(char)
            self._column += wide
            if char == "\n":
                made.append(" " * _INDENT)
                self._column = _INDENT
        self.console.print(made, end="", soft_wrap=True)
        self.console.file.flush()

    def _head(self, role: str, *, again: bool) -> None:
        label, label_style = label_of(role)
        head = Text(f"{'' if again else self._time:<9}", "dim")
        head.append(f" {'…' if again else label:<11} ", label_style)
        self._time = ""
        self._column = _INDENT
        self.console.print(head, end="", soft_wrap=True)

    def _leave(self) -> None:
        """Start a new line if the cursor is inside a message."""
        if self._writing is not None:
            self.console.print()
            self._writing = None

    def _complete(self, note: n.MessageComplete) -> bool:
        """End a message that was shown while it was streamed."""
        message = note.message
        if message.id not in self._written:
            return False
        self._written.discard(message.id)
        self.tally.count(message)
        end = ending(message)
        if self._writing == message.id:
            if self._column + end.cell_len > self.console.width:
                end = Text("\n" + " " * (_INDENT - 2)).append_text(end)
            self.console.print(end, soft_wrap=True)
            self._writing = None
        elif message.status != "complete":
            label, label_style = label_of(message.role)
            self.line(label, end, label_style=label_style)
        self._show_tools(note.session_id)
        return True


async def follow(
    client: Client, transcript: LiveTranscript, *, task_status: trio.TaskStatus[None]
) -> None:
    """Show all notifications of a client until it ends."""
    began = trio.current_time()
    with client.subscribe(n.Notification) as notes:
        task_status.started()
        async for note in notes:
            transcript.show(note, client.state, trio.current_time() - began)
