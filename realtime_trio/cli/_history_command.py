"""``realtime-trio history``: the state at a moment of a journal, a recording or a trace."""

from __future__ import annotations

import json as json_module
import shutil
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing
from datetime import datetime
from typing import Annotated, Final

import trio
from cyclopts import Parameter

from .._core._render import state_to_json
from .._core._state import SessionState
from .._exceptions import HistoryGap, JournalError
from .._history._time_travel import History, HistoryEntry, open_history
from .._replay import state_line
from ._command_error import CommandError
from ._terminal_text import clean

__all__ = ["history"]

_WIDTH: Final = 160
"""Of a line that does not go to a terminal."""


def history(
    file: str,
    /,
    *,
    name: str | None = None,
    at: str | None = None,
    diff: Annotated[tuple[int, int] | None, Parameter(negative=())] = None,
    find: str | None = None,
    after: int = 0,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Show what a journal, a recording or a trace holds: its entries, or the state at a moment.

    Parameters
    ----------
    file
        The file; a recording or a trace may be gzip-compressed.
    name
        The session of a journal; by default the one that was written to last.
    at
        Show the state after this position, or at this time (2026-01-31T14:03:00).
    diff
        Show the differences between the states at two positions.
    find
        Show the first position whose state this Python expression accepts; the state is "s",
        as in "s.turn.can_send_input".
    after
        Begin after this position, for the entries and for --find.
    json
        Print JSON.
    """
    if sum(given is not None for given in (at, diff, find)) > 1:
        message = "give one of --at, --diff and --find"
        raise CommandError(message)
    predicate = None if find is None else _predicate(find)
    try:
        return trio.run(_history, file, name, at, diff, predicate, after, json)
    except (JournalError, ValueError, HistoryGap) as exc:
        raise CommandError(str(exc)) from None


async def _history(
    file: str,
    name: str | None,
    at: str | None,
    diff: tuple[int, int] | None,
    predicate: Callable[[SessionState], object] | None,
    after: int,
    as_json: bool,
) -> int:
    async with AsyncExitStack() as stack:
        try:  # only around the reading: an error of standard output has its own message
            opened = await stack.enter_async_context(open_history(file, name=name))
        except OSError as exc:
            message = f"cannot read {file}: {exc.strerror or type(exc).__name__}"
            raise CommandError(message) from None
        if at is not None:
            _show_state(opened.at(_position(opened, at)), as_json=as_json)
        elif diff is not None:
            _show_diff(opened, *diff, as_json=as_json)
        elif predicate is not None:
            return _show_found(opened.find(predicate, after=after), as_json=as_json)
        else:
            await _show_entries(opened, after, as_json=as_json)
    return 0


def _position(opened: History, at: str) -> int:
    if at.isdecimal():
        return int(at)
    try:
        return opened.position_at(datetime.fromisoformat(at))
    except ValueError:
        message = f"--at takes a position or an ISO time such as 2026-01-31T14:03:00, not {at!r}"
        raise CommandError(message) from None


def _predicate(expression: str) -> Callable[[SessionState], object]:
    """Compile a Python expression of the user to a function of the state."""
    try:
        code = compile(expression, "--find", "eval")
    except (SyntaxError, ValueError) as exc:
        message = f"--find is not a Python expression: {exc}"
        raise CommandError(message) from None

    def accepts(state: SessionState) -> object:
        try:
            return eval(code, {"s": state})
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            return False  # this early state does not have that member
        except NameError as exc:
            message = f"--find: {exc}; the state is named s"
            raise CommandError(message) from None

    return accepts


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _show_state(state: SessionState, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.flush()
        sys.stdout.buffer.write(state_line(state))
    else:
        _say(clean(json_module.dumps(state_to_json(state), indent=2, default=str)))


def _show_diff(opened: History, before: int, after: int, *, as_json: bool) -> None:
    for change in opened.diff(before, after):
        if as_json:
            row = {
                "path": change.path,
                "before": repr(change.before),
                "after": repr(change.after),
            }
            _say(json_module.dumps(row))
        else:
            _say(_short(str(change)))


def _show_found(position: int | None, *, as_json: bool) -> int:
    if as_json:
        _say(json_module.dumps({"position": position}))
    elif position is None:
        _say("no state matches")
    else:
        _say(str(position))
    return 0 if position is not None else 1


async def _show_entries(opened: History, after: int, *, as_json: bool) -> None:
    async with aclosing(opened.entries(since=after)) as entries:
        async for entry in entries:
            if as_json:
                frame = entry.frame if isinstance(entry.frame, str) else None
                row = {
                    "position": entry.position,
                    "at": entry.at.isoformat(),
                    "kind": entry.kind,
                    "frame": frame,
                    "status": entry.status,
                }
                _say(json_module.dumps(row))
            else:
                _say(_short(f"{entry.position:>8}  {entry.at:%H:%M:%S.%f}  {_described(entry)}"))
    if not as_json:
        for gap in opened.gaps:
            _say(f"missing: {gap.first} to {gap.last} ({gap.why})")
        if not opened.ended_clean:
            _say("it ended without being closed")


def _described(entry: HistoryEntry) -> str:
    if isinstance(entry.frame, str):
        return f"{entry.kind:<12}  {entry.frame}"
    if entry.event is not None:
        return f"{entry.kind:<12}  {type(entry.event).__name__}"
    if entry.status is not None:
        return f"{entry.kind:<12}  {entry.status}"
    return entry.kind


def _short(line: str) -> str:
    line, width = clean(line), shutil.get_terminal_size((_WIDTH, 24)).columns
    return line if len(line) <= width else line[: width - 1] + "…"
