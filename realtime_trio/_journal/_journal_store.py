"""The async store of the logs in one SQLite file."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar, final

import attrs
import trio

from .._exceptions import JournalError
from .._log._log_block import load_zstd
from ._journal_file import JournalFile
from ._log_store import LogClaim
from ._log_writer import LogWriter, WriterStatistics
from ._owned_file import Durability
from ._threaded_store import ThreadedStore

__all__ = ["JournalStatistics", "JournalStore", "Keep"]

P = ParamSpec("P")
T = TypeVar("T")
_DAY = 86_400.0


@attrs.frozen(slots=True, kw_only=True)
class Keep:
    """The retention of a journal.

    ``days``: entries, and sessions that are no longer written to, are deleted after this many
    days; ``None`` keeps them. ``snapshots``: how many snapshots of each session are kept in
    addition to those that the entries need. Retention runs after each snapshot.

    Raises ``ValueError`` for numbers that are not positive.
    """

    days: float | None = attrs.field(default=None)
    snapshots: int = attrs.field(default=2)

    def __attrs_post_init__(self) -> None:
        """Check the numbers."""
        if self.days is not None and not self.days > 0:
            message = f"Keep.days must be greater than 0, or None to keep all, not {self.days!r}"
            raise ValueError(message)
        if isinstance(self.snapshots, bool) or self.snapshots < 1:
            message = f"Keep.snapshots must be at least 1, not {self.snapshots!r}"
            raise ValueError(message)


@attrs.frozen(slots=True, kw_only=True)
class JournalStatistics:
    """Statistics of a journal, over all clients that have written to it since it was opened.

    ``appended`` counts the entries handed over, ``durable`` those that survive a kill,
    ``waiting`` those in between, ``jumps`` how often entries were dropped and
    replaced by a snapshot. ``bytes_written`` is the size of the blocks. ``commit_p50`` and
    ``commit_p99`` are seconds for one commit. ``error`` is the reason why the last attempt to
    write failed, ``None`` if it succeeded.
    """

    appended: int = 0
    durable: int = 0
    waiting: int = 0
    waiting_bytes: int = 0
    jumps: int = 0
    bytes_written: int = 0
    commit_p50: float = 0.0
    commit_p99: float = 0.0
    error: str | None = None


@final
class JournalStore(ThreadedStore[JournalFile]):
    """A :class:`LogStore` in an SQLite file, used by :class:`Journal`."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Durability = "batch",
        keep: Keep | None = None,
        audio: Literal["length", "full"] = "length",
        compression: Literal["zlib", "zstd"] = "zlib",
        on_failure: Literal["continue", "stop"] = "continue",
    ) -> None:
        _one_of("durability", durability, "none", "batch", "each")
        _one_of("audio", audio, "length", "full")
        _one_of("compression", compression, "zlib", "zstd")
        _one_of("on_failure", on_failure, "continue", "stop")
        if compression == "zstd":
            load_zstd()
        self._path = Path(os.fspath(path))
        self._keep = keep if keep is not None else Keep()
        self._full_audio = audio == "full"
        self._stop = on_failure == "stop"
        self._file = JournalFile(self._path, durability=durability, zstd=compression == "zstd")
        self._limiter = trio.CapacityLimiter(1)
        self._users = 0
        self._turn = trio.Lock()
        self._writers: list[LogWriter] = []

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def statistics(self) -> JournalStatistics:
        """Return the statistics of the journal."""
        each = [writer.statistics() for writer in self._writers]
        return _summed(each)

    # -- for the client --------------------------------------------------------------------

    @property
    def full_audio(self) -> bool:
        """Whether binary frames are kept whole."""
        return self._full_audio

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None, None]:
        """Keep the file open for writing within this block. Blocks may overlap."""
        async with self._turn:
            if self._users == 0:
                await self._run(self._open)
                self._writers.clear()
            self._users += 1
        try:
            yield
        finally:
            with trio.CancelScope(shield=True):
                async with self._turn:
                    self._users -= 1
                    if self._users == 0:
                        with trio.move_on_after(5):
                            await self._run(self._file.close)

    def _open(self) -> None:
        self._file.open(owner=True)
        if self._keep.days is not None:
            self._file.forget_old(time.time() - self._keep.days * _DAY)

    def writer(self, claim: LogClaim, *, position: int) -> LogWriter:
        """Return a writer that is counted in :meth:`statistics`."""
        writer = LogWriter(self, claim, position=position, stop=self._stop)
        self._writers.append(writer)
        return writer

    async def repaired(self, exc: JournalError) -> bool:
        """Copy the readable part of a damaged file to a new one; return whether that can help."""
        if not self._file.is_damage(exc):
            return False
        await self._run(self._file.salvage)
        return True

    # -- the store -------------------------------------------------------------------------

    async def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call in a thread; one call at a time uses the file."""

        def run() -> T:
            return call(*args, **kwargs)

        return await trio.to_thread.run_sync(run, limiter=self._limiter, abandon_on_cancel=True)

    async def beat(self, claim: LogClaim) -> None:
        """Refresh the heartbeat of the writer."""
        await self._run(self._file.beat)

    async def trim(self, claim: LogClaim) -> None:
        """Drop everything beyond the retention of ``keep``."""
        days = self._keep.days
        before = None if days is None else time.time() - days * _DAY
        await self._run(self._file.trim, claim, before=before, snapshots=self._keep.snapshots)


def _one_of(name: str, value: str, *allowed: str) -> None:
    if value not in allowed:
        message = f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}"
        raise ValueError(message)


def _summed(each: Sequence[WriterStatistics]) -> JournalStatistics:
    return JournalStatistics(
        appended=sum(one.appended for one in each),
        durable=sum(one.durable for one in each),
        waiting=sum(one.waiting for one in each),
        waiting_bytes=sum(one.waiting_bytes for one in each),
        jumps=sum(one.jumps for one in each),
        bytes_written=sum(one.bytes_written for one in each),
        commit_p50=max((one.commit_p50 for one in each), default=0.0),
        commit_p99=max((one.commit_p99 for one in each), default=0.0),
        error=next((one.error for one in reversed(each) if one.error), None),
    )
