"""The interface of a log store: SQLite, memory, or a custom one.

A store keeps one log for each session name. A log is a sequence of blocks, gaps and snapshots.
A writer claims a log first; a claim ends every earlier claim of that log, so there
is one writer, and a writer that was paused for a while cannot overwrite its successor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import attrs

from .._exceptions import JournalError
from .._log._log_block import BlockGroup, LogBlock

__all__ = ["LogClaim", "LogGap", "LogInfo", "LogRewound", "LogStore", "StoredSnapshot"]


class LogRewound(JournalError):
    """The store has lost entries that it had acknowledged, so the log must jump."""


@attrs.frozen(slots=True, kw_only=True)
class LogClaim:
    """The right to write to the log of ``name``: only the latest claim is valid. ``nonce``
    distinguishes two claims with one token, which exist if a store has lost the first.
    """

    name: str
    token: int
    nonce: str = ""


@attrs.frozen(slots=True, kw_only=True)
class LogGap:
    """Positions that a log does not hold; ``why`` is "jumped", "damaged" or "trimmed"."""

    first: int
    last: int
    why: str


@attrs.frozen(slots=True, kw_only=True)
class StoredSnapshot:
    """The bytes of a snapshot, after the entry at ``position``."""

    position: int
    data: bytes = attrs.field(repr=False)


def _not_empty(gaps: Iterable[LogGap]) -> tuple[LogGap, ...]:
    """Leave out what only damage can contain: a reader would never get past such a gap."""
    return tuple(gap for gap in gaps if gap.first <= gap.last)


@attrs.frozen(slots=True, kw_only=True)
class LogInfo:
    """The description of one log in a store.

    ``position`` is the last position in use, ``first`` the first that can be read (1 if nothing was
    trimmed). ``clean``: its last writer closed it, or it had no writer so far. ``gaps`` are in
    order; a gap without positions is left out. ``epoch`` changes when a store has lost acknowledged
    entries; it is empty for a store that cannot lose any.
    """

    name: str
    position: int
    first: int
    clean: bool
    gaps: tuple[LogGap, ...] = attrs.field(default=(), converter=_not_empty)
    epoch: str = ""


class LogStore(Protocol):
    """A store for logs. :func:`realtime_trio.testing.check_log` tests an implementation.

    Every method raises :class:`~realtime_trio.JournalError` if the store fails. Methods that
    take a claim raise :class:`~realtime_trio.JournalInUse` when it is no longer the latest, and
    then change nothing.
    """

    async def info(self, name: str) -> LogInfo | None:
        """Return the description of a log; ``None`` if there is none."""
        ...

    async def names(self) -> tuple[str, ...]:
        """Return the names of all logs, the most recently written one last."""
        ...

    async def claim(self, name: str) -> LogClaim:
        """Become the writer of a log, which is created if it does not exist."""
        ...

    async def append(self, claim: LogClaim, first: int, groups: Sequence[BlockGroup]) -> int:
        """Append entries; the first has position ``first``. Return the bytes that they take.

        Raises ``ValueError`` unless ``first`` follows the last position: a store never leaves a
        hole. Returns when the entries would survive the end of this process.
        """
        ...

    async def put_snapshot(self, claim: LogClaim, snapshot: StoredSnapshot) -> None:
        """Keep a snapshot of a position that the log has reached."""
        ...

    async def put_gap(self, claim: LogClaim, gap: LogGap, snapshot: StoredSnapshot | None) -> None:
        """Replace the positions of ``gap`` up to its last, and continue after them.

        Entries and gaps at and after its first position are dropped. ``snapshot``, of its last
        position, is the state from which the log continues.
        """
        ...

    async def beat(self, claim: LogClaim) -> None:
        """Refresh the writer's heartbeat; called every few seconds while nothing is written."""
        ...

    async def trim(self, claim: LogClaim) -> None:
        """Drop entries beyond the store's retention; called after a snapshot was stored."""
        ...

    async def close(self, claim: LogClaim) -> None:
        """Mark a clean end."""
        ...

    async def read(self, name: str, after: int, limit: int = 64) -> Sequence[LogBlock]:
        """Return blocks with entries after ``after``, in order; none at the end or before a gap.

        A damaged block, and everything after it, is left out.
        """
        ...

    async def snapshots(self, name: str) -> Sequence[StoredSnapshot]:
        """Return the readable snapshots, the newest first."""
        ...
