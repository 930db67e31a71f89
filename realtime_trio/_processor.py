"""Complete event processing without a network: :class:`EventStreamProcessor`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ._core._codec import Codec
from ._core._fast_decoder import Delta
from ._core._leniency import Tolerated
from ._core._local_events import Malformed, Reading
from ._core._notifications import Notification
from ._core._state import (
    AudioSlice,
    ControlSlice,
    Counters,
    Limits,
    SessionState,
    TextSlice,
)
from ._core._unicode import valid_text
from ._core._values import evolve
from ._exceptions import ClosedError, DecodeError
from ._handlers import CallHandler, LaneFold, lanes_of, reset
from .events import REGISTRY, AudioFrame, Lane, Registry, ServerEvent

__all__ = ["EventStreamProcessor", "Folds", "malformed_lane", "processor_of"]


Step: TypeAlias = Callable[[ServerEvent | Delta, float | None], tuple[Notification, ...]]


def _in_turn(steps: list[Step]) -> Step:
    """Combine steps into one that runs them in order."""
    first, *others = steps

    def step(event: ServerEvent | Delta, at: float | None) -> tuple[Notification, ...]:
        notes = first(event, at)
        for each in others:
            notes += each(event, at)
        return notes

    return step


def malformed_lane(event_type: str | None, registry: Registry = REGISTRY) -> Lane:
    """Return the lane of a malformed event: the home lane of its type, so that order is kept."""
    row = registry.server_row(event_type) if event_type is not None else None
    return Lane.CONTROL if row is None else row.home


class Folds:
    """The folds of the three lanes and the state they form.

    ``call`` calls the custom handlers; the shell times them.
    """

    __slots__ = ("audio", "by_lane", "control", "text")

    def __init__(self, limits: Limits | None = None, *, call: CallHandler | None = None) -> None:
        text = TextSlice()
        if limits is not None:
            text = evolve(text, rest=evolve(text.rest, limits=limits))
        self.control: LaneFold[ControlSlice] = LaneFold(Lane.CONTROL, ControlSlice(), call=call)
        self.text: LaneFold[TextSlice] = LaneFold(Lane.TEXT, text, call=call)
        self.audio: LaneFold[AudioSlice] = LaneFold(Lane.AUDIO, AudioSlice(), call=call)
        # In the order of the lanes' values, which are the indexes.
        self.by_lane: tuple[LaneFold[Any], ...] = (self.control, self.audio, self.text)

    @property
    def state(self) -> SessionState:
        """A snapshot of the current slices."""
        control, text, audio = self.control, self.text, self.audio
        counters = Counters(
            events=control.events + text.events + audio.events,
            unknown=control.unknown + text.unknown + audio.unknown,
            malformed=control.malformed + text.malformed + audio.malformed,
            tolerated=control.tolerated + text.tolerated + audio.tolerated,
            duplicates=control.duplicates + text.duplicates + audio.duplicates,
            late_deltas=text.slice.rest.late_deltas,
            handler_errors=control.handler_errors + text.handler_errors + audio.handler_errors,
        )
        revision = control.handled + text.handled + audio.handled
        return SessionState(control.slice, text.slice, audio.slice, revision, counters)

    def reset(self, lane: Lane) -> None:
        """Discard unfinished work in a lane (see :meth:`EventStreamProcessor.reset`)."""
        if lane is Lane.TEXT:
            self.text.slice = reset(self.text.slice)
        elif lane is Lane.CONTROL:
            self.control.slice = evolve(self.control.slice, seen=ControlSlice().seen)
        else:
            self.audio.slice = evolve(
                self.audio.slice, seen=AudioSlice().seen, carry=b"", halves=()
            )

    def set_user_session_id(self, session_id: str | None) -> None:
        """Set the user's session."""
        text = self.text.slice
        if session_id is not None:
            session_id = valid_text(session_id)
        rest = evolve(text.rest, user_session_id=session_id)
        self.text.slice = evolve(text, rest=rest)


