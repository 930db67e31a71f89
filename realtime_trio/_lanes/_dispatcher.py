"""What a lane's task does with the events in its hand: fold them, and tell who asked.

The fast path of the lanes. An event costs one step of the fold, one lookup to see that
nobody asked for the event itself, and for each notification one lookup and one ``put`` for
each subscriber. Neighbouring deltas are one event by now (see ``_merge``), so a run of them
costs the fold once; where they are told apart, each still costs what its telling costs.

Rule 1. Nothing here waits: what is handled in one go is bounded by ``batch_size`` events,
        runs that are told as one counted once, and by ``HEAVY`` bytes and one event more.
Rule 2. A ``Block`` subscription holds the lane at the event whose items do not fit. So of a
        run that is told apart no more is folded at once than surely fits: what a delta tells
        beside its piece is not known before the fold, unless it goes on where the last event
        left off, and then it is nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias, cast

from .._core._fast_decoder import DELTAS, Delta, Incoming
from .._core._local_events import Reading
from .._core._notifications import MessageStreaming, Notification
from .._core._values import evolve
from .._handlers import LaneFold
from ..events import ServerEvent, frozen
from ._coalescing import HEAVY, Entry, cut, same, told_apart
from ._subscribers import Routes

__all__ = ["Command", "Handling", "Observer"]

Observer: TypeAlias = Callable[[Incoming, "tuple[Notification, ...]", Any], None]


@frozen
class Command(ServerEvent):
    """Something that a lane's task does between two events; never folded, never counted."""

    run: Callable[[], tuple[Notification, ...] | None]


class Handling:
    """A lane's fold, and those who hear what comes of it.

    ``counts`` are the events that were handled, by class, merged ones each.
    """

    __slots__ = ("_batch_size", "_last", "counts", "fold", "observers", "routes")

    def __init__(self, fold: LaneFold[Any], batch_size: int) -> None:
        self.fold = fold
        self.counts: defaultdict[type[Incoming], int] = defaultdict(int)
        self.routes = Routes(fold.lane)
        self.observers: list[Observer] = []
        self._batch_size = batch_size
        self._last: Delta | None = None  # the event before, where a Block subscription hears

    def count(self, cls: type[ServerEvent]) -> int:
        """How many events of exactly this class were handled, merged ones each."""
        structs = (struct for struct, event_class in DELTAS.items() if event_class is cls)
        return self.counts[cls] + sum(self.counts[struct] for struct in structs)

    def handle(self, hand: list[Entry], holders: Collection[object]) -> tuple[int, int]:
        """Handle what is in the hand, until it is empty, enough was done, or the lane is held.

        The next event is the last of the hand. Gives how many events were handled, and their
        bytes.
        """
        fold, step, counts, observers = self.fold, self.fold.step, self.counts, self.observers
        routes, found = self.routes, self.routes.found
        handled = handled_bytes = 0
        left = self._batch_size
        while hand:
            entry = hand.pop()
            if routes.narrow:
                entry = self._fitting(entry, hand)
            event, at, size, weight, pieces = entry
            cls = event.__class__
            handled += weight
            handled_bytes += size
            if cls is Command:
                notes = cast("Command", event).run() or ()
            else:
                notes = step(event, at, weight)
                if cls is Reading:  # what hears of it hears of its event
                    event = cast("Reading", event).event
                    cls = event.__class__
                counts[cls] += weight
                if pieces is not None:
                    notes = told_apart(notes, pieces)
                    size //= weight
                    left -= weight - 1
                for observer in observers:
                    observer(event, notes, fold.slice)
                targets = found.get(cls)
                if targets is None:
                    targets = routes.find(cls)
                if targets and fold.delivered:
                    if pieces is None:
                        for put in targets:
                            put(event, size)
                    else:
                        self._tell_each(event, pieces, notes, size)
                        notes = ()
            for note in notes:
                kind = note.__class__
                targets = found.get(kind)
                if targets is None:
                    targets = routes.find(kind)
                for put in targets:
                    put(note, size)
            left -= 1
            if holders or left <= 0 or handled_bytes > HEAVY:
                break
        return handled, handled_bytes

    def _fitting(self, entry: Entry, hand: list[Entry]) -> Entry:
        """As much of a run as surely fits (rule 2); the others go back into the hand."""
        event, _, size, weight, _ = entry
        last, self._last = self._last, event if isinstance(event, Delta) else None
        if weight == 1 or entry[4] is None:
            return entry
        fit = 1
        if last is not None and last.content and same(cast("Delta", event), last):
            items = 2 if self.routes.of(event.__class__) else 1
            room = min(queue.room(size * items) for queue in self.routes.narrow)
            fit = max(1, room // items)
        if fit >= weight:
            return entry
        entry, rest = cut(entry, fit)
        hand.append(rest)
        return entry

    def _tell_each(
        self,
        event: Incoming,
        pieces: Sequence[str],
        notes: tuple[Notification, ...],
        size: int,
    ) -> None:
        """Tell every delta of a run, each ahead of the notifications that it caused."""
        rest = iter(notes)
        for piece in pieces:
            delta = evolve(cast("Delta", event), content=piece)
            for put in self.routes.of(delta.__class__):
                put(delta, size)
            if not piece:
                continue
            for note in rest:
                for put in self.routes.of(note.__class__):
                    put(note, size)
                if type(note) is MessageStreaming:
                    break
