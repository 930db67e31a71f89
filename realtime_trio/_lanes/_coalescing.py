"""Coalescing: neighbours in a buffer that differ only in their text become one run.

Lanes coalesce decoded deltas, subscriptions coalesce ``message-streaming``; both do it here.
An item continues the last one of its buffer if everything but the text is equal. A run starts
when the second item arrives, so a single item costs no more than its place in the buffer.

Folding one delta with the text of a whole run gives the same state as folding each delta,
because the fold of a delta appends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast, final

from .._core._fast_decoder import Delta, Incoming
from .._core._notifications import MessageStreaming
from .._idle import EMPTY
from ._reader import Item

__all__ = [
    "HEAVY",
    "MAX_RUN",
    "DeltaCoalescer",
    "DeltaRun",
    "LaneEntry",
    "Run",
    "StreamingCoalescer",
]

E = TypeVar("E")
I = TypeVar("I")  # noqa: E741  an item

# An entry of a lane: an event, its size in bytes, and its time of arrival.
LaneEntry: TypeAlias = tuple[Incoming, int, float]

# The most texts and the most bytes (plus one delta) that one step of the fold joins.
MAX_RUN: Final = 256
HEAVY: Final = 256 * 1024

_BLOCK: Final = 256


@final
class Run(Generic[E]):
    """Neighbours that differ only in their text: the entry of the first, and every text.

    256 texts at a time become one block, so that texts of one character do not each keep an
    object alive. Each character is copied twice in total.
    """

    __slots__ = ("_blocks", "continued", "count", "entry", "size", "texts")

    def __init__(self, entry: E, text: str, size: int) -> None:
        self.entry: E = entry
        self.texts: list[str] = [text]
        """The texts that are not in a block yet."""
        self.count: int = 1
        self.size: int = size
        self.continued: bool = False
        """Whether its first item continued the item before it."""
        self._blocks: list[str] | None = None

    def append(self, text: str, size: int) -> None:
        """Append a text that counts ``size`` bytes."""
        texts = self.texts
        texts.append(text)
        self.count += 1
        self.size += size
        if len(texts) >= _BLOCK:
            if self._blocks is None:
                self._blocks = []
            self._blocks.append("".join(texts))
            texts.clear()

    def text(self) -> str:
        """The whole text."""
        return "".join(self.texts if self._blocks is None else [*self._blocks, *self.texts])

    def split(self, count: int) -> tuple[Run[E], Run[E]]:
        """Split off the first ``count`` items; both runs get some. For runs without blocks."""
        size = self.size * count // self.count
        first = self._part(self.texts[:count], size, continued=self.continued)
        return first, self._part(self.texts[count:], self.size - size, continued=True)

    def _part(self, texts: list[str], size: int, *, continued: bool) -> Run[E]:
        part = Run(self.entry, "", size)
        part.texts, part.count, part.continued = texts, len(texts), continued
        return part


DeltaRun: TypeAlias = Run[LaneEntry]


class Coalescer(Generic[E, I]):
    """The end of a buffer: the item that the next one may continue, and their run.

    The owner appends each item that continues nothing, then calls :meth:`begin` if the next item
    may continue it, else :meth:`seal`. It also seals when it removes the last entry. A run
    replaces the entry of its first item. ``entries`` is :data:`EMPTY` before the first item.
    """

    __slots__ = ("_last", "_run", "entries")

    def __init__(self) -> None:
        self.entries: deque[E | Run[E]] = EMPTY
        self._last: I | None = None
        self._run: Run[E] | None = None

    def begin(self, item: I) -> None:
        """Note that the last entry is of this item, and that the next one may continue it."""
        self._last = item
        self._run = None

    def seal(self) -> None:
        """Note that nothing may continue the last entry."""
        self._last = self._run = None

    def _begin_run(self, entry: E, text: str, size: int) -> Run[E]:
        run = self._run = self.entries[-1] = Run(entry, text, size)
        return run


@final
class StreamingCoalescer(Coalescer[Item, MessageStreaming]):
    """Coalesces the deltas of a message in the buffer of a subscription.

    ``sizes`` are the sizes of its entries; that of a run is the size of its first item.
    """

    __slots__ = ("sizes",)

    def __init__(self) -> None:
        super().__init__()
        self.sizes: deque[int] = EMPTY

    def run_of(self, note: MessageStreaming) -> Run[Item] | None:
        """Return the run that an item continues, or ``None`` if it continues nothing."""
        last = self._last
        if (
            last is None
            or note.message_id != last.message_id
            or note.session_id != last.session_id
            or note.role != last.role
        ):
            return None
        return self._run or self._begin_run(last, last.delta, self.sizes[-1])


@final
class DeltaCoalescer(Coalescer[LaneEntry, Delta]):
    """Coalesces the deltas of a lane, at most ``max_run`` into one.

    ``mixed_times``: whether deltas of one run may have arrived at different times. ``depth``
    and ``bytes`` count the events that are not handled yet.
    """

    __slots__ = ("_at_limit", "_continued", "_max_run", "_mixed_times", "bytes", "depth")

    def __init__(self, *, max_run: int, mixed_times: bool) -> None:
        super().__init__()
        self.depth: int = 0
        self.bytes: int = 0
        self._max_run = max_run
        self._mixed_times = mixed_times
        self._at_limit = False  # the next delta begins a new run only because this one is full
        self._continued = False  # the last entry began for the same reason

    def seal(self) -> None:
        """Note that nothing may continue the last entry; if there is none, free the queue."""
        super().seal()
        if not self.entries:
            self.entries = EMPTY

    def put(self, event: Incoming, size: int, at: float) -> None:
        """Append an event."""
        self.depth += 1
        self.bytes += size
        if self.entries is EMPTY:
            self.entries = deque()
        self.entries.append((event, size, at))
        # A run begins with a delta that has a text: its time is the time of the message.
        if isinstance(event, Delta) and event.id is None and event.content:
            self._last = event
        else:
            self._last = None
        self._run = None
        self._continued, self._at_limit = self._at_limit, False

    def extend(
        self,
        event: Incoming,
        size: int,
        at: float,
        more: Iterator[tuple[Incoming, int]],
        *,
        max_depth: float,
        max_bytes: float,
    ) -> tuple[Incoming, int] | None:
        """Add events for as long as they are deltas that continue the last one.

        ``event`` is the first of them, ``more`` yields the others, with their sizes. It stops
        before ``depth`` or ``bytes`` exceed their maximum. Returns the first event that it did
        not add, ``None`` if there is none. A delta with an id continues nothing, nor does one
        without text: it changes more than the text of its message.
        """
        last = self._last
        if last is None:
            return event, size
        run = self._run
        first = run.entry if run is not None else cast("LaneEntry", self.entries[-1])
        if not self._mixed_times and first[2] != at:
            return event, size
        cls, session_id, role, format_ = last.__class__, last.session_id, last.role, last.format
        user, parent = last.user_session_id, last.parent_session_id
        texts: list[str] = []
        count = joined = 0
        most = min(self._max_run - (1 if run is None else run.count), max_depth - self.depth)
        heavy = HEAVY - (first[1] if run is None else run.size)
        full = max_bytes - self.bytes
        following: Any
        try:
            for following, length in chain(((event, size),), more):
                text = following.content if following.__class__ is cls else ""
                if (
                    not text
                    or following.session_id != session_id
                    or following.role != role
                    or following.id is not None
                    or following.format != format_
                    or following.user_session_id != user
                    or following.parent_session_id != parent
                ):
                    return following, length
                if count >= most or joined >= heavy or joined + length >= full:
                    self._at_limit = True
                    return following, length
                texts.append(text)
                joined += length
                count += 1
            return None
        finally:
            if count:
                self._add(texts, joined)

    def _add(self, texts: list[str], size: int) -> None:
        """Make the texts a part of the run at the end."""
        run = self._run
        if run is None:
            assert self._last is not None
            first = cast("LaneEntry", self.entries[-1])
            run = self._begin_run(first, self._last.content, first[1])
            run.continued = self._continued
        run.texts += texts
        run.count += len(texts)
        run.size += size
        self.depth += len(texts)
        self.bytes += size
