"""Which of many was used least recently, without a look at all of them."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush

import msgspec

from ._table import Table

__all__ = ["Recency", "SessionOrder"]

# A heap holds no more than twice as many entries as there are keys, and these.
_SURPLUS = 64


class _Heap:
    """What the values of one family share; ``version`` is the newest one's."""

    __slots__ = ("entries", "version")

    def __init__(self, entries: list[tuple[int, str]]) -> None:
        heapify(entries)
        self.entries: list[tuple[int, str]] = entries
        self.version: int = 0


class Recency:
    """An immutable note of when keys were used, which may lag behind.

    Each key stands in a heap under a time of use that is its last one or earlier. So the first
    whose time proves right is the least recently used of all, and a use need not be noted. As
    in ``_values``, only the newest value has a heap; an older one makes another when it is asked.
    """

    __slots__ = ("_heap", "_version")

    def __init__(self, heap: _Heap | None = None) -> None:
        self._heap = heap or _Heap([])
        self._version = self._heap.version

    @classmethod
    def without_heap(cls) -> Recency:
        """A note that makes its heap when it is asked."""
        stale = cls()
        stale._version = -1
        return stale

    def add(self, key: str, at: int, count: int) -> Recency:
        """Note a new key, one of ``count``."""
        heap = self._heap
        if heap.version != self._version or len(heap.entries) > 2 * count + _SURPLUS:
            return Recency.without_heap()
        heap.version += 1
        heappush(heap.entries, (at, key))
        return Recency(heap)

    def pop(
        self, keys: Table[str, None], last_use: Callable[[str], int | None]
    ) -> tuple[str, Recency]:
        """The key that was used least recently, and a note without it.

        ``last_use`` tells when a key of ``keys`` was used, or ``None`` where it has to stay.
        One at least may go.
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
        """What it notes follows from other fields."""
        return isinstance(other, Recency)

    def __hash__(self) -> int:
        return hash(Recency)

    def __repr__(self) -> str:
        return "<Recency>"


class SessionOrder(msgspec.Struct, frozen=True):
    """The ids of the sessions in their order, and which of them was used least recently."""

    ids: Table[str, None] = msgspec.field(default_factory=lambda: Table[str, None]())
    recency: Recency = msgspec.field(default_factory=Recency)

    def add(self, session_id: str, at: int) -> SessionOrder:
        """Put a session at the end, wherever it was; ``at`` is when it is used."""
        ids = self.ids.discard(session_id).set(session_id, None)
        return SessionOrder(ids, self.recency.add(session_id, at, len(ids)))

    def discard(self, session_id: str) -> SessionOrder:
        """Take a session out."""
        return SessionOrder(self.ids.discard(session_id), self.recency)

    def pop(self, last_use: Callable[[str], int | None]) -> tuple[str, SessionOrder]:
        """Take out the session that was used least recently (see :meth:`Recency.pop`)."""
        oldest, recency = self.recency.pop(self.ids, last_use)
        return oldest, SessionOrder(self.ids.discard(oldest), recency)