class EventStreamProcessor:
    """Folds events into a state and returns notifications; no network, no clock.

    Use it with your own transport, a recording or a test. It runs the same handlers on the same
    slices as the client's lanes. For each event, the lanes run in the order of the event's registry
    row. It calls no other code. It is not thread-safe.

    ``limits`` bounds the sessions and messages that the state keeps (protocol.md §8 S4).
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        registry: Registry = REGISTRY,
    ) -> None:
        self._codec = Codec(registry)
        self._registry = registry
        self._read = self._codec.read
        self._folds = Folds(limits)
        # For each event class: the step of its lane, or the combined steps of its lanes.
        self._steps: dict[type, Step] = {}
        self._tolerated = Tolerated()
        self._closed = False

    @property
    def state(self) -> SessionState:
        """The current state. It is immutable and cheap to keep."""
        return self._folds.state

    @property
    def tolerated(self) -> tuple[tuple[str, str], ...]:
        """The ill-typed parts of events that were skipped so far (protocol.md §2 L3).

        Each entry is an event type and a path in the event, such as ``("voice_list",
        "$.voices[]")``. Entries are unique and in order of first occurrence. At most 256 are kept.
        """
        return tuple(self._tolerated)

    def process_event(
        self, event: Mapping[str, Any] | ServerEvent, *, at: float | None = None
    ) -> tuple[Notification, ...]:
        """Fold one event: a JSON object as received, or a typed event.

        ``at`` is the arrival time in seconds since 1970. Without it, the time does not advance. A
        malformed event changes nothing in the state and emits a ``processing-error``. Raises
        :class:`~realtime_trio.ClosedError` after :meth:`close`, and ``ValueError`` for a time that
        is not finite.
        """
        self._check(at)
        if isinstance(event, ServerEvent):
            return self._fold(event, at)
        try:
            decoded = self._codec.read_mapping(event)
        except DecodeError as exc:
            return self._malformed(exc, at)
        return self._fold(decoded, at)

    def process_frame(
        self, frame: str | bytes, *, at: float | None = None
    ) -> tuple[Notification, ...]:
        """Fold one text frame of the websocket, given as text or as UTF-8 bytes."""
        if at is not None or self._closed:
            self._check(at)
        try:
            event = self._read(frame)
        except DecodeError as exc:
            return self._malformed(exc, at)
        step = self._steps.get(event.__class__)
        return self._first(event, at) if step is None else step(event, at)

    def process_audio(self, pcm: bytes, *, at: float | None = None) -> tuple[Notification, ...]:
        """Fold one binary frame of the websocket."""
        self._check(at)
        return self._fold(AudioFrame(data=bytes(pcm)), at)

    def set_user_session_id(self, session_id: str | None) -> None:
        """Set the user's session; all others are sub-sessions (protocol.md §8 U3)."""
        self._folds.set_user_session_id(session_id)

    def reset(self) -> None:
        """Discard open messages, open tool calls and remembered ids, without notifications.

        Open sub-sessions are discarded too. Sessions keep their stored messages.
        """
        for lane in Lane:
            self._folds.reset(lane)

    def close(self) -> None:
        """Close the processor. The state stays readable; further events raise. Idempotent."""
        self._closed = True

    def _check(self, at: float | None) -> None:
        if self._closed:
            message = "this processor is closed: create a new EventStreamProcessor()"
            raise ClosedError(message)
        if at is not None and not math.isfinite(at):
            message = "at must be a finite number of seconds since 1970"
            raise ValueError(message)

    def _fold(self, event: ServerEvent | Delta, at: float | None) -> tuple[Notification, ...]:
        step = self._steps.get(event.__class__)
        return self._first(event, at) if step is None else step(event, at)

    def _first(self, event: ServerEvent | Delta, at: float | None) -> tuple[Notification, ...]:
        """Fold the first event of its class, or a reading."""
        if isinstance(event, Reading):
            self._tolerated.add(event)
            return self._step_of(type(event.event))(event, at)
        step = self._steps[type(event)] = self._step_of(type(event))
        return step(event, at)

    def _step_of(self, cls: type[ServerEvent | Delta]) -> Step:
        lanes, by_lane = lanes_of(cls), self._folds.by_lane
        if len(lanes) == 1:
            return by_lane[lanes[0]].step
        return _in_turn([by_lane[lane].step for lane in lanes])

    def _malformed(self, exc: DecodeError, at: float | None) -> tuple[Notification, ...]:
        lane = malformed_lane(exc.event_type, self._registry)
        return self._folds.by_lane[lane].step(
            Malformed(event_type=exc.event_type, error=str(exc)), at
        )


def processor_of(folds: Folds) -> EventStreamProcessor:
    """Return a processor that continues from these folds."""
    processor = EventStreamProcessor()
    processor._folds = folds  # pyright: ignore[reportPrivateUsage]  made here
    return processor
