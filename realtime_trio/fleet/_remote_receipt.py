"""The receipt of a command that was queued for a session of a fleet."""

from __future__ import annotations

from typing import Literal, TypeAlias, cast, final

import trio

from .._exceptions import ClosedError, InDoubt, NotSent
from .._log._log_entries import RemoteWord

__all__ = ["RemoteReceipt", "RemoteStatus"]

RemoteStatus: TypeAlias = Literal["queued", "accepted", "sending", "sent", "not-sent", "in-doubt"]


@final
class RemoteReceipt:
    """The status of a command of a fleet's session, according to the session's log.

    ``status`` goes from "queued" (in the queue of the session) through "accepted" (its owner has
    read it) and "sending" to one of three ends: "sent" (passed completely to the network),
    "not-sent" (the server certainly does not have it) or "in-doubt" (its owner ended while sending
    it). ``key`` identifies the command: two calls with the same key are one command.
    """

    def __init__(self, key: str, number: int) -> None:
        self.key: str = key
        """The key of the command."""
        self.number: int = number
        """The number of the command in the queue of its session."""
        self.status: RemoteStatus = "queued"
        """How far the command has come, as far as this process knows."""
        self.position: int = 0
        """The position in the log of its latest status; 0 before "accepted"."""
        self._why = ""
        self._moved = trio.lowlevel.ParkingLot()
        self._closed = False

    async def accepted(self) -> None:
        """Wait until the session's owner has read it; then the end of a node cannot lose it.

        Also returns if the command has already ended. Any number of tasks may wait, and
        cancelling one changes nothing. Raises :class:`~realtime_trio.NotSent` if the log lost
        it, and :class:`~realtime_trio.ClosedError` if this process detaches first.
        """
        await trio.lowlevel.checkpoint()
        while self.status == "queued":
            await self._wait()
        if self.status == "not-sent" and not self.position:
            raise NotSent(self._why)

    async def sent(self) -> None:
        """Wait until it was passed to the network.

        Raises :class:`~realtime_trio.NotSent`, :class:`~realtime_trio.InDoubt` if its owner
        ended while it may have been sent, and :class:`~realtime_trio.ClosedError` if this
        process detaches first.
        """
        await trio.lowlevel.checkpoint()
        while self.status not in {"sent", "not-sent", "in-doubt"}:
            await self._wait()
        if self.status == "not-sent":
            raise NotSent(self._why or "the command was not sent")
        if self.status == "in-doubt":
            raise InDoubt(self._why or "the node ended while the command may have been on its way")

    async def durable(self) -> None:
        """Wait as :meth:`accepted` does: everything that followers read is durable."""
        await self.accepted()

    async def _wait(self) -> None:
        if self._closed:
            message = "this process detached from the session before the command ended"
            raise ClosedError(message)
        await self._moved.park()

    def move(self, word: RemoteWord, position: int) -> None:
        """Record a status from the log; only the follower calls this."""
        known = "accepted" if word in {"reserved", "cursor"} else word
        self.status, self.position = cast("RemoteStatus", known), position
        self._moved.unpark_all()

    def settle(self, status: RemoteStatus, why: str) -> None:
        """Record an end that is not in the log; only the follower calls this."""
        self.status, self._why = status, why
        self._moved.unpark_all()

    def close(self) -> None:
        """End all waits; only the follower calls this."""
        self._closed = True
        self._moved.unpark_all()

    def __repr__(self) -> str:
        """Key and status; never the content."""
        return f"<RemoteReceipt {self.key}: {self.status}>"
