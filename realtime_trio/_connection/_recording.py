"""A recorder that writes a file: one JSON line per frame, in the format that ``replay`` reads.

The client's tasks hand frames over without waiting. A task of the recorder takes them from a
bounded queue; a thread removes secrets, compresses and writes. If the disk cannot keep up, lines
are dropped and counted, and the file records how many.
"""

from __future__ import annotations

import base64
import json
import os
import stat
import sys
import zlib
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, Literal, Protocol, TypeAlias, final

import attrs
import trio
from outcome import Outcome

from .._exceptions import ClosedError
from .._redact import Redactor

__all__ = ["Recorder", "RecorderStatistics"]

MAX_LINES: Final = 65_536
MAX_BYTES: Final = 64 * 2**20
_BATCH: Final = 1024
_BATCH_BYTES: Final = 256 * 1024
_LINE: Final = 128
"""Bytes of memory that a queued line takes besides its frame."""
_FLUSH_AFTER: Final = 1.0
"""Seconds that a written line may wait to be flushed to the system."""
_OWNER_ONLY: Final = 0o600
_CLOSE_DEADLINE: Final = 5.0

Kind: TypeAlias = Literal["in", "out", "open", "close", "drop"]


@attrs.frozen(slots=True)
class RecorderStatistics:
    """Statistics of a recorder.

    ``written`` counts the lines that were flushed to the file. ``waiting`` counts those in the
    queue, ``waiting_bytes`` the memory that they take; ``high_water`` is the most lines that ever
    waited. For about a second a line may be in none of the counters; then it counts in ``written``
    or ``dropped``. ``error`` is the reason why writing stopped early, ``None`` if it did not: after
    an error every line is dropped.
    """

    written: int
    dropped: int
    waiting: int
    waiting_bytes: int
    high_water: int
    error: str | None


@attrs.frozen(slots=True)
class _Entry:
    kind: Kind
    payload: str | bytes
    conn: int
    at: float
    cost: int


@attrs.frozen(slots=True)
class _Gap:
    """Lines that are missing at this place of the file."""

    count: int
    conn: int
    at: float
    cost: int = _LINE


class _File(Protocol):
    """The file to write to."""

    def write(self, data: bytes, /) -> object: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


