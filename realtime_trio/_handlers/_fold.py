"""Fold events into slices: one generic function per lane and its bookkeeping.

A handler is a pure function ``(slice, event) -> (slice, notifications)`` that
:func:`functools.singledispatch` selects by the class of the event. The first argument of a handler
is the slice, so we never call the generic functions, only ``dispatch``. Since ``dispatch`` is
slower than a dictionary, its result is cached per class until a handler is registered.

:class:`LaneFold` owns a lane's slice and counters. It is the only place that catches a handler's
exception (design.md, invariant 7).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, TypeAlias, TypeVar

import attrs

from .._core._fast_decoder import DELTAS, Delta
from .._core._local_events import (
    EmitEvent,
    InputSentEvent,
    LinkEvent,
    LinkLostEvent,
    Malformed,
    NoTurnEvent,
    PlaybackEvent,
    Reading,
    SessionsWipedEvent,
    VoiceRequestedEvent,
)
from .._core._notifications import Notification, ProcessingFailed
from .._core._state import AudioSlice, ControlSlice, TextSlice
from .._core._values import evolve
from ..events import REGISTRY, Lane, ServerEvent, SessionEvent, UnknownEvent
from ..events._registry import LOCAL_LANES
from ._event_identity import identity, session_of

__all__ = [
    "NOT_FOLDED",
    "CallHandler",
    "Handled",
    "LaneFold",
    "fold_event",
    "handles",
    "has_custom_handlers",
    "lanes_of",
    "not_folded",
]

S = TypeVar("S", ControlSlice, TextSlice, AudioSlice)
E = TypeVar("E", bound=ServerEvent)

Handled: TypeAlias = tuple[S, tuple[Notification, ...]]
Handler: TypeAlias = Callable[[Any, Any], tuple[Any, tuple[Notification, ...]]]
CallHandler: TypeAlias = Callable[[Handler, Any, Any], tuple[Any, tuple[Notification, ...]]]
"""Calls a custom handler with a slice and an event; the shell times and logs the call."""

SLICES: dict[Lane, type[ControlSlice | TextSlice | AudioSlice]] = {
    Lane.CONTROL: ControlSlice,
    Lane.TEXT: TextSlice,
    Lane.AUDIO: AudioSlice,
}

# Local events: they are not from the server and do not count as events.
_NEWS: dict[type[ServerEvent], tuple[Lane, ...]] = {
    LinkEvent: (Lane.CONTROL, Lane.AUDIO),
    LinkLostEvent: (Lane.TEXT,),
    **dict.fromkeys((InputSentEvent, NoTurnEvent), (Lane.CONTROL,)),
    **dict.fromkeys((VoiceRequestedEvent, EmitEvent), (Lane.CONTROL,)),
    PlaybackEvent: (Lane.AUDIO,),
    SessionsWipedEvent: (Lane.TEXT,),
}
# Not counted by class: local events, and values counted as the event they represent.
_OF_NO_LANE = frozenset({*_NEWS, Reading})
# The lanes of a class, for local events from the beginning, for others once they are looked up.
_LANES: dict[type, tuple[Lane, ...]] = {**LOCAL_LANES, **_NEWS}

# The handlers registered by the application.
_CUSTOM: dict[Lane, set[Handler]] = {lane: set() for lane in Lane}

# (lane, class) of events that reach a lane and intentionally change nothing there. A test checks
# that every registry row is handled or listed here.
NOT_FOLDED: set[tuple[Lane, type[ServerEvent]]] = set()


def _unchanged(slice_: Any, _event: Any) -> tuple[Any, tuple[Notification, ...]]:
    """Leave the slice unchanged: the default without a handler."""
    return slice_, ()


def _generic(lane: Lane) -> Any:
    def fold(slice_: Any, event: Any) -> tuple[Any, tuple[Notification, ...]]:
        return _unchanged(slice_, event)

    fold.__name__ = f"fold_{lane.name.lower()}"
    return functools.singledispatch(fold)


_GENERICS = {lane: _generic(lane) for lane in Lane}
_REGISTERED: set[tuple[Lane, type[ServerEvent]]] = set()
# By lane and class: the handler, whether the lane is the event's home, whether its identity needs
# more than its ``id``, and whether its session is resolved here.
_Found: TypeAlias = tuple[Handler, bool, bool, bool]
_FOUND: dict[tuple[Lane, CallHandler | None], dict[type, _Found]] = {}
_SPECIAL = frozenset({Malformed, Reading, UnknownEvent})


def lanes_of(cls: type[ServerEvent | Delta]) -> tuple[Lane, ...]:
    """Return the lanes of the class of an event or a delta, home first."""
    lanes = _LANES.get(cls)
    if lanes is None:
        event_class = DELTAS[cls] if issubclass(cls, Delta) else cls
        lanes = _LANES[cls] = REGISTRY.row_of(event_class).lanes
    return lanes


def has_custom_handlers(lane: Lane) -> bool:
    """Whether the application has registered handlers in a lane; these can be slow."""
    return bool(_CUSTOM[lane])


def _found_by(lane: Lane, call: CallHandler | None) -> dict[type, _Found]:
    """Return the cache of a lane's lookups, shared by all folds that call custom handlers alike."""
    return _FOUND.setdefault((lane, call), {})


