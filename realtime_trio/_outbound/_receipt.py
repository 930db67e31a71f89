"""The receipt of one command: its status from queued to sent."""

from __future__ import annotations

from typing import Literal, TypeAlias, final

import trio

from .._exceptions import InDoubt, NotSent
from ._command_log import CommandLog

__all__ = ["Receipt", "ReceiptStatus"]

ReceiptStatus: TypeAlias = Literal["queued", "sending", "sent", "not-sent", "in-doubt"]


@final
class Receipt:
    """The status of one command; ``client.send`` returns it.

    ``status`` goes from "queued" over "sending" to one of three final values:
    "sent" (fully handed to the network), "not-sent" (the server certainly does not have it)
    or "in-doubt" (the link broke in the middle). Keeping or dropping a receipt does not affect
    its command.
    """

    __slots__ = ("_ahead", "_log", "_number", "_position", "_settled", "_why", "name", "status")

    def __init__(self, name: str, log: CommandLog | None = None) -> None:
        """``name`` is the wire type of the command, for error messages."""
        self.name: str = name
        """The wire type of the command."""
        self.status: ReceiptStatus = "queued"
        """How far the command has come."""
        self._why = ""
        self._settled = trio.Event()
        self._log = log
        self._number = self._position = 0
        self._ahead = False

    @property
    def queued(self) -> bool:
        """Whether the command is still queued."""
        return self.status == "queued"

    async def sent(self) -> None:
        """Wait until the command is sent.

        Raises :class:`~realtime_trio.NotSent` if it certainly was not, and
        :class:`~realtime_trio.InDoubt` if the link broke while it was being written.
        Cancelling this call does not withdraw the command. Any number of tasks may wait.
        """
        await self._settled.wait()
        if self.status == "not-sent":
            message = f"{self.name} was not sent: {self._why}"
            raise NotSent(message)
        if self.status == "in-doubt":
            message = f"{self.name} may or may not have been sent: {self._why}"
            raise InDoubt(message)

    async def durable(self) -> None:
        """Wait until the journal has durably recorded the final status of the command.

        After that, not even a crash loses it. It also returns if the command was not sent; await
        :meth:`sent` to find out. Cancelling this changes nothing, and any number of tasks may
        wait. Raises :class:`~realtime_trio.JournalError` if the journal ends without the record,
        and ``RuntimeError`` for a client without a journal.
        """
        if self._log is None:
            message = "this client has no journal: open_client(url, journal=rt.Journal(path))"
            raise RuntimeError(message)
        await self._settled.wait()
        await self._log.reached(self._position)

    def settle(self, status: ReceiptStatus, why: str = "") -> None:
        """Set the final status. Only the outbox calls this."""
        self.status = status
        self._why = why
        if self._log is not None:
            self._position = self._log.settled(self._number, status)
        self._settled.set()

    def log_queued(self, frame: str) -> None:
        """Record in the journal that it is queued. Only the outbox calls this; it may repeat it."""
        if self._log is not None and not self._number:
            self._number = self._log.queued(self.name, frame)

    def log_sending(self, *, ahead: bool) -> None:
        """Record in the journal that it is about to be written. Only the outbox calls this.

        ``ahead``: wait for the journal before writing. Then a command that the journal shows as
        queued was certainly not sent. Urgent commands do not wait.
        """
        if self._log is not None:
            self._position = self._log.sending(self._number)
            self._ahead = ahead

    async def written_ahead(self) -> None:
        """Wait until that record is durable. Only the writer calls this."""
        if self._log is not None and self._ahead:
            await self._log.written_ahead(self._position)

    def __repr__(self) -> str:
        """Show type and status, never the content of the command."""
        return f"<Receipt {self.name}: {self.status}>"
