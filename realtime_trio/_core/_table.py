"""An immutable table that grows cheaply: entries by key, in insertion order.

It uses the idea of ``_values``: a table is a window into an append-only list of changes. The
newest table also has its entries in a dictionary, so a change costs the same with ten entries
as with ten thousand. An older table replays the changes when it is read, and copies its entries
before it changes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar, cast, overload

__all__ = ["Keys", "Table"]

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_GONE = object()
# With more changes than entries plus this number, a table starts a new list of changes.
_CHANGES = 64


class _Items(Sequence[T]):
    """A sequence whose items are read from elsewhere; it equals any sequence of equal items."""

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
    """The storage that a family of tables shares.

    ``changes`` alternates between keys and their values (a list of pairs would keep the garbage
    collector busy). ``live`` are the entries of the newest table, whose ``end`` is the length of
    ``changes``. ``read`` caches the columns that were read last, with the ``end`` of their table.
    """

    __slots__ = ("base", "changes", "live", "read")

    def __init__(self, entries: Iterable[tuple[K, V]]) -> None:
        self.live: OrderedDict[K, V] = OrderedDict(entries)
        self.base = tuple(self.live.items())
        self.changes: list[Any] = []
        self.read: tuple[int, tuple[K, ...], tuple[V, ...]] = (-1, (), ())


class Table(_Items[V], Generic[K, V]):
    """An immutable list of entries with unique keys.

    A new entry goes to the end; a replaced entry keeps its position. The table itself is the
    sequence of its entries, and :attr:`keys` is the sequence of their keys.
    """

    __slots__ = ("_end", "_journal", "_size")

    def __init__(self, entries: Iterable[tuple[K, V]] = ()) -> None:
        self._journal: _Journal[K, V] = _Journal(entries)
        self._end = 0
        self._size = len(self._journal.live)

    @property
    def keys(self) -> Keys[K, V]:
        """The keys, in order. They are built when they are read."""
        return Keys(self)

    def has(self, key: K) -> bool:
        """Return whether the table has an entry with this key."""
        journal = self._journal
        found = key in journal.live
        return found if len(journal.changes) == self._end else key in self.columns()[0]

    def set(self, key: K, value: V) -> Table[K, V]:
        """Return a table with this value for the key."""
        return self._changed(key, value)

    def discard(self, key: K) -> Table[K, V]:
        """Return a table without this key."""
        return self._changed(key, _GONE) if self.has(key) else self

    def keep_last(self, count: int) -> Table[K, V]:
        """Return a table with only the last ``count`` entries."""
        table = self
        while table._size > count:
            table = table._own()
            table = table.discard(next(iter(table._journal.live)))
        return table

    def _own(self) -> Table[K, V]:
        """Return this table if it may append to its storage, else a copy with its own."""
        end = len(self._journal.changes)
        if end == self._end and end <= 2 * (self._size + _CHANGES):
            return self
        return Table(zip(*self.columns(), strict=True))

    def _changed(self, key: K, value: object) -> Table[K, V]:
        base = self._own()
        journal = base._journal
        # The changes first: a reader in another thread then sees that ``live`` is not its own.
        journal.changes.extend((key, value))
        if value is _GONE:
            del journal.live[key]
        else:
            journal.live[key] = cast("V", value)
        newer: Table[K, V] = object.__new__(type(self))
        newer._journal = journal
        newer._end = base._end + 2
        newer._size = len(journal.live)
        return newer

    def columns(self) -> tuple[tuple[K, ...], tuple[V, ...]]:
        """Return the keys and the entries."""
        journal, end = self._journal, self._end
        known, keys, values = journal.read
        if known != end:
            keys, values = tuple(journal.live), tuple(journal.live.values())
            if len(journal.changes) != end:  # ``live`` belongs to a newer table
                replayed = dict(journal.base)
                for key, value in zip(
                    journal.changes[:end:2], journal.changes[1:end:2], strict=True
                ):
                    if value is _GONE:
                        del replayed[key]
                    else:
                        replayed[key] = cast("V", value)
                keys, values = tuple(replayed), tuple(replayed.values())
            journal.read = end, keys, values
        return keys, values

    def _read(self) -> tuple[V, ...]:
        return self.columns()[1]

    def __len__(self) -> int:
        return self._size


class Keys(_Items[K], Generic[K, V]):
    """The keys of a table except a hidden one. They are built when they are read."""

    __slots__ = ("_hidden", "_table")

    def __init__(self, table: Table[K, V], *, hidden: K | None = None) -> None:
        self._table = table
        self._hidden = hidden

    def _read(self) -> tuple[K, ...]:
        keys = self._table.columns()[0]
        return keys if self._hidden is None else tuple(k for k in keys if k != self._hidden)

    def __len__(self) -> int:
        return len(self._table) if self._hidden is None else len(self._read())
