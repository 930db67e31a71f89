"""Markdown that is still being written: what is complete goes up, the rest is shown as it grows.

A block is complete when another one has begun behind it on the same level, as CommonMark's
parser sees it. So a table, a list or a block of code is drawn once it is whole, and never in
two pieces.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, final

from markdown_it import MarkdownIt

__all__ = ["MarkdownStream", "complete_lines", "split_blocks"]

_PARSER: Final = MarkdownIt().enable("table")
_LARGE: Final = 20_000
"""Characters of one block that is still open after which its lines go up as they are."""


def _starts(text: str) -> list[int]:
    """The lines at which the blocks of a text begin."""
    return [
        token.map[0]
        for token in _PARSER.parse(text)
        if token.level == 0 and token.nesting >= 0 and token.map is not None
    ]


def complete_lines(text: str) -> int:
    """How many lines at the beginning of ``text`` belong to blocks that cannot change."""
    starts = _starts(text)
    return starts[-1] if len(starts) > 1 else 0


def split_blocks(text: str) -> list[str]:
    """The blocks of a text: what is shown does not depend on how many came together."""
    lines = text.splitlines(keepends=True)
    places = [*_starts(text), len(lines)]
    return ["".join(lines[start:end]) for start, end in pairwise(places)]


@final
class MarkdownStream:
    """The text of one message, as far as it was not shown for good."""

    def __init__(self) -> None:
        self.rest: str = ""
        """What may still change."""
        self.begun: bool = False
        """Whether some of the message was taken."""

    def feed(self, delta: str) -> None:
        """Append a delta."""
        self.rest += delta

    def take_complete(self) -> str:
        """Remove the complete blocks from the rest and return them; often there are none."""
        lines = self.rest.splitlines(keepends=True)
        if len(lines) < 2:
            return ""
        count = complete_lines(self.rest)
        if not count and len(self.rest) > _LARGE:
            count = len(lines) - 1
        return self._take("".join(lines[:count]))

    def take_all(self) -> str:
        """Remove the rest and return it."""
        return self._take(self.rest)

    def _take(self, text: str) -> str:
        self.rest = self.rest[len(text) :]
        self.begun = self.begun or bool(text.strip())
        return text
