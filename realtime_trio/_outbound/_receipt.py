"""What became of one command."""

from __future__ import annotations

from typing import Literal, TypeAlias, final

import trio

from .._exceptions import InDoubt, NotSent
from ._command_log import CommandLog

__all__ = ["Receipt", "ReceiptStatus"]

ReceiptStatus: TypeAlias = Literal["queued", "sending", "sent", "not-sent", "in-doubt"]


@final
class Receipt:
    """Tells how far a command has come; what ``client.send`` returns.

    ``status`` goes from "queued" over "sending" to one of three ends, and stays there:
    "sent" (handed whole to the network), "not-sent" (the server certainly does not have it)
    or "in-doubt" (the link broke in the middle). Keeping or dropping a receipt changes
    nothing for its command.
    """

    __slots__ = ("_ahead", "_log", "_number", "_position", "_settled", "_why", "name", "status")

    def __init__(self, name: str, log: CommandLog | None = None) -> None:
        """``name`` is the wire type of the command, as errors name it."""
        self.name: str = name
        self.status: ReceiptStatus = "queued"
        self._why = ""
        self._settled = trio.Event()
        self._log = log
        self._number = self._position = 0
        self._ahead = False

    @property
    def queued(self) -> bool:
        """Whether the command still waits for its turn to leave."""
        return self.status == "queued"

    async def sent(self) -> None:
        """Wait until the command has left.

        Raises :class:`~realtime_trio.NotSent` where it certainly did not, and
        :class:`~realtime_trio.InDoubt` where the link broke while it was on its way.
        Cancelling this takes nothing back. Any number of tasks may wait.
        """
        await self._settled.wait()
        if self.status == "not-sent":
            message = f"{self.name} was not sent: {self._why}"
            raise NotSent(message)
        if self.status == "in-doubt":
            message = f"{self.name} may have been sent or not: {self._why}"
            raise InDoubt(message)

    async def durable(self) -> None:
        """Wait until the journal has kept what became of the command, for good.

        After that no kill takes it away. Returns also where the command was not sent; await
        :meth:`sent` to learn that. Cancelling this changes nothing, and any number of tasks may
        wait. Raises :class:`~realtime_trio.JournalError` if the journal ends without it, and
        ``RuntimeError`` for a client without a journal.
        """
        if self._log is None:
            message = "this client has no journal: open_client(url, journal=rt.Journal(path))"
            raise RuntimeError(message)
        await self._settled.wait()
        await self._log.reached(self._position)

    def settle(self, status: ReceiptStatus, why: str = "") -> None:
        """Write down how it ended; for the outbox only."""
        self.status = status
        self._why = why
        if self._log is not None:
            self._position = self._log.settled(self._number, status)
        self._settled.set()

    def log_queued(self, frame: str) -> None:
        """Note in the journal that it is queued; for the outbox only, which may say so twice."""
        if self._log is not None and not self._number:
            self._number = self._log.queued(self.name, frame)

    def log_sending(self, *, ahead: bool) -> None:
        """Note in the journal that it is about to be written; for the outbox only.

        ``ahead``: not before the journal has that. Then a command that the journal has as
        queued was certainly not sent. What is urgent does not wait.
        """
        if self._log is not None:
            self._position = self._log.sending(self._number)
            self._ahead = ahead

    async def written_ahead(self) -> None:
        """Wait until the journal has that; for the writer only."""
        if self._log is not None and self._ahead:
            await self._log.written_ahead(self._position)

    def __repr__(self) -> str:
        """Type and status; never what the command says."""
        return f"<Receipt {self.name}: {self.status}>"
