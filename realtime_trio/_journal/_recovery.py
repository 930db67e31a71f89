"""Recovery: the state of a log, and a report on how it ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import attrs
import trio

from .._core._messages import moment
from .._exceptions import InDoubt, NotSent
from .._log._log_block import BlockGroup, DamagedBlock, LogBlock
from .._log._log_entries import CommandEntry, HeaderEntry, ReceiptEntry
from .._log._log_fold import LogFold
from .._log._plain_values import NotStorable
from .._log._state_snapshot import StateSnapshot, read_snapshot
from ._log_store import LogGap, LogInfo, LogStore

__all__ = ["Recovered", "RecoveredCommand", "RecoveredLog", "recover_log"]

_AT_ONCE: Final = 64


@attrs.frozen(slots=True, kw_only=True)
class RecoveredCommand:
    """A command of the previous life whose sending was not confirmed when that life ended.

    ``type`` is its wire type, ``frame`` its JSON text. ``error`` is
    :class:`~realtime_trio.NotSent` if the server certainly does not have it, and
    :class:`~realtime_trio.InDoubt` if it was being written. It is never sent again automatically.
    """

    type: str
    frame: str = attrs.field(repr=False)
    error: NotSent | InDoubt


@attrs.frozen(slots=True, kw_only=True)
class Recovered:
    """The state and the history that a client continues from.

    ``position`` is that of the last entry of the log, ``at`` when it arrived (UTC). ``clean``: the
    previous life closed its log; otherwise it was killed, and what it had not committed is lost.
    ``exact``: the state equals that of the previous life at that position; false if another version
    of the handlers wrote the log. ``lost`` is the range of positions that could not be read (first,
    last); ``None`` for none. ``commands`` are those whose sending was not confirmed.
    """

    position: int
    at: datetime
    clean: bool
    exact: bool = True
    lost: tuple[int, int] | None = None
    commands: tuple[RecoveredCommand, ...] = ()


@attrs.frozen(slots=True, kw_only=True)
class RecoveredLog:
    """The fold at the end of a log, and what must be repaired before it continues."""

    info: LogInfo
    fold: LogFold
    recovered: Recovered
    damage: LogGap | None

    @property
    def ends_in_gap(self) -> bool:
        """Whether the log ends with a gap: what its writer would have noted after it is missing."""
        gaps = self.info.gaps
        return self.damage is not None or (bool(gaps) and gaps[-1].last == self.info.position)


class _OpenCommands:
    """The commands of the last life, and the status of each."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[CommandEntry, bool]] = {}

    def note(self, groups: Sequence[BlockGroup]) -> None:
        for _, items in groups:
            for item in items:
                if isinstance(item, CommandEntry):
                    self._open[item.number] = item, False
                elif isinstance(item, ReceiptEntry):
                    self._note_receipt(item)
                elif isinstance(item, HeaderEntry):
                    self._open.clear()

    def _note_receipt(self, item: ReceiptEntry) -> None:
        known = self._open.pop(item.number, None)
        if known is not None and item.status == "sending":
            self._open[item.number] = known[0], True

    def left(self) -> tuple[RecoveredCommand, ...]:
        return tuple(_left(command, begun) for command, begun in self._open.values())


def _left(command: CommandEntry, begun: bool) -> RecoveredCommand:
    error: NotSent | InDoubt
    if begun:
        error = InDoubt(f"{command.name} was being written when the client ended")
    else:
        error = NotSent(f"{command.name} was not sent before the client ended")
    return RecoveredCommand(type=command.name, frame=command.frame, error=error)


def _ignore(_groups: Sequence[BlockGroup]) -> None:
    pass


async def recover_log(
    store: LogStore, name: str, note: Callable[[Sequence[BlockGroup]], None] = _ignore
) -> RecoveredLog | None:
    """Fold a log to its end; return ``None`` if the log does not exist or is empty. ``note`` is
    called in a thread with all entries after the snapshot.
    """
    info = await store.info(name)
    if info is None or info.position == 0:
        return None
    fold = await _begin(store, info)
    begun_at = fold.position
    commands = _OpenCommands()
    lost: tuple[int, int] | None = None
    if begun_at < info.first - 1:  # trimmed, and the snapshot at its beginning is missing
        lost = begun_at + 1, info.first - 1
        fold.position = info.first - 1
    while True:
        blocks = await store.read(name, fold.position, _AT_ONCE)
        if blocks:
            done = await trio.to_thread.run_sync(_apply, fold, commands, note, blocks)
            if done:
                continue
            break
        gap = next((gap for gap in info.gaps if gap.first == fold.position + 1), None)
        if gap is None:
            break
        lost = lost[0] if lost else gap.first, gap.last
        fold.position = gap.last
    damage = None
    if fold.position < info.position:
        damage = LogGap(first=fold.position + 1, last=info.position, why="damaged")
        lost = lost[0] if lost else damage.first, damage.last
        fold.position = info.position
    recovered = Recovered(
        position=info.position,
        at=moment(fold.at or 0.0),
        clean=info.clean and damage is None,
        exact=fold.exact,
        lost=lost,
        commands=commands.left(),
    )
    return RecoveredLog(info=info, fold=fold, recovered=recovered, damage=damage)


async def _begin(store: LogStore, info: LogInfo) -> LogFold:
    """Return the fold at the newest usable snapshot, or at the beginning."""
    for stored in await store.snapshots(info.name):
        snapshot = await trio.to_thread.run_sync(_read, stored.data)
        if snapshot is not None and snapshot.position == stored.position <= info.position:
            fold = LogFold(snapshot.cut, position=snapshot.position)
            fold.at = snapshot.at
            return fold
    return LogFold()


def _read(data: bytes) -> StateSnapshot | None:
    try:
        return read_snapshot(data)
    except (DamagedBlock, NotStorable):
        return None


def _apply(
    fold: LogFold,
    commands: _OpenCommands,
    note: Callable[[Sequence[BlockGroup]], None],
    blocks: Sequence[LogBlock],
) -> bool:
    """Fold blocks; return whether all of them could be read."""
    try:
        for block in blocks:
            groups = block.groups()
            commands.note(groups)
            note(groups)
            fold.apply(block)
    except DamagedBlock:
        return False
    return True
