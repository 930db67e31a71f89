"""Streaming Markdown: complete blocks are printed, the rest is redrawn as it grows.

A block is complete when another one has begun after it on the same level, according to the
CommonMark parser. So a table, a list or a block of code is printed when it is complete, and never
in two parts.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, final

from markdown_it import MarkdownIt

__all__ = ["MarkdownStream", "complete_lines", "split_blocks"]

_PARSER: Final = MarkdownIt().enable("table")
_LARGE: Final = 20_000
"""Characters of an open block beyond which its lines are printed unchanged."""


def _starts(text: str) -> list[int]:
    """Return the lines at which the blocks of a text begin."""
    return [
        token.map[0]
        for token in _PARSER.parse(text)
        if token.level == 0 and token.nesting >= 0 and token.map is not None
    ]


def complete_lines(text: str) -> int:
    """Return how many lines at the beginning of ``text`` belong to complete blocks."""
    starts = _starts(text)
    return starts[-1] if len(starts) > 1 else 0


def split_blocks(text: str) -> list[str]:
    """Split a text into blocks, so the display does not depend on the sizes of deltas."""
    lines = text.splitlines(keepends=True)
    places = [*_starts(text), len(lines)]
    return ["".join(lines[start:end]) for start, end in pairwise(places)]


@final
class MarkdownStream:
    """The text of one message that is not printed yet."""

    def __init__(self) -> None:
        self.rest: str = ""
        """The text that may still change."""
        self.begun: bool = False
        """Whether a part of the message was taken."""

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
