"""Read the lines of a replay from a file or standard input, gzip-compressed or not.

Everything is streamed: memory use is bounded by one line, and a line longer than :data:`MAX_LINE`
is rejected. The lines before the first JSON object are kept back: a file without any is not a
trace, and none of its lines is replayed.
"""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, Protocol, cast

from .._exceptions import JournalError
from .._history._journal_lines import is_journal, journal_lines
from .._replay import is_object
from ._command_error import CommandError

__all__ = ["MAX_LINE", "open_lines"]

MAX_LINE: Final = 64 << 20
"""Maximum bytes of a line, uncompressed and without its line break."""

# A file that starts with this many lines without a JSON object is not a trace.
_MAX_LINES: Final = 1_000_000
_BUFFER = 1 << 18
# Damage loses one decompressed chunk.
_UNPACKED = 1 << 14
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


class _Damaged(Exception):
    """The compressed data cannot be read any further."""


class _Readable(Protocol):
    """A stream that returns available bytes without waiting for more."""

    def read1(self, size: int, /) -> bytes:
        """Read at most ``size`` bytes; none at the end."""
        ...


class _After(io.RawIOBase):
    """A stream with some bytes put back."""

    def __init__(self, head: bytes, rest: _Readable) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        """Return ``True``."""
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Return the bytes that were put back, then those of the stream."""
        data = self._head[: len(buffer)] or self._rest.read1(len(buffer))
        self._head = self._head[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def open_lines(path: str) -> Generator[Iterator[bytes], None, None]:
    """Open ``path``, or standard input for ``-``, and yield its lines with their line breaks.

    Raises :class:`CommandError` if it cannot be opened, if no line is a JSON object, or if a line
    is longer than :data:`MAX_LINE`. If compressed data are damaged, the lines before the damage are
    yielded first, then an error with status 1 is raised.
    """
    name = "standard input" if path == "-" else path
    if path != "-" and _is_journal(path):
        yield _journal_lines(path)
        return
    try:
        raw = sys.stdin.buffer if path == "-" else open(path, "rb", _BUFFER)  # noqa: SIM115
    except OSError as exc:
        raise CommandError(_refusal(name, exc)) from None
    try:
        yield _lines_of_a_trace(cast("io.BufferedReader", raw), name)
    finally:
        if path != "-":
            raw.close()


def _is_journal(path: str) -> bool:
    try:
        return is_journal(path)
    except OSError:
        return False  # ``open_lines`` reports the error


def _journal_lines(path: str) -> Iterator[bytes]:
    """Yield the lines of the session that was written to last."""
    try:
        yield from journal_lines(path)
    except JournalError as exc:
        raise CommandError(str(exc)) from None


def _lines_of_a_trace(raw: io.BufferedReader, name: str) -> Iterator[bytes]:
    """Yield all lines, once one of them is a JSON object."""
    lines = _lines(raw, name)
    damaged = "the compressed data are damaged or end early"
    try:
        begin = _up_to_an_object(lines, name)
    except _Damaged:
        message = f"cannot read {name}: {damaged}"
        raise CommandError(message) from None
    yield from begin
    try:
        yield from lines
    except _Damaged:
        message = f"{name}: {damaged}; the lines before that were replayed"
        raise CommandError(message, status=1) from None


def _up_to_an_object(lines: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Read up to the first JSON object, or to the end of a file of blank lines."""
    held = bytearray()
    for number, line in enumerate(lines, start=1):
        held += line
        if is_object(line):
            return io.BytesIO(held)
        if number == _MAX_LINES or len(held) > MAX_LINE:
            message = f"{name} is not a trace: none of its first {number:,} lines is a JSON object"
            raise CommandError(message)
    if held and not held.isspace():
        message = f"{name} is not a trace: none of its lines is a JSON object"
        raise CommandError(message)
    return io.BytesIO(held)


def _lines(raw: io.BufferedReader, name: str) -> Iterator[bytes]:
    """Yield the lines, and check their length."""
    try:
        head = raw.read(len(_BOM))
        if head == _BOM:
            head = b""
        stream = io.BufferedReader(_After(head, raw), _BUFFER)
        if head[: len(_GZIP)] == _GZIP:
            # read1, because read would lose decompressed data when it finds damage.
            stream = io.BufferedReader(_After(b"", gzip.GzipFile(fileobj=stream)), _UNPACKED)
        for line in iter(partial(stream.readline, MAX_LINE + 1), b""):
            if len(line) > MAX_LINE and not line.endswith(b"\n"):
                message = f"{name}: a line is longer than the limit of {MAX_LINE >> 20} MiB"
                raise CommandError(message)
            yield line
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise _Damaged from None
    except OSError as exc:
        raise CommandError(_refusal(name, exc)) from None


def _refusal(name: str, exc: OSError) -> str:
    return f"cannot read {name}: {exc.strerror or type(exc).__name__}"
