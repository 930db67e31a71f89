"""``realtime-trio chat`` at a pseudo-terminal, and the server that it talks to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from realtime_trio import testing as t
from realtime_trio.server import RealtimeServer, ScriptedAnswer, ScriptedTurn
from tests.cli.terminal import Terminal, open_terminal
from tests.source import PACKAGE

__all__ = ["CONVERSATION", "Served", "chatting", "leave", "printed", "say"]

CONVERSATION = t.turn(
    "Show me",
    t.think("First the table, then the code."),
    t.say(
        "# A heading\n\nSome *text* with `code`, and a line that is long enough to be broken at "
        "sixty columns.\n\n| tool | runs |\n| --- | --- |\n| search | 3 |\n| fetch | 12 |\n\n"
        "1. one\n2. two\n\n"
    ),
    t.use(
        t.tool("search", {"query": "weather"}, result="3 hits"),
        t.tool("fetch", {"url": "http://x"}, result="no route", is_error=True),
    ),
    t.use(t.delegate("helper", "Which way?", text="**Left**, then right.")),
    t.show(t.media("<svg/>", "image/svg+xml", name="map.svg")),
    t.say("```python\nprint('done')\n```\n\nThat is all."),
)


class Served:
    """A server of this process at a real socket, used from the test's thread."""

    def __init__(self, server: RealtimeServer, call: Callable[..., object]) -> None:
        self._server = server
        self._call = call
        self.url = str(call(server.listen))

    def script(self, *scripts: ScriptedTurn | ScriptedAnswer) -> None:
        self._call(self._server.script, *scripts)

    def hang_up(self) -> None:
        self._call(self._server.hang_up)

    def go_down(self, refusals: int) -> None:
        self._call(lambda: self._server.faults.refuse(None, times=refusals))
        self.hang_up()

    def clear_faults(self) -> None:
        self._call(self._server.faults.clear)

    @property
    def said(self) -> list[str]:
        """The texts that the clients sent."""
        return [str(event["text"]) for event in self.inputs]

    @property
    def inputs(self) -> list[Mapping[str, Any]]:
        """The events that carry these texts."""
        events = (each.event or {} for each in self._server.seen)
        return [event for event in events if event.get("type") == "text_input"]


@contextmanager
def chatting(
    served: Served,
    tmp_path: Path,
    *more: str,
    columns: int = 100,
    rows: int = 40,
    program: str = PACKAGE,
    **extra: str,
) -> Iterator[Terminal]:
    arguments = ("chat", served.url, "--token", "any", "--history", str(tmp_path / "history"))
    kept = {"HOME": str(tmp_path), "program": program, **extra}
    with open_terminal(*arguments, *more, columns=columns, rows=rows, **kept) as terminal:
        terminal.until(r"Welcome[^$]*you >")
        yield terminal


def printed(text: str) -> str:
    """A pattern for a finished text above the status line.

    There is no empty line above a text that is still arriving, and it may look finished.
    """
    return rf"\n\n{text}\n .*(connected|resynced)\nyou >"


def say(terminal: Terminal, text: str) -> None:
    """Send a message and wait for the whole answer."""
    terminal.send(f"{text}\r")
    terminal.until(printed(f"You said: {text}"))


def leave(terminal: Terminal) -> None:
    terminal.send("\x04")
    assert terminal.status() == 0
