"""A follower: the state of a session of a fleet, made of the same entries by the same lanes.

Rule 1. Entries are fed in the order of the log, each at the time that it had; so the state, the
        subscriptions and the turns are those of the owner at that position.
Rule 2. A place where the log does not go on is passed by a snapshot, and ``Jumped`` says so.
Rule 3. While a command is put into the queue, nothing is fed: its receipt and its turn are
        known before the first entry about it.
"""

from __future__ import annotations

import json
from typing import Any, Final, cast, final

import trio

from .._config import ClientConfig
from .._core._codec import Codec
from .._core._fast_decoder import Incoming
from .._core._local_events import LinkEvent, LinkLostEvent, NoTurnEvent
from .._core._shell_notifications import Jumped
from .._core._state import Limits
from .._exceptions import DecodeError, JournalError
from .._journal._log_store import LogInfo
from .._journal._recovery import recover_log
from .._lanes._pipeline import Pipeline
from .._log._log_block import DamagedBlock, LogBlock
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
from .._log._state_cut import begin_life, cut_of, restore_folds
from .._log._state_snapshot import FOLD, StateSnapshot, custom_events, read_snapshot
from .._outbound._turn_gate import GateChange, TurnGate
from .._session._playback_gate import PlaybackGate
from .._turns._turn_progress import TurnProgress
from .._turns._turn_tracker import TurnTracker
from ..events import ClientWantsCancelEvent, Event, Lane
from ._command_progress import CommandProgress
from ._fleet_log import FleetLog, NoSuchSession, Seat
from ._remote_receipt import RemoteReceipt
from ._shard_readers import LogFeed, ShardReaders

__all__ = ["Follower"]

_QUIET: Final = 5.0
"""Seconds without news after which a follower looks whether the log is still the same."""
_PAUSE: Final = 0.2


