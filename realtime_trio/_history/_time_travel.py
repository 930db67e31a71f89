"""``open_history``: the state at any moment of a journal, a recording or a trace."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Final, Literal, TypeAlias, final

import attrs
import trio

from .._core._codec import Codec
from .._core._messages import moment
from .._core._state import SessionState
from .._exceptions import DecodeError, HistoryGap
from .._journal._journal_file import JournalFile
from .._journal._log_store import LogGap
from .._log._log_block import BlockGroup, DamagedBlock, LogBlock, encode_blocks
from .._log._log_entries import (
    AudioEntry,
    CommandEntry,
    HeaderEntry,
    LocalEntry,
    LogItem,
    RawTextEntry,
    ReceiptEntry,
    ResetEntry,
    UserSessionEntry,
    local_event,
    text_of,
)
from .._log._log_fold import LogFold, groups_behind
from .._log._plain_values import NotStorable
from .._log._state_cut import StateCut
from .._log._state_snapshot import read_snapshot
from .._needs_trio import check_trio
from ..events import ServerEvent
from ._journal_lines import is_journal, journal_session, reading
from ._line_entries import LineEntries, read_lines
from ._state_diff import Change, diff_states

__all__ = ["EntryKind", "History", "HistoryEntry", "open_history"]

EntryKind: TypeAlias = Literal[
    "begin", "event", "audio", "local", "user-session", "reset", "command", "receipt"
]
_CUT_EVERY: Final = 256
_AT_ONCE: Final = 256
_YIELD_EVERY: Final = 256


@attrs.frozen(slots=True, kw_only=True)
class HistoryEntry:
    """One entry of a log.

    ``at`` is when it arrived (UTC). ``kind``: "event" and "audio" are frames of the server, "local"
    is an event of the client itself, such as a lost link, "begin" is the place where a client began
    to write, and "command" and "receipt" describe sent commands. ``frame`` is the frame as received
    or sent, ``None`` if there was none or if only the length of audio was kept.
    ``event`` is the folded event, ``None`` for a frame that could not be read. ``status`` is what
    a receipt says: "sending", "sent", "not-sent" or "in-doubt".
    """

    position: int
    at: datetime
    kind: EntryKind
    frame: str | bytes | None = attrs.field(default=None, repr=False)
    event: ServerEvent | None = attrs.field(default=None, repr=False)
    status: str | None = None


@final
class History:
    """A log with the state at each of its positions.

    Made by :func:`open_history`. It keeps the log in memory, compressed, and the state at every
    256th entry, which shares nearly everything with its neighbours. Do not use it from several
    threads at the same time.
    """

    def __init__(self, name: str | None) -> None:
        self.name: str | None = name
        """The session's name in a journal, ``None`` for a recording or a trace."""
        self.ended_clean: bool = True
        """Whether the last client that wrote it closed it."""
        self._blocks: list[LogBlock] = []
        self._cuts: list[tuple[int, StateCut]] = []
        self._gaps: list[LogGap] = []
        self._first = 1
        self._last = self._next_cut = 0
        self._codec = Codec()
        self._decoded: tuple[int, list[BlockGroup]] = (0, [])

    # -- range -----------------------------------------------------------------------------

    @property
    def first(self) -> int:
        """The first position that can be read; 1 if nothing was trimmed."""
        return self._first

    @property
    def last(self) -> int:
        """The last position."""
        return self._last

    @property
    def gaps(self) -> tuple[LogGap, ...]:
        """The ranges of positions that the log does not hold, in order."""
        return tuple(self._gaps)

    # -- states ----------------------------------------------------------------------------

    def at(
        self, position: int | None = None, *, time: datetime | float | None = None
    ) -> SessionState:
        """Return the state after the entry at ``position``, or at ``time``.

        Position 0 is the state before the first entry. A time is a datetime (local if it
        has no zone) or in seconds since 1970. Raises
        :class:`~realtime_trio.HistoryGap` if the log does not hold that moment, ``ValueError``
        for a position that it does not have, and ``TypeError`` unless exactly one is given.
        """
        if (position is None) == (time is None):
            message = "give at() a position or a time: at(1200) or at(time=datetime(...))"
            raise TypeError(message)
        if position is None:
            assert time is not None
            position = self.position_at(time)
        return self._fold_to(position).state

    def position_at(self, time: datetime | float) -> int:
        """Return the position of the last entry up to a time; 0 if all are later."""
        # A datetime is exact to the microsecond; the time of an entry is not.
        seconds = time.timestamp() + 1e-6 if isinstance(time, datetime) else float(time)
        found = self._first - 1
        for block in self._blocks:
            if block.began > seconds:
                break
            found = block.last
            if block.ended > seconds:
                groups = self._groups(block)
                found = block.first - 1
                for at, items in groups:
                    if at > seconds:
                        break
                    found += len(items)
        return found

    def diff(self, before: int, after: int) -> tuple[Change, ...]:
        """Return the differences between two positions. Raises the same errors as :meth:`at`."""
        return tuple(diff_states(self.at(before), self.at(after)))

    def find(self, predicate: Callable[[SessionState], object], *, after: int = 0) -> int | None:
        """Return the first position after ``after`` with a matching state, or ``None``.

        The predicate is called with the state at every position that the log holds, so this
        takes as long as folding all of it.
        """
        fold: LogFold | None = None
        for position, at, item in self._items(after):
            if fold is None or fold.position != position - 1:
                try:
                    fold = self._fold_to(position - 1)
                except HistoryGap:
                    continue
            fold.apply_groups([(at, [item])])
            if predicate(fold.state):
                return position
        return None

    def entries(self, since: int | None = None) -> AsyncGenerator[HistoryEntry, None]:
        """Iterate over the entries after ``since``, or over all.

        A checkpoint every few hundred of them.
        """
        return self._entries(since or 0)

    async def _entries(self, since: int) -> AsyncGenerator[HistoryEntry, None]:
        await trio.lowlevel.checkpoint()
        for number, (position, at, item) in enumerate(self._items(since)):
            if number % _YIELD_EVERY == _YIELD_EVERY - 1:
                await trio.lowlevel.checkpoint()
            yield self._entry(position, at, item)

    # -- folding ---------------------------------------------------------------------------

    def _fold_to(self, position: int) -> LogFold:
        if not 0 <= position <= self._last:
            message = f"this history has positions up to {self._last}, not {position}"
            raise ValueError(message)
        index = bisect_right(self._cuts, position, key=lambda cut: cut[0]) - 1
        fold = None
        if index >= 0:
            begin, cut = self._cuts[index]
            fold = LogFold(cut, position=begin)
            number = bisect_right(self._blocks, begin, key=lambda block: block.last)
            while fold.position < position and number < len(self._blocks):
                block = self._blocks[number]
                if block.first > fold.position + 1:
                    break
                skipped = fold.position + 1 - block.first
                fold.apply_groups(groups_behind(self._groups(block), skipped), until=position)
                number += 1
        if fold is None or fold.position != position:
            raise self._gap(position)
        return fold

    def _gap(self, position: int) -> HistoryGap:
        for gap in self._gaps:
            if gap.first <= position <= gap.last:
                message = f"position {position} is in a gap: {gap.first} to {gap.last} {gap.why}"
                return HistoryGap(message, first=gap.first, last=gap.last)
        after = next((at for at, _ in self._cuts if at > position), self._last + 1)
        message = f"no state is left before position {position}; the next one is at {after}"
        return HistoryGap(message, first=position, last=after - 1)

    def _groups(self, block: LogBlock) -> list[BlockGroup]:
        first, groups = self._decoded
        if first != block.first:
            groups = block.groups()
            self._decoded = block.first, groups
        return groups

    def _items(self, after: int) -> Iterator[tuple[int, float, LogItem]]:
        number = bisect_right(self._blocks, after, key=lambda block: block.last)
        for block in self._blocks[number:]:
            for position, at, item in block.items():
                if position > after:
                    yield position, at, item

    def _entry(self, position: int, at: float, item: LogItem) -> HistoryEntry:
        kind, frame, event = self._described(item)
        status = item.status if isinstance(item, ReceiptEntry) else None
        return HistoryEntry(
            position=position, at=moment(at), kind=kind, frame=frame, event=event, status=status
        )

    def _described(self, item: LogItem) -> tuple[EntryKind, str | bytes | None, ServerEvent | None]:
        match item:
            case str():
                return "event", item, self._event(item)
            case RawTextEntry():
                return "event", text_of(item), self._event(text_of(item))
            case int():
                return "audio", None, None
            case AudioEntry():
                return "audio", item.data, None
            case LocalEntry():
                return "local", None, local_event(item)
            case CommandEntry():
                return "command", item.frame, None
            case _:
                return _KINDS[type(item)], None, None

    def _event(self, frame: str) -> ServerEvent | None:
        try:
            return self._codec.decode_text(frame)
        except DecodeError:
            return None

    # -- loading ---------------------------------------------------------------------------

    def _load_journal(self, file: JournalFile) -> None:
        """Read a session of a journal and fold it once. Blocks."""
        assert self.name is not None
        info = file.info(self.name)
        if info is None:
            return
        snapshots: dict[int, StateCut] = {}
        for stored in file.snapshots(self.name):
            try:
                snapshot = read_snapshot(stored.data)
            except (DamagedBlock, NotStorable):
                snapshot = None
            if snapshot is not None:
                snapshots[stored.position] = snapshot.cut
        self._first, self._last, self.ended_clean = info.first, info.position, info.clean
        gaps = {gap.first: gap for gap in info.gaps}
        after = info.first - 1
        fold = LogFold() if after == 0 else _fold_from(snapshots, after)
        self._cut(fold)
        while True:
            blocks = file.read(self.name, after, _AT_ONCE)
            if not blocks and after + 1 in gaps:
                self._gaps.append(gaps[after + 1])
                after = gaps[after + 1].last
                fold = _fold_from(snapshots, after)
                self._cut(fold)
                continue
            fold = self._take(fold, blocks, snapshots)
            if not blocks or self._blocks[-1].last != blocks[-1].last:
                break
            after = blocks[-1].last
        held = max(after, self._blocks[-1].last if self._blocks else 0)
        if held < self._last:
            self._gaps.append(LogGap(first=held + 1, last=self._last, why="damaged"))
            self.ended_clean = False

    def _load_lines(self, path: str | os.PathLike[str]) -> None:
        """Read a recording or a trace and fold it once. Blocks."""
        entries = LineEntries()
        entries.read(read_lines(path))
        if not entries.found:
            message = f"{os.fspath(path)} is not a journal, recording or trace"
            raise ValueError(message)
        self.ended_clean = entries.ended_clean
        fold: LogFold | None = LogFold()
        self._cut(fold)
        for block in encode_blocks(1, entries.groups):
            fold = self._take(fold, [block], {})
        self._last = len(entries.groups)

    def _take(
        self, fold: LogFold | None, blocks: list[LogBlock], snapshots: dict[int, StateCut]
    ) -> LogFold | None:
        """Keep blocks, up to an unreadable one, and fold them if possible."""
        for block in blocks:
            try:
                groups = block.groups()
            except DamagedBlock:
                break
            self._blocks.append(block)
            position = block.first - 1
            for group in groups:
                if fold is not None:
                    fold.apply_groups([group])
                position += len(group[1])
                if fold is None and position in snapshots:
                    fold = _fold_from(snapshots, position)
                if fold is not None and position >= self._next_cut:
                    self._cut(fold)
        return fold

    def _cut(self, fold: LogFold | None) -> None:
        if fold is not None:
            self._cuts.append((fold.position, fold.cut()))
            self._next_cut = fold.position + _CUT_EVERY


