"""A follower: the same lanes fold the same log entries into the state of a session of a fleet.

Rule 1. Entries are fed in the order of the log, each with its original time. The state, the
        subscriptions and the turns therefore equal those of the owner at that position.
Rule 2. Where the log does not continue, the follower continues from a snapshot and emits
        ``Jumped``.
Rule 3. While a command is put into the queue, nothing is fed: its receipt and its turn are known
        before the first entry about it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, final

import trio

from .._config import ClientConfig
from .._core._shell_notifications import Jumped
from .._core._state import Limits
from .._exceptions import ClosedError, JournalError
from .._journal._log_store import LogInfo
from .._journal._recovery import recover_log
from .._lanes._pipeline import Pipeline
from .._log._log_block import BlockGroup, DamagedBlock, LogBlock
from .._log._log_entries import (
    AudioEntry,
    CommandEntry,
    HeaderEntry,
    LocalEntry,
    LogItem,
    RawTextEntry,
    ReceiptEntry,
    RemoteEntry,
    ResetEntry,
    UserSessionEntry,
    audio_of,
    local_event,
    text_of,
)
from .._log._log_fold import LogFold
from .._log._state_cut import StateCut, begin_life, cut_of, restore_folds
from .._log._state_snapshot import FOLD, StateSnapshot, custom_events, read_snapshot
from .._session._playback_gate import PlaybackGate
from ..events import Lane
from ._command_progress import CommandProgress
from ._fleet_log import FleetLog, NoSuchSession, Seat
from ._follower_commands import FollowerCommands
from ._shard_readers import LogFeed, ShardReaders

__all__ = ["Follower"]

_QUIET: Final = 5.0
"""Seconds without new entries after which a follower checks that the log is still the same."""
_PAUSE: Final = 0.2
_OWNER_JUMPS: Final = 10.0
"""Seconds in which a live owner notices that its log has lost entries."""


@final
class Follower:
    """Follows one session; ``exact`` is false once another version of the handlers wrote."""

    def __init__(
        self, log: FleetLog, readers: ShardReaders, seat: Seat, config: ClientConfig
    ) -> None:
        self._log = log
        self._readers = readers
        self.seat: Seat = seat
        self._at = 0.0
        self.pipeline: Pipeline = Pipeline(config, clock=lambda: self._at)
        marks = self.pipeline.marks
        playback = PlaybackGate(self.pipeline.post, marks)
        self.commands: FollowerCommands = FollowerCommands(marks, playback.answer)
        self.pipeline.observe(Lane.TEXT, self.commands.turns.observe)
        self.pipeline.observe(Lane.AUDIO, playback.observe)
        self._scope = trio.CancelScope(shield=True)
        self.putting: trio.Lock = trio.Lock()
        self.position: int = 0
        """The position of the last entry that was handed to the lanes."""
        self.exact: bool = True
        self.error: JournalError | None = None
        self.owner_lives: bool = True
        """Whether the lease of the owner was valid at the last check."""
        self._owner_is_new = False
        self._epoch = ""
        self._last: LogBlock | None = None
        self._behind: tuple[int, float] | None = None
        self._moved = trio.lowlevel.ParkingLot()
        self.ended: bool = False

    # -- beginning -------------------------------------------------------------------------

    async def begin(self) -> None:
        """Fold the log up to now, before anything subscribes."""
        info = await self._log.info(self.seat.name)
        if info is None:
            return
        self._epoch = info.epoch
        await self._fold_whole_log(self.commands.fold_past)
        self._last = await self._block_here()

    async def _fold_whole_log(self, note: Callable[[Sequence[BlockGroup]], None]) -> None:
        past = await recover_log(self._log, self.seat.name, note)
        fold = LogFold() if past is None else past.fold
        self._restore(cut_of(fold.folds))
        self.position, self.exact, self._at = fold.position, fold.exact, fold.at or 0.0

    def _restore(self, cut: StateCut) -> None:
        restore_folds(self.pipeline.folds, cut)
        self.commands.continue_from(self.pipeline.state)

    async def hold(self) -> None:
        """Follow, and run the lanes, until :meth:`leave`.

        Shielded: when the body of the block is cancelled, it still sees its last commands through.
        """
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.pipeline.run)
                await self.run()

    def leave(self) -> None:
        """End :meth:`hold`."""
        self._scope.cancel()

    async def run(self) -> None:
        """Follow until cancelled."""
        feed = self._readers.follow(self.seat.name)
        try:
            while True:
                try:
                    await self._follow(feed)
                except ClosedError:  # the lanes learned first that all of this is cancelled
                    return
                except JournalError as exc:
                    self.error = exc
                    await trio.sleep(_PAUSE)
        finally:
            self._readers.drop(feed)
            self.ended = True
            self._moved.unpark_all()
            self.commands.end()
            self.pipeline.close()

    async def _follow(self, feed: LogFeed) -> None:
        """Feed the new entries, and wait for more."""
        block = feed.take()
        if block is not None and block.first <= self.position + 1:
            await self._feed(block)
            return
        if block is None and feed.live:
            with trio.move_on_after(_QUIET):
                await feed.wait()
                return
        self.error = feed.error or self.error
        await feed.usable()
        if await self._catch_up():
            feed.join(self.position)
        else:
            await trio.sleep(_PAUSE)

    async def _catch_up(self) -> bool:
        """Read to the end of the log in this task, across its gaps; return whether that worked."""
        if not await self._is_same_log():
            await self._begin_anew()
        while True:
            blocks = await self._log.read(self.seat.name, self.position, 64)
            for block in blocks:
                await self._feed(block)
            if blocks:
                continue
            info = await self._look_again()
            if info.position == self.position and info.epoch == self._epoch:
                self.error = None
                return True
            if not await self._pass_gap(info):
                return False

    # -- a store that has lost something ---------------------------------------------------

    async def _is_same_log(self) -> bool:
        """Whether the log still has the entry that was fed last, as far as the log can tell.

        A store may return with an older state, which a new owner continues: then positions that
        were fed already have other entries. A live owner starts a new epoch.
        """
        here = await self._block_here()
        if here is not None and self._last is not None:
            return here.data == self._last.data
        info = await self._look_again()
        if info.position >= self.position or info.epoch != self._epoch:
            self._behind = None
            return True
        if self._behind is None:
            self._behind = info.position, trio.current_time()
        was_at, since = self._behind
        return info.position == was_at and trio.current_time() - since < _OWNER_JUMPS

    async def _block_here(self) -> LogBlock | None:
        """Return the block with the entry at the position of this follower."""
        if not self.position:
            return None
        blocks = await self._log.read(self.seat.name, self.position - 1, 1)
        return blocks[0] if blocks else None

    async def _begin_anew(self) -> None:
        """Restart from the log as it is now: the store has lost everything after it."""
        info = await self._look_again()
        progress = CommandProgress()
        async with self.putting:
            await self.pipeline.marks.place().wait()
            was = self.position
            await self._fold_whole_log(progress.fold_groups)
            self._epoch, self._last, self._behind = info.epoch, await self._block_here(), None
            self.commands.jumped(progress)
            await self._settle_lost()
        self._tell_jump(min(was, self.position) + 1, "rewound")

    async def _settle_lost(self) -> None:
        """Settle the commands that the store has lost from the queue."""
        for number in self.commands.unread:
            found = await self._log.commands(self.seat.name, number - 1, 1)
            if not found or found[0].number != number:
                self.commands.lost(number)

    async def _look_again(self) -> LogInfo:
        name = self.seat.name
        seat, info = await self._log.seat(name), await self._log.info(name)
        if seat is None or (info is None and self.position):
            # The store was emptied: the owner, if there is one, starts the log again.
            message = f"the session {name!r} no longer exists in the fleet"
            raise NoSuchSession(message)
        self.seat = seat
        self.owner_lives = seat.node in await self._readers.alive()
        return info or LogInfo(name=name, position=0, first=1, clean=True, epoch=self._epoch)

    # -- jumps (rule 2) --------------------------------------------------------------------

    async def _pass_gap(self, info: LogInfo) -> bool:
        """Continue where the log has no next entry; return whether that made progress."""
        if info.position > self.position and await self._log.read(info.name, self.position, 1):
            return True  # it was written meanwhile
        snapshot = await self._newest(info)
        if snapshot is not None and snapshot.position > self.position:
            await self._jump(snapshot, _why(info, self.position, self._epoch))
        elif info.epoch == self._epoch or info.position < self.position:
            self.error = JournalError(_standstill(info, self.position))
            return False
        if info.epoch != self._epoch:
            self._epoch = info.epoch
            async with self.putting:
                await self._settle_lost()
        return True

    async def _newest(self, info: LogInfo) -> StateSnapshot | None:
        for stored in await self._log.snapshots(info.name):
            if stored.position < self.position:
                break
            snapshot = await trio.to_thread.run_sync(_read, stored.data)
            if snapshot is not None:
                return snapshot
        return None

    async def _jump(self, snapshot: StateSnapshot, why: str) -> None:
        await self.pipeline.marks.place().wait()
        self._restore(snapshot.cut)
        first, self.position, self._at = self.position + 1, snapshot.position, snapshot.at
        self._last = self._behind = None
        self.commands.jumped()
        self._tell_jump(first, why)

    def _tell_jump(self, first: int, why: str) -> None:
        self.pipeline.announce(Jumped(first=first, last=self.position, why=why))
        self._moved.unpark_all()

    # -- feeding (rule 1) ------------------------------------------------------------------

    async def _feed(self, block: LogBlock) -> None:
        try:
            groups = block.groups()
        except DamagedBlock as exc:
            message = f"a block of {self.seat.name!r} cannot be read: {exc}"
            raise JournalError(message) from exc
        position = block.first - 1
        async with self.putting:  # rule 3
            for at, items in groups:
                frames: list[str | bytes] = []
                for item in items:
                    position += 1
                    if position <= self.position:
                        continue
                    if isinstance(item, str):
                        frames.append(item)
                    elif isinstance(item, int):
                        frames.append(audio_of(item))
                    else:
                        await self._feed_frames(at, frames)
                        frames = []
                        await self._feed_other(at, item, position)
                await self._feed_frames(at, frames)
                self.position = max(self.position, position)
        self.error = None
        self.owner_lives = True
        self._last = block
        await self._find_owner()
        self._moved.unpark_all()

    async def _find_owner(self) -> None:
        """Ask who writes now; never in the middle of a block, which would then be fed again."""
        if self._owner_is_new:
            with suppress(JournalError):  # the next block asks again
                self.seat = await self._log.seat(self.seat.name) or self.seat
                self._owner_is_new = False

    async def _feed_frames(self, at: float, frames: list[str | bytes]) -> None:
        if frames:
            self._at = at
            await self.pipeline.feed(frames, self.commands.observe)

    async def _feed_other(self, at: float, item: LogItem, position: int) -> None:
        self._at = at
        match item:
            case RemoteEntry():
                self.commands.note_command(item, position)
            case LocalEntry():
                self._post(item)
            case CommandEntry() | ReceiptEntry():
                self.commands.note_sending(item)
            case HeaderEntry():
                await self._begin_life(item)
            case UserSessionEntry():
                self.pipeline.set_user_session_id(item.session_id)
            case ResetEntry():
                self.pipeline.reset()
            case RawTextEntry():
                await self.pipeline.feed([text_of(item)], self.commands.observe)
            case AudioEntry():
                await self.pipeline.feed([item.data], self.commands.observe)
            case _:
                pass

    async def _begin_life(self, item: HeaderEntry) -> None:
        await self.pipeline.marks.place().wait()
        limits = Limits(item.max_sessions, item.max_messages)
        begin_life(self.pipeline.folds, limits, fresh=item.fresh)
        self.exact = self.exact and (item.fold, item.custom) == (FOLD, custom_events())
        self.commands.note_sending(item)
        self.commands.continue_from(self.pipeline.state)
        self._owner_is_new = True

    def _post(self, item: LocalEntry) -> None:
        event = local_event(item)
        if event is not None:
            self.commands.local_event(event)
            self.pipeline.post(event)

    async def reached(self, position: int) -> None:
        """Wait until the lanes have handled everything up to a position."""
        await trio.lowlevel.checkpoint()
        while self.position < position and not self.ended:
            await self._moved.park()
        await self.pipeline.marks.place().wait()


def _read(data: bytes) -> StateSnapshot | None:
    try:
        return read_snapshot(data)
    except DamagedBlock:
        return None


def _standstill(info: LogInfo, position: int) -> str:
    if info.position < position:
        return f"the log of {info.name!r} ends at {info.position}, before {position}"
    return (
        f"the log of {info.name!r} has lost entries from {position + 1} on, and has no later "
        "snapshot yet"
    )


def _why(info: LogInfo, position: int, epoch: str) -> str:
    if info.epoch != epoch:
        return "rewound"
    gap = next((gap for gap in info.gaps if gap.first <= position + 1 <= gap.last), None)
    return "trimmed" if gap is None else gap.why
