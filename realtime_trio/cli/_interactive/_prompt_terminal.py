"""The prompt at the bottom of the terminal: prompt_toolkit in a thread, driven from trio.

One application runs for the whole chat, so what is being typed survives everything that
happens above it. Trio hands over finished text with :meth:`PromptTerminal.show`; keys are
sent through a channel. No other module calls prompt_toolkit while it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias, final

import attrs
import trio
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import ANSI
from prompt_toolkit.history import History
from prompt_toolkit.input import Input
from prompt_toolkit.output import Output
from prompt_toolkit.output.defaults import create_output
from prompt_toolkit.output.vt100 import Vt100_Output

from ._input_keys import KeyTarget, make_bindings

__all__ = ["Interrupted", "Key", "Left", "PromptTerminal", "Toggled", "Typed"]

_PROMPT = "\x1b[1;36myou > \x1b[0m"


@attrs.frozen(slots=True)
class Typed:
    """Enter was pressed after this text."""

    text: str


@attrs.frozen(slots=True)
class Interrupted:
    """Ctrl-C while there is an answer to cancel."""


@attrs.frozen(slots=True)
class Toggled:
    """Ctrl-T: fold or unfold thoughts."""


@attrs.frozen(slots=True)
class Left:
    """Ctrl-D, or Ctrl-C on an empty line."""


Key: TypeAlias = Typed | Interrupted | Toggled | Left


@final
class PromptTerminal(KeyTarget):
    """The prompt, and the text above it."""

    def __init__(
        self,
        *,
        completer: Completer | None = None,
        history: History | None = None,
        vi: bool = False,
        source: Input | None = None,
        output: Output | None = None,
    ) -> None:
        self._output = create_output() if output is None else output
        if isinstance(self._output, Vt100_Output):
            # A terminal may not answer, and the position of the cursor is not needed.
            self._output.enable_cpr = False
        self._message = ANSI(_PROMPT)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False
        self.busy: bool = False
        self._send, self.keys = trio.open_memory_channel[Key](float("inf"))
        """The typed keys."""
        self._session = PromptSession[None](
            lambda: self._message,
            multiline=True,
            wrap_lines=True,
            completer=completer,
            complete_while_typing=Condition(self._is_command),
            complete_in_thread=False,
            reserve_space_for_menu=6,
            history=history,
            search_ignore_case=True,
            enable_open_in_editor=True,
            enable_suspend=True,
            editing_mode=EditingMode.VI if vi else EditingMode.EMACS,
            prompt_continuation="  ... ",
            key_bindings=make_bindings(self),
            erase_when_done=True,
            input=source,
            output=self._output,
        )
        self._session.app.ttimeoutlen = 0.1
        self._token: trio.lowlevel.TrioToken | None = None

    def _is_command(self) -> bool:
        return self._session.default_buffer.text.startswith("/")

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        size = self._output.get_size()
        return size.columns, size.rows

    # -- on trio ---------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Show the prompt until cancelled; then restore the terminal."""
        self._token = trio.lowlevel.current_trio_token()
        ready = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, self._prompt, ready)
            try:
                await ready.wait()
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._stop()

    def show(self, printed: str, live: str, status: str) -> None:
        """Print finished text above the prompt, and replace the live text there.

        ``printed`` and ``live`` hold ANSI styles and end in line breaks, if they are not empty.
        """
        if self._loop is None:
            self._write(printed)
        else:
            self._call(lambda: self._show(printed, live, status))

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        self._call(self.pressed_interrupt)

    def _stop(self) -> None:
        self._stopping = True
        self._call(self._exit)

    def _call(self, run: Callable[[], None]) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(run)

    # -- in the thread ---------------------------------------------------------------------

    def _prompt(self, ready: trio.Event) -> None:
        def started() -> None:
            self._loop = asyncio.get_running_loop()
            if self._stopping:
                self._loop.call_soon(self._exit)
            trio.from_thread.run_sync(ready.set)

        try:
            # Without its handlers: signals belong to trio, in the main thread.
            self._session.prompt(pre_run=started, handle_sigint=False, set_exception_handler=False)
        except (EOFError, OSError):  # the terminal is gone
            self._post_key(Left())
        finally:
            self._loop = None
            trio.from_thread.run_sync(ready.set)

    def _exit(self) -> None:
        buffer = self._session.default_buffer
        if buffer.text.strip():
            buffer.append_to_history()  # an arrow key brings back unsent text in the next chat
        if self._session.app.is_running and not self._session.app.is_done:
            self._session.app.exit()

    def _show(self, printed: str, live: str, status: str) -> None:
        app = self._session.app
        # Above the input: a toolbar at the bottom waits for the terminal's answer.
        self._message = ANSI(f"{live}\x1b[2m{status}\x1b[0m\n{_PROMPT}")
        if printed and not app.is_done:
            # Not run_in_terminal: that lets the terminal echo what is typed meanwhile.
            app.renderer.erase()
            self._write(printed)
            app.renderer.reset()
        app.invalidate()

    def _write(self, text: str) -> None:
        if text:
            self._output.write_raw(text.replace("\n", "\r\n"))
            self._output.flush()

    def _post_key(self, key: Key) -> None:
        token = self._token
        if token is not None:
            token.run_sync_soon(self._send.send_nowait, key)

    def typed(self, text: str) -> None:
        """Handle Enter after this text."""
        self._post_key(Typed(text))

    def pressed_interrupt(self) -> None:
        """Cancel the answer, else clear the line, else leave."""
        buffer = self._session.default_buffer
        if self.busy:
            self._post_key(Interrupted())
        elif buffer.text:
            buffer.reset()
            self._session.app.invalidate()  # a signal may have been the key
        else:
            self._post_key(Left())

    def toggled(self) -> None:
        """Fold or unfold thoughts."""
        self._post_key(Toggled())

    def left(self) -> None:
        """Leave the chat."""
        self._post_key(Left())
