"""Immutable values that grow cheaply: text, lists of messages, memories of what was seen.

All three rest on one idea. A value is a window into storage that is only ever appended
to: the newest value appends in place and hands out a longer window, and older windows go
on showing what they showed. A value that is *not* the newest copies before it grows, so
two histories that start from one value never mix. This makes a step of the fold cost the
same at the beginning and after a million steps, and a state costs nothing to keep.

What the library makes anew with every event is a frozen :class:`msgspec.Struct`: as
immutable as a frozen attrs class, but made in C, at much less cost. :func:`evolve`
changes one. What travels to the application, events, records, messages and notifications,
are attrs classes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Generic, ParamSpec, TypeVar, cast, overload

import attrs
import msgspec

__all__ = ["Compared", "Log", "Recent", "Rope", "evolve", "freeze", "thaw", "unchecked_constructor"]

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
D = TypeVar("D", bound=msgspec.Struct)
C = TypeVar("C")
P = ParamSpec("P")


# ``evolve(value, **changes)`` gives a struct that differs in ``changes``: what ``attrs.evolve``
# does for attrs classes. Every event that is no delta calls it two or three times.
evolve = msgspec.structs.replace

# A frozen struct refuses to assign its class as it refuses every attribute.
_set_class = object.__dict__["__class__"].__set__


def thaw(value: msgspec.Struct, draft: type[D]) -> D:
    """Give a draft of a frozen struct: a copy whose attributes can be assigned.

    ``draft`` is the class that the frozen class extends, without a field of its own. So a copy
    in C is all that a draft costs, and no field can be missed.
    """
    copy = evolve(value)
    _set_class(copy, draft)
    return copy  # type: ignore[return-value]  # and no call of ``cast``: every event thaws two


def freeze(draft: msgspec.Struct, cls: type[D]) -> D:
    """Turn a draft into the frozen struct ``cls``, in place: it cannot be changed any more."""
    draft.__class__ = cls
    return draft  # type: ignore[return-value]


def unchecked_constructor(cls: Callable[P, C]) -> Callable[P, C]:
    """Give a function that makes instances of a frozen attrs class, faster than its constructor.

    The constructor of a frozen class goes through ``object.__setattr__`` for every field,
    which takes much longer than a plain assignment. The function given fills an instance of an
    unfrozen subclass field by field and then sets its class. Its source is written from the
    class's own fields, with their defaults, so no field can be missed.

    It runs no validator and no converter: use it only for values that were checked. Raises
    ``TypeError`` for a class with a default factory.
    """
    made = cast("type[attrs.AttrsInstance]", cls)
    fields = attrs.fields(made)
    if any(isinstance(field.default, attrs.Factory) for field in fields):  # type: ignore[arg-type]
        message = f"{made.__name__} has a default factory, which this constructor does not call"
        raise TypeError(message)
    unfrozen = {
        "__slots__": (),
        "__module__": made.__module__,
        "__init__": object.__init__,
        "__setattr__": object.__setattr__,
        "__delattr__": object.__delattr__,
    }
    scope: dict[str, object] = {
        "cls": made,
        "Draft": type(f"{made.__name__}Draft", (made,), unfrozen),
        "defaults": {field.name: field.default for field in fields},
    }
    parameters = [
        field.name if field.default is attrs.NOTHING else f"{field.name}=defaults[{field.name!r}]"
        for field in sorted(fields, key=lambda field: field.default is not attrs.NOTHING)
    ]
    lines = [
        f"def make({', '.join(parameters)}):",
        " draft = Draft()",
        *(f" draft.{field.name} = {field.name}" for field in fields),
        " draft.__class__ = cls",
        " return draft",
    ]
    exec("\n".join(lines), scope)
    return cast("Callable[P, C]", scope["make"])


class _Storage:
    """The pieces of a text, and how much of it somebody has already asked for."""

    __slots__ = ("joined", "joined_count", "pieces")

    def __init__(self, pieces: list[str]) -> None:
        self.pieces = pieces
        self.joined = ""
        self.joined_count = 0


class Compared(msgspec.Struct, frozen=True, eq=False):
    """A struct with an ``==`` of its own; ``!=`` is its contrary, not msgspec's comparison."""

    def __ne__(self, other: object) -> bool:
        """Whether ``==`` says no."""
        same = self.__eq__(other)
        return same if same is NotImplemented else not same


