"""Take the pictures of the terminal for the pages: ``python docs/_tools/pictures.py``.

Each scene runs a real command at a pseudo-terminal. rich draws the final screen as an SVG. A scene
waits for text on the screen, never for time.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import attrs
import pexpect
import pyte
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

__all__ = ["DIRECTORY", "SCENES", "Scene", "main", "picture", "texts", "write"]

ROOT = Path(__file__).resolve().parents[2]
DIRECTORY = ROOT / "docs" / "pictures" / "terminal"

_PATIENCE = 120.0  # seconds after which a scene has failed
_ROWS = 200  # more than any scene shows, so that nothing scrolls away
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_TEXT = re.compile(r"<text [^>]*>([^<]*)</text>")


@attrs.frozen(slots=True, kw_only=True)
class Scene:
    """A command and the steps with it.

    ``arguments`` follow ``realtime-trio``; ``URL`` in them is the address of a server that is
    started for the scene. Each step waits for a pattern, then types a text. ``shows`` is a
    pattern: the picture is taken once it is on the screen.
    ``first`` and ``last`` are patterns of the rows that the picture begins and ends with.
    """

    name: str
    arguments: tuple[str, ...]
    shows: str
    steps: tuple[tuple[str, str], ...] = ()
    columns: int = 90
    first: str | None = None
    last: str | None = None

    @property
    def command(self) -> str:
        """The command as a reader types it."""
        words = shlex.join(self.arguments).replace("URL", "http://127.0.0.1:8080")
        return f"realtime-trio {words}"


SCENES = (
    Scene(
        name="demo",
        arguments=("demo", "--wav", "answer.wav"),
        shows=r"as it was heard",
        last=r"result +aa_oneshot",
    ),
    Scene(
        name="demo-report",
        arguments=("demo", "--wav", "answer.wav"),
        shows=r"as it was heard",
        first=r"From the socket",
    ),
    Scene(
        name="chat",
        arguments=("chat", "URL", "--user", "me"),
        steps=((r"Welcome[^$]*you >", "How do I get to the station, and is it raining?\r"),),
        shows=r"stay dry[^$]*you >",
    ),
    Scene(
        name="top",
        arguments=("top", "URL", "--say", "Why is the sky blue?", "--once"),
        shows=r"last errors\n\w+",
    ),
    Scene(
        name="events",
        arguments=("events",),
        shows=r"└─",
        columns=110,
        last=r"chat_session_changed",
    ),
)


@contextmanager
def _server() -> Generator[str, None, None]:
    """Run ``realtime-trio serve --demo`` on a free port, and yield its address."""
    command = [sys.executable, "-u", "-m", "realtime_trio", "serve", "--demo", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if found := re.search(r"http://\S+", line):
                    yield found[0]
                    return
            message = "the server ended without printing its address"
            raise RuntimeError(message)
        finally:
            process.terminate()


class _Terminal:
    """A program at a pseudo-terminal, and its screen."""

    def __init__(self, scene: Scene, url: str, folder: str) -> None:
        environment = {
            "HOME": folder,
            "LANG": "C.UTF-8",
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": str(ROOT),
            "REALTIME_TRIO_PASSWORD": "secret",
            "REALTIME_TRIO_TOKEN": "any",
            "TERM": "xterm-256color",
        }
        arguments = [url if word == "URL" else word for word in scene.arguments]
        self._child: Any = pexpect.spawn(
            sys.executable,
            ["-u", "-m", "realtime_trio", *arguments],
            env=environment,
            cwd=folder,
            dimensions=(_ROWS, scene.columns),
        )
        self.screen = pyte.Screen(scene.columns, _ROWS)
        self._stream = pyte.ByteStream(self.screen)

    @property
    def text(self) -> str:
        """The text on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def type(self, text: str) -> None:
        """Type something."""
        self._child.send(text.encode())

    def until(self, pattern: str) -> None:
        """Wait until a pattern is on the screen. Raises ``RuntimeError`` if it never is."""
        end = time.monotonic() + _PATIENCE
        while re.search(pattern, self.text) is None:
            if not self._read() or time.monotonic() > end:
                message = f"expected {pattern!r} on the screen:\n{self.text}"
                raise RuntimeError(message)

    def _read(self) -> bool:
        try:
            self._stream.feed(self._child.read_nonblocking(65_536, timeout=0.2))
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        return True

    def close(self) -> None:
        """End the program."""
        self._child.close(force=True)


