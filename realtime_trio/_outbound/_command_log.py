"""What is told of commands: a log that says, after a kill, how far each had come."""

from __future__ import annotations

from typing import Protocol

__all__ = ["CommandLog"]


class CommandLog(Protocol):
    """Notes the commands of one client. A number tells a command from the others.

    All but the last method note at once, and never raise.
    """

    def queued(self, name: str, frame: str) -> int:
        """A command was queued; gives its number."""
        ...

    def sending(self, number: int) -> int:
        """It is about to be written; gives a position for :meth:`written_ahead`."""
        ...

    def settled(self, number: int, status: str) -> int:
        """It came to its end; gives a position for :meth:`reached`."""
        ...

    async def written_ahead(self, position: int) -> None:
        """Wait until that is noted for good, or a moment where the log fails."""
        ...

    async def reached(self, position: int) -> None:
        """Wait until everything up to there is noted for good.

        Raises :class:`~realtime_trio.JournalError` if that will not happen.
        """
        ...
