"""Render with rich to text with ANSI styles, for the prompt's terminal."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import ClassVar, Final, final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.markdown import Heading, Markdown, MarkdownElement
from rich.text import Text

__all__ = ["AnsiText"]

_EMPTY: Final = re.compile(r"(?:\s|│|\x1b\[[\d;]*m)*")
_NARROWEST: Final = 20
_DEEPEST: Final = 6


class _LeftHeading(Heading):
    """A left-aligned heading, like the text below it."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the heading's text."""
        self.text.justify = "left"
        yield self.text


class _ChatMarkdown(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _LeftHeading,
    }


def _rendered(text: str, style: str = "none") -> Markdown:
    """Render Markdown of a server. URLs are shown in full: a link could hide its target."""
    return _ChatMarkdown(text, code_theme="ansi_dark", hyperlinks=False, style=style)


@final
class AnsiText:
    """Draws for a terminal; ``size`` returns its current columns and rows."""

    def __init__(self, size: Callable[[], tuple[int, int]]) -> None:
        self._size = size

    @property
    def rows(self) -> int:
        """The rows of the terminal."""
        return self._size()[1]

    def markdown(self, text: str, style: str = "none", *, depth: int = 0) -> str:
        """Draw Markdown, without the empty lines that surround a table or code."""
        lines = self.draw(_rendered(text, style), depth=depth).splitlines(keepends=True)
        shown = [index for index, line in enumerate(lines) if not _EMPTY.fullmatch(line)]
        return "".join(lines[shown[0] : shown[-1] + 1]) if shown else ""

    def draw(self, *renderables: RenderableType, depth: int = 0) -> str:
        """Draw, indented by ``depth``; every line ends in a line break."""
        bars = "│ " * min(depth, _DEEPEST)
        width = max(_NARROWEST, self._size()[0] - len(bars))
        console = Console(
            file=io.StringIO(),
            force_terminal=True,
            highlight=False,
            width=width,
            legacy_windows=False,
        )
        with console.capture() as captured:
            for renderable in renderables:
                console.print(renderable)
        drawn = "\n".join(line.rstrip(" ") for line in captured.get().split("\n"))
        if not bars:
            return drawn
        with console.capture() as captured:
            console.print(Text(bars, "blue"), end="")
        edge = captured.get()
        return "".join(edge + line for line in drawn.splitlines(keepends=True))
