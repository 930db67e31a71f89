"""Logs in memory: for tests, and for uses without a file."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import trio

from .._exceptions import JournalInUse
from .._log._log_block import BlockGroup, LogBlock, encode_block
from ._log_store import LogClaim, LogGap, LogInfo, StoredSnapshot

__all__ = ["MemoryStore"]


@attrs.define(slots=True)
class _Kept:
    """One log."""

    token: int = 0
    position: int = 0
    clean: bool = True
    blocks: list[LogBlock] = attrs.field(factory=list[LogBlock])
    gaps: list[LogGap] = attrs.field(factory=list[LogGap])
    snapshots: list[StoredSnapshot] = attrs.field(factory=list[StoredSnapshot])

    def keep(self, snapshot: StoredSnapshot) -> None:
        """Keep a snapshot; the one of the highest position is the newest."""
        self.snapshots = sorted([snapshot, *self.snapshots], key=lambda each: -each.position)


class MemoryStore:
    """A :class:`LogStore` that keeps its logs as long as it exists."""

    def __init__(self) -> None:
        self._logs: dict[str, _Kept] = {}
        self._forgotten: dict[str, int] = {}

    async def info(self, name: str) -> LogInfo | None:
        """Return the description of a log."""
        await trio.lowlevel.checkpoint()
        log = self._logs.get(name)
        if log is None:
            return None
        return LogInfo(
            name=name, position=log.position, first=1, clean=log.clean, gaps=tuple(log.gaps)
        )

    async def names(self) -> tuple[str, ...]:
        """Return the names of all logs, the most recently written one last."""
        await trio.lowlevel.checkpoint()
        return tuple(self._logs)

    async def claim(self, name: str) -> LogClaim:
        """Become the writer of a log."""
        await trio.lowlevel.checkpoint()
        return self.claim_now(name)

    def claim_now(self, name: str) -> LogClaim:
        """Become the writer of a log, without waiting."""
        token = self._forgotten.pop(name, 0)
        log = self._logs.pop(name) if name in self._logs else _Kept(token=token)
        self._logs[name] = log
        log.token += 1
        return LogClaim(name=name, token=log.token)

    def token_of(self, name: str) -> int:
        """The token of the latest claim, 0 for none."""
        return self._logs[name].token if name in self._logs else self._forgotten.get(name, 0)

    def position_of(self, name: str) -> int:
        """The last position in use, 0 for none."""
        return self._logs[name].position if name in self._logs else 0

    def forget(self, name: str) -> None:
        """Drop a log; its claims stay invalid if it is created again."""
        self._forgotten[name] = self.token_of(name)
        self._logs.pop(name, None)

    def _claimed(self, claim: LogClaim) -> _Kept:
        log = self._logs.get(claim.name)
        if log is None or log.token != claim.token:
            message = f"another client is now writing to the log {claim.name!r}"
            raise JournalInUse(message)
        return log

    async def append(self, claim: LogClaim, first: int, groups: Sequence[BlockGroup]) -> int:
        """Append entries."""
        await trio.lowlevel.checkpoint()
        log = self._claimed(claim)
        if first != log.position + 1:
            end = log.position
            message = f"the log ends at {end}, so the next entry must be {end + 1}, not {first}"
            raise ValueError(message)
        block = encode_block(first, groups)
        log.blocks.append(block)
        log.position, log.clean = block.last, False
        return len(block.data)

    async def put_snapshot(self, claim: LogClaim, snapshot: StoredSnapshot) -> None:
        """Keep a snapshot."""
        await trio.lowlevel.checkpoint()
        self._claimed(claim).keep(snapshot)

    async def put_gap(self, claim: LogClaim, gap: LogGap, snapshot: StoredSnapshot | None) -> None:
        """Replace positions by a gap."""
        await trio.lowlevel.checkpoint()
        log = self._claimed(claim)
        log.blocks = [block for block in log.blocks if block.last < gap.first]
        log.snapshots = [each for each in log.snapshots if each.position < gap.first]
        log.gaps = [*(each for each in log.gaps if each.first < gap.first), gap]
        log.position, log.clean = gap.last, False
        if snapshot is not None:
            log.keep(snapshot)

    async def beat(self, claim: LogClaim) -> None:
        """Check that the claim is the latest."""
        await trio.lowlevel.checkpoint()
        self._claimed(claim)

    async def trim(self, claim: LogClaim) -> None:
        """Keep everything."""
        await self.beat(claim)

    async def close(self, claim: LogClaim) -> None:
        """Mark a clean end."""
        await trio.lowlevel.checkpoint()
        self._claimed(claim).clean = True

    async def read(self, name: str, after: int, limit: int = 64) -> Sequence[LogBlock]:
        """Return blocks with entries after a position."""
        await trio.lowlevel.checkpoint()
        return self.read_now(name, after, limit)

    def read_now(self, name: str, after: int, limit: int) -> list[LogBlock]:
        """Return blocks with entries after a position, without waiting."""
        log = self._logs.get(name)
        found: list[LogBlock] = []
        for block in log.blocks if log is not None else ():
            if block.last <= after:
                continue
            follows = block.first <= (found[-1].last if found else after) + 1
            if not follows or len(found) == limit:
                break
            found.append(block)
        return found

    async def snapshots(self, name: str) -> Sequence[StoredSnapshot]:
        """Return the snapshots, the newest first."""
        await trio.lowlevel.checkpoint()
        log = self._logs.get(name)
        return () if log is None else tuple(log.snapshots)
