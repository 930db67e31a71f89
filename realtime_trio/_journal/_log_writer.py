"""The writer of one log: takes entries without waiting, writes them in blocks soon after.

The client's tasks hand entries over and continue; one task writes all buffered entries, at most
``GATHER`` seconds later. A failing store is retried, with growing pauses, and nothing
else waits for it.

Rule 1. The buffer is bounded in entries and bytes. When it is full it is dropped, and entries
        are only counted, until the store answers again: then the log *jumps*. A gap records what
        is missing, and the log continues from a snapshot at its end.
Rule 2. Positions count every entry, also dropped ones, so they never change.
Rule 3. A snapshot is taken every ``SNAPSHOT_EVERY`` entries, but not before the blocks since the
        previous one are ``_SNAPSHOT_SHARE`` times its size: otherwise, a long conversation would
        be written again and again. It is a cut that passes through the lanes, so the writer
        continues meanwhile.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol, final

import attrs
import trio

from .._exceptions import JournalError, JournalInUse
from .._lanes._watch import Changes, Watch
from .._log._log_block import BlockGroup
from .._log._log_entries import LogItem
from .._log._log_fold import groups_behind
from .._log._plain_values import NotStorable
from .._log._state_cut import StateCut
from .._log._state_snapshot import StateSnapshot, write_snapshot
from ._log_store import LogClaim, LogGap, LogRewound, LogStore, StoredSnapshot

__all__ = ["CutTaker", "LogWriter", "PendingCut", "WriterStatistics"]

_logger: Final = logging.getLogger("realtime_trio.journal")

GATHER: Final = 0.02
MAX_ENTRIES: Final = 65_536
MAX_BYTES: Final = 64 * 2**20
SNAPSHOT_EVERY: Final = 20_000
_SNAPSHOT_SHARE: Final = 2
_ENTRY_BYTES: Final = 64
_ENOUGH: Final = 4096
"""Entries that are written without gathering more."""
_BEAT: Final = 2.0
_PAUSES: Final = (0.1, 0.5, 1.0, 5.0)
_TIMES: Final = 512


class PendingCut(Protocol):
    """A cut that is passing through the lanes."""

    @property
    def position(self) -> int:
        """The position at which it was placed."""
        ...

    @property
    def cut(self) -> StateCut | None:
        """The cut, once every lane has passed."""
        ...


class CutTaker(Protocol):
    """Places cuts. ``on_done`` is called when every lane has passed."""

    def __call__(self, on_done: Callable[[], None]) -> PendingCut:
        """Place a cut after everything that was handed over so far."""
        ...


@attrs.frozen(slots=True, kw_only=True)
class WriterStatistics:
    """Statistics of the writer: positions, buffered entries, and seconds per commit."""

    appended: int
    durable: int
    waiting: int
    waiting_bytes: int
    jumps: int
    bytes_written: int
    commit_p50: float
    commit_p99: float
    error: str | None


@final
class LogWriter:
    """Writes the log of one claim, from ``position`` on.

    ``stop``: an error of the store leaves :meth:`run`, instead of being tried again.
    ``gather``: seconds that a block waits for more entries. ``beats``: whether it checks its claim
    regularly while nothing is written; otherwise only when :meth:`hurry` is called.
    """

    def __init__(
        self,
        store: LogStore,
        claim: LogClaim,
        *,
        position: int,
        stop: bool = False,
        gather: float = GATHER,
        beats: bool = True,
    ) -> None:
        self._store = store
        self._claim = claim
        self.position: int = position
        """The position of the last entry that was handed over."""
        self.durable: int = position
        """The position up to which the store has everything."""
        self._closing = False
        self._stop = stop
        self._gather = gather
        self._beat = _BEAT if beats else math.inf
        self._take_cut: CutTaker | None = None
        self._groups: list[BlockGroup] = []
        self._waiting = self._waiting_bytes = 0
        self._full = False  # rule 1: entries are only counted
        self._jump: PendingCut | None = None
        self._cut: PendingCut | None = None
        self._noted = 0  # the position up to which open commands were repeated behind it
        self._next_snapshot = position + SNAPSHOT_EVERY
        self._enough_bytes = 0  # rule 3: of blocks, for the next snapshot
        self._at = 0.0
        self._wakeup = trio.Event()
        self._urgent = trio.Event()
        self._moved = Changes()
        self._jumps = self._bytes = 0
        self._commits: deque[float] = deque(maxlen=_TIMES)
        self.error: JournalError | None = None
        """The reason of the last failed attempt; ``None`` after one has succeeded again."""
        self._warned = False
        self.finished: trio.Event = trio.Event()
        """Set when nothing more will be written."""

    def cut_by(self, take: CutTaker) -> None:
        """Take cuts with ``take``; without it, there are no snapshots."""
        self._take_cut = take

    # -- handing over: never waits, never fails --------------------------------------------

    def append(self, at: float, items: list[LogItem], size: int) -> int:
        """Hand over entries that arrived at one time; return the position of the last.

        The writer owns the list from now on. ``size`` estimates their memory.
        """
        self.position += len(items)
        self._at = at
        if self.ended or self._full:
            return self.position
        self._groups.append((at, items))
        self._waiting += len(items)
        self._waiting_bytes += size + _ENTRY_BYTES * len(items)
        if self._waiting > MAX_ENTRIES or self._waiting_bytes > MAX_BYTES:
            self._drop()
        elif self._waiting >= _ENOUGH:
            self._urgent.set()
        self._wakeup.set()
        return self.position

    def hurry(self) -> None:
        """Write the buffered entries without gathering more; check the claim if there are none."""
        self._urgent.set()
        self._wakeup.set()

    def _drop(self) -> None:
        self._full = True
        self._jump = None
        self._groups = []
        self._waiting = self._waiting_bytes = 0
        self._wakeup.set()

    async def reached(self, position: int) -> None:
        """Wait until the store has everything up to a position.

        Raises :class:`~realtime_trio.JournalError` if the writer ends first.
        """
        await trio.lowlevel.checkpoint()
        while self.durable < position:
            if self.ended:
                message = f"the journal ended at {self.durable}, before position {position}"
                raise JournalError(message) from self.error
            self.hurry()
            await self._moved.wait()

    def watch_durable(self) -> Watch[int]:
        """Watch :attr:`durable`; the watch ends with the writer."""
        return Watch(self._moved, lambda: self.durable)

    @property
    def ended(self) -> bool:
        """Whether nothing more will be written."""
        return self._moved.ended

    # -- writing ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Write until :meth:`finish`. The one task that uses the store."""
        failures = 0
        try:
            while True:
                try:
                    await self._write_once()
                except JournalError as exc:
                    self.error = exc
                    if self._stop or isinstance(exc, JournalInUse):
                        self._end()
                        if self._stop:
                            raise
                        return
                    if self._closing:
                        return
                    await trio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
                    failures += 1
                else:
                    failures = 0
                    if self._closing and not self._has_work():
                        return
        finally:
            self._end()

    def _end(self) -> None:
        self.finished.set()
        self._groups = []
        self._moved.end()

    def close_soon(self) -> None:
        """Write the buffered entries, then let :meth:`run` return."""
        self._closing = True
        self.hurry()

    def _has_work(self) -> bool:
        return bool(self._groups or self._full or self._jump)

    async def _write_once(self) -> None:
        if not self._has_work() and not self._cut_is_done() and not self._closing:
            with trio.move_on_after(self._beat if self.error is None else _BEAT):
                await self._wakeup.wait()
        self._wakeup = trio.Event()
        if self._waiting < _ENOUGH and not self._closing and self._waiting:
            with trio.move_on_after(self._gather):
                await self._urgent.wait()
        self._urgent = trio.Event()
        if self._full or self._jump is not None:
            await self._write_jump()
        else:
            await self._write_groups()
            await self._write_snapshot()
        self.error = None

    async def _write_groups(self) -> None:
        groups, self._groups = self._groups, []
        count, size = self._waiting, self._waiting_bytes
        self._waiting = self._waiting_bytes = 0
        began = time.perf_counter()
        try:
            if groups:
                self._bytes += await self._store.append(self._claim, self.durable + 1, groups)
            else:
                await self._store.beat(self._claim)
        except ValueError:
            self._put_back(groups, count, size)
            await self._find_place()
            return
        except JournalError as exc:
            self._put_back(groups, count, size)
            if isinstance(exc, LogRewound):
                self._rewound()
            raise
        if groups:
            self._commits.append(time.perf_counter() - began)
            self._reached(self.durable + count)

    async def _find_place(self) -> None:
        """Handle an unexpected end of the store: the answer to an append was lost, or entries."""
        info = await self._store.info(self._claim.name)
        found = 0 if info is None else info.position
        kept = found - self.durable
        if kept < 0:
            self._rewound()
            return
        if not 0 < kept <= self._waiting or self._full:
            self._drop()  # rule 1: the log jumps to where this writer is
            return
        self._groups = groups_behind(self._groups, kept)
        self._waiting -= kept
        if not self._groups:
            self._waiting_bytes = 0
        self._reached(found)

    def _rewound(self) -> None:
        """The store has lost what it had acknowledged, so the log jumps.

        It jumps past every position that a reader can have: one position is left unused.
        """
        self.position += 1
        self._drop()

    def _put_back(self, groups: list[BlockGroup], count: int, size: int) -> None:
        if self._full:
            return
        self._groups[:0] = groups
        self._waiting += count
        self._waiting_bytes += size
        if self._waiting > MAX_ENTRIES or self._waiting_bytes > MAX_BYTES:
            self._drop()

    def _reached(self, position: int) -> None:
        self.durable = position
        self._moved.changed()

    # -- jumps and snapshots ---------------------------------------------------------------

    async def _write_jump(self) -> None:
        """Continue after the dropped entries (rule 1)."""
        if self._full:
            if self._take_cut is None:
                message = "the buffer of the journal is full, and no state is left to continue from"
                raise JournalError(message)
            self._full = False
            self._jump = self._take_cut(self.hurry)
        jump = self._jump
        if jump is None or jump.cut is None:
            with trio.move_on_after(GATHER if self._closing else _BEAT):
                await self._wakeup.wait()
            if self._closing and jump is not None and jump.cut is None:
                message = "the client ended before the journal had caught up"
                raise JournalError(message)
            return
        if jump.position > self.durable:  # otherwise nothing is missing
            snapshot = await self.encoded(jump.position, jump.cut)
            gap = LogGap(first=self.durable + 1, last=jump.position, why="jumped")
            await self._store.put_gap(self._claim, gap, snapshot)
            self._jumps += 1
            self._next_snapshot = jump.position + SNAPSHOT_EVERY
        if self._jump is jump:  # otherwise it was dropped again meanwhile
            self._jump = None
        self._reached(jump.position)

    def _cut_is_done(self) -> bool:
        return self._cut is not None and self._cut.cut is not None

    async def _write_snapshot(self) -> None:
        due = self.durable >= self._next_snapshot and self._bytes >= self._enough_bytes
        if self._cut is None and due and self._take_cut:
            self._next_snapshot = self.position + SNAPSHOT_EVERY
            self._cut = self._take_cut(self.hurry)
            self._noted = self.position
        pending = self._cut
        # Recovery skips the entries before a snapshot, so those that repeat them come first.
        if pending is None or pending.cut is None or self.durable < self._noted:
            return
        self._cut = None
        await self.put_snapshot(pending.position, pending.cut)

    async def put_snapshot(self, position: int, cut: StateCut) -> None:
        """Store a snapshot, unless the state holds a value that cannot be stored."""
        snapshot = await self.encoded(position, cut)
        if snapshot is not None:
            await self._store.put_snapshot(self._claim, snapshot)
            await self._store.trim(self._claim)

    async def encoded(self, position: int, cut: StateCut) -> StoredSnapshot | None:
        """Encode a snapshot in a thread; on failure ``None``, and one warning."""
        snapshot = StateSnapshot(position=position, at=self._at, cut=cut)
        try:
            data = await trio.to_thread.run_sync(write_snapshot, snapshot, abandon_on_cancel=True)
        except NotStorable as exc:
            self._warn(exc)
            return None
        self._enough_bytes = self._bytes + _SNAPSHOT_SHARE * len(data)
        return StoredSnapshot(position=position, data=data)

    def _warn(self, exc: NotStorable) -> None:
        if not self._warned:
            self._warned = True
            _logger.warning("no snapshots of %s: its state holds %s", self._claim.name, exc)

    def statistics(self) -> WriterStatistics:
        """Return the statistics."""
        times = sorted(self._commits)
        return WriterStatistics(
            appended=self.position,
            durable=self.durable,
            waiting=self._waiting,
            waiting_bytes=self._waiting_bytes,
            jumps=self._jumps,
            bytes_written=self._bytes,
            commit_p50=times[len(times) // 2] if times else 0.0,
            commit_p99=times[len(times) * 99 // 100] if times else 0.0,
            error=None if self.error is None else str(self.error),
        )
