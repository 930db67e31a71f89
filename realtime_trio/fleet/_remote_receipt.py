"""What became of a command that was given to a session of a fleet."""

from __future__ import annotations

from typing import Literal, TypeAlias, cast, final

import trio

from .._exceptions import ClosedError, InDoubt, NotSent
from .._log._log_entries import RemoteWord

__all__ = ["RemoteReceipt", "RemoteStatus"]

RemoteStatus: TypeAlias = Literal["queued", "accepted", "sending", "sent", "not-sent", "in-doubt"]


@final
class RemoteReceipt:
    """Tells how far a command of a fleet's session has come, as the session's log says.

    ``status`` goes from "queued" (in the queue of the session) over "accepted" (its owner has
    read it) and "sending" to one of three ends: "sent" (handed whole to the network), "not-sent"
    (the server certainly does not have it) or "in-doubt" (its owner ended in the middle).
    ``key`` names the command: the same key is the same command.
    """

    def __init__(self, key: str, number: int) -> None:
        self.key: str = key
        self.number: int = number
        self.status: RemoteStatus = "queued"
        self.position: int = 0
        """The position in the log at which its status was noted last; 0 before "accepted"."""
        self._why = ""
        self._moved = trio.lowlevel.ParkingLot()
        self._closed = False

    async def accepted(self) -> None:
        """Wait until the session's owner has read it, so that no end of a node takes it away.

        Returns also where it came to an end meanwhile. Any number of tasks may wait, and
        cancelling one changes nothing. Raises :class:`~realtime_trio.NotSent` where the log has
        lost it, and :class:`~realtime_trio.ClosedError` if this process detaches first.
        """
        await trio.lowlevel.checkpoint()
        while self.status == "queued":
            await self._wait()
        if self.status == "not-sent" and not self.position:
            raise NotSent(self._why)

    async def sent(self) -> None:
        """Wait until it was handed to the network.

        Raises :class:`~realtime_trio.NotSent`, :class:`~realtime_trio.InDoubt` where its owner
        ended while it may have been on its way, and :class:`~realtime_trio.ClosedError` if this
        process detaches first.
        """
        await trio.lowlevel.checkpoint()
        while self.status not in {"sent", "not-sent", "in-doubt"}:
            await self._wait()
        if self.status == "not-sent":
            raise NotSent(self._why or "the command was not sent")
        if self.status == "in-doubt":
            raise InDoubt(self._why or "the command's node ended while it may have been sent")

    async def durable(self) -> None:
        """As :meth:`accepted`: what followers read is in the log for good."""
        await self.accepted()

    async def _wait(self) -> None:
        if self._closed:
            message = "the session was left before its command was answered"
            raise ClosedError(message)
        await self._moved.park()

    def move(self, word: RemoteWord, position: int) -> None:
        """Note what the log says; for the follower only."""
        known = "accepted" if word in {"reserved", "cursor"} else word
        self.status, self.position = cast("RemoteStatus", known), position
        self._moved.unpark_all()

    def settle(self, status: RemoteStatus, why: str) -> None:
        """Note an end that the log does not say; for the follower only."""
        self.status, self._why = status, why
        self._moved.unpark_all()

    def close(self) -> None:
        """Let nobody wait any more; for the follower only."""
        self._closed = True
        self._moved.unpark_all()

    def __repr__(self) -> str:
        """Key and status; never what the command says."""
        return f"<RemoteReceipt {self.key}: {self.status}>"
