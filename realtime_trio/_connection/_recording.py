"""A recorder that writes a file: one JSON line a frame, in the form that ``replay`` reads.

The client's tasks hand frames over and go on at once. A task of the recorder's own takes
them from a bounded queue; taking secrets out, compressing and writing happen in a thread.
Where the disk cannot keep up, lines are dropped, counted, and the file says how many.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final, Literal, TypeAlias, cast, final

import attrs
import trio
from outcome import Outcome

from .._exceptions import ClosedError
from .._redact import redact_frame, redact_text

__all__ = ["Recorder", "RecorderStatistics"]

MAX_LINES: Final = 65_536
MAX_BYTES: Final = 64 * 2**20
_BATCH: Final = 1024
_FLUSH_AFTER: Final = 1.0
_CLOSE_DEADLINE: Final = 5.0

Kind: TypeAlias = Literal["in", "out", "open", "close", "drop"]


@attrs.frozen(slots=True)
class RecorderStatistics:
    """How a recorder does.

    ``written`` and ``dropped`` count lines, ``waiting`` those in the queue; ``high_water`` is the
    most that ever waited. ``error`` says why writing stopped before the end, ``None`` where it
    did not: from then on every line is dropped.
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


@attrs.frozen(slots=True)
class _Gap:
    """Lines that are missing at this place of the file."""

    count: int
    conn: int
    at: float


