"""Ctrl-C while the command line is imported: its exit status is 130, and no traceback is shown.

The program begins by importing this package, before any code of its own could catch what
Ctrl-C raises. So the package's first import is this module, and it does something in one case
only: where the process is the program ``realtime-trio``. A program that imports the library
keeps its handlers.
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
    if name == "-m":  # the name while Python looks for the module
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
    """From now on Ctrl-C is an exception, which the program catches."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


watch()
