"""The state at any moment of a journal, a recording or a trace.

Written by tools/doors.py: change the native classes instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from datetime import datetime

from .._core._state import SessionState
from .._history._state_diff import Change
from .._history._time_travel import History as NativeHistory
from .._history._time_travel import HistoryEntry
from .._history._time_travel import open_history as native_open_history
from .._journal._log_store import LogGap
from ._door import Mirror
from ._opening import opened

__all__ = ["History", "open_history"]


class History(Mirror[NativeHistory]):
    """A log with the state at each of its positions.

    Made by :func:`open_history`. It keeps the log in memory, compressed, and the state at every
    256th entry, which shares nearly everything with its neighbours. Do not use it from several
    threads at the same time.
    """

    @property
    def name(self) -> str | None:
        """The session's name in a journal, ``None`` for a recording or a trace."""
        return self._door.plain(lambda: self._native.name)

    @property
    def ended_clean(self) -> bool:
        """Whether the last client that wrote it closed it."""
        return self._door.plain(lambda: self._native.ended_clean)

    @property
    def first(self) -> int:
        """The first position that can be read; 1 if nothing was trimmed."""
        return self._door.plain(lambda: self._native.first)

    @property
    def last(self) -> int:
        """The last position."""
        return self._door.plain(lambda: self._native.last)

    @property
    def gaps(self) -> tuple[LogGap, ...]:
        """The ranges of positions that the log does not hold, in order."""
        return self._door.plain(lambda: self._native.gaps)

    def at(
        self, position: int | None = None, *, time: datetime | float | None = None
    ) -> SessionState:
        """Return the state after the entry at ``position``, or at ``time``.

        Position 0 is the state before the first entry. A time is a datetime (local if it
        has no zone) or in seconds since 1970. Raises
        :class:`~realtime_trio.HistoryGap` if the log does not hold that moment, ``ValueError``
        for a position that it does not have, and ``TypeError`` unless exactly one is given.
        """
        return self._door.plain(lambda: self._native.at(position, time=time))

    def position_at(self, time: datetime | float) -> int:
        """Return the position of the last entry up to a time; 0 if all are later."""
        return self._door.plain(lambda: self._native.position_at(time))

    def diff(self, before: int, after: int) -> tuple[Change, ...]:
        """Return the differences between two positions. Raises the same errors as :meth:`at`."""
        return self._door.plain(lambda: self._native.diff(before, after))

    def find(self, predicate: Callable[[SessionState], object], *, after: int = 0) -> int | None:
        """Return the first position after ``after`` with a matching state, or ``None``.

        The predicate is called with the state at every position that the log holds, so this
        takes as long as folding all of it.
        """
        return self._door.plain(lambda: self._native.find(predicate, after=after))

    def entries(self, since: int | None = None) -> Generator[HistoryEntry, None, None]:
        """Iterate over the entries after ``since``, or over all."""
        return self._door.each(self._native.entries(since))


def open_history(
    path: str | os.PathLike[str], *, name: str | None = None
) -> AbstractContextManager[History]:
    """Read a journal, a recording or a trace: ``with open_history(path) as history``.

    ``name`` is the session of a journal, by default the one that was written to last. The file
    is read and folded once, in a thread; a journal that a client is writing to is read as it is
    at that moment.

    Raises ``OSError`` for a file that cannot be read, ``ValueError`` for any other kind of file,
    and :class:`~realtime_trio.JournalError` for a missing journal or session.
    """
    return opened(native_open_history(path, name=name), History)
