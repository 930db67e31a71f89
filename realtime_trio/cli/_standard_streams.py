"""The standard streams of the commands: usable whatever the terminal, the pipe or the disk is."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import Final, TextIO

__all__ = ["as_text", "is_output_failure", "prepare", "silence"]

# A disk that is full, a quota, a limit on the size of a file, a device that fails.
_OUTPUT: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def prepare() -> None:
    """Make the standard streams safe to use, once, before a command runs.

    A character that standard output cannot encode is written as a replacement; standard error
    escapes it, as Python does by default. A stream that the caller has closed reads as empty
    and discards what is written.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Nobody closes the standard streams, and nothing needs to close this one.
            null = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(null, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    # A program that embeds the commands may have replaced it by a stream of another kind.
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def as_text(argument: str) -> str:
    """An argument or an environment variable as text that can be sent.

    In a locale that cannot decode it Python keeps its bytes as halves of surrogate pairs; they
    are taken for UTF-8 then.
    """
    try:
        argument.encode()
    except UnicodeEncodeError:
        return os.fsencode(argument).decode(errors="replace")
    return argument


def is_output_failure(failure: BaseException) -> bool:
    """Whether a failure says that standard output takes no more.

    Errors about a file that a command opened carry its name; those of a stream carry none.
    """
    return isinstance(failure, OSError) and failure.filename is None and failure.errno in _OUTPUT


def silence(stream: TextIO) -> None:
    """Discard what the interpreter's last flush would write to a stream that takes no more."""
    with suppress(OSError, ValueError):  # it may have no descriptor
        taken = stream.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, taken)
        os.close(null)
