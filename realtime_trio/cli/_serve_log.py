"""What ``serve --verbose`` prints: who connects, what is asked, what is answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final, cast, final

import attrs
from rich.console import Console
from rich.text import Text

from ..server import Traffic
from ._terminal_text import one_line

__all__ = ["ServeLog"]

_DELTAS: Final = frozenset({"text_delta", "thought_delta", "audio"})
_SHOWN: Final = ("text", "content", "message", "session_id", "agent_key", "name")


@attrs.define(slots=True)
class _Run:
    """Deltas in a row, as one line."""

    type: str
    count: int = 0
    text: str = ""


@final
class ServeLog:
    """Prints one line per event, or per run of deltas. ``clock`` returns the time of day."""

    def __init__(self, console: Console, clock: Callable[[], str]) -> None:
        self._console = console
        self._clock = clock
        self._runs: dict[int, _Run] = {}

    def show(self, traffic: Traffic) -> None:
        """Print what happened."""
        match traffic.kind:
            case "open":
                self._line(traffic.connection, "connected", "bold green")
            case "close":
                self._end_run(traffic.connection)
                self._line(traffic.connection, "disconnected", "bold red")
            case "http":
                self._line(0, f"{traffic.frame!s} {traffic.status}", "magenta")
            case "in":
                self._end_run(traffic.connection)
                self._frame("→", *_read(traffic.frame), traffic.connection, "bold cyan")
            case "out":
                self._answer(traffic)

    def _answer(self, traffic: Traffic) -> None:
        number = traffic.connection
        type_, text = _read(traffic.frame)
        run = self._runs.get(number)
        if run is not None and run.type != type_:
            self._end_run(number)
        if type_ in _DELTAS:
            run = self._runs.setdefault(number, _Run(type_))
            run.count += 1
            run.text += text if len(run.text) < 200 else ""
        else:
            self._frame("←", type_, text, number, "")

    def _end_run(self, number: int) -> None:
        run = self._runs.pop(number, None)
        if run is not None:
            self._frame("←", f"{run.count} {run.type}", run.text, number, "")

    def _frame(self, arrow: str, type_: str, text: str, number: int, style: str) -> None:
        self._line(number, f"{arrow} {type_}" + (f"  {one_line(text, 80)}" if text else ""), style)

    def _line(self, number: int, text: str, style: str) -> None:
        who = f"#{number}" if number else ""
        head = Text(f"{self._clock()}  {who:<4}", "dim").append(one_line(text, 140), style)
        self._console.print(head, soft_wrap=True)
        self._console.file.flush()


def _read(frame: str | bytes | Mapping[str, object]) -> tuple[str, str]:
    """Return the type and the text of a frame."""
    if isinstance(frame, bytes):
        return "audio", ""
    if isinstance(frame, str):
        try:
            value: object = json.loads(frame)
        except (ValueError, RecursionError):
            return "no JSON", ""
        if not isinstance(value, dict):
            return "no event", ""
        frame = cast("dict[str, object]", value)
    texts = (frame.get(name) for name in _SHOWN)
    return str(frame.get("type")), next((each for each in texts if isinstance(each, str)), "")
