"""``realtime-trio events``: the catalogue of events, from the registry."""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

from cyclopts import Parameter

from .._schema import asyncapi, event_schemas, summary_of
from ..events import REGISTRY, Direction, Row
from ._command_error import CommandError

__all__ = ["events", "package_version"]

_FROM = {Direction.SERVER: "server", Direction.CLIENT: "client", Direction.BOTH: "both"}
# Markup in docstrings: code, and references to sections of the protocol.
_MARKUP = re.compile(r"``| \(§[^()]*+\)")
_WIDE = 150  # columns reserved for the meaning


def package_version() -> str:
    """Return the version of the installed package, or "0" if it runs from source."""
    try:
        return version("realtime-trio")
    except PackageNotFoundError:
        return "0"


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
    return asyncapi(package_version())


def _print_json(document: object) -> None:
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=True) + "\n")


def _print_table() -> None:
    from rich.table import Table
    from rich.text import Text

    from ._console import make_console

    console = make_console(plain_width=_WIDE)
    wide = console.width >= _WIDE
    table = Table(title="Events", title_justify="left", header_style="bold", caption_justify="left")
    for name in ("type", "class", "from", "lanes"):
        table.add_column(name, no_wrap=wide, overflow="fold")
    if wide:
        table.add_column("meaning", ratio=1)
    before: Direction | None = None
    for row in REGISTRY:
        if row.direction is Direction.CLIENT and before is not row.direction:
            table.add_section()
        before = row.direction
        cells = _cells(row)
        table.add_row(*(cells if wide else cells[:-1]))
    table.caption = Text("A binary frame is the local event AudioFrame, on the audio lane.")
    console.print(table)


def _cells(row: Row) -> list[str]:
    lanes = ", ".join(lane.name.lower() for lane in row.lanes) + (" (urgent)" if row.urgent else "")
    names = "\n".join([row.type, *(f"= {alias}" for alias in row.aliases)])
    meaning = _MARKUP.sub("", summary_of(row.cls))
    return [names, row.cls.__name__, _FROM[row.direction], lanes, meaning]