class _Gzip:
    """A gzip file that can be read up to its last flush, even after a crash."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._compressor = zlib.compressobj(5, zlib.DEFLATED, 31)

    def write(self, data: bytes) -> None:
        self._file.write(self._compressor.compress(data))

    def flush(self) -> None:
        self._file.write(self._compressor.flush(zlib.Z_FULL_FLUSH))
        self._file.flush()

    def close(self) -> None:
        with self._file:
            self._file.write(self._compressor.flush())


@final
class Recorder:
    """Writes both directions of a connection to ``path``, gzip-compressed if it ends in ``.gz``.

    Pass it to :func:`~realtime_trio.open_client`, which opens and closes it. It serves one
    client; an existing file is overwritten. Only its owner may read the file. Secrets (tokens,
    passwords, secret parts of a URL) never reach it, nor do values passed to :meth:`hide`. A
    line reaches the file within about a second, even if the program is killed later.

    At most ``max_lines`` lines wait to be written, and those that wait or are being written
    take at most ``max_bytes`` bytes of memory, except that one line may always wait; further
    lines are dropped and counted.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_lines: int = MAX_LINES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        if max_lines < 1 or max_bytes < 1:
            message = "max_lines and max_bytes must be at least 1"
            raise ValueError(message)
        self._path = Path(path)
        self._max_lines, self._max_bytes = max_lines, max_bytes
        self._queue: deque[_Entry | _Gap] = deque()
        self._redactor = Redactor()
        self._bytes = 0
        self._busy_bytes = 0  # of the lines that are being written
        self._written = self._dropped = self._high_water = 0
        self._unflushed = 0  # lines that were taken and may not have reached the file
        self._flush_at = float("inf")
        self._gap: _Gap | None = None
        self._error: str | None = None
        self._wakeup = trio.Event()
        self._state: Literal["new", "open", "closing", "closed"] = "new"
        self._began = 0.0

    def statistics(self) -> RecorderStatistics:
        """Return the statistics; also after it was closed."""
        return RecorderStatistics(
            written=self._written,
            dropped=self._dropped,
            waiting=len(self._queue),
            waiting_bytes=self._bytes,
            high_water=self._high_water,
            error=self._error,
        )

    def hide(self, secret: str) -> None:
        """Remove this value from every line written from now on, wherever it occurs.

        The client passes its tokens here. Values of fewer than six characters are ignored.
        """
        self._redactor.hide(secret)

    def record(self, kind: Kind, payload: str | bytes, *, conn: int, at: float) -> None:
        """Queue one line; never waits, never raises.

        ``payload`` is the frame for "in" and "out", the URL for "open", the code for "close" and
        "drop". ``conn`` numbers the connections from 1, ``at`` is trio's time in seconds. Before
        :meth:`open`, after it, and if the queue is full, the line is dropped.
        """
        cost = sys.getsizeof(payload) + _LINE
        held = self._bytes + self._busy_bytes
        full = len(self._queue) >= self._max_lines or held + cost > self._max_bytes
        if self._state != "open" or self._error is not None or (full and self._queue):
            self._drop(conn, at)
            return
        if self._gap is not None:
            self._queue.append(self._gap)
            self._bytes += self._gap.cost
            self._gap = None
        self._queue.append(_Entry(kind, payload, conn, at, cost))
        self._bytes += cost
        self._high_water = max(self._high_water, len(self._queue))
        self._wakeup.set()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None, None]:
        """Create the file and write to it until the block is left; then write the queued lines.

        Leaving takes at most five seconds, also when cancelled: lines that a stuck disk has not
        taken by then are dropped. Raises ``OSError`` if the file cannot be created, and
        :class:`~realtime_trio.ClosedError` if this recorder was opened before.
        """
        if self._state != "new":
            message = "this recorder was used before: create a new Recorder for each client"
            raise ClosedError(message)
        self._state = "closed"  # until there is a file, and permanently if there is none
        self._began = trio.current_time()
        file = await trio.to_thread.run_sync(self._create)
        self._state = "open"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._work, file)
            try:
                yield
            finally:
                self._state = "closing"
                self._wakeup.set()

    # -- the queue -------------------------------------------------------------------------

    def _drop(self, conn: int, at: float) -> None:
        self._dropped += 1
        before = 0 if self._gap is None else self._gap.count
        self._gap = _Gap(before + 1, conn, at)

    def _take(self) -> list[_Entry | _Gap]:
        """Return the lines to write next: few enough to take little memory meanwhile."""
        batch: list[_Entry | _Gap] = []
        taken = 0
        while self._queue and len(batch) < _BATCH and taken < _BATCH_BYTES:
            batch.append(self._queue.popleft())
            taken += batch[-1].cost
        self._bytes -= taken
        self._busy_bytes = taken
        return batch

    # -- writing ---------------------------------------------------------------------------

    async def _work(self, file: _File) -> None:
        with trio.CancelScope(shield=True) as scope:
            while self._error is None:
                if self._state == "closing" and scope.deadline == float("inf"):
                    scope.deadline = trio.current_time() + _CLOSE_DEADLINE
                if trio.current_time() >= self._flush_at:
                    await self._flush(file.flush)
                elif self._queue:
                    await self._write(file, self._take())
                elif self._state == "closing":
                    break
                else:
                    await self._wait()
            await self._finish(file)
        self._state = "closed"
        if scope.cancelled_caught:  # the stuck thread owns the file: close it after that
            trio.lowlevel.start_thread_soon(file.close, _ignore)
        self._dropped += len(self._queue) + self._unflushed
        self._queue.clear()
        self._bytes = self._busy_bytes = self._unflushed = 0

    async def _wait(self) -> None:
        """Wait for new lines, or until it is time to flush what was written."""
        self._wakeup = trio.Event()
        with trio.move_on_at(self._flush_at):
            await self._wakeup.wait()

    async def _write(self, file: _File, batch: list[_Entry | _Gap]) -> None:
        def write() -> None:
            for each in batch:
                file.write(self._line(each))

        self._flush_at = min(self._flush_at, trio.current_time() + _FLUSH_AFTER)
        self._unflushed += len(batch)
        await self._in_thread(write)
        self._busy_bytes = 0

    async def _flush(self, flush: Callable[[], object]) -> None:
        if await self._in_thread(flush) and self._error is None:
            self._written += self._unflushed
            self._unflushed = 0
            self._flush_at = float("inf")

    async def _finish(self, file: _File) -> None:
        if self._gap is not None and self._error is None:
            await self._write(file, [self._gap])
        await self._flush(file.close)

    async def _in_thread(self, job: Callable[[], object]) -> bool:
        """Run a job on the file; a failure ends the recording, never the client."""
        try:
            await trio.to_thread.run_sync(job, abandon_on_cancel=True)
        except (OSError, ValueError) as exc:  # ValueError: the file was closed after a failure
            self._error = (
                self._error or f"{type(exc).__name__}: {getattr(exc, 'strerror', None) or 'closed'}"
            )
            return False
        return True

    def _create(self) -> _File:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        file = os.fdopen(os.open(self._path, flags, _OWNER_ONLY), "wb")
        _make_private(file.fileno())
        return _Gzip(file) if self._path.suffix == ".gz" else file

    def _line(self, entry: _Entry | _Gap) -> bytes:
        fields: dict[str, object] = {
            "t": round(max(0.0, entry.at - self._began), 6),
            "conn": _connection_name(entry.conn),
        }
        if isinstance(entry, _Gap):
            fields |= {"dir": "gap", "lines": entry.count}
        else:
            fields["dir"] = entry.kind
            fields |= self._fields(entry.kind, entry.payload)
        # ASCII only: frames may hold lone surrogates, which UTF-8 cannot encode.
        return json.dumps(fields, separators=(",", ":")).encode() + b"\n"

    def _fields(self, kind: Kind, payload: str | bytes) -> dict[str, object]:
        if isinstance(payload, bytes):
            return {"data": base64.b64encode(self._redactor.data(payload)).decode()}
        match kind:
            case "in" | "out":
                return {"text": self._redactor.frame(payload)}
            case "open":
                return {"url": self._redactor.text(payload)}
            case "close" | "drop":
                return {"code": int(payload) if payload.isdecimal() else None}


def _make_private(descriptor: int) -> None:
    """Restrict access to a file that existed before; ignore devices and pipes."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode) and mode & 0o077 and hasattr(os, "fchmod"):
        with suppress(PermissionError):  # the file belongs to another user, but we may write it
            os.fchmod(descriptor, _OWNER_ONLY)


def _ignore(_outcome: Outcome[None]) -> None:
    """Ignore the result: no task waits for it any more."""


def _connection_name(number: int) -> str:
    """Return the name of a connection: A to Z, then AA and so on."""
    name = ""
    while number > 0:
        number, rest = divmod(number - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