def _find(lane: Lane, cls: type[ServerEvent | Delta], call: CallHandler | None) -> _Found:
    event_class = DELTAS[cls] if issubclass(cls, Delta) else cls
    is_home = event_class is Malformed or (
        event_class not in _OF_NO_LANE and lanes_of(event_class)[0] is lane
    )
    of_session = lane is Lane.TEXT and issubclass(event_class, SessionEvent)
    handler = _GENERICS[lane].dispatch(event_class)
    if call is not None and handler in _CUSTOM[lane]:
        handler = functools.partial(call, handler)
    found: _Found = (handler, is_home, cls in _SPECIAL, of_session)
    _found_by(lane, call)[cls] = found
    return found


def fold_event(
    cls: type[E], lane: Lane
) -> Callable[[Callable[[S, E], Handled[S]]], Callable[[S, E], Handled[S]]]:
    """Register a built-in handler. Unlike singledispatch, the decorator is fully typed."""

    def register(handler: Callable[[S, E], Handled[S]]) -> Callable[[S, E], Handled[S]]:
        if (lane, cls) in _REGISTERED:
            message = f"{cls.__name__} has a handler in the {lane.name.lower()} lane already"
            raise ValueError(message)
        _REGISTERED.add((lane, cls))
        _GENERICS[lane].register(cls, handler)
        for cache in _FOUND.values():
            cache.clear()
        return handler

    return register


def handles(
    cls: type[E], *, lane: Lane | None = None
) -> Callable[[Callable[[S, E], Handled[S]]], Callable[[S, E], Handled[S]]]:
    """Register a custom handler for a custom event.

    ``lane`` can be omitted if the event goes to one lane only. The handler receives that lane's
    slice and the event, and returns the new slice and the notifications to emit. It must be pure,
    since it can run again on the same values. If it raises, only this event is lost, and a
    ``processing-error`` is emitted.

    Raises ``ValueError`` if the event does not go to that lane, or if it already has a handler
    there.
    """
    chosen = _lane_of(cls, lane)
    if (chosen, cls) in NOT_FOLDED:
        message = (
            f"{cls.__name__} is a protocol event without effect; register a custom event class"
        )
        raise ValueError(message)
    slice_class = SLICES[chosen]

    def register(handler: Callable[[S, E], Handled[S]]) -> Callable[[S, E], Handled[S]]:
        @functools.wraps(handler)
        def checked(slice_: S, event: E) -> Handled[S]:
            handled = handler(slice_, event)
            _check_handled(handled, slice_class)
            return handled

        fold_event(cls, chosen)(checked)
        _CUSTOM[chosen].add(checked)
        return handler

    return register


def _check_handled(handled: Any, slice_class: type) -> None:
    """Check a custom handler's result: a wrong slice would break every later event."""
    new, notes = handled
    if type(new) is not slice_class or not isinstance(notes, tuple):
        message = f"a handler must return ({slice_class.__name__}, tuple of notifications)"
        raise TypeError(message)


def _lane_of(cls: type[ServerEvent], lane: Lane | None) -> Lane:
    """Return the given lane, or the event's only one."""
    lanes = lanes_of(cls)
    if lane is None:
        if len(lanes) != 1:
            names = ", ".join(f"lane=Lane.{each.name}" for each in lanes)
            message = f"{cls.__name__} goes to {len(lanes)} lanes: pass one of {names}"
            raise ValueError(message)
        return lanes[0]
    if lane not in lanes:
        message = f"{cls.__name__} does not go to the {lane.name.lower()} lane"
        raise ValueError(message)
    return lane


def not_folded(lane: Lane, classes: Iterable[type[ServerEvent]]) -> None:
    """Declare events that reach a lane and change nothing there."""
    NOT_FOLDED.update((lane, cls) for cls in classes)