class Rope(Compared, frozen=True, eq=False, gc=False):
    """Immutable text that grows by appending; joined when somebody reads it."""

    _storage: _Storage
    _count: int

    @classmethod
    def of(cls, text: str) -> Rope:
        """Begin a text."""
        return cls(_Storage([text]), 1)

    def append(self, text: str) -> Rope:
        """Give a rope that is longer by ``text``."""
        storage = self._storage
        pieces = storage.pieces
        count = self._count
        if len(pieces) != count:  # an older value grows: its storage has other text there
            storage = _Storage(pieces[:count])
            pieces = storage.pieces
        pieces.append(text)
        return Rope(storage, count + 1)

    def __str__(self) -> str:
        """Join the text. What was joined before is not joined again.

        Nor is it copied, where the reader has let go of it: Python lengthens a text in place
        that only one variable holds. So somebody may read the whole at every delta.
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
        """Compare the text: how it was cut into pieces does not matter."""
        return str(self) == str(other) if isinstance(other, Rope) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return f"Rope({str(self)!r})"


_CHUNK = 64


class Log(Sequence[T]):
    """An immutable list: appending, replacing near the end and dropping from the front are cheap.

    Full chunks of 64 items lie in shared storage; the tail, not yet full, is a tuple.
    """

    __slots__ = ("_chunks", "_dropped", "_first", "_sealed", "_tail")

    def __init__(self, items: Iterable[T] = ()) -> None:
        everything = list(items)
        self._chunks: list[tuple[T, ...]] = []
        sealed = len(everything) // _CHUNK
        for i in range(sealed):
            self._chunks.append(tuple(everything[i * _CHUNK : (i + 1) * _CHUNK]))
        self._sealed = sealed
        self._tail: tuple[T, ...] = tuple(everything[sealed * _CHUNK :])
        self._first = 0
        self._dropped = 0

    def _with(self, chunks: list[tuple[T, ...]], sealed: int, tail: tuple[T, ...]) -> Log[T]:
        log: Log[T] = object.__new__(type(self))
        log._chunks, log._sealed, log._tail = chunks, sealed, tail
        log._first, log._dropped = self._first, self._dropped
        return log

    @classmethod
    def restored(cls, items: Iterable[T], dropped: int) -> Log[T]:
        """The list that ends with these items, after ``dropped`` others have left."""
        log = cls(items)
        log._dropped = dropped
        return log

    @property
    def dropped(self) -> int:
        """How many items have left at the front; the first that is left has this position."""
        return self._dropped

    @property
    def end(self) -> int:
        """The position that the next item gets; positions never change, indices do."""
        return self._dropped + len(self)

    def append(self, item: T) -> Log[T]:
        """Give a list that is longer by ``item``."""
        tail = (*self._tail, item)
        if len(tail) < _CHUNK:
            return self._with(self._chunks, self._sealed, tail)
        chunks = self._chunks
        if len(chunks) != self._sealed:
            chunks = chunks[: self._sealed]
        chunks.append(tail)
        return self._with(chunks, self._sealed + 1, ())

    def replace(self, position: int, item: T) -> Log[T]:
        """Give a list with ``item`` at ``position`` (see :attr:`end`); ``IndexError`` outside."""
        index = position - self._dropped
        if not 0 <= index < len(self):
            msg = f"position {position} is not in {self._dropped}..{self.end}"
            raise IndexError(msg)
        chunk, place = divmod(index + self._first, _CHUNK)
        if chunk == self._sealed:
            tail = (*self._tail[:place], item, *self._tail[place + 1 :])
            return self._with(self._chunks, self._sealed, tail)
        chunks = self._chunks[: self._sealed]
        old = chunks[chunk]
        chunks[chunk] = (*old[:place], item, *old[place + 1 :])
        return self._with(chunks, self._sealed, self._tail)

    def at(self, position: int) -> T:
        """The item at ``position``; ``IndexError`` where it has gone or is not there yet."""
        index = position - self._dropped
        if not 0 <= index < len(self):
            msg = f"position {position} is not in {self._dropped}..{self.end}"
            raise IndexError(msg)
        return self[index]

    def keep_last(self, count: int) -> Log[T]:
        """Give a list of the last ``count`` items at most."""
        surplus = len(self) - count
        if surplus <= 0:
            return self
        log = self._with(self._chunks, self._sealed, self._tail)
        log._first += surplus
        log._dropped += surplus
        whole = min(log._first // _CHUNK, log._sealed)
        # Storage that nothing shows any more is let go once it is an eighth of what there is.
        if whole * 8 > log._sealed:
            log._chunks = log._chunks[whole : log._sealed]
            log._sealed -= whole
            log._first -= whole * _CHUNK
        return log

    def __len__(self) -> int:
        return self._sealed * _CHUNK + len(self._tail) - self._first

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        """An item, or a tuple of items for a slice."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        size = len(self)
        if index < 0:
            index += size
        if not 0 <= index < size:
            msg = "index out of range"
            raise IndexError(msg)
        chunk, place = divmod(index + self._first, _CHUNK)
        return self._tail[place] if chunk == self._sealed else self._chunks[chunk][place]

    def __iter__(self) -> Iterator[T]:
        for i in range(len(self)):
            yield self[i]

    def __eq__(self, other: object) -> bool:
        """Equal to any list or tuple of equal items."""
        if not isinstance(other, (Log, tuple, list)):
            return NotImplemented
        items = cast("Sequence[object]", other)
        return len(self) == len(items) and all(a == b for a, b in zip(self, items, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Log({list(self)!r})"


class Recent(Generic[K, V]):
    """An immutable memory of the last ``limit`` keys that were set, with their values."""

    __slots__ = ("_count", "_index", "_limit", "_log")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._log: list[tuple[K, V]] = []
        self._index: dict[K, int] = {}
        self._count = 0

    @classmethod
    def restored(cls, items: Iterable[tuple[K, V]], limit: int) -> Recent[K, V]:
        """The memory that holds these keys with their values, oldest first."""
        memory = cls(limit)
        for key, value in items:
            memory._index[key] = memory._count
            memory._log.append((key, value))
            memory._count += 1
        return memory

    @property
    def limit(self) -> int:
        """How many keys it holds at most."""
        return self._limit

    def get(self, key: K) -> V | None:
        """The value that was last set for ``key``, or ``None`` where it is forgotten or new."""
        if len(self._log) != self._count:
            return self._fork().get(key)
        place = self._index.get(key)
        if place is None or place < self._count - self._limit:
            return None
        return self._log[place][1]

    def set(self, key: K, value: V) -> Recent[K, V]:
        """Give a memory in which ``key`` is the newest."""
        base = self
        if len(self._log) != self._count or self._count >= 4 * self._limit:
            base = self._fork()
        count = base._count
        base._index[key] = count
        base._log.append((key, value))
        newer: Recent[K, V] = object.__new__(type(self))
        newer._limit = base._limit
        newer._log = base._log
        newer._index = base._index
        newer._count = count + 1
        return newer

    def _fork(self) -> Recent[K, V]:
        """A copy with storage of its own, that holds the window and nothing before it."""
        copy: Recent[K, V] = Recent(self._limit)
        copy._log = self._log[max(0, self._count - self._limit) : self._count]
        copy._count = len(copy._log)
        copy._index = {key: place for place, (key, _) in enumerate(copy._log)}
        return copy

    def items(self) -> list[tuple[K, V]]:
        """What the memory holds, oldest first."""
        return self._log[max(0, self._count - self._limit) : self._count]

    def __eq__(self, other: object) -> bool:
        return self.items() == other.items() if isinstance(other, Recent) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(key for key, _ in self.items()))

    def __repr__(self) -> str:
        return f"<Recent of {len(self.items())} keys>"
