"""A level meter for the user and the agent.

At the bottom of a terminal it is redrawn ten times a second. In a file, a pipe or a dumb terminal
it prints lines at intervals while there is sound.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from typing import Final

import trio
from rich.console import Console
from rich.live import Live
from rich.text import Text

from ..audio import Level, LiveSource, Playback, level
from ..audio._stream import format_of, iterating

__all__ = ["LiveMetered", "Meter", "Metered", "bar", "measured"]

_WIDTH: Final = 16
_LOWEST: Final = -60.0
_HOT: Final = -3.0
_SOUND: Final = -50.0
_PERIOD: Final = 0.1
_QUIET: Final = level(b"")


def _louder(one: Level, other: Level) -> Level:
    return Level(
        max(one.rms_dbfs, other.rms_dbfs),
        max(one.peak_dbfs, other.peak_dbfs),
    )


class Metered:
    """A source that measures its level."""

    def __init__(self, source: AsyncIterable[bytes]) -> None:
        self.format = format_of(source)
        self._source = source
        self._loudest = _QUIET

    def take(self) -> Level:
        """Return the maximum level since the last call."""
        loudest, self._loudest = self._loudest, _QUIET
        return loudest

    async def _iterate(self) -> AsyncGenerator[bytes, None]:
        rest = b""
        async with iterating(self._source) as chunks:
            async for chunk in chunks:
                data = rest + chunk
                cut = len(data) - len(data) % 2
                rest = data[cut:]
                self._loudest = _louder(self._loudest, level(data[:cut]))
                yield chunk

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._iterate()


class LiveMetered(Metered):
    """A live source that measures its level."""

    def __init__(self, source: LiveSource) -> None:
        super().__init__(source)
        self.flush = source.flush
        """Discard unread chunks; return their size in bytes."""


def measured(source: AsyncIterable[bytes]) -> Metered:
    """Return a source with a level; live if the source is live."""
    return LiveMetered(source) if isinstance(source, LiveSource) else Metered(source)


class Meter:
    """Shows the levels of the user (``source``, if there is one) and the agent.

    It is drawn on ``console`` if that is a terminal. Otherwise ``say`` prints a line every
    ``every`` seconds of sound.
    """

    def __init__(
        self,
        console: Console | None,
        source: Metered | None,
        playback: Playback,
        *,
        say: Callable[[Text], None],
        every: float = 1.0,
    ) -> None:
        self._source = source
        self._playback = playback
        self._say = say
        self._every = every
        self._live: Live | None = None
        self._you = self._agent = _QUIET
        # A dumb terminal cannot redraw a line, so the meter prints lines, as to a file.
        if console is not None and console.is_terminal and not console.is_dumb_terminal:
            self._live = Live(Text(), console=console, auto_refresh=False, transient=True)

    async def run(self) -> None:
        """Show it until cancelled."""
        if self._live is None:
            await self._print()
        else:
            with self._live as live:
                while True:
                    self._sample()
                    live.update(self._line(), refresh=True)
                    self._you = self._agent = _QUIET
                    await trio.sleep(_PERIOD)

    async def _print(self) -> None:
        since: float | None = None  # time of the first sound since the last line
        while True:
            self._sample()
            if since is None and max(self._you.peak_dbfs, self._agent.peak_dbfs) > _SOUND:
                since = trio.current_time()
            if since is not None and trio.current_time() - since >= self._every - _PERIOD / 2:
                since = None
                self._say(self._line())
                self._you = self._agent = _QUIET
            await trio.sleep(_PERIOD)

    def _sample(self) -> None:
        if self._source is not None:
            self._you = _louder(self._you, self._source.take())
        self._agent = _louder(self._agent, self._playback.level)

    def _line(self) -> Text:
        made = Text()
        if self._source is not None:
            made.append("you ").append_text(bar(self._you)).append("   agent ")
        return made.append_text(bar(self._agent))


def bar(loudness: Level) -> Text:
    """Draw a bar from -60 dBFS to full scale with a mark at the peak, and RMS/peak as numbers."""
    cells = ["█" if place < _cells(loudness.rms_dbfs) else " " for place in range(_WIDTH)]
    peak = _cells(loudness.peak_dbfs)
    if peak:
        cells[peak - 1] = "│" if cells[peak - 1] == " " else cells[peak - 1]
    style = "bold red" if loudness.peak_dbfs > _HOT else "green"
    made = Text("▕").append("".join(cells), style).append("▏")
    value = f"{_number(loudness.rms_dbfs)}/{_number(loudness.peak_dbfs)}"
    return made.append(f"{value} dBFS", "dim")


def _number(dbfs: float) -> str:
    return f"{dbfs:4.0f}" if dbfs > _LOWEST else "   -"


def _cells(dbfs: float) -> int:
    return max(0, min(_WIDTH, round(_WIDTH * (dbfs - _LOWEST) / -_LOWEST)))