class LaneFold(Generic[S]):
    """One lane's slice and counters, and the step that replaces them.

    It belongs to one task. ``delivered`` is true if the last step's event was delivered: duplicates
    and late deltas are not. ``call`` calls the custom handlers.
    """

    __slots__ = (
        "_call",
        "_found",
        "_is_text",
        "_reading",
        "delivered",
        "duplicates",
        "events",
        "handled",
        "handler_errors",
        "lane",
        "malformed",
        "slice",
        "tolerated",
        "unknown",
    )

    def __init__(self, lane: Lane, slice_: S, *, call: CallHandler | None = None) -> None:
        self.lane: Lane = lane
        self.slice: S = slice_
        self._call = call
        self._found = _found_by(lane, call)
        self._is_text = lane is Lane.TEXT
        self.delivered: bool = True
        self.events: int = 0
        self.handled: int = 0
        self.unknown: int = 0
        self.malformed: int = 0
        self.duplicates: int = 0
        self.handler_errors: int = 0
        self.tolerated: int = 0
        self._reading: Reading | None = None  # the reading of the current event

    def step(
        self, event: ServerEvent | Delta, at: float | None = None, weight: int = 1
    ) -> tuple[Notification, ...]:
        """Fold one event, or one that represents ``weight`` coalesced events.

        This is the hot path; most events are deltas without an id.
        """
        found = self._found.get(type(event))
        if found is None:
            found = _find(self.lane, type(event), self._call)
        handler, is_home, special, of_session = found
        slice_: Any = self.slice
        if of_session and not event.session_id:  # type: ignore[union-attr]
            event = _resolved(event, slice_)
        if at is not None and at != slice_.now:
            slice_ = self.slice = _at(slice_, at)
        self.handled += weight
        if is_home:
            self.events += weight
        self.delivered = True
        key = None
        if special or event.id is not None:
            if type(event) is Malformed:
                return self._malformed(event)
            if type(event) is Reading:
                return self._step_reading(event)
            key = identity(event, session_of(event, slice_), self._reading)
            if key is not None and slice_.seen.get(key):
                self.delivered = False
                self.duplicates += is_home
                return ()
            self.unknown += special
        try:
            new, notes = handler(slice_, event)
        except Exception as exc:  # the one boundary for handlers (invariant 7)
            return self._failed(event, exc)
        if (  # a late event emits nothing
            not notes
            and self._is_text
            and new.rest is not slice_.rest
            and new.rest.late_deltas != slice_.rest.late_deltas
        ):
            self.delivered = False  # counted and discarded: it can arrive again (§8 M5, D1)
            if weight > 1:
                new = _count_late(new, weight - 1)
        elif key is not None and (self._reading is None or not self._reading.skipped):
            new = _remember(new, key)
        self.slice = new
        return notes

    def _step_reading(self, reading: Reading) -> tuple[Notification, ...]:
        """Fold the event of a reading: it counts and is dispatched as itself."""
        event = reading.event
        self.handled -= 1
        if reading.skipped and lanes_of(type(event))[0] is self.lane:
            self.tolerated += 1
        self._reading = reading
        try:
            return self.step(event)
        finally:
            self._reading = None

    def _malformed(self, event: Malformed) -> tuple[Notification, ...]:
        self.malformed += 1
        self.delivered = False
        return (ProcessingFailed(event_type=event.event_type, error=event.error),)

    def _failed(self, event: ServerEvent | Delta, exc: Exception) -> tuple[Notification, ...]:
        """Announce a handler's error by its place, never with the content of event or exception."""
        self.handler_errors += 1
        self.delivered = False
        error = f"the {self.lane.name.lower()} handler of {event.type} raised {type(exc).__name__}"
        return (ProcessingFailed(event_type=event.type or None, error=error),)


def _resolved(event: Any, slice_: TextSlice) -> Any:
    """Assign an event without a session id to its session (protocol.md §2 L2)."""
    session_id = event.user_session_id or slice_.rest.user_session_id
    if not session_id:
        return event
    change = evolve if isinstance(event, Delta) else attrs.evolve
    return change(event, session_id=session_id)


def _at(slice_: Any, at: float) -> Any:
    """Return the slice with another time."""
    if type(slice_) is TextSlice:
        return TextSlice(slice_.rest, slice_.open, slice_.tick, at)
    return evolve(slice_, now=at)


def _count_late(slice_: Any, count: int) -> Any:
    """Count the remaining coalesced deltas as late."""
    rest = evolve(slice_.rest, late_deltas=slice_.rest.late_deltas + count)
    return evolve(slice_, rest=rest)


def _remember(slice_: Any, key: Hashable) -> Any:
    if type(slice_) is TextSlice:
        rest = evolve(slice_.rest, seen=slice_.rest.seen.set(key, True))
        return TextSlice(rest, slice_.open, slice_.tick, slice_.now)
    return evolve(slice_, seen=slice_.seen.set(key, True))
