"""The least recently used key, found without a search over all keys."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush

import msgspec

from ._table import Table

__all__ = ["Recency", "SessionOrder"]

# A heap holds no more than twice as many entries as there are keys, and these.
_SURPLUS = 64


class _Heap:
    """The storage that a family of values shares; ``version`` is that of the newest value."""

    __slots__ = ("entries", "version")

    def __init__(self, entries: list[tuple[int, str]]) -> None:
        heapify(entries)
        self.entries: list[tuple[int, str]] = entries
        self.version: int = 0


class Recency:
    """An immutable record of when keys were used; its times may be out of date.

    A heap holds each key with the time of its last use, or an earlier time. The first key whose
    time is still correct is therefore the least recently used one, and a use need not be recorded.
    As in ``_values``, only the newest value has a heap; an older value builds a new one when it
    needs it.
    """

    __slots__ = ("_heap", "_version")

    def __init__(self, heap: _Heap | None = None) -> None:
        self._heap = heap or _Heap([])
        self._version = self._heap.version

    @classmethod
    def without_heap(cls) -> Recency:
        """Return a record that builds its heap when it needs it."""
        stale = cls()
        stale._version = -1
        return stale

    def add(self, key: str, at: int, count: int) -> Recency:
        """Record a new key; ``count`` is the number of keys."""
        heap = self._heap
        if heap.version != self._version or len(heap.entries) > 2 * count + _SURPLUS:
            return Recency.without_heap()
        heap.version += 1
        heappush(heap.entries, (at, key))
        return Recency(heap)

    def pop(
        self, keys: Table[str, None], last_use: Callable[[str], int | None]
    ) -> tuple[str, Recency]:
        """Return the least recently used key, and a record without it.

        ``last_use`` returns when a key of ``keys`` was used, or ``None`` if the key must stay.
        At least one key must be allowed to leave.
        """
        heap = self._heap
        if heap.version != self._version:
            heap = _Heap([(0, key) for key in keys.keys])
        heap.version += 1
        entries = heap.entries
        staying: list[tuple[int, str]] = []
        while True:
            noted, key = heappop(entries)
            if not keys.has(key):
                continue
            used = last_use(key)
            if used is None:
                staying.append((noted, key))
            elif used > noted:
                heappush(entries, (used, key))
            else:
                break
        for entry in staying:
            heappush(entries, entry)
        return key, Recency(heap)

    def __eq__(self, other: object) -> bool:
        """All records are equal, because their contents follow from other fields."""
        return isinstance(other, Recency)

    def __hash__(self) -> int:
        return hash(Recency)

    def __repr__(self) -> str:
        return "<Recency>"


class SessionOrder(msgspec.Struct, frozen=True):
    """The ids of the sessions in order, and which of them was used least recently."""

    ids: Table[str, None] = msgspec.field(default_factory=lambda: Table[str, None]())
    recency: Recency = msgspec.field(default_factory=Recency)

    def add(self, session_id: str, at: int) -> SessionOrder:
        """Move a session to the end; ``at`` is the time of this use."""
        ids = self.ids.discard(session_id).set(session_id, None)
        return SessionOrder(ids, self.recency.add(session_id, at, len(ids)))

    def discard(self, session_id: str) -> SessionOrder:
        """Remove a session."""
        return SessionOrder(self.ids.discard(session_id), self.recency)

    def pop(self, last_use: Callable[[str], int | None]) -> tuple[str, SessionOrder]:
        """Take out the session that was used least recently (see :meth:`Recency.pop`)."""
        oldest, recency = self.recency.pop(self.ids, last_use)
        return oldest, SessionOrder(self.ids.discard(oldest), recency)
