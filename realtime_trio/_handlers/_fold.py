"""How an event becomes a new slice: one generic function a lane, and the bookkeeping around it.

A handler is a pure function ``(slice, event) -> (slice, notifications)`` that
:func:`functools.singledispatch` finds by the class of the event. The first argument of a
handler is the slice, so the generics are never called: they are asked, with ``dispatch``.
Asking costs four times what a dictionary does, so what they answer is kept by class, and
forgotten when a handler is registered.

:class:`LaneFold` owns a lane's slice and counters. It is the one place where an exception
of a handler is caught (design.md, invariant 7).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, TypeAlias, TypeVar

import attrs

from .._core._fast_decoder import DELTAS, Delta
from .._core._local_events import (
    InputSentEvent,
    LinkEvent,
    LinkLostEvent,
    Malformed,
    NoTurnEvent,
    PlaybackEvent,
    Reading,
    SaidEvent,
    SessionsWipedEvent,
    VoiceRequestedEvent,
)
from .._core._notifications import Notification, ProcessingFailed
from .._core._state import AudioSlice, ControlSlice, TextSlice
from .._core._values import evolve
from ..events import (
    REGISTRY,
    AudioDeltaEvent,
    InteractionEvent,
    Lane,
    ServerEvent,
    SessionEvent,
    UnknownEvent,
)
from ..events._registry import LOCAL_LANES

__all__ = [
    "NOT_FOLDED",
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

SLICES: dict[Lane, type[ControlSlice | TextSlice | AudioSlice]] = {
    Lane.CONTROL: ControlSlice,
    Lane.TEXT: TextSlice,
    Lane.AUDIO: AudioSlice,
}

# The shell's own news: they did not come from the server and are not counted as events.
_NEWS: dict[type[ServerEvent], tuple[Lane, ...]] = {
    LinkEvent: (Lane.CONTROL, Lane.AUDIO),
    LinkLostEvent: (Lane.TEXT,),
    **dict.fromkeys((InputSentEvent, NoTurnEvent), (Lane.CONTROL,)),
    **dict.fromkeys((VoiceRequestedEvent, SaidEvent), (Lane.CONTROL,)),
    PlaybackEvent: (Lane.AUDIO,),
    SessionsWipedEvent: (Lane.TEXT,),
}
# Not counted as themselves: the news, and what is counted as the event that it stands for.
_OF_NO_LANE = frozenset({*_NEWS, Reading})
_LOCAL: dict[type[ServerEvent], tuple[Lane, ...]] = {**LOCAL_LANES, **_NEWS}

# Lanes in which the application has registered a handler of its own.
_CUSTOM: set[Lane] = set()

# (lane, class) of events that reach a lane and change nothing there, on purpose. A test
# proves that every row of the registry is handled or stands here.
NOT_FOLDED: set[tuple[Lane, type[ServerEvent]]] = set()


def _unchanged(slice_: Any, _event: Any) -> tuple[Any, tuple[Notification, ...]]:
    """What happens to an event without a handler."""
    return slice_, ()


def _generic(lane: Lane) -> Any:
    def fold(slice_: Any, event: Any) -> tuple[Any, tuple[Notification, ...]]:
        return _unchanged(slice_, event)

    fold.__name__ = f"fold_{lane.name.lower()}"
    return functools.singledispatch(fold)


_GENERICS = {lane: _generic(lane) for lane in Lane}
_REGISTERED: set[tuple[Lane, type[ServerEvent]]] = set()
# By lane and class: the handler, whether the lane is the event's home, whether the class is one
# whose identity is not read from its ``id`` alone, and whether its session is resolved here.
_Found: TypeAlias = tuple[Handler, bool, bool, bool]
_FOUND: dict[Lane, dict[type, _Found]] = {lane: {} for lane in Lane}
_SPECIAL = frozenset({Malformed, Reading, UnknownEvent})


def lanes_of(cls: type[ServerEvent]) -> tuple[Lane, ...]:
    """The lanes that an event concerns, its home first."""
    return _LOCAL[cls] if cls in _LOCAL else REGISTRY.row_of(cls).lanes


def has_custom_handlers(lane: Lane) -> bool:
    """Whether the application has registered handlers in a lane: they may take their time."""
    return lane in _CUSTOM


def _find(lane: Lane, cls: type[ServerEvent | Delta]) -> _Found:
    event_class = DELTAS[cls] if issubclass(cls, Delta) else cls
    is_home = event_class is Malformed or (
        event_class not in _OF_NO_LANE and lanes_of(event_class)[0] is lane
    )
    of_session = lane is Lane.TEXT and issubclass(event_class, SessionEvent)
    handler = _GENERICS[lane].dispatch(event_class)
    found: _Found = (handler, is_home, cls in _SPECIAL, of_session)
    _FOUND[lane][cls] = found
    return found


def fold_event(
    cls: type[E], lane: Lane
) -> Callable[[Callable[[S, E], Handled[S]]], Callable[[S, E], Handled[S]]]:
    """Register a built-in handler. The decorator is typed where singledispatch is not."""

    def register(handler: Callable[[S, E], Handled[S]]) -> Callable[[S, E], Handled[S]]:
        if (lane, cls) in _REGISTERED:
            msg = f"{cls.__name__} has a handler in the {lane.name.lower()} lane already"
            raise ValueError(msg)
        _REGISTERED.add((lane, cls))
        _GENERICS[lane].register(cls, handler)
        for cache in _FOUND.values():
            cache.clear()
        return handler

    return register


def handles(
    cls: type[E], *, lane: Lane | None = None
) -> Callable[[Callable[[S, E], Handled[S]]], Callable[[S, E], Handled[S]]]:
    """Register a handler of one's own for an event of one's own.

    ``lane`` may be left out where the event goes to one lane only. The handler gets that
    lane's slice and the event, and returns the new slice and what to tell the application;
    it is pure: it may run again on the same values. What it raises costs this one event and
    is announced as ``processing-error``.

    Raises ``ValueError`` for a lane that the event does not go to, and where the event has
    a handler in that lane.
    """
    chosen = _lane_of(cls, lane)
    if (chosen, cls) in NOT_FOLDED:
        msg = f"{cls.__name__} is part of the protocol: it changes nothing, on purpose"
        raise ValueError(msg)
    slice_class = SLICES[chosen]

    def register(handler: Callable[[S, E], Handled[S]]) -> Callable[[S, E], Handled[S]]:
        @functools.wraps(handler)
        def checked(slice_: S, event: E) -> Handled[S]:
            handled = handler(slice_, event)
            _check_handled(handled, slice_class)
            return handled

        fold_event(cls, chosen)(checked)
        _CUSTOM.add(chosen)
        return handler

    return register


def _check_handled(handled: Any, slice_class: type) -> None:
    """Hold a handler of one's own to its word: its slice would break every later event."""
    new, notes = handled
    if type(new) is not slice_class or not isinstance(notes, tuple):
        msg = f"a handler returns ({slice_class.__name__}, tuple of notifications)"
        raise TypeError(msg)


