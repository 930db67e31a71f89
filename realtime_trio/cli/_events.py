"""``realtime-trio events``: the catalogue of events, from the registry."""

from __future__ import annotations

import json
import re
import sys
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .._schema import asyncapi, event_schemas, summary_of
from .._version import __version__
from ..events import REGISTRY, Direction, Row
from ._command_error import CommandError

__all__ = ["events"]

_FROM = {Direction.SERVER: "server", Direction.CLIENT: "client", Direction.BOTH: "both"}
# Markup in docstrings: code, and references to sections of the protocol.
_MARKUP = re.compile(r"``| \(§[^()]*+\)")
_PIPE = 1_000  # columns of a pipe or a file: nothing is broken there
_WIDE = 150  # columns from which there is room for the meaning
_NARROW = 110  # columns below which there is no room for a table


def events(
    *,
    json_schema: Annotated[bool, Parameter(negative=())] = False,
    asyncapi: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Show every event of the protocol: type, class, direction, lanes.

    Parameters
    ----------
    json_schema
        Print one JSON object with a JSON Schema for each event type instead.
    asyncapi
        Print the protocol as an AsyncAPI document (JSON) instead.
    """
    if json_schema and asyncapi:
        message = "pass --json-schema or --asyncapi, not both"
        raise CommandError(message)
    if json_schema:
        _print_json(event_schemas())
    elif asyncapi:
        _print_json(_asyncapi())
    else:
        _print_table()


def _asyncapi() -> object:
    return asyncapi(__version__)


def _print_json(document: object) -> None:
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=True) + "\n")


def _print_table() -> None:
    from ._console import make_console

    console = make_console(plain_width=_PIPE)
    if console.width < _NARROW:
        _print_list(console)
    else:
        _print_rows(console)
    console.print(Text("A binary frame is the local event AudioFrame, on the audio lane."))


def _print_rows(console: Console) -> None:
    """Print a table; in a pipe each event is on one line, for grep."""
    wide = console.width >= _WIDE
    table = Table(title="Events", title_justify="left", header_style="bold")
    for name in ("type", "class", "from", "lanes"):
        table.add_column(name, no_wrap=True)
    if wide:
        table.add_column("meaning", no_wrap=console.width == _PIPE)
    before: Direction | None = None
    for row in REGISTRY:
        if row.direction is Direction.CLIENT and before is not row.direction:
            table.add_section()
        before = row.direction
        cells = _cells(row)
        table.add_row(*(cells if wide else cells[:-1]))
    console.print(table)


def _print_list(console: Console) -> None:
    """Print one paragraph for each event: a narrow terminal would break every name."""
    for row in REGISTRY:
        names, class_name, sender, lanes, meaning = _cells(row)
        console.print(Text(" ".join(names.split()), "bold"))
        about = Text(f"{class_name}\n", "cyan").append(f"from {sender}; {lanes}\n", "dim")
        console.print(Padding(about.append(meaning), (0, 0, 0, 2)))


def _cells(row: Row) -> list[str]:
    lanes = ", ".join(lane.name.lower() for lane in row.lanes) + (" (urgent)" if row.urgent else "")
    names = "\n".join([row.type, *(f"= {alias}" for alias in row.aliases)])
    meaning = _MARKUP.sub("", summary_of(row.cls))
    return [names, row.cls.__name__, _FROM[row.direction], lanes, meaning]
