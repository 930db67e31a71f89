"""One life of a log: a client that writes to it, from recovery to the clean end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol, cast, final

import trio

from .._core._state import Limits, SessionState
from .._exceptions import JournalError
from .._lanes._pipeline import Pipeline
from .._log._log_entries import (
    CommandEntry,
    HeaderEntry,
    LogItem,
    ReceiptEntry,
    ReceiptWord,
    ResetEntry,
    UserSessionEntry,
    frame_item,
    local_entry,
)
from .._log._state_cut import CutParts, StateCut, begin_life, cut_of, restore_folds
from .._log._state_snapshot import FOLD, custom_events
from .._processor import Folds
from ..events import Lane, ServerEvent
from ._journal_store import JournalStore
from ._log_store import LogClaim, LogStore
from ._log_writer import LogWriter
from ._recovery import Recovered, RecoveredLog, recover_log

__all__ = ["JournalLife", "WritesLogs", "begin_life_in", "life_of"]


class WritesLogs(LogStore, Protocol):
    """A store that creates its own writers."""

    @property
    def full_audio(self) -> bool:
        """Whether binary frames are kept whole."""
        ...

    def writer(self, claim: LogClaim, *, position: int) -> LogWriter:
        """A writer of the log of this claim."""
        ...


_AHEAD: Final = 0.25
"""Seconds that a command may wait for the journal before it is written to the socket."""
_SETTLED: Final[dict[str, ReceiptWord]] = {
    "sent": "sent",
    "not-sent": "not-sent",
    "in-doubt": "in-doubt",
}


@final
class _LaneCutting:
    """A cut that is passing through the lanes."""

    __slots__ = ("_on_done", "_parts", "cut", "position")

    def __init__(
        self, pipeline: Pipeline, folds: Folds, position: int, on_done: Callable[[], None]
    ) -> None:
        self.position: int = position
        self.cut: StateCut | None = None
        self._on_done = on_done
        self._parts = CutParts(folds)
        if pipeline.drained:  # also when it is closed and no mark passes any longer
            self.cut = cut_of(folds)
            return
        mark = pipeline.marks.place()
        for lane in Lane:
            mark.when_passed(lane, self._taker(lane))
        mark.when_done(self._done)

    def _taker(self, lane: Lane) -> Callable[[object], None]:
        return lambda _slice: self._parts.take(lane)

    def _done(self) -> None:
        self.cut = self._parts.cut()
        self._on_done()


@final
class JournalLife:
    """Records the inputs and commands of a client. An ``InputLog`` and a ``CommandLog``.

    ``recovered`` describes the state that it continues from, ``None`` for a new session.
    """

    def __init__(
        self, journal: WritesLogs, claim: LogClaim, past: RecoveredLog | None, position: int
    ) -> None:
        self._journal = journal
        self._claim = claim
        self._writer: LogWriter = journal.writer(claim, position=position)
        self._full_audio = journal.full_audio
        self._pipeline: Pipeline | None = None
        self._folds = Folds()
        self._commands: dict[int, tuple[str, str, bool]] = {}
        self.notes_again: Callable[[], Iterable[LogItem]] | None = None
        """Returns further entries to repeat after a cut."""
        self._number = 0
        self._at = 0.0
        self._fresh = past is None
        self.recovered: Recovered | None = None if past is None else past.recovered
        self._past: StateCut | None = None if past is None else past.fold.cut()

    @property
    def state(self) -> SessionState | None:
        """The recovered state."""
        return None if self._past is None else self._past.state

    @property
    def claim(self) -> LogClaim:
        """The right to write to the log."""
        return self._claim

    @property
    def writer(self) -> LogWriter:
        """The writer of the log."""
        return self._writer

    def begin(self, pipeline: Pipeline, limits: Limits, at: float) -> None:
        """Start to log the input of a pipeline, before it takes any."""
        self._at = at
        self._pipeline = pipeline
        self._folds = pipeline.log_to(self)
        if self._past is not None:
            restore_folds(self._folds, self._past)
        begin_life(self._folds, limits, fresh=False)
        header = HeaderEntry(
            FOLD, limits.max_sessions, limits.max_messages, custom_events(), self._fresh
        )
        self._entry(at, header)
        self._writer.cut_by(self._take_cut)

    # -- inputs ----------------------------------------------------------------------------

    def _entry(self, at: float, item: LogItem, size: int = 0) -> int:
        return self._writer.append(at, [item], size)

    def frames(self, at: float, frames: list[str | bytes]) -> None:
        """Log frames that were taken together."""
        self._at = at
        items = cast("list[LogItem]", frames)
        try:
            size = len("".join(cast("list[str]", frames)))  # faster than a look at each type
        except TypeError:
            full = self._full_audio
            items = [frame_item(frame, full_audio=full) for frame in frames]
            size = sum(len(frame) for frame in frames if full or isinstance(frame, str))
        self._writer.append(at, items, size)

    def frame(self, at: float, frame: str | bytes) -> None:
        """Log a frame that was taken alone."""
        self._at = at
        if isinstance(frame, str):
            self._writer.append(at, [frame], len(frame))
        else:
            full = self._full_audio
            item = frame_item(frame, full_audio=full)
            self._writer.append(at, [item], len(frame) if full else 0)

    def local_event(self, at: float, event: ServerEvent) -> None:
        """Log an event of the library itself."""
        self._at = at
        self._entry(at, local_entry(event))

    def user_session_id(self, at: float, session_id: str | None) -> None:
        """Log a call of ``set_user_session_id``."""
        self._entry(at, UserSessionEntry(session_id))

    def reset(self, at: float) -> None:
        """Log a call of ``reset``."""
        self._entry(at, ResetEntry())

    # -- commands --------------------------------------------------------------------------

    def queued(self, name: str, frame: str) -> int:
        """Log a queued command."""
        self._number += 1
        self._commands[self._number] = name, frame, False
        self._entry(self._at, CommandEntry(self._number, name, frame), len(frame))
        return self._number

    def sending(self, number: int) -> int:
        """Log that a command is about to be written."""
        if number in self._commands:
            name, frame, _ = self._commands[number]
            self._commands[number] = name, frame, True
        position = self._entry(self._at, ReceiptEntry(number, "sending"))
        self._writer.hurry()
        return position

    def settled(self, number: int, status: str) -> int:
        """Log the final status of a command."""
        self._commands.pop(number, None)
        return self._entry(self._at, ReceiptEntry(number, _SETTLED[status]))

    async def written_ahead(self, position: int) -> None:
        """Wait until it is durable; return soon if the journal fails."""
        writer = self._writer
        if writer.error is None and not writer.ended:
            with trio.move_on_after(_AHEAD):
                try:
                    await writer.reached(position)
                except JournalError:
                    return

    async def reached(self, position: int) -> None:
        """Wait until everything up to a position is durable."""
        await self._writer.reached(position)

    # -- cuts and the end ------------------------------------------------------------------

    def _take_cut(self, on_done: Callable[[], None]) -> _LaneCutting:
        assert self._pipeline is not None
        cutting = _LaneCutting(self._pipeline, self._folds, self._writer.position, on_done)
        self._note_open_commands()
        return cutting

    def _note_open_commands(self) -> None:
        """Log the unsettled commands again after a cut: recovery skips the entries before it."""
        for number, (name, frame, begun) in self._commands.items():
            self._entry(self._at, CommandEntry(number, name, frame), len(frame))
            if begun:
                self._entry(self._at, ReceiptEntry(number, "sending"))
        if self.notes_again is not None:
            for item in self.notes_again():
                self._entry(self._at, item)

    def note(self, item: LogItem) -> int:
        """Log an entry that is not folded; return its position."""
        return self._entry(self._at, item)

    async def finish(self) -> None:
        """Write the buffered entries, a last snapshot and the clean end; do nothing on failure."""
        writer, pipeline = self._writer, self._pipeline
        position = writer.position
        self._note_open_commands()
        writer.close_soon()
        await writer.finished.wait()
        if writer.error is not None or writer.durable < writer.position or pipeline is None:
            return
        try:
            if pipeline.drained:
                await writer.put_snapshot(position, cut_of(self._folds))
            await self._journal.close(self._claim)
        except JournalError as exc:
            writer.error = exc


async def begin_life_in(journal: JournalStore, name: str, *, recover: bool) -> JournalLife:
    """Recover a session of an open journal, and claim its log.

    If a file is damaged beyond its blocks, its readable part is first copied. Raises
    :class:`~realtime_trio.JournalError`.
    """
    try:
        return await _begin(journal, name, recover=recover)
    except JournalError as exc:
        if not await journal.repaired(exc):
            raise
    return await _begin(journal, name, recover=recover)


async def _begin(journal: JournalStore, name: str, *, recover: bool) -> JournalLife:
    past = await recover_log(journal, name)
    claim = await journal.claim(name)
    return await life_of(journal, claim, past, recover=recover)


async def life_of(
    journal: WritesLogs, claim: LogClaim, past: RecoveredLog | None, *, recover: bool
) -> JournalLife:
    """Return the life of a claim, which starts at the end of its log."""
    position = 0 if past is None else past.info.position
    if past is not None and past.damage is not None:
        writer = journal.writer(claim, position=position)
        snapshot = await writer.encoded(position, past.fold.cut())
        await journal.put_gap(claim, past.damage, snapshot)
    return JournalLife(journal, claim, past if recover else None, position)