@final
class Follower:
    """Follows one session. ``exact`` turns false where another version of the handlers wrote."""

    def __init__(
        self, log: FleetLog, readers: ShardReaders, seat: Seat, config: ClientConfig
    ) -> None:
        self._log = log
        self._readers = readers
        self.seat: Seat = seat
        self._at = 0.0
        self.pipeline: Pipeline = Pipeline(config, clock=lambda: self._at)
        post, marks = self.pipeline.post, self.pipeline.marks
        playback = PlaybackGate(post, marks)
        self.turns: TurnTracker = TurnTracker(marks, playback.answer)
        self.pipeline.observe(Lane.TEXT, self.turns.observe)
        self.pipeline.observe(Lane.AUDIO, playback.observe)
        self._gate = TurnGate()
        self._codec = Codec()
        self._sent: dict[int, Event] = {}
        self._cancelled = False
        self.commands: CommandProgress = CommandProgress()
        self._receipts: dict[int, list[RemoteReceipt]] = {}
        self._asked: dict[int, TurnProgress] = {}
        self.putting: trio.Lock = trio.Lock()
        self.position: int = 0
        """The position of the last entry that was handed to the lanes."""
        self.exact: bool = True
        self.error: JournalError | None = None
        self._epoch = ""
        self._moved = trio.lowlevel.ParkingLot()
        self._seen = 0.0
        self.ended: bool = False

    # -- beginning -------------------------------------------------------------------------

    async def begin(self) -> None:
        """Fold what the log has until now, before anybody subscribes."""
        info = await self._log.info(self.seat.name)
        if info is None:
            return
        self._epoch = info.epoch
        past = await recover_log(self._log, self.seat.name, self.commands.fold_groups)
        if past is not None:
            restore_folds(self.pipeline.folds, cut_of(past.fold.folds))
            self.position = past.fold.position
            self.exact = past.fold.exact
            self._at = past.fold.at or 0.0

    async def run(self) -> None:
        """Follow until cancelled."""
        feed = self._readers.follow(self.seat.name)
        try:
            while True:
                try:
                    await self._follow(feed)
                except JournalError as exc:
                    self.error = exc
                    await trio.sleep(_PAUSE)
        finally:
            self._readers.drop(feed)
            self._end()

    def _end(self) -> None:
        self.ended = True
        self._moved.unpark_all()
        self.turns.end("the session was left")
        for progress in self._asked.values():
            self.turns.lost(progress, "the session was left")
        for receipts in self._receipts.values():
            for receipt in receipts:
                receipt.close()
        self.pipeline.close()

    async def _follow(self, feed: LogFeed) -> None:
        """Feed what there is, and wait for more."""
        block = feed.take()
        if block is not None and block.first <= self.position + 1:
            await self._feed(block)
            return
        if block is None and feed.live:
            with trio.move_on_after(_QUIET):
                await feed.wait()
                return
        if await self._catch_up():
            feed.join(self.position)
        else:
            await trio.sleep(_PAUSE)

    async def _catch_up(self) -> bool:
        """Read on by itself, over every place where the log does not go on; tells whether all."""
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
                return False  # the owner has not caught up yet

    # -- jumps -----------------------------------------------------------------------------

    async def _look_again(self) -> LogInfo:
        name = self.seat.name
        seat, info = await self._log.seat(name), await self._log.info(name)
        if seat is None or (info is None and self.position):
            # A store that was emptied: the owner, if there is one, begins the log anew.
            message = f"the fleet has no session {name!r} now"
            raise NoSuchSession(message)
        self.seat = seat
        return info or LogInfo(name=name, position=0, first=1, clean=True, epoch=self._epoch)

    async def _pass_gap(self, info: LogInfo) -> bool:
        """Go on where the log does not go on from here; tells whether that made a step."""
        if info.position > self.position and await self._log.read(info.name, self.position, 1):
            return True  # it was written meanwhile
        snapshot = await self._newest(info)
        if snapshot is not None and snapshot.position > self.position:
            await self._jump(snapshot, _why(info, self.position, self._epoch))
        elif info.epoch == self._epoch or info.position < self.position:
            return False
        if info.epoch != self._epoch:
            await self._new_epoch(info)
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
        restore_folds(self.pipeline.folds, snapshot.cut)
        first, self.position, self._at = self.position + 1, snapshot.position, snapshot.at
        self.turns.link_lost()
        self.pipeline.announce(Jumped(first=first, last=self.position, why=why))
        self._moved.unpark_all()

    async def _new_epoch(self, info: LogInfo) -> None:
        """The store has lost something: commands that were in it only are lost, too."""
        self._epoch = info.epoch
        blocks = await self._log.read(self.seat.name, self.position, 64)
        for block in blocks:
            await self._feed(block)
        for number, receipts in tuple(self._receipts.items()):
            if self.commands.status(number) is None:
                for receipt in receipts:
                    receipt.settle("not-sent", "the log has lost the command")
                del self._receipts[number]

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
        self._moved.unpark_all()

    async def _feed_frames(self, at: float, frames: list[str | bytes]) -> None:
        if frames:
            self._at = at
            await self.pipeline.feed(frames, self._observe)

    async def _feed_other(self, at: float, item: LogItem, position: int) -> None:
        self._at = at
        match item:
            case RemoteEntry():
                self._note_command(item, position)
            case LocalEntry():
                self._post(item)
            case CommandEntry() | ReceiptEntry():
                self._note_sending(item)
            case HeaderEntry():
                await self._begin_life(item)
            case UserSessionEntry():
                self.pipeline.set_user_session_id(item.session_id)
            case ResetEntry():
                self.pipeline.reset()
            case RawTextEntry():
                await self.pipeline.feed([text_of(item)], self._observe)
            case AudioEntry():
                await self.pipeline.feed([item.data], self._observe)
            case _:
                pass

    async def _begin_life(self, item: HeaderEntry) -> None:
        await self.pipeline.marks.place().wait()
        limits = Limits(item.max_sessions, item.max_messages)
        begin_life(self.pipeline.folds, limits, fresh=item.fresh)
        self.exact = self.exact and (item.fold, item.custom) == (FOLD, custom_events())
        self._sent.clear()
        seat = await self._log.seat(self.seat.name)
        if seat is not None:
            self.seat = seat

    def _post(self, item: LocalEntry) -> None:
        event = local_event(item)
        if event is None:
            return
        if isinstance(event, LinkLostEvent):
            self._link_lost()
        elif isinstance(event, NoTurnEvent) and self._gate.unit is not None:
            self._gate.no_turn()
            self.turns.not_begun(self.pipeline.marks.place(), cancelled=self._cancelled)
        elif isinstance(event, LinkEvent) and event.status == "connected":
            self._gate.link_opened()
        self.pipeline.post(event)

    def _link_lost(self) -> None:
        if self._gate.unit is not None:
            self.turns.voided(self.pipeline.marks.place())
        self.turns.link_lost()
        self._gate.link_lost()

    # -- turns and commands ----------------------------------------------------------------

    def _observe(self, event: Incoming) -> None:
        marks = self.pipeline.marks
        match self._gate.received(event):
            case GateChange.HEARD:
                self.turns.heard()
            case GateChange.OPENED:
                self.turns.ended(marks.place())
            case GateChange.REFUSED:
                self.turns.refused(self._gate.error, marks.place())
            case _:
                pass

    def _note_sending(self, item: CommandEntry | ReceiptEntry) -> None:
        """What the owner writes moves the gate, as it does there."""
        if isinstance(item, CommandEntry):
            event = self._event(item.frame)
            if event is not None:
                self._sent[item.number] = event
            return
        event = self._sent.get(item.number)
        if item.status != "sending":
            self._sent.pop(item.number, None)
        elif event is not None:
            self._cancelled = isinstance(event, ClientWantsCancelEvent)
            if self._gate.writing(event):
                self.turns.killed()

    def _event(self, frame: str) -> Event | None:
        try:
            raw = cast("dict[str, Any]", json.loads(frame))  # type: ignore[explicit-any]
            return self._codec.decode_command(raw)
        except (DecodeError, ValueError, TypeError):
            return None

    def _note_command(self, item: RemoteEntry, position: int) -> None:
        self.commands.fold(item)
        if item.status == "sending":
            progress = self._asked.pop(item.number, None)
            if progress is not None:
                self.turns.begin(progress)
        for receipt in self._receipts.get(item.number, ()):
            receipt.move(item.status, position)
        if item.number in self.commands.ends:
            self._receipts.pop(item.number, None)
            unsent = self._asked.pop(item.number, None)
            if unsent is not None:
                self.turns.lost(unsent, "the input was not sent")

    def receipt(self, key: str, number: int, progress: TurnProgress | None) -> RemoteReceipt:
        """A receipt of a command in the queue, with what the log says of it already."""
        receipt = RemoteReceipt(key, number)
        known = self.commands.status(number)
        if known is not None:
            receipt.move(known, self.position)
        elif number <= self.commands.cursor:
            receipt.settle("in-doubt", "the log no longer says what became of the command")
        if receipt.status in {"sent", "not-sent", "in-doubt"}:
            if progress is not None:
                self.turns.lost(progress, "the command with this key has ended before")
            return receipt
        self._receipts.setdefault(number, []).append(receipt)
        if progress is not None:
            self._asked[number] = progress
        return receipt

    def forget(self, number: int, progress: TurnProgress) -> None:
        """Nobody follows this turn any more."""
        self._asked.pop(number, None)
        self.turns.lost(progress, "the caller left before its end")

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


def _why(info: LogInfo, position: int, epoch: str) -> str:
    if info.epoch != epoch:
        return "rewound"
    gap = next((gap for gap in info.gaps if gap.first <= position + 1 <= gap.last), None)
    return "trimmed" if gap is None else gap.why
