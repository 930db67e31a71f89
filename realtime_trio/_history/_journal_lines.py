"""A journal as lines of a recording, for all readers of recordings."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, final

from .._exceptions import JournalError
from .._journal._journal_file import JournalFile
from .._log._log_block import LogBlock
from .._log._log_entries import (
    AudioEntry,
    CommandEntry,
    HeaderEntry,
    LocalEntry,
    LogItem,
    RawTextEntry,
    ReceiptEntry,
    ResetEntry,
    UserSessionEntry,
    audio_of,
    text_of,
)
from .._log._logged_commands import LoggedCommands

__all__ = ["is_journal", "journal_lines", "journal_session", "reading"]

_SQLITE: Final = b"SQLite format 3\0"
_AT_ONCE: Final = 256


def is_journal(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is an SQLite file. Raises ``OSError`` if it cannot be read."""
    with open(path, "rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def reading(path: str | os.PathLike[str]) -> JournalFile:
    """Open a journal for reading, even while a client writes to it. The caller closes it.

    Raises :class:`~realtime_trio.JournalError`.
    """
    file = JournalFile(Path(path), durability="none", zstd=False)
    file.open(owner=False)
    return file


def journal_session(file: JournalFile, name: str | None) -> str:
    """Return the session of this name; without a name, the one that was written to last.

    Raises :class:`~realtime_trio.JournalError` if there is none.
    """
    names = file.names()
    if name is None and names:
        return names[-1]
    if name is None or name not in names:
        known = ", ".join(map(repr, names)) or "none"
        message = f"{file.path} has no session {name!r}; its sessions are: {known}"
        raise JournalError(message)
    return name


def _ignore(_first: int, _last: int) -> None:
    pass


def journal_lines(
    path: str | os.PathLike[str],
    name: str | None = None,
    *,
    after: int = 0,
    missing: Callable[[int, int], None] = _ignore,
) -> Iterator[bytes]:
    """Yield the entries of a session as lines of a recording, each with its line break.

    Frames are unchanged, with any secrets in them. ``missing`` is called with the first and the
    last position of what cannot be read. Raises :class:`~realtime_trio.JournalError`.
    """
    file = reading(path)
    try:
        session = journal_session(file, name)
        writer = _LineWriter()
        for block in _blocks(file, session, after, missing):
            for position, at, item in block.items():
                if position > after:
                    for line in writer.lines(at, item):
                        yield json.dumps(line).encode() + b"\n"
    finally:
        file.close()


def _blocks(
    file: JournalFile, session: str, after: int, missing: Callable[[int, int], None]
) -> Iterator[LogBlock]:
    info = file.info(session)
    gaps = {} if info is None else {gap.first: gap.last for gap in info.gaps}
    if info is not None:
        after = max(after, info.first - 1)
    while True:
        blocks = file.read(session, after, _AT_ONCE)
        if blocks:
            yield from blocks
            after = blocks[-1].last
        elif after + 1 in gaps:
            missing(after + 1, gaps[after + 1])
            after = gaps[after + 1]
        else:
            if info is not None and after < info.position:
                missing(after + 1, info.position)
            return


@final
class _LineWriter:
    """Writes entries as lines; ``conn`` counts the links."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._conn = 0
        self._commands = LoggedCommands()

    def lines(self, at: float, item: LogItem) -> list[dict[str, object]]:
        if self._began is None:
            self._began = at
        moment = {"t": round(at - self._began, 6)}
        match item:
            case str():
                return [{**moment, "dir": "in", "text": item, "conn": self._conn}]
            case int():
                return [self._audio(moment, audio_of(item))]
            case AudioEntry():
                return [self._audio(moment, item.data)]
            case RawTextEntry():
                return [{**moment, "dir": "in", "text": text_of(item), "conn": self._conn}]
            case _:
                return self._record_lines(moment, item)

    def _audio(self, moment: dict[str, float], data: bytes) -> dict[str, object]:
        encoded = base64.b64encode(data).decode()
        return {**moment, "dir": "in", "data": encoded, "conn": self._conn}

    def _record_lines(self, moment: dict[str, float], item: LogItem) -> list[dict[str, object]]:
        match item:
            case LocalEntry(kind="link", fields={"status": "connected"}):
                self._conn += 1
                return [{**moment, "dir": "open", "text": "", "conn": self._conn}]
            case LocalEntry(kind="link-lost") if self._conn:
                return [{**moment, "dir": "drop", "text": "", "conn": self._conn}]
            case CommandEntry() | ReceiptEntry():
                return self._sent(moment, item)
            case _:
                self._commands.note(item)
                return _control_lines(item)

    def _sent(
        self, moment: dict[str, float], item: CommandEntry | ReceiptEntry
    ) -> list[dict[str, object]]:
        """Return the lines of a command: at the time it was written, not when it was queued."""
        command = self._commands.note(item)
        if command is None:
            return []
        return [{**moment, "dir": "out", "text": command.frame, "conn": self._conn}]


def _control_lines(item: LogItem) -> list[dict[str, object]]:
    match item:
        case UserSessionEntry():
            return [{"__ctl": "set_user_session_id", "id": item.session_id}]
        case ResetEntry():
            return [{"__ctl": "reset"}]
        case HeaderEntry():
            limits = {"max_sessions": item.max_sessions, "max_messages": item.max_messages}
            return [{"__ctl": "config", **limits}]
        case _:
            return []
