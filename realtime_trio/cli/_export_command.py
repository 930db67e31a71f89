"""``realtime-trio export``: a journal as a recording without its secrets."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import cast

from .._exceptions import JournalError
from .._history._journal_lines import journal_lines
from .._redact import Redactor
from ._command_error import CommandError

__all__ = ["export"]


def export(file: str, to: str = "-", /, *, name: str | None = None, after: int = 0) -> int:
    """Write a session of a journal as a recording, without its secrets.

    "replay" and "history" read the file, and tests can use it as a server. What the journal
    lacks is reported on standard error.

    Parameters
    ----------
    file
        The journal.
    to
        The file to write; "-" for standard output.
    name
        The session; by default the one that was written to last.
    after
        Begin after this position.
    """
    try:
        _write(_redacted(journal_lines(file, name, after=after, missing=_report_missing)), to)
    except JournalError as exc:
        raise CommandError(str(exc)) from None
    return 0


def _report_missing(first: int, last: int) -> None:
    sys.stderr.write(f"missing: {first} to {last}\n")


def _redacted(lines: Iterator[bytes]) -> Iterator[bytes]:
    redactor = Redactor()
    for line in lines:
        row = cast("dict[str, object]", json.loads(line))
        text = row.get("text")
        if isinstance(text, str):
            row["text"] = redactor.frame(text)
        yield json.dumps(row).encode() + b"\n"


def _write(lines: Iterator[bytes], to: str) -> None:
    if to == "-":
        for line in lines:
            sys.stdout.buffer.write(line)
        return
    first = next(lines, b"")  # a journal that cannot be read leaves no file behind
    try:
        descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as out:
            out.write(first)
            out.writelines(lines)
    except OSError as exc:
        message = f"cannot write {to}: {exc.strerror or type(exc).__name__}"
        raise CommandError(message) from None
