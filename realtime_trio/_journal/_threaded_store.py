"""A store on top of a file with blocking methods; each call runs in a thread."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, ParamSpec, TypeVar

from .._log._log_block import BlockGroup, LogBlock
from ._journal_file import JournalFile
from ._log_store import LogClaim, LogGap, LogInfo, StoredSnapshot

__all__ = ["ThreadedStore"]

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=JournalFile)


class ThreadedStore(ABC, Generic[F]):
    """The base of a store whose logs are in a :class:`JournalFile`.

    A subclass adds how to open the file, how to call it in a thread, the heartbeat and the
    retention.
    """

    _file: F

    @abstractmethod
    async def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call in a thread; one call at a time uses the file."""

    async def info(self, name: str) -> LogInfo | None:
        """Return the description of a log; ``None`` if there is none."""
        return await self._run(self._file.info, name)

    async def names(self) -> tuple[str, ...]:
        """Return the names of all logs, the most recently written one last."""
        return await self._run(self._file.names)

    async def claim(self, name: str) -> LogClaim:
        """Become the writer of a log."""
        return await self._run(self._file.claim, name)

    async def append(self, claim: LogClaim, first: int, groups: Sequence[BlockGroup]) -> int:
        """Append entries; return the bytes that they take."""
        return await self._run(self._file.append, claim, first, groups)

    async def put_snapshot(self, claim: LogClaim, snapshot: StoredSnapshot) -> None:
        """Keep a snapshot."""
        await self._run(self._file.put_snapshot, claim, snapshot)

    async def put_gap(self, claim: LogClaim, gap: LogGap, snapshot: StoredSnapshot | None) -> None:
        """Replace positions by a gap, and continue after them."""
        await self._run(self._file.put_gap, claim, gap, snapshot)

    async def close(self, claim: LogClaim) -> None:
        """Mark a clean end."""
        await self._run(self._file.mark_closed, claim)

    async def read(self, name: str, after: int, limit: int = 64) -> Sequence[LogBlock]:
        """Return blocks with entries after a position."""
        return await self._run(self._file.read, name, after, limit)

    async def snapshots(self, name: str) -> Sequence[StoredSnapshot]:
        """Return the readable snapshots, the newest first."""
        return await self._run(self._file.snapshots, name)
