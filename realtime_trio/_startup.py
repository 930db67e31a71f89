"""Ctrl-C while the command line is imported: exit with status 130 and without a traceback.

The program ``realtime-trio`` first imports this package, before it can catch ``KeyboardInterrupt``.
Therefore this module is the package's first import. It only acts if the process is the program
``realtime-trio``. A program that imports the library keeps its handlers.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import pairwise
from pathlib import PurePath
from types import FrameType
from typing import Final

__all__ = ["begin", "is_program", "watch"]

_NAME: Final = "realtime-trio"
_MODULE: Final = "realtime_trio"
_INTERRUPTED: Final = 130


def is_program(argv: list[str], called: list[str]) -> bool:
    """Whether a process with this ``sys.argv`` and ``sys.orig_argv`` is the command line."""
    name = argv[0] if argv else ""
    if name == "-m":  # the value of argv[0] while Python imports the module
        return ("-m", _MODULE) in pairwise(called)
    return PurePath(name).stem == _NAME


def _leave(_signal: int, _frame: FrameType | None) -> None:
    """Nothing has started, so there is nothing to clean up."""
    os._exit(_INTERRUPTED)


def watch() -> None:
    """Until :func:`begin`, Ctrl-C ends the process if it is the program."""
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual and is_program(sys.argv, sys.orig_argv):
        signal.signal(signal.SIGINT, _leave)


def begin() -> None:
    """Make Ctrl-C an exception again, which the program catches."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


watch()