def _colour(name: str) -> str | None:
    """Translate a colour of pyte to one of rich."""
    if name == "default":
        return None
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    bright = name.startswith("bright")
    plain = name.removeprefix("bright").replace("brown", "yellow")
    return f"bright_{plain}" if bright else plain


def _style(cell: Any) -> str:
    words = [
        word
        for word, on in (
            ("bold", cell.bold),
            ("italic", cell.italics),
            ("underline", cell.underscore),
            ("reverse", cell.reverse),
        )
        if on
    ]
    if foreground := _colour(cell.fg):
        words.append(foreground)
    if background := _colour(cell.bg):
        words += ["on", background]
    return " ".join(words)


def _lines(screen: pyte.Screen) -> Iterator[Text]:
    for number in range(_ROWS):
        row = screen.buffer[number]
        cells = [row[column] for column in range(screen.columns)]
        line = Text()
        for style, group in groupby(cells, _style):
            line.append("".join(cell.data for cell in group), style)
        line.rstrip()
        yield line


def _part(lines: Sequence[Text], scene: Scene) -> list[Text]:
    """Return the rows between the first and the last; an ellipsis replaces the others."""
    begin, end = 0, max(i for i, line in enumerate(lines) if line.plain) + 1
    if scene.first is not None:
        begin = next(i for i, line in enumerate(lines) if re.search(scene.first, line.plain))
    if scene.last is not None:
        end = next(i for i, line in enumerate(lines) if re.search(scene.last, line.plain)) + 1
    shown = list(lines[begin:end])
    before = [Text("…", "dim")] if begin else []
    after = [Text("…", "dim")] if scene.last is not None else []
    return [*before, *shown, *after]


def _screen(scene: Scene) -> list[Text]:
    with tempfile.TemporaryDirectory() as folder:
        if "URL" not in scene.arguments:
            return _played(scene, "", folder)
        with _server() as url:
            return _played(scene, url, folder)


def _played(scene: Scene, url: str, folder: str) -> list[Text]:
    terminal = _Terminal(scene, url, folder)
    try:
        for pattern, typed in scene.steps:
            terminal.until(pattern)
            terminal.type(typed)
        terminal.until(scene.shows)
        return _part(list(_lines(terminal.screen)), scene)
    finally:
        terminal.close()


def picture(scene: Scene) -> str:
    """Play a scene and draw its screen as SVG."""
    shown = _screen(scene)
    console = Console(
        record=True,
        width=scene.columns,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
    )
    console.print(Text(f"$ {scene.command}", "bold"))
    for line in shown:
        console.print(line, no_wrap=True, crop=True)
    drawn = console.export_svg(title="realtime-trio", theme=MONOKAI, unique_id=scene.name)
    # A page does not use the network, so it shows the reader's monospaced font.
    drawn = _FONTS.sub("", drawn)
    return "\n".join(line.rstrip() for line in drawn.splitlines()).strip() + "\n"


def texts(drawn: str) -> list[str]:
    """Return the texts of a picture in order."""
    return _TEXT.findall(drawn)


def write(names: Sequence[str] = ()) -> None:
    """Take the pictures of these scenes; of all, if none is named."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for scene in SCENES:
        if not names or scene.name in names:
            (DIRECTORY / f"{scene.name}.svg").write_text(picture(scene), encoding="utf-8")


def main(argv: Sequence[str]) -> int:
    """Take the named pictures, or all. Return the exit status."""
    unknown = set(argv) - {scene.name for scene in SCENES}
    if unknown:
        known = ", ".join(scene.name for scene in SCENES)
        sys.stderr.write(f"no such picture: {', '.join(sorted(unknown))}; available: {known}\n")
        return 2
    write(argv)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
