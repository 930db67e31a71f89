"""The console, colours and values of the commands that show a conversation."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from .._core._messages import (
    Content,
    ImagePart,
    PlaceholderPart,
    TextPart,
    ToolResultPart,
    ToolUsePart,
)
from ._terminal_text import clean, one_line

__all__ = ["content_text", "make_console", "pretty", "seconds"]


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let the error propagate to the end of the command, as for any other output."""
        raise BrokenPipeError


def make_console(*, plain_width: int = 100, stderr: bool = False) -> Console:
    """Create a console as wide as the terminal, or ``plain_width`` if there is none."""
    console = _Console(highlight=False, stderr=stderr)
    if console.is_dumb_terminal:  # rich would take it for 80 columns wide
        width, height = shutil.get_terminal_size()
        return _Console(highlight=False, width=width, height=height, stderr=stderr)
    if console.is_terminal or "COLUMNS" in os.environ:
        return console
    return _Console(highlight=False, width=plain_width, stderr=stderr)


def pretty(value: object, limit: int = 160) -> str:
    """Format a JSON value on one line, without a mapping's outer braces."""
    if isinstance(value, Mapping):
        return one_line(", ".join(f"{k}={_scalar(v)}" for k, v in value.items()), limit)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    return one_line(_scalar(value), limit)


def _scalar(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:  # too deeply nested to show
        return "…"


def content_text(content: Content) -> Text:
    """Format a message's content as text, one part per line."""
    if isinstance(content, str):
        return Text(clean(content))
    return Text("\n").join([_part(part) for part in content])


def _part(part: TextPart | ImagePart | ToolUsePart | ToolResultPart | PlaceholderPart) -> Text:
    match part:
        case TextPart(text=text, thinking=thinking, title=title):
            heading = f"{clean(title)}: " if title else ""
            return Text(heading + clean(text), "italic" if thinking else "")
        case ImagePart(media_type=media_type, url=url):
            return Text(f"[image {clean(url or media_type or '')}]", "magenta")
        case ToolUsePart(name=name, input=arguments):
            return Text(f"[{clean(name)} {pretty(arguments)}]", "yellow")
        case ToolResultPart(content=content):
            return Text(f"[result {one_line(content)}]", "yellow")
        case PlaceholderPart(block_type=block_type):
            return Text(f"[{clean(block_type)}]", "magenta")


def seconds(value: float) -> str:
    """Format a duration as minutes and seconds."""
    minutes, rest = divmod(max(0.0, value), 60)
    return f"{int(minutes)}:{rest:06.3f}"
