"""The interface of the command log: after a crash it shows how far each command got."""

from __future__ import annotations

from typing import Protocol

__all__ = ["CommandLog"]


class CommandLog(Protocol):
    """Records the commands of one client. A number identifies each command.

    All methods but the last record immediately and never raise.
    """

    def queued(self, name: str, frame: str) -> int:
        """Record a queued command; return its number."""
        ...

    def sending(self, number: int) -> int:
        """Record that it is about to be written; return a position for :meth:`written_ahead`."""
        ...

    def settled(self, number: int, status: str) -> int:
        """Record its final status; return a position for :meth:`reached`."""
        ...

    async def written_ahead(self, position: int) -> None:
        """Wait until the record is durable; return soon if the log has failed."""
        ...

    async def reached(self, position: int) -> None:
        """Wait until everything up to ``position`` is durable.

        Raises :class:`~realtime_trio.JournalError` if that cannot happen.
        """
        ...
