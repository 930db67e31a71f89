"""The commands of a client according to its log, which may mention one several times.

Behind each snapshot, a log repeats the entries of the commands that have not ended, because a
recovery skips those before it. A repeated entry is no second command.
"""

from __future__ import annotations

from typing import final

from ._log_entries import CommandEntry, HeaderEntry, LogItem, ReceiptEntry

__all__ = ["LoggedCommands"]


@final
class LoggedCommands:
    """Follows the commands of one client after another, entry by entry."""

    def __init__(self) -> None:
        self._queued: dict[int, CommandEntry] = {}
        self._begun: set[int] = set()

    def note(self, item: LogItem) -> CommandEntry | None:
        """Handle an entry; return the command that is about to be written, once for each."""
        match item:
            case HeaderEntry():  # the next client numbers its commands separately
                self.clear()
            case CommandEntry(number=number) if number not in self._begun:
                self._queued[number] = item
            case ReceiptEntry(number=number, status="sending"):
                self._begun.add(number)
                return self._queued.pop(number, None)
            case ReceiptEntry(number=number):
                self._queued.pop(number, None)
                self._begun.discard(number)
            case _:
                pass
        return None

    def clear(self) -> None:
        """Forget all commands."""
        self._queued.clear()
        self._begun.clear()
