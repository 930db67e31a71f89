"""A level meter: how loud the user and the agent are, in one line at the foot of the terminal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, Self

import trio
from rich.console import Console
from rich.live import Live
from rich.text import Text

from .._core._audio import AudioFormat
from ..audio import AudioSource, Level, Playback, level

__all__ = ["Meter", "Metered", "bar"]

_WIDTH: Final = 24
_LOWEST: Final = -60.0
_HOT: Final = -3.0
_PERIOD: Final = 0.1


class Metered:
    """A source that knows how loud its last chunk was."""

    def __init__(self, source: AudioSource) -> None:
        self.format: AudioFormat = source.format
        self.level: Level = level(b"")
        self._chunks: AsyncIterator[bytes] = aiter(source)

    async def __anext__(self) -> bytes:
        chunk = await anext(self._chunks)
        self.level = level(chunk[: len(chunk) - len(chunk) % 2])
        return chunk

    def __aiter__(self) -> Self:
        return self


class Meter:
    """Shows both levels while it runs; nothing where there is no terminal."""

    def __init__(self, console: Console, source: Metered, playback: Playback) -> None:
        self._source = source
        self._playback = playback
        self._live: Live | None = None
        if console.is_terminal:
            self._live = Live(Text(), console=console, auto_refresh=False, transient=True)

    async def run(self) -> None:
        """Draw ten times a second until cancelled or closed."""
        if self._live is None:
            return
        with self._live as live:
            while live.is_started:
                live.update(self.line(), refresh=True)
                await trio.sleep(_PERIOD)

    def close(self) -> None:
        """Take the meter away, for what is to be printed last."""
        if self._live is not None:
            self._live.stop()

    def line(self) -> Text:
        """Both meters."""
        made = Text("you ")
        made.append_text(bar(self._source.level))
        made.append("   agent ")
        made.append_text(bar(self._playback.level))
        return made


def bar(loudness: Level) -> Text:
    """A bar from -60 dBFS to full scale: the RMS level, and a mark at the peak."""
    cells = ["█" if place < _cells(loudness.rms_dbfs) else " " for place in range(_WIDTH)]
    peak = _cells(loudness.peak_dbfs)
    if peak:
        cells[peak - 1] = "│" if cells[peak - 1] == " " else cells[peak - 1]
    style = "bold red" if loudness.peak_dbfs > _HOT else "green"
    made = Text("▕").append("".join(cells), style).append("▏")
    value = f"{loudness.rms_dbfs:4.0f}" if loudness.rms_dbfs > _LOWEST else "   -"
    return made.append(f"{value} dBFS", "dim")


def _cells(dbfs: float) -> int:
    return max(0, min(_WIDTH, round(_WIDTH * (dbfs - _LOWEST) / -_LOWEST)))
