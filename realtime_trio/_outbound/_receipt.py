"""What became of one command."""

from __future__ import annotations

from typing import Literal, TypeAlias, final

import trio

from .._exceptions import InDoubt, NotSent

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

    __slots__ = ("_settled", "_why", "name", "status")

    def __init__(self, name: str) -> None:
        """``name`` is the wire type of the command, as errors name it."""
        self.name: str = name
        self.status: ReceiptStatus = "queued"
        self._why = ""
        self._settled = trio.Event()

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

    def settle(self, status: ReceiptStatus, why: str = "") -> None:
        """Write down how it ended; for the outbox only."""
        self.status = status
        self._why = why
        self._settled.set()

    def __repr__(self) -> str:
        """Type and status; never what the command says."""
        return f"<Receipt {self.name}: {self.status}>"
