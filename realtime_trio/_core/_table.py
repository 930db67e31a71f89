"""An immutable table that grows cheaply: entries by key, in the order in which they came.

It rests on the idea of ``_values``: a table is a window into a journal that is only ever
appended to. The newest table also finds its entries in a dictionary, so that a change costs the
same with ten entries and with ten thousand. An older table that is read replays the journal,
at the cost of its reader; one that changes copies first.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar, cast, overload

__all__ = ["Keys", "Table"]

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_GONE = object()
# Above this many changes and as many as there are entries, a table begins a new journal.
_CHANGES = 64


class _Items(Sequence[T]):
    """A sequence that is read from somewhere else as a whole, and equal to any of equal items."""

    __slots__ = ()

    @abstractmethod
    def _read(self) -> tuple[T, ...]: ...

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        """An item, or a tuple of items for a slice."""
        return self._read()[index]

    def __iter__(self) -> Iterator[T]:
        return iter(self._read())

    def __eq__(self, other: object) -> bool:
        """Equal to any list or tuple of equal items."""
        if not isinstance(other, Sequence) or isinstance(other, (str, bytes)):
            return NotImplemented
        return self._read() == tuple(cast("Sequence[object]", other))

    def __hash__(self) -> int:
        return hash(self._read())

    def __repr__(self) -> str:
        return repr(self._read())


class _Journal(Generic[K, V]):
    """What a family of tables shares.

    ``live`` are the entries of the newest table, whose ``count`` is the length of ``changes``.
    ``read`` holds what was last read, of whichever table.
    """

    __slots__ = ("base", "changes", "live", "read")

    def __init__(self, entries: Iterable[tuple[K, V]]) -> None:
        self.live: OrderedDict[K, V] = OrderedDict(entries)
        self.base = tuple(self.live.items())
        self.changes: list[tuple[K, object]] = []
        self.read: tuple[int, tuple[K, ...], tuple[V, ...]] = (-1, (), ())


class Table(_Items[V], Generic[K, V]):
    """An immutable list of entries, each under a key of its own.

    A new entry goes to the end, and one that is replaced keeps its place. As a sequence it is
    that of its entries; :attr:`keys` is that of their keys.
    """

    __slots__ = ("_count", "_journal", "_size")

    def __init__(self, entries: Iterable[tuple[K, V]] = ()) -> None:
        self._journal: _Journal[K, V] = _Journal(entries)
        self._count = 0
        self._size = len(self._journal.live)

    @property
    def keys(self) -> Keys[K, V]:
        """The keys in their order; they cost nothing until they are read."""
        return Keys(self)

    def has(self, key: K) -> bool:
        """Whether there is an entry under ``key``."""
        journal = self._journal
        found = key in journal.live
        return found if len(journal.changes) == self._count else key in self.columns()[0]

    def set(self, key: K, value: V) -> Table[K, V]:
        """Give a table with ``value`` under ``key``."""
        return self._changed(key, value)

    def discard(self, key: K) -> Table[K, V]:
        """Give a table without an entry under ``key``."""
        return self._changed(key, _GONE) if self.has(key) else self

    def keep_last(self, count: int) -> Table[K, V]:
        """Give a table of the last ``count`` entries at most."""
        table = self
        while table._size > count:
            table = table._own()
            table = table.discard(next(iter(table._journal.live)))
        return table

    def _own(self) -> Table[K, V]:
        """A table whose journal may be appended to: this one, or a copy with a journal."""
        changes = len(self._journal.changes)
        if changes == self._count and changes <= self._size + _CHANGES:
            return self
        return Table(zip(*self.columns(), strict=True))

    def _changed(self, key: K, value: object) -> Table[K, V]:
        base = self._own()
        journal = base._journal
        # The journal first: who reads in another thread then sees that ``live`` is not its own.
        journal.changes.append((key, value))
        if value is _GONE:
            del journal.live[key]
        else:
            journal.live[key] = cast("V", value)
        newer: Table[K, V] = object.__new__(type(self))
        newer._journal = journal
        newer._count = base._count + 1
        newer._size = len(journal.live)
        return newer

    def columns(self) -> tuple[tuple[K, ...], tuple[V, ...]]:
        """The keys and the entries."""
        journal, count = self._journal, self._count
        known, keys, values = journal.read
        if known != count:
            keys, values = tuple(journal.live), tuple(journal.live.values())
            if len(journal.changes) != count:  # ``live`` is a newer table's
                replayed = dict(journal.base)
                for key, value in journal.changes[:count]:
                    if value is _GONE:
                        del replayed[key]
                    else:
                        replayed[key] = cast("V", value)
                keys, values = tuple(replayed), tuple(replayed.values())
            journal.read = count, keys, values
        return keys, values

    def _read(self) -> tuple[V, ...]:
        return self.columns()[1]

    def __len__(self) -> int:
        return self._size


class Keys(_Items[K], Generic[K, V]):
    """The keys of a table, but for one: read when somebody asks for them."""

    __slots__ = ("_hidden", "_table")

    def __init__(self, table: Table[K, V], *, hidden: K | None = None) -> None:
        self._table = table
        self._hidden = hidden

    def _read(self) -> tuple[K, ...]:
        keys = self._table.columns()[0]
        return keys if self._hidden is None else tuple(k for k in keys if k != self._hidden)

    def __len__(self) -> int:
        return len(self._table) if self._hidden is None else len(self._read())
