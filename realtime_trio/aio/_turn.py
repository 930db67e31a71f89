"""Turns and receipts.

Written by tools/doors.py: change the native classes instead.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

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
    """Tells how far a command has come; what ``client.send`` returns.

    ``status`` goes from "queued" over "sending" to one of three ends, and stays there:
    "sent" (handed whole to the network), "not-sent" (the server certainly does not have it)
    or "in-doubt" (the link broke in the middle). Keeping or dropping a receipt changes
    nothing for its command.
    """

    @property
    def name(self) -> str:
        """The name of it."""
        return self._native.name

    @property
    def status(self) -> ReceiptStatus:
        """The status of it."""
        return self._native.status

    @property
    def queued(self) -> bool:
        """Whether the command still waits for its turn to leave."""
        return self._native.queued

    async def sent(self) -> None:
        """Wait until the command has left.

        Raises :class:`~realtime_trio.NotSent` where it certainly did not, and
        :class:`~realtime_trio.InDoubt` where the link broke while it was on its way.
        Cancelling this takes nothing back. Any number of tasks may wait.
        """
        await self._door.call(self._native.sent)

    async def durable(self) -> None:
        """Wait until the journal has kept what became of the command, for good.

        After that no kill takes it away. Returns also where the command was not sent; await
        :meth:`sent` to learn that. Cancelling this changes nothing, and any number of tasks may
        wait. Raises :class:`~realtime_trio.JournalError` if the journal ends without it, and
        ``RuntimeError`` for a client without a journal.
        """
        await self._door.call(self._native.durable)


class Turn(Mirror[NativeTurn]):
    """A turn that ``client.ask`` has begun.

    Its channels buffer from the start: ``text`` and ``thoughts`` give the pieces (``str``)
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
        """How far the input has come."""

    @property
    def outcome(self) -> Outcome:
        """How the turn ended.

        Raises :class:`~realtime_trio.TurnError` while it is not over: leave the ``async
        with`` block, or ``await turn.wait()``.
        """
        return self._native.outcome

    async def wait(self) -> Outcome:
        """Wait for the outcome: the turn is then over in every lane.

        Any number of tasks may wait; cancelling one changes nothing.
        """
        return await self._door.call(self._native.wait)


class Reconnection(Mirror[NativeReconnection]):
    """Await it to wait until the new link is proven; or leave it, the link comes all the same.

    Any number of tasks may wait, and cancelling one changes nothing. Raises
    :class:`~realtime_trio.ClosedError` where the client ends.
    """

    async def wait(self) -> None:
        """Wait for the new link, as awaiting the object does."""
        await self._door.call(self._native.wait)

    def __await__(self) -> Generator[Any, Any, None]:
        """Wait for the new link."""
        return self._door.call(self._native.wait).__await__()
