"""Turns and receipts.

Written by tools/doors.py: change the native classes instead.
"""

from __future__ import annotations

from .._core._notifications import Media, ToolNotification
from .._outbound._receipt import Receipt as NativeReceipt
from .._outbound._receipt import ReceiptStatus
from .._session._reconnection import Reconnection as NativeReconnection
from .._turns._outcome import Outcome
from .._turns._turn_progress import Subsession
from .._turns._turn_progress import Turn as NativeTurn
from ._channels import TurnChannel
from ._door import Door, Mirror

__all__ = ["Receipt", "Reconnection", "Turn"]


class Receipt(Mirror[NativeReceipt]):
    """The status of one command; ``client.send`` returns it.

    ``status`` goes from "queued" over "sending" to one of three final values:
    "sent" (fully handed to the network), "not-sent" (the server certainly does not have it)
    or "in-doubt" (the link broke in the middle). Keeping or dropping a receipt does not affect
    its command.
    """

    @property
    def name(self) -> str:
        """The wire type of the command."""
        return self._door.plain(lambda: self._native.name)

    @property
    def status(self) -> ReceiptStatus:
        """How far the command has come."""
        return self._door.plain(lambda: self._native.status)

    @property
    def queued(self) -> bool:
        """Whether the command is still queued."""
        return self._door.plain(lambda: self._native.queued)

    def sent(self) -> None:
        """Wait until the command is sent.

        Raises :class:`~realtime_trio.NotSent` if it certainly was not, and
        :class:`~realtime_trio.InDoubt` if the link broke while it was being written. Any number of
        threads may wait.
        """
        self._door.call(self._native.sent)

    def durable(self) -> None:
        """Wait until the journal has durably recorded the final status of the command.

        After that, not even a crash loses it. It also returns if the command was not sent; call
        :meth:`sent` to find out. Any number of threads may wait. Raises
        :class:`~realtime_trio.JournalError` if the journal ends without the record, and
        ``RuntimeError`` for a client without a journal.
        """
        self._door.call(self._native.durable)


class Turn(Mirror[NativeTurn]):
    """A turn that ``client.ask`` began.

    Its channels buffer from the start: ``text`` and ``thoughts`` give the deltas (``str``)
    of the user's own session, ``tools`` :class:`~realtime_trio.ToolNotification`, ``media``
    :class:`~realtime_trio.Media`, ``subsessions`` the beginnings and ends of delegations.
    They end when the turn is over.
    """

    def __init__(self, door: Door, native: NativeTurn) -> None:
        super().__init__(door, native)
        self.text: TurnChannel[str] = TurnChannel(door, native.text)
        self.thoughts: TurnChannel[str] = TurnChannel(door, native.thoughts)
        self.tools: TurnChannel[ToolNotification] = TurnChannel(door, native.tools)
        self.media: TurnChannel[Media] = TurnChannel(door, native.media)
        self.subsessions: TurnChannel[Subsession] = TurnChannel(door, native.subsessions)
        self.receipt: Receipt = Receipt(door, native.receipt)
        """The status of the input."""

    @property
    def outcome(self) -> Outcome:
        """How the turn ended.

        Raises :class:`~realtime_trio.TurnError` while the turn runs: leave the ``with`` block, or
        ``turn.wait()``.
        """
        return self._door.plain(lambda: self._native.outcome)

    def wait(self) -> Outcome:
        """Wait for the outcome: the turn is then over in every lane.

        Any number of threads may wait.
        """
        return self._door.call(self._native.wait)


class Reconnection(Mirror[NativeReconnection]):
    """Call :meth:`wait` to wait for the new, proven link. The client reconnects even if nobody waits.

    Any number of threads may wait. Raises
    :class:`~realtime_trio.ClosedError` if the client ends.
    """

    def wait(self) -> None:
        """Wait for the new link."""
        self._door.call(self._native.wait)
