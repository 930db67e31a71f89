"""A pseudo-terminal with a screen: what a person would see, as text.

It waits for text on the screen, never for time: a slow machine only makes a test slower.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pexpect
import pyte

from tests.cli.command import environment
from tests.source import PACKAGE, ROOT

__all__ = ["Terminal", "open_terminal"]

_PATIENCE = 120.0  # seconds after which a test has failed


class Terminal:
    """A program at a terminal."""

    def __init__(self, child: pexpect.spawn, columns: int, rows: int) -> None:
        self._child = child
        self._screen = pyte.HistoryScreen(columns, rows, history=10_000, ratio=0.5)
        self._stream = pyte.ByteStream(self._screen)
        self.ended = False
        self.received = b""

    @property
    def lines(self) -> list[str]:
        """The rows of the screen, without spaces at their ends."""
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        """The screen, without empty rows at its end."""
        return "\n".join(self.lines).rstrip()

    @property
    def printed(self) -> str:
        """What has scrolled away, and the screen."""
        history = [
            "".join(row[column].data for column in range(self._screen.columns)).rstrip()
            for row in self._screen.history.top
        ]
        return "\n".join([*history, self.text])

    @property
    def colours(self) -> set[str]:
        """The colours of what is on the screen."""
        cells = (cell for row in self._screen.buffer.values() for cell in row.values())
        return {cell.fg for cell in cells} - {"default"}

    def send(self, text: str) -> None:
        """Type something."""
        self._child.send(text.encode())

    def paste(self, text: str) -> None:
        """Paste something, as a terminal with bracketed paste does."""
        self.send(f"\x1b[200~{text}\x1b[201~")

    def signal(self, number: int) -> None:
        """Send a signal to the program."""
        self._child.kill(number)

    def until(self, wanted: str | Callable[[], bool]) -> str:
        """Wait until a pattern is on the screen, or a condition holds; return the screen."""
        end = time.monotonic() + _PATIENCE
        while not self._holds(wanted):
            if self.ended or time.monotonic() > end:
                message = f"not seen: {wanted}\n{self.text}"
                raise AssertionError(message)
            self._read()
        return self.text

    def _holds(self, wanted: str | Callable[[], bool]) -> bool:
        if callable(wanted):
            return wanted()
        return re.search(wanted, self.text) is not None

    def _read(self) -> None:
        try:
            data = self._child.read_nonblocking(65_536, timeout=0.2)
        except pexpect.TIMEOUT:
            pass
        except pexpect.EOF:
            self.ended = True
        else:
            self.received += data
            self._stream.feed(data)

    def status(self) -> int | None:
        """Wait for the end of the program, and return its exit status."""
        end = time.monotonic() + _PATIENCE
        while not self.ended and time.monotonic() < end:
            self._read()
        self._child.close()
        status: int | None = self._child.exitstatus
        return status


@contextmanager
def open_terminal(
    *arguments: str,
    columns: int = 100,
    rows: int = 40,
    program: str = PACKAGE,
    **extra: str,
) -> Iterator[Terminal]:
    """Run a command of the program at a terminal. ``program`` is its module."""
    env = environment(**{"TERM": "xterm-256color", **extra})
    command = ["-u", "-m", program, *arguments]
    child = pexpect.spawn(
        sys.executable, command, env=env, cwd=str(ROOT), dimensions=(rows, columns), echo=False
    )
    terminal = Terminal(child, columns, rows)
    try:
        yield terminal
    finally:
        child.close(force=True)
