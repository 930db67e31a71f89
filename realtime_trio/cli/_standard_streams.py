"""Make the standard streams usable with any terminal, pipe or disk."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import Final, TextIO

__all__ = ["as_text", "is_output_failure", "prepare", "silence"]

# A full disk, a quota, a limit on the file size, a failing device.
_OUTPUT: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def prepare() -> None:
    """Make the standard streams safe to use, once, before a command runs.

    A character that standard output cannot encode is written as a replacement; standard error
    escapes it, as Python does by default. A stream that the caller has closed reads as empty
    and discards what is written.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Like the standard streams, this one is never closed.
            null = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(null, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    # A program that embeds the commands may have replaced it by another kind of stream.
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def as_text(argument: str) -> str:
    """Convert an argument or an environment variable to valid Unicode.

    If the locale cannot decode it, Python represents its bytes as surrogates; these are decoded as
    UTF-8.
    """
    try:
        argument.encode()
    except UnicodeEncodeError:
        return os.fsencode(argument).decode(errors="replace")
    return argument


def is_output_failure(failure: BaseException) -> bool:
    """Whether a failure means that standard output no longer accepts data.

    Errors of a file that a command opened have a file name; those of a stream have none.
    """
    return isinstance(failure, OSError) and failure.filename is None and failure.errno in _OUTPUT


def silence(stream: TextIO) -> None:
    """Discard what the interpreter's last flush would write to a broken stream."""
    with suppress(OSError, ValueError):  # it may have no file descriptor
        taken = stream.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, taken)
        os.close(null)