_KINDS: Final[dict[type[object], EntryKind]] = {
    HeaderEntry: "begin",
    UserSessionEntry: "user-session",
    ResetEntry: "reset",
    ReceiptEntry: "receipt",
}


def _fold_from(snapshots: dict[int, StateCut], position: int) -> LogFold | None:
    cut = snapshots.get(position)
    return None if cut is None else LogFold(cut, position=position)


def _load(path: str | os.PathLike[str], name: str | None) -> History:
    if not is_journal(path):
        if name is not None:
            message = f"{os.fspath(path)} is not a journal: only journals have session names"
            raise ValueError(message)
        history = History(None)
        history._load_lines(path)  # pyright: ignore[reportPrivateUsage]  made here
        return history
    file = reading(path)
    try:
        history = History(journal_session(file, name))
        history._load_journal(file)  # pyright: ignore[reportPrivateUsage]  made here
    finally:
        file.close()
    return history


def open_history(
    path: str | os.PathLike[str], *, name: str | None = None
) -> AbstractAsyncContextManager[History]:
    """Read a journal, a recording or a trace: ``async with open_history(path) as history``.

    ``name`` is the session of a journal, by default the one that was written to last. The file
    is read and folded once, in a thread; a journal that a client is writing to is read as it is
    at that moment. Cancelling returns immediately.

    Raises ``OSError`` for a file that cannot be read, ``ValueError`` for any other kind of file,
    and :class:`~realtime_trio.JournalError` for a missing journal or session.
    """
    return _opened(path, name)


@asynccontextmanager
async def _opened(path: str | os.PathLike[str], name: str | None) -> AsyncGenerator[History, None]:
    check_trio("open_history")
    yield await trio.to_thread.run_sync(_load, path, name, abandon_on_cancel=True)
