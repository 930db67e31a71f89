"""Immutable values that grow cheaply: text, lists of messages, sets of recent keys.

All three use one idea. A value is a window into append-only storage. The newest value appends in
place and returns a longer window; older windows still show the same items. A value that is *not*
the newest copies its storage before it grows, so two histories that start from one value never mix.
The cost of a fold step is therefore constant, and keeping an old state is free.

Values that are created for every event are frozen :class:`msgspec.Struct` classes: as immutable as
frozen attrs classes, but created in C at much lower cost. :func:`evolve` returns a changed copy.
Values for the application (events, records, messages and notifications) are attrs classes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

import msgspec

__all__ = [
    "Compared",
    "Log",
    "Recent",
    "Rope",
    "evolve",
    "freeze",
    "longer",
    "thaw",
    "with_item",
]

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
D = TypeVar("D", bound=msgspec.Struct)
C = TypeVar("C")
P = ParamSpec("P")


# ``evolve(value, **changes)`` returns a changed copy of a struct, as ``attrs.evolve`` does for
# attrs classes. Every event except a delta calls it two or three times.
evolve = msgspec.structs.replace

_new = object.__new__

# A frozen struct rejects the assignment of ``__class__``, as of any attribute.
_set_class = object.__dict__["__class__"].__set__


def thaw(value: msgspec.Struct, draft: type[D]) -> D:
    """Return a draft of a frozen struct: a copy with assignable attributes.

    ``draft`` is the base class of the frozen class, which adds no fields. A draft therefore costs
    one copy in C, and no field can be missed.
    """
    copy = evolve(value)
    _set_class(copy, draft)
    return copy  # type: ignore[return-value]  # ``cast`` would cost a call


def freeze(draft: msgspec.Struct, cls: type[D]) -> D:
    """Turn a draft into the frozen struct ``cls``, in place."""
    draft.__class__ = cls
    return draft  # type: ignore[return-value]


class _Storage:
    """The parts of a text, and the prefix that is already joined."""

    __slots__ = ("joined", "joined_count", "pieces")

    def __init__(self, pieces: list[str]) -> None:
        self.pieces = pieces
        self.joined = ""
        self.joined_count = 0


class Compared(msgspec.Struct, frozen=True, eq=False):
    """A struct with a custom ``==``; ``!=`` negates it and does not use msgspec's comparison."""

    def __ne__(self, other: object) -> bool:
        """Negate ``==``."""
        same = self.__eq__(other)
        return same if same is NotImplemented else not same


class Rope(Compared, frozen=True, eq=False, gc=False):
    """Immutable text that grows by appending. It is joined when it is read."""

    _storage: _Storage
    _count: int

    @classmethod
    def of(cls, text: str) -> Rope:
        """Create a rope with a first text."""
        return cls(_Storage([text]), 1)

    def append(self, text: str) -> Rope:
        """Return a rope with ``text`` appended."""
        storage = self._storage
        pieces = storage.pieces
        count = self._count
        if len(pieces) != count:  # not the newest value: its storage has other text there
            storage = _Storage(pieces[:count])
            pieces = storage.pieces
        pieces.append(text)
        return Rope(storage, count + 1)

    def __str__(self) -> str:
        """Join the text. The prefix that was joined before is reused.

        The prefix is not copied if the reader no longer holds it: CPython extends a string in place
        if it has a single reference. Reading the whole text at every delta is therefore cheap.
        """
        storage, count = self._storage, self._count
        known = storage.joined_count
        if count < known:
            return "".join(storage.pieces[:count])
        if count > known:
            joined, storage.joined = storage.joined, ""
            joined += "".join(storage.pieces[known:count])
            storage.joined, storage.joined_count = joined, count
        return storage.joined

    def __eq__(self, other: object) -> bool:
        """Compare the text, regardless of its parts."""
        return str(self) == str(other) if isinstance(other, Rope) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return f"Rope({str(self)!r})"