def _lane_of(cls: type[ServerEvent], lane: Lane | None) -> Lane:
    """The lane that was named, or the only one."""
    lanes = lanes_of(cls)
    if lane is None:
        if len(lanes) != 1:
            names = ", ".join(f"lane=Lane.{each.name}" for each in lanes)
            msg = f"{cls.__name__} goes to {len(lanes)} lanes: say which one ({names})"
            raise ValueError(msg)
        return lanes[0]
    if lane not in lanes:
        msg = f"{cls.__name__} does not go to the {lane.name.lower()} lane"
        raise ValueError(msg)
    return lane


def not_folded(lane: Lane, classes: Iterable[type[ServerEvent]]) -> None:
    """Name events that reach a lane and change nothing there."""
    NOT_FOLDED.update((lane, cls) for cls in classes)


class LaneFold(Generic[S]):
    """One lane's slice and counters, and the step that replaces them.

    Belongs to one task. ``delivered`` tells of the last step whether its event counts as
    having come: a duplicate and a late delta do not.
    """

    __slots__ = (
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

    def __init__(self, lane: Lane, slice_: S) -> None:
        self.lane = lane
        self.slice: S = slice_
        self._found = _FOUND[lane]
        self._is_text = lane is Lane.TEXT
        self.delivered = True
        self.events = self.handled = 0
        self.unknown = self.malformed = self.duplicates = self.handler_errors = 0
        self.tolerated = 0
        self._reading: Reading | None = None  # what there is to know of the event at hand

    def step(
        self, event: ServerEvent | Delta, at: float | None = None, weight: int = 1
    ) -> tuple[Notification, ...]:
        """Fold one event, or one that stands for ``weight`` merged ones, and say what to tell.

        The hot path: what it does for an event without an id is all that most events cost.
        """
        found = self._found.get(type(event))
        if found is None:
            found = _find(self.lane, type(event))
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
            key = _identity(event, _session_of(event, slice_), self._reading)
            if key is not None and slice_.seen.get(key):
                self.delivered = False
                self.duplicates += is_home
                return ()
            self.unknown += special
        try:
            new, notes = handler(slice_, event)
        except Exception as exc:  # the one boundary for handlers (invariant 7)
            return self._failed(event, exc)
        if (
            self._is_text
            and new.rest is not slice_.rest
            and new.rest.late_deltas != slice_.rest.late_deltas
        ):
            self.delivered = False  # counted and discarded: it may come again (§8 M5, D1)
            if weight > 1:
                new = _late_more(new, weight - 1)
        elif key is not None and (self._reading is None or not self._reading.left_out):
            new = _remember(new, key)
        self.slice = new
        return notes

    def _step_reading(self, reading: Reading) -> tuple[Notification, ...]:
        """Fold the event for which a reading stands: it counts, and has its own handler."""
        event = reading.event
        self.handled -= 1
        if reading.left_out and lanes_of(type(event))[0] is self.lane:
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
        """A handler raised: name where, never what the event or the exception holds."""
        self.handler_errors += 1
        self.delivered = False
        error = f"the {self.lane.name.lower()} handler of {event.type} raised {type(exc).__name__}"
        return (ProcessingFailed(event_type=event.type or None, error=error),)


def _resolved(event: Any, slice_: TextSlice) -> Any:
    """An event that names no session, in the one that it belongs to (protocol.md §2 L2)."""
    session_id = event.user_session_id or slice_.rest.user_session_id
    if not session_id:
        return event
    change = evolve if isinstance(event, Delta) else attrs.evolve
    return change(event, session_id=session_id)


def _session_of(event: ServerEvent | Delta, slice_: Any) -> str | None:
    """The session that an event is of; ``None`` for a type whose events are of no session.

    One of a type that is known names it by now, see ``_resolved``.
    """
    if not isinstance(event, UnknownEvent):
        named: object = getattr(event, "session_id", None)
        return named if type(named) is str else None
    # A type that nobody knows may have anything in the place of an id.
    for name in ("session_id", "user_session_id"):
        named = event.payload.get(name)
        if type(named) is int or (type(named) is str and named):
            return str(named)
    # The control lane, which is their home, knows the user's session by the current one.
    text = type(slice_) is TextSlice
    user = slice_.rest.user_session_id if text else getattr(slice_, "chat_session_id", None)
    return user or ""


def _identity(
    event: ServerEvent | Delta, session_id: str | None, reading: Reading | None
) -> Hashable | None:
    """What tells an event from others, or ``None`` where it has no id (§8 D1).

    ``session_id`` is the session of which the event is, ``reading`` what else is known of it.
    """
    if type(event) is AudioDeltaEvent:  # its id names a stream
        return None
    if isinstance(event, UnknownEvent):
        event_type, event_id = event.tag, event.payload.get("id")
    else:
        event_type, event_id = event.type, event.id if reading is None else reading.id
    if type(event_id) is not str or not event_id:
        return None
    started = event.started if isinstance(event, InteractionEvent) else None
    session = None if session_id is None else _brief(session_id)
    return session, _brief(event_type), _brief(event_id), started


_MAX_ID = 256


def _brief(text: str) -> str | bytes:
    """A text, or a digest of one that is long: what is remembered is bounded in bytes, too."""
    if len(text) * 4 <= _MAX_ID:
        return text
    data = text.encode("utf-8", "surrogatepass")
    return text if len(data) <= _MAX_ID else hashlib.blake2b(data, digest_size=32).digest()


def _at(slice_: Any, at: float) -> Any:
    """The slice at another time: nearly every event of a client has one of its own."""
    if type(slice_) is TextSlice:
        return TextSlice(slice_.rest, slice_.open, slice_.tick, at)
    return evolve(slice_, now=at)


def _late_more(slice_: Any, count: int) -> Any:
    """Count the rest of the merged deltas that came too late."""
    rest = evolve(slice_.rest, late_deltas=slice_.rest.late_deltas + count)
    return evolve(slice_, rest=rest)


def _remember(slice_: Any, key: Hashable) -> Any:
    if type(slice_) is TextSlice:
        rest = evolve(slice_.rest, seen=slice_.rest.seen.set(key, True))
        return evolve(slice_, rest=rest)
    return evolve(slice_, seen=slice_.seen.set(key, True))
