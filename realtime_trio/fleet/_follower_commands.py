"""The commands and turns of a follower, according to the entries that their owner has written.

Rule 1. The commands that the owner writes move the turn gate here as well. The owner's pings are
not in the log, so the entry of an input says how many pongs arrive before those of the input.

Rule 2. A queue is read in order. A command that its owner has passed over is lost.

Rule 3. Where the log jumps, running turns are lost. A command that the entries after the snapshot
do not mention is in doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, final

from .._core._codec import Codec
from .._core._fast_decoder import Incoming
from .._core._local_events import InputSentEvent, LinkEvent, LinkLostEvent, NoTurnEvent
from .._core._spoken import SpokenAnswer
from .._core._state import SessionState
from .._lanes._marks import Marks
from .._log._log_block import BlockGroup
from .._log._log_entries import CommandEntry, HeaderEntry, ReceiptEntry, RemoteEntry
from .._log._logged_commands import LoggedCommands
from .._outbound._turn_gate import GateChange, TurnGate
from .._turns._turn_progress import TurnProgress
from .._turns._turn_tracker import TurnTracker
from ..events import ClientWantsCancelEvent, ServerEvent
from ._command_progress import CommandProgress, command_event
from ._remote_receipt import RemoteReceipt

__all__ = ["FollowerCommands"]

_ENDED: Final = frozenset({"sent", "not-sent", "in-doubt"})
_LOST: Final = "the log has lost the command"


@final
class FollowerCommands:
    """The receipts and turns of this process in one session."""

    def __init__(self, marks: Marks, answer: Callable[[], SpokenAnswer | None]) -> None:
        self._marks = marks
        self.turns: TurnTracker = TurnTracker(marks, answer)
        self.progress: CommandProgress = CommandProgress()
        self._gate = TurnGate()
        self._codec = Codec()
        self._commands = LoggedCommands()
        self._cancelled = False
        self._receipts: dict[int, list[RemoteReceipt]] = {}
        self._asked: dict[int, TurnProgress] = {}
        self._jumped = False

    def fold_past(self, groups: Sequence[BlockGroup]) -> None:
        """Read the commands already in the log; called first, in a thread."""
        self.progress.fold_groups(groups)
        for _, items in groups:
            for item in items:
                self._commands.note(item)

    def continue_from(self, state: SessionState) -> None:
        """Continue from a state, as each client of the owner does: it has the current session."""
        self._gate.session_id = state.current_session_id or state.control.chat_session_id

    # -- the gate (rule 1) -----------------------------------------------------------------

    def observe(self, event: Incoming) -> None:
        """Note an event of the server, before the lanes handle it."""
        match self._gate.received(event):
            case GateChange.HEARD:
                self.turns.heard()
            case GateChange.OPENED:
                self.turns.ended(self._marks.place())
            case GateChange.REFUSED:
                self.turns.refused(self._gate.error, self._marks.place())
            case _:
                pass

    def local_event(self, event: ServerEvent) -> None:
        """Note an event of the owner's client."""
        if isinstance(event, LinkLostEvent):
            self._link_lost()
        elif isinstance(event, InputSentEvent) and event.ahead is not None:
            self._gate.input_sent(event.ahead)
        elif isinstance(event, NoTurnEvent) and self._gate.unit is not None:
            self._gate.no_turn()
            self.turns.not_begun(self._marks.place(), cancelled=self._cancelled)
        elif isinstance(event, LinkEvent) and event.status == "connected":
            self._gate.link_opened()

    def _link_lost(self) -> None:
        if self._gate.unit is not None:
            self.turns.voided(self._marks.place())
        self.turns.link_lost()
        self._gate.link_lost()

    def note_sending(self, item: HeaderEntry | CommandEntry | ReceiptEntry) -> None:
        """Note a command that the owner's client has queued or written, or the next client."""
        command = self._commands.note(item)
        event = None if command is None else command_event(self._codec, command.frame)
        if event is not None:
            self._cancelled = isinstance(event, ClientWantsCancelEvent)
            if self._gate.writing(event):
                self.turns.killed()

    # -- receipts --------------------------------------------------------------------------

    def note_command(self, item: RemoteEntry, position: int) -> None:
        """Note the status of a command."""
        ahead = item.number > self.progress.cursor and not self._jumped
        self.progress.fold(item)
        if item.status == "accepted" and ahead:
            self._settle_unread(item.number)
        elif item.status == "cursor":
            self._settle_unknown(item.number)
            return
        elif item.status == "sending":
            progress = self._asked.pop(item.number, None)
            if progress is not None:
                self.turns.begin(progress)
        known = self.progress.status(item.number) or item.status
        for receipt in self._receipts.get(item.number, ()):
            receipt.move(known, position)  # a repeated entry never moves it back
        if item.number in self.progress.ends:
            self._receipts.pop(item.number, None)
            self._lose_turn(item.number, "its input was not sent, or its sending is not in the log")

    def _settle_unread(self, number: int) -> None:
        """Settle the commands that the owner has passed over (rule 2)."""
        for each in [n for n in self._receipts if n < number and self.progress.status(n) is None]:
            self.settle(each, "not-sent", _LOST)

    def _settle_unknown(self, number: int) -> None:
        """Settle the commands that the entries after a snapshot do not mention (rule 3)."""
        self._jumped = False
        for each in [n for n in self._receipts if n <= number and self.progress.status(n) is None]:
            self.settle(each, "in-doubt", "the log no longer contains the end of the command")

    def settle(self, number: int, status: str, why: str) -> None:
        """Record the end of a command that is not in the log."""
        for receipt in self._receipts.pop(number, ()):
            receipt.settle("not-sent" if status == "not-sent" else "in-doubt", why)
        self._lose_turn(number, why)

    def _lose_turn(self, number: int, why: str) -> None:
        progress = self._asked.pop(number, None)
        if progress is not None:
            self.turns.lost(progress, why)

    def receipt(
        self, key: str, number: int, position: int, progress: TurnProgress | None
    ) -> RemoteReceipt:
        """Return the receipt of a queued command, with its status in the log so far."""
        receipt = RemoteReceipt(key, number)
        known = self.progress.status(number)
        if known is not None:
            receipt.move(known, position)
        elif number <= self.progress.cursor:
            receipt.settle("in-doubt", "the log no longer contains the end of the command")
        if receipt.status in _ENDED:
            if progress is not None:
                self.turns.lost(progress, "the command with this key has already ended")
            return receipt
        self._receipts.setdefault(number, []).append(receipt)
        if progress is not None:
            self._asked[number] = progress
        return receipt

    @property
    def unread(self) -> tuple[int, ...]:
        """The commands with a receipt that are not in the log yet."""
        return tuple(n for n in self._receipts if self.progress.status(n) is None)

    def lost(self, number: int) -> None:
        """Note that a command is neither in the log nor in the queue."""
        self.settle(number, "not-sent", _LOST)

    def forget(self, number: int, progress: TurnProgress) -> None:
        """Forget a turn that nothing follows any more."""
        self._asked.pop(number, None)
        self.turns.lost(progress, "the caller left before its end")

    # -- jumps and the end -----------------------------------------------------------------

    def jumped(self, progress: CommandProgress | None = None) -> None:
        """Continue from a snapshot (rule 3); ``progress`` is given if it belongs to another log."""
        self._gate.link_lost()
        self._commands.clear()
        self._jumped = progress is None
        self.progress.open.clear()
        self.turns.end("the log does not contain the whole turn")
        if progress is not None:
            self.progress = progress
            for number, receipts in tuple(self._receipts.items()):
                known = progress.status(number)
                for receipt in receipts if known is not None else ():
                    receipt.move(known or "accepted", receipt.position)
                if known in _ENDED:
                    del self._receipts[number]
                    self._lose_turn(number, "the log does not contain the whole turn")

    def end(self) -> None:
        """End everything: this process detaches from the session."""
        self.turns.end("this process detached from the session")
        for progress in self._asked.values():
            self.turns.lost(progress, "this process detached from the session")
        for receipts in self._receipts.values():
            for receipt in receipts:
                receipt.close()