_CHUNK = 64
_NO_CHUNKS: list[Any] = []  # most lists are short, so they share it; nothing is appended to it


class Log(Sequence[T]):
    """An immutable list with cheap append, replacement near the end and removal from the front.

    Full chunks of 64 items are in shared storage; the tail is a tuple.
    """

    __slots__ = ("_chunks", "_dropped", "_end", "_first", "_sealed", "_tail")

    def __init__(self, items: Iterable[T] = ()) -> None:
        everything = tuple(items)
        self._chunks: list[tuple[T, ...]] = _NO_CHUNKS
        self._sealed = self._first = self._dropped = 0
        self._end = len(everything)
        if self._end >= _CHUNK:
            self._sealed = self._end // _CHUNK
            starts = range(0, self._sealed * _CHUNK, _CHUNK)
            self._chunks = [everything[i : i + _CHUNK] for i in starts]
            everything = everything[self._sealed * _CHUNK :]
        self._tail: tuple[T, ...] = everything

    def _with(
        self, chunks: list[tuple[T, ...]], sealed: int, tail: tuple[T, ...], end: int
    ) -> Log[T]:
        log: Log[T] = _new(type(self))
        log._chunks, log._sealed, log._tail = chunks, sealed, tail
        log._first, log._dropped, log._end = self._first, self._dropped, end
        return log

    @classmethod
    def restored(cls, items: Iterable[T], dropped: int) -> Log[T]:
        """Return the list of these items, after ``dropped`` others were removed from the front."""
        log = cls(items)
        log._dropped = dropped
        log._end += dropped
        return log

    @property
    def dropped(self) -> int:
        """The number of items removed from the front: the position of the first item."""
        return self._dropped

    @property
    def end(self) -> int:
        """The position of the next item. Positions never change; indices do."""
        return self._end

    def append(self, item: T) -> Log[T]:
        """Return a list with ``item`` appended."""
        tail = (*self._tail, item)
        if len(tail) < _CHUNK:
            return self._with(self._chunks, self._sealed, tail, self._end + 1)
        chunks = self._chunks
        if chunks is _NO_CHUNKS or len(chunks) != self._sealed:
            chunks = chunks[: self._sealed]
        chunks.append(tail)
        return self._with(chunks, self._sealed + 1, (), self._end + 1)

    def replace(self, position: int, item: T) -> Log[T]:
        """Return a list with ``item`` at ``position`` (see :attr:`end`); ``IndexError`` outside."""
        if not self._dropped <= position < self._end:
            message = f"position {position} is not in {self._dropped}..{self._end}"
            raise IndexError(message)
        index = position - self._dropped
        chunk, place = divmod(index + self._first, _CHUNK)
        if chunk == self._sealed:
            tail = (*self._tail[:place], item, *self._tail[place + 1 :])
            return self._with(self._chunks, self._sealed, tail, self._end)
        chunks = self._chunks[: self._sealed]
        old = chunks[chunk]
        chunks[chunk] = (*old[:place], item, *old[place + 1 :])
        return self._with(chunks, self._sealed, self._tail, self._end)

    def at(self, position: int) -> T:
        """Return the item at ``position``; ``IndexError`` outside."""
        if not self._dropped <= position < self._end:
            message = f"position {position} is not in {self._dropped}..{self._end}"
            raise IndexError(message)
        return self[position - self._dropped]

    def keep_last(self, count: int) -> Log[T]:
        """Return a list of the last ``count`` items at most."""
        surplus = self._end - self._dropped - count
        if surplus <= 0:
            return self
        log = self._with(self._chunks, self._sealed, self._tail, self._end)
        log._first += surplus
        log._dropped += surplus
        whole = min(log._first // _CHUNK, log._sealed)
        # Unused storage is released once it is an eighth of the whole.
        if whole * 8 > log._sealed:
            log._chunks = log._chunks[whole : log._sealed]
            log._sealed -= whole
            log._first -= whole * _CHUNK
        return log

    def __len__(self) -> int:
        return self._end - self._dropped

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        """Return an item, or a tuple of items for a slice."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        size = self._end - self._dropped
        if index < 0:
            index += size
        if not 0 <= index < size:
            message = "index out of range"
            raise IndexError(message)
        chunk, place = divmod(index + self._first, _CHUNK)
        return self._tail[place] if chunk == self._sealed else self._chunks[chunk][place]

    def __iter__(self) -> Iterator[T]:
        for i in range(len(self)):
            yield self[i]

    def __eq__(self, other: object) -> bool:
        """Compare equal to any list or tuple of equal items."""
        if not isinstance(other, (Log, tuple, list)):
            return NotImplemented
        items = cast("Sequence[object]", other)
        return len(self) == len(items) and all(a == b for a, b in zip(self, items, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Log({list(self)!r})"


def longer(items: Sequence[T], item: T) -> Sequence[T]:
    """Return the items and one more: a tuple while there are few (cheapest), then a log."""
    if len(items) < _CHUNK:
        return (*items, item)
    log = items if isinstance(items, Log) else Log(items)
    return log.append(item)


def with_item(items: Sequence[T], place: int, item: T) -> Sequence[T]:
    """Return the items with another item at ``place``."""
    if isinstance(items, Log):
        return items.replace(place + items.dropped, item)
    return (*items[:place], item, *items[place + 1 :])


class Recent(Compared, Generic[K, V], frozen=True, eq=False, gc=False):
    """An immutable mapping of the last ``limit`` keys that were set.

    Keys and values alternate in one list. A list of pairs would take a tuple for each, and keep the
    garbage collector busy. ``_index`` has the place of the newest value of a key in that list, and
    ``_end`` is how far this mapping can see.
    """

    _limit: int
    _items: list[Any] = []
    _index: dict[K, int] = {}
    _end: int = 0

    @classmethod
    def restored(cls, items: Iterable[tuple[K, V]], limit: int) -> Recent[K, V]:
        """Return a memory with these keys and values, oldest first."""
        known: list[Any] = [part for pair in items for part in pair]
        return cls(limit, known, {known[i]: i + 1 for i in range(0, len(known), 2)}, len(known))

    @property
    def limit(self) -> int:
        """The maximum number of keys."""
        return self._limit

    def get(self, key: K) -> V | None:
        """Return the value last set for ``key``, or ``None`` if it is unknown or evicted."""
        if len(self._items) != self._end:
            return self._fork().get(key)
        place = self._index.get(key)
        if place is None or place < self._end - 2 * self._limit:
            return None
        value: V = self._items[place]
        return value

    def set(self, key: K, value: V) -> Recent[K, V]:
        """Return a mapping in which ``key`` is the newest."""
        base, end = self, self._end
        # States share the empty memory, so it never uses its own storage.
        if not end or len(self._items) != end or end >= 8 * self._limit:
            base = self._fork()
            end = base._end
        # The items first: a reader in another thread then sees that ``_index`` is not its own.
        base._items.extend((key, value))
        base._index[key] = end + 1
        return Recent(base._limit, base._items, base._index, end + 2)

    def _fork(self) -> Recent[K, V]:
        """Return a copy with separate storage that holds only the current window."""
        return self.restored(self.items(), self._limit)

    def __bool__(self) -> bool:
        return self._end > 0

    def items(self) -> list[tuple[K, V]]:
        """Return the items, oldest first."""
        window = self._items[max(0, self._end - 2 * self._limit) : self._end]
        return list(zip(window[::2], window[1::2], strict=True))

    def __eq__(self, other: object) -> bool:
        return self.items() == other.items() if isinstance(other, Recent) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(key for key, _ in self.items()))

    def __repr__(self) -> str:
        return f"<Recent of {len(self.items())} keys>"
