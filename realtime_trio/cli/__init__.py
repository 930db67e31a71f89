"""The command line: ``realtime-trio``. Needs the extra ``cli``.

It is only imported when :func:`main` runs, so the library does not depend on it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import NoReturn

from .._startup import begin
from .._version import __version__
from ._standard_streams import prepare

__all__ = ["main"]

_EXTRA = frozenset({"cyclopts", "markdown_it", "platformdirs", "prompt_toolkit", "rich"})


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command (``argv`` without the program's name) and exit with its status."""
    prepare()
    try:
        begin()
        status = _run(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


def _run(argv: Sequence[str]) -> int:
    try:
        from ._app import run
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] not in _EXTRA:
            raise
        if list(argv) == ["--version"]:  # reports of bugs ask for it
            print(f"realtime-trio {__version__}")
            return 0
        print(
            "realtime-trio: the command line needs packages that are not installed: "
            "pip install 'realtime-trio[cli]'",
            file=sys.stderr,
        )
        return 2
    # A command writes to stderr what concerns its user. Without a handler, Python would print the
    # library's warnings there as well.
    logger, silent = logging.getLogger("realtime_trio"), logging.NullHandler()
    logger.addHandler(silent)
    try:
        return run(argv)
    finally:
        logger.removeHandler(silent)
