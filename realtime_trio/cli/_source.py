"""Where the lines of a replay come from: a file or standard input, gzip-compressed or not."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from ._errors import CommandError

__all__ = ["open_lines"]

_BUFFER = 1 << 18
_GZIP = b"\x1f\x8b"


class _After(io.RawIOBase):
    """A stream of which some bytes were read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        """The bytes that were read, then those that were not."""
        data = self._head[: len(buffer)] or self._rest.read(len(buffer))
        self._head = self._head[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def open_lines(path: str) -> Generator[Iterator[bytes], None, None]:
    """Open ``path``, or standard input for ``-``, and give its lines with their line breaks.

    Raises :class:`CommandError` where it cannot be opened. Where it can be read in part only,
    the lines come as far as they go, and then the error.
    """
    name = "standard input" if path == "-" else path
    try:
        raw = sys.stdin.buffer if path == "-" else open(path, "rb", _BUFFER)  # noqa: SIM115
    except OSError as exc:
        raise CommandError(_refusal(name, exc)) from None
    try:
        yield _lines(cast("BinaryIO", raw), name)
    finally:
        if path != "-":
            raw.close()


def _lines(raw: BinaryIO, name: str) -> Iterator[bytes]:
    try:
        head = raw.read(2)
        stream = io.BufferedReader(_After(head, raw), _BUFFER)
        if head == _GZIP:
            yield from io.BufferedReader(
                cast("io.RawIOBase", gzip.GzipFile(fileobj=stream)), _BUFFER
            )
        else:
            yield from stream
    except (EOFError, zlib.error, gzip.BadGzipFile):
        msg = (
            f"{name}: the compressed data are damaged or end early; what could be read was replayed"
        )
        raise CommandError(msg, status=1) from None
    except OSError as exc:
        raise CommandError(_refusal(name, exc)) from None


def _refusal(name: str, exc: OSError) -> str:
    return f"cannot read {name}: {exc.strerror or type(exc).__name__}"
