"""One chat at a terminal: the tasks that read, ask, follow and draw."""

from __future__ import annotations

import math
import signal
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, final

import attrs
import trio

from ..._client._client import Client
from ..._core._notifications import Notification
from ..._exceptions import RealtimeError
from ..._lanes._subscription import Subscription
from ..._turns._outcome import TurnFailed, TurnLost
from .._connect import check_session
from .._signals import endings
from ._ansi_text import AnsiText
from ._chat_status import ChatStatus
from ._chat_view import ChatView
from ._input_history import open_history
from ._prompt_terminal import Interrupted, Left, PromptTerminal, Toggled, Typed
from ._slash_commands import COMMANDS, ChatDesk, run_command
from ._sleep_watch import notice_sleep
from ._word_completer import WordCompleter, Words

__all__ = ["ChatOptions", "chat_at_terminal"]

_FRAME: Final = 0.04  # minimum seconds between two redraws
_SPIN: Final = 0.1
_IDLE: Final = 1.0  # the size of the terminal may have changed


@attrs.frozen(slots=True, kw_only=True)
class ChatOptions:
    """The options of a chat at a terminal."""

    vi: bool = False
    thoughts: bool = False
    history: Path | None = None


async def chat_at_terminal(
    client_of: AbstractAsyncContextManager[Client], session_id: str | None, options: ChatOptions
) -> None:
    """Chat until the user leaves."""
    completer = WordCompleter()
    terminal = PromptTerminal(
        completer=completer, history=open_history(options.history), vi=options.vi
    )
    async with client_of as client:
        notes = client.subscribe(Notification)
        session = ChatTasks(client, terminal, completer, options)
        try:
            await session.run(notes, session_id)
        finally:
            session.print_rest()


@final
class ChatTasks:
    """The tasks of one chat, and what they share."""

    def __init__(
        self,
        client: Client,
        terminal: PromptTerminal,
        completer: WordCompleter,
        options: ChatOptions,
    ) -> None:
        self._client = client
        self._terminal = terminal
        self._completer = completer
        self._view = ChatView(
            AnsiText(lambda: terminal.size), clock=trio.current_time, unfolded=options.thoughts
        )
        self._status = ChatStatus(trio.current_time)
        self._desk = ChatDesk(client, self._view, self._status, self._leave)
        self._inputs, self._typed = trio.open_memory_channel[str](math.inf)
        self._scope = trio.CancelScope()
        self._asking: trio.CancelScope | None = None
        self._cancelling = False
        self._news = trio.Event()

    async def run(self, notes: Subscription[Notification], session_id: str | None) -> None:
        """Chat until the user leaves. Raises the error that ends the client."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._terminal.run)
                nursery.start_soon(self._draw)
                nursery.start_soon(self._follow, notes)
                nursery.start_soon(check_session, self._client, session_id)
                nursery.start_soon(self._say_all)
                nursery.start_soon(self._obey_signals)
                nursery.start_soon(notice_sleep, self._client.reconnect)
                await self._read_keys(nursery)

    def print_rest(self) -> None:
        """Print finished text that is not printed yet, before the shell's prompt returns."""
        self._terminal.show(self._view.take(), "", "")

    def _leave(self) -> None:
        self._scope.cancel()

    def _changed(self) -> None:
        self._news.set()

    # -- reading ---------------------------------------------------------------------------

    async def _read_keys(self, nursery: trio.Nursery) -> None:
        async for key in self._terminal.keys:
            match key:
                case Typed(text=text):
                    self._take(text, nursery)
                case Interrupted():
                    nursery.start_soon(self._cancel)
                case Toggled():
                    self._view.toggle_thoughts()
                case Left():
                    self._leave()
            self._changed()

    def _take(self, text: str, nursery: trio.Nursery) -> None:
        """Queue input for the server; run a local command immediately."""
        name, _, argument = text[1:].partition(" ")
        if not text.startswith("/") or text.startswith("//"):
            self._queue(text)
        elif name not in COMMANDS:
            self._desk.fail(
                f"no command /{name}: /help lists the commands; //{name} sends it as text"
            )
        elif COMMANDS[name].waits:
            self._queue(text)
        else:
            nursery.start_soon(self._command, name, argument)

    def _queue(self, text: str) -> None:
        self._inputs.send_nowait(text)
        self._status.waiting += 1
        self._terminal.busy = True

    async def _say_all(self) -> None:
        async for text in self._typed:
            self._status.waiting -= 1
            with trio.CancelScope() as self._asking:
                await self._handle(text)
            self._asking = None
            self._cancelling = False
            self._terminal.busy = self._status.waiting > 0
            self._changed()

    async def _handle(self, text: str) -> None:
        name, _, argument = text[1:].partition(" ")
        if text.startswith("/") and name in COMMANDS:
            await self._command(name, argument)
        else:
            await self._ask(text.removeprefix("/") if text.startswith("//") else text)

    async def _command(self, name: str, argument: str) -> None:
        await run_command(self._desk, COMMANDS[name], argument.strip())
        self._changed()

    async def _ask(self, text: str) -> None:
        file_ids = tuple(self._desk.file_ids)
        self._desk.file_ids.clear()
        self._status.files = 0
        self._status.asked()
        self._view.said(text)
        self._changed()
        try:
            async with self._client.ask(text, file_ids=file_ids) as turn:
                outcome = await turn.wait()
        except ValueError as exc:
            self._view.notice(str(exc), "red")
            return
        match outcome:
            case TurnFailed(reason=reason):
                self._view.notice(f"no answer: {reason}", "red")
            case TurnLost(reason=reason, message=None):
                self._view.notice(f"no answer: {reason}; the up arrow returns your text", "red")
            case TurnLost(reason=reason):
                self._view.notice(f"the answer may be incomplete: {reason}", "red")
            case _:
                pass

    async def _cancel(self) -> None:
        """Cancel the answer; the second time, or while there is no link, stop waiting for it."""
        if self._asking is None:
            return
        if self._cancelling or self._client.health.status != "open":
            self._asking.cancel()
            self._view.notice("no longer waiting for the answer", "red")
            return
        self._cancelling = True
        try:
            await self._client.cancel()
        except RealtimeError as exc:
            self._view.notice(f"cancel: {exc}", "red")
        self._changed()

    async def _obey_signals(self) -> None:
        """Treat SIGINT like Ctrl-C; leave on other signals."""
        with trio.open_signal_receiver(*endings()) as signals:
            async for number in signals:
                if number == signal.SIGINT:
                    self._terminal.interrupt()
                else:
                    self._leave()

    # -- showing ---------------------------------------------------------------------------

    async def _follow(self, notes: Subscription[Notification]) -> None:
        with notes:
            async for note in notes:
                line = self._status.update(note)
                if line is not None:
                    self._view.notice(line, "yellow")
                self._view.show(note, self._client.state)
                self._changed()

    async def _draw(self) -> None:
        shown: tuple[str, str] = ("", "")
        while True:
            self._news = trio.Event()
            self._completer.words = Words(
                agents=self._desk.agents, voices=self._desk.voices, sessions=self._desk.sessions
            )
            printed = self._view.take()
            drawn = self._view.live(), self._status.line(self._client.state, self._terminal.size[0])
            if printed or drawn != shown:
                self._terminal.show(printed, *drawn)
                shown = drawn
            moving = self._view.moving or self._status.moving
            with trio.move_on_after(_SPIN if moving else _IDLE):
                await self._news.wait()
            await trio.sleep(_FRAME)