@final
class Recorder:
    """Writes both directions of a connection to ``path``, gzip-compressed where it ends in ``.gz``.

    Pass it to :func:`~realtime_trio.open_client`, which opens it and closes it. It serves one
    client; an existing file is overwritten. Secrets (tokens, passwords, what
    a URL holds of them) never reach the file. At most ``max_lines`` lines and ``max_bytes``
    bytes wait to be written; what comes beyond that is dropped and counted.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_lines: int = MAX_LINES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        if max_lines < 1 or max_bytes < 1:
            msg = "max_lines and max_bytes are at least 1"
            raise ValueError(msg)
        self._path = Path(path)
        self._max_lines, self._max_bytes = max_lines, max_bytes
        self._queue: deque[_Entry | _Gap] = deque()
        self._bytes = 0
        self._written = self._dropped = self._high_water = 0
        self._gap: _Gap | None = None
        self._error: str | None = None
        self._news = trio.Event()
        self._state: Literal["new", "open", "closing", "closed"] = "new"
        self._began = 0.0

    def statistics(self) -> RecorderStatistics:
        """How it does; also after it was closed."""
        return RecorderStatistics(
            written=self._written,
            dropped=self._dropped,
            waiting=len(self._queue),
            waiting_bytes=self._bytes,
            high_water=self._high_water,
            error=self._error,
        )

    def record(self, kind: Kind, payload: str | bytes, *, conn: int, at: float) -> None:
        """Take one line; never waits, never raises.

        ``payload`` is the frame for "in" and "out", the URL for "open", the code for "close" and
        "drop". ``conn`` numbers the connections from 1, ``at`` is trio's time in seconds. Before
        :meth:`open` and after it, and where the queue is full, the line is dropped.
        """
        size = len(payload)
        full = len(self._queue) >= self._max_lines or self._bytes + size > self._max_bytes
        if self._state != "open" or self._error is not None or (full and self._queue):
            self._drop(conn, at)
            return
        if self._gap is not None:
            self._queue.append(self._gap)
            self._gap = None
        self._queue.append(_Entry(kind, payload, conn, at))
        self._bytes += size
        self._high_water = max(self._high_water, len(self._queue))
        self._news.set()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None, None]:
        """Create the file and write to it until the block is left; then write what waits.

        Leaving takes at most five seconds, also when cancelled: what a stuck disk has not taken
        by then is dropped. Raises ``OSError`` where the file cannot be created, and
        :class:`~realtime_trio.ClosedError` where this recorder has been opened before.
        """
        if self._state != "new":
            msg = "this recorder has been used: make a new Recorder for each client"
            raise ClosedError(msg)
        self._state = "closed"  # until there is a file, and for good where there is none
        self._began = trio.current_time()
        file = await trio.to_thread.run_sync(self._create)
        self._state = "open"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._work, file)
            try:
                yield
            finally:
                self._state = "closing"
                self._news.set()

    # --- the queue ------------------------------------------------------------------------------

    def _drop(self, conn: int, at: float) -> None:
        self._dropped += 1
        before = 0 if self._gap is None else self._gap.count
        self._gap = _Gap(before + 1, conn, at)

    def _take(self) -> list[_Entry | _Gap]:
        """The lines to write next; their room in the queue is free again."""
        batch = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
        self._bytes -= sum(len(each.payload) for each in batch if isinstance(each, _Entry))
        return batch

    # --- writing --------------------------------------------------------------------------------

    async def _work(self, file: BinaryIO) -> None:
        with trio.CancelScope(shield=True) as scope:
            dirty = False
            while self._error is None:
                if self._state == "closing" and scope.deadline == float("inf"):
                    scope.deadline = trio.current_time() + _CLOSE_DEADLINE
                if self._queue:
                    await self._write(file, self._take())
                    dirty = True
                elif self._state == "closing":
                    break
                else:
                    dirty = await self._wait(file, dirty=dirty)
            await self._finish(file)
        self._state = "closed"
        if scope.cancelled_caught:  # the thread that is stuck has the file: close it behind that
            trio.lowlevel.start_thread_soon(file.close, _ignore)
        self._dropped += len(self._queue)
        self._queue.clear()
        self._bytes = 0

    async def _wait(self, file: BinaryIO, *, dirty: bool) -> bool:
        """Wait for news; let what was written reach the disk when there are none for a while."""
        self._news = trio.Event()
        with trio.move_on_after(_FLUSH_AFTER if dirty else float("inf")) as pause:
            await self._news.wait()
        if pause.cancelled_caught:
            await self._in_thread(file.flush)
        return dirty and not pause.cancelled_caught

    async def _write(self, file: BinaryIO, batch: list[_Entry | _Gap]) -> None:
        def write() -> None:
            file.write(b"".join(self._line(each) for each in batch))

        if await self._in_thread(write):
            self._written += len(batch)
        else:
            self._dropped += len(batch)

    async def _finish(self, file: BinaryIO) -> None:
        if self._gap is not None and self._error is None:
            await self._write(file, [self._gap])
        await self._in_thread(file.close)

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

    def _create(self) -> BinaryIO:
        if self._path.suffix == ".gz":
            return cast("BinaryIO", gzip.open(self._path, "wb", compresslevel=5))
        return self._path.open("wb")

    def _line(self, entry: _Entry | _Gap) -> bytes:
        fields: dict[str, object] = {
            "t": round(max(0.0, entry.at - self._began), 6),
            "conn": _letters(entry.conn),
        }
        if isinstance(entry, _Gap):
            fields |= {"dir": "gap", "lines": entry.count}
        else:
            fields["dir"] = entry.kind
            fields |= _fields(entry.kind, entry.payload)
        # ASCII only: halves of surrogate pairs, which a frame may hold, have no UTF-8.
        return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def _ignore(_outcome: Outcome[None]) -> None:
    """Nobody waits for it any more."""


def _fields(kind: Kind, payload: str | bytes) -> dict[str, object]:
    if isinstance(payload, bytes):
        return {"data": base64.b64encode(payload).decode()}
    match kind:
        case "in" | "out":
            return {"text": redact_frame(payload)}
        case "open":
            return {"url": redact_text(payload)}
        case "close" | "drop":
            return {"code": int(payload) if payload.isdecimal() else None}


def _letters(number: int) -> str:
    """The name of a connection: A to Z, then AA and so on."""
    name = ""
    while number > 0:
        number, rest = divmod(number - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
