"""The input of earlier chats: a file that only its owner can read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from platformdirs import user_state_path
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

__all__ = ["open_history"]


class _KeptHistory(FileHistory):
    """A history file; if it is deleted or the disk is full, nothing is stored."""

    def load_history_strings(self) -> Iterable[str]:
        """Return the entries, the newest first."""
        try:
            return list(super().load_history_strings())
        except OSError:
            return []

    def store_string(self, string: str) -> None:
        """Append an entry."""
        with suppress(OSError):
            super().store_string(string)


def open_history(file: Path | None) -> History:
    """Open the history in ``file``, by default in the user's directory for state."""
    where = file if file is not None else user_state_path("realtime-trio") / "history"
    try:
        where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(where, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    except OSError:
        return InMemoryHistory()
    return _KeptHistory(str(where))
