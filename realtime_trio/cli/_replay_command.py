"""``realtime-trio replay``: a trace or a recording, as JSON lines or as a transcript."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Annotated, Protocol

import trio
from cyclopts import Parameter

from .._core._notifications import Notification
from .._replay import Replay, note_line, state_line
from ._command_error import CommandError
from ._trace_lines import open_lines

__all__ = ["replay"]

_CHUNK = 1 << 18


class _Sink(Protocol):
    """The output of a replay."""

    def show(self, replay: Replay, notes: tuple[Notification, ...], line: bytes) -> None:
        """Show the notifications of one line."""
        ...

    def flush(self) -> None:
        """Make all output so far visible."""
        ...

    def refresh(self, replay: Replay) -> None:
        """Show unfinished messages, if possible; called while time passes."""
        ...

    def finish(self, replay: Replay) -> None:
        """Show the result."""
        ...

    def close(self) -> None:
        """Release resources; also called after an error."""
        ...


class JsonLines:
    """The output for programs, written in large chunks."""

    def __init__(self) -> None:
        self._made = bytearray()

    def show(self, replay: Replay, notes: tuple[Notification, ...], line: bytes) -> None:
        """One line for each notification."""
        made = self._made
        for note in notes:
            made += note_line(replay.line, note)
        if len(made) > _CHUNK:
            self._write()

    def flush(self) -> None:
        """Write the buffered lines."""
        self._write()
        sys.stdout.buffer.flush()

    def refresh(self, replay: Replay) -> None:
        """Do nothing: the lines already include unfinished messages."""

    def close(self) -> None:
        """Do nothing: there are no resources."""

    def finish(self, replay: Replay) -> None:
        """Write the state."""
        self._made += state_line(replay.state)
        self.flush()

    def _write(self) -> None:
        sys.stdout.buffer.write(self._made)
        self._made = bytearray()


def replay(
    file: Annotated[str, Parameter(allow_leading_hyphen=True)],  # a single "-"
    /,
    *,
    json: Annotated[bool, Parameter(negative=())] = False,
    at: int | None = None,
    speed: float | None = None,
) -> int:
    """Replay a trace or a recording: show what an application would have received.

    Parameters
    ----------
    file
        The file, gzip-compressed or not; "-" for standard input.
    json
        Print one JSON object per line, the state last, instead of a transcript.
    at
        Stop after this line of the file, counted from 0, and show the state there.
    speed
        Replay in the original time, divided by this number.
    """
    if file.startswith("-") and file != "-":
        message = f"unknown option: {file} (for a file with this name, write ./{file})"
        raise CommandError(message)
    if at is not None and at < 0:
        message = "--at must be a line number, counted from 0"
        raise CommandError(message)
    if speed is not None and not (math.isfinite(speed) and speed > 0):
        message = "--speed must be greater than 0: 1 is real time, 10 is ten times as fast"
        raise CommandError(message)
    sink = _sink(as_json=json, at=at, live=speed is not None)
    folded = Replay()
    with open_lines(file) as lines, closing(sink):
        try:
            if speed is None:
                _at_once(folded, lines, sink, at)
            else:
                trio.run(_in_time, folded, lines, sink, at, speed)
        except CommandError as exc:
            if exc.status == 1:  # damaged after this point: keep the readable part
                sink.finish(folded)
            raise
        sink.finish(folded)
    return 0


def _sink(*, as_json: bool, at: int | None, live: bool) -> _Sink:
    if as_json:
        return JsonLines()
    from ._replay_view import ReplayView, StateView  # imports rich, which --json does not need

    return ReplayView(live=live) if at is None else StateView()


def _at_once(folded: Replay, lines: Iterator[bytes], sink: _Sink, at: int | None) -> None:
    feed, show = folded.feed, sink.show
    for line in lines:
        show(folded, feed(line), line)
        if folded.line == at:
            return


async def _in_time(
    folded: Replay, lines: Iterator[bytes], sink: _Sink, at: int | None, speed: float
) -> None:
    before = folded.now
    due = trio.current_time()
    for line in lines:
        notes = folded.feed(line)
        if folded.now > before:
            due += (folded.now - before) / speed
            before = folded.now
            sink.refresh(folded)
            sink.flush()
            await trio.sleep_until(due)
        sink.show(folded, notes, line)
        if folded.line == at:
            return
