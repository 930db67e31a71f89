"""One step of a lane: fold its first entries, and dispatch the results to subscribers.

This is the fast path of the lanes. An event costs one step of the fold, one lookup to see that
nothing subscribes to the event itself, and for each notification one lookup and one ``put`` per
subscriber. A run of deltas (see ``_coalescing``) is folded as one event. Its subscribers get one
``message-streaming`` for the whole run, or one for each delta with
``ClientConfig(coalesce=False)``.

Rule 1. A step never waits. It is bounded by ``batch_size`` events (a coalesced run counts
        once) and by ``HEAVY`` bytes and one more event.
Rule 2. A ``Block`` subscription blocks the lane at the event whose items do not fit. So with
        ``coalesce=False`` a step folds no more of a run than is certain to fit: the notifications
        that a delta emits besides its own text are unknown before the fold; only a delta that
        continues the one before it emits nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias, cast, final

from .._core._constructors import streaming
from .._core._fast_decoder import Delta, Incoming
from .._core._local_events import Reading
from .._core._notifications import MessageStreaming, Notification
from .._core._values import evolve
from .._handlers import LaneFold
from ..events import ServerEvent, frozen
from ._coalescing import HEAVY, DeltaRun, LaneEntry
from ._subscribers import WHOLE, Subscribers

__all__ = ["Command", "Dispatcher", "Observer"]

Observer: TypeAlias = Callable[[Incoming, "tuple[Notification, ...]", Any], None]


@frozen
class Command(ServerEvent):
    """An action of a lane between two events; never folded, never counted."""

    run: Callable[[], tuple[Notification, ...] | None]


@final
class Dispatcher:
    """A lane's fold, its observers and its subscribers.

    ``coalesced`` counts the deltas that were folded and emitted together with the previous one.
    """

    __slots__ = (
        "_batch_size",
        "_coalesce",
        "coalesced",
        "fold",
        "observers",
        "subscribers",
    )

    def __init__(self, fold: LaneFold[Any], *, batch_size: int, coalesce: bool) -> None:
        self.fold = fold
        self.subscribers = Subscribers(fold.lane)
        self.observers: list[Observer] = []
        self.coalesced = 0
        self._batch_size = batch_size
        self._coalesce = coalesce

    def step(
        self, entries: deque[LaneEntry | DeltaRun], blockers: Collection[object]
    ) -> tuple[int, int]:
        """Handle entries until there are none, a batch is done, or the lane is blocked.

        Return how many events were handled, and their bytes.
        """
        handle = self.handle
        handled = handled_bytes = 0
        left = self._batch_size
        event: Incoming
        while entries:
            entry = entries.popleft()
            if isinstance(entry, tuple):
                event, size, at = entry
                weight = 1
            elif self._coalesce:
                event, size, at, weight = _parts_of(entry)
                self.coalesced += weight - 1
            else:
                run = self._cut_to_fit(entry, entries)
                self._step_each(run)
                handled += run.count
                handled_bytes += run.size
                left -= run.count
                if blockers or left <= 0 or handled_bytes > HEAVY:
                    break
                continue
            handled += weight
            handled_bytes += size
            left -= 1
            handle(event, size, at, weight)
            if blockers or left <= 0 or handled_bytes > HEAVY:
                break
        return handled, handled_bytes

    def handle(self, event: Incoming, size: int, at: float, weight: int = 1) -> None:
        """Fold one event, or one that stands for ``weight``, and dispatch what follows."""
        subscribers = self.subscribers
        cls = event.__class__
        if cls is Command:
            notes = cast("Command", event).run() or ()
            found = subscribers.found  # the action may be the lane's first subscription
        else:
            found = subscribers.found
            fold = self.fold
            notes = fold.step(event, at, weight)
            if cls is Reading:  # its subscribers get the event that it contains
                event = cast("Reading", event).event
                cls = event.__class__
            for observer in self.observers:
                observer(event, notes, fold.slice)
            targets = found.get(cls)
            if targets is None:
                targets = subscribers.find(cls)
            if targets and fold.delivered:
                item = event.event() if isinstance(event, Delta) else event
                for buffer in targets:
                    buffer.put(item, size)
        for note in notes:
            targets = found.get(note.__class__)
            if targets is None:
                self._dispatch(note, size)
            else:
                for buffer in targets:
                    buffer.put(note, size)

    def _dispatch(self, note: Notification, size: int) -> None:
        """Dispatch a notification of an event of ``size`` bytes."""
        targets = self.subscribers.of(note.__class__)
        if isinstance(note, WHOLE):  # far larger than the event that completed the message
            content = note.message.content
            size += len(content) if isinstance(content, str) else 0
        for buffer in targets:
            buffer.put(note, size)

    # -- runs whose deltas are emitted one by one ------------------------------------------

    def _cut_to_fit(self, run: DeltaRun, entries: deque[LaneEntry | DeltaRun]) -> DeltaRun:
        """Return as much of a run as is certain to fit (rule 2); put the rest back to the front."""
        blocking = self.subscribers.blocking
        if not blocking:
            return run
        fit = 1
        if run.continued:
            items = 2 if self.subscribers.of(run.entry[0].__class__) else 1
            room = min(buffer.room(run.size * items) for buffer in blocking)
            fit = max(1, room // items)
        if fit >= run.count:
            return run
        run, rest = run.split(fit)
        entries.appendleft(rest)
        return run

    def _step_each(self, run: DeltaRun) -> None:
        """Fold a run as one event, and emit what each of its deltas would have emitted.

        All notifications but the last belong to the first delta.
        """
        event, size, at, weight = _parts_of(run)
        fold = self.fold
        notes = _split_note(fold.step(event, at, weight), run.texts)
        for observer in self.observers:
            observer(event, notes, fold.slice)
        size //= weight
        if fold.delivered and self.subscribers.of(event.__class__):
            self._dispatch_each(event, run.texts, notes, size)
            return
        pieces = [note for note in notes if note.__class__ is MessageStreaming]
        for note in notes[: len(notes) - len(pieces)]:
            self._dispatch(note, size)
        for buffer in self.subscribers.streaming:
            buffer.put_all(pieces, size)

    def _dispatch_each(
        self, event: Delta, texts: Sequence[str], notes: Sequence[Notification], size: int
    ) -> None:
        """Dispatch every delta of a run, each before the notifications that it caused."""
        rest = iter(notes)
        for text in texts:
            item = evolve(event, content=text).event()
            for buffer in self.subscribers.of(event.__class__):
                buffer.put(item, size)
            for note in rest:
                self._dispatch(note, size)
                if type(note) is MessageStreaming:
                    break


def _parts_of(run: DeltaRun) -> tuple[Delta, int, float, int]:
    """Return the coalesced delta of a run, its bytes, its time, and the number of deltas."""
    event, _, at = run.entry
    return evolve(cast("Delta", event), content=run.text()), run.size, at, run.count


def _split_note(notes: tuple[Notification, ...], texts: Sequence[str]) -> tuple[Notification, ...]:
    """Split the notifications of a coalesced delta into those of each delta.

    Text held back by the message (protocol.md §2 L4) is emitted with the first delta.
    """
    if not notes or type(notes[-1]) is not MessageStreaming:
        return notes
    whole = notes[-1]
    session_id, message_id, role = whole.session_id, whole.message_id, whole.role
    held_back = whole.delta[: len(whole.delta) - sum(map(len, texts))]
    first, *others = texts
    each = [streaming(session_id, message_id, role, text) for text in (held_back + first, *others)]
    return (*notes[:-1], *each)
