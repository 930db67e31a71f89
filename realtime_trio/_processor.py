"""The whole of event processing without a network: :class:`EventStreamProcessor`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ._core._codec import Codec
from ._core._fast_decoder import DELTAS, Delta
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
from ._handlers import LaneFold, lanes_of, reset
from .events import REGISTRY, AudioFrame, Lane, Registry, ServerEvent

__all__ = ["EventStreamProcessor", "Folds", "malformed_lane"]


Step: TypeAlias = Callable[[ServerEvent | Delta, float | None], tuple[Notification, ...]]


def _in_turn(steps: list[Step]) -> Step:
    """One step of them all."""

    def step(event: ServerEvent | Delta, at: float | None) -> tuple[Notification, ...]:
        notes: tuple[Notification, ...] = ()
        for each in steps:
            notes += each(event, at)
        return notes

    return step


def malformed_lane(event_type: str | None, registry: Registry = REGISTRY) -> Lane:
    """The lane of a malformed event: the home of its type, in order with its neighbours."""
    row = registry.server_row(event_type) if event_type is not None else None
    return Lane.CONTROL if row is None else row.home


class Folds:
    """The three lanes' folds, and the state that they make up."""

    __slots__ = ("audio", "by_lane", "control", "text")

    def __init__(self, limits: Limits | None = None) -> None:
        text = TextSlice()
        if limits is not None:
            text = evolve(text, rest=evolve(text.rest, limits=limits))
        self.control = LaneFold(Lane.CONTROL, ControlSlice())
        self.text = LaneFold(Lane.TEXT, text)
        self.audio = LaneFold(Lane.AUDIO, AudioSlice())
        self.by_lane: dict[Lane, LaneFold[Any]] = {
            Lane.CONTROL: self.control,
            Lane.AUDIO: self.audio,
            Lane.TEXT: self.text,
        }

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
        """Drop what is under way in a lane (see :meth:`EventStreamProcessor.reset`)."""
        if lane is Lane.TEXT:
            self.text.slice = reset(self.text.slice)
        elif lane is Lane.CONTROL:
            self.control.slice = evolve(self.control.slice, seen=ControlSlice().seen)
        else:
            self.audio.slice = evolve(
                self.audio.slice, seen=AudioSlice().seen, carry=b"", halves=()
            )

    def set_user_session_id(self, session_id: str | None) -> None:
        """Say which session is the user's."""
        text = self.text.slice
        if session_id is not None:
            session_id = valid_text(session_id)
        rest = evolve(text.rest, user_session_id=session_id)
        self.text.slice = evolve(text, rest=rest)


class EventStreamProcessor:
    """Folds events into a state and returns notifications; no network, no clock.

    Use it with your own transport, a recording or a test. It runs the same
    handlers over the same slices as the client's lanes do, for each event in the order of
    its row in the registry, and calls nothing else: not for use by two threads at once.

    ``limits`` are the bounds on sessions and messages that are kept (protocol.md §8 S4).
    ``folds`` are internal: those to go on from.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        registry: Registry = REGISTRY,
        folds: Folds | None = None,
    ) -> None:
        self._codec = Codec(registry)
        self._registry = registry
        self._read = self._codec.read
        self._folds = Folds(limits) if folds is None else folds
        # By class of event: the step of its lane, or those of its lanes in their order.
        self._steps: dict[type, Step] = {}
        self._tolerated = Tolerated()
        self._closed = False

    @property
    def state(self) -> SessionState:
        """The current state: immutable, cheap to keep."""
        return self._folds.state

    @property
    def tolerated(self) -> tuple[tuple[str, str], ...]:
        """What of the events so far was left out because it was ill-typed (protocol.md §2 L3).

        The type of an event and the place in it, as in ``("voice_list", "$.voices[]")``: at
        most 256, each once, in the order in which they were met first.
        """
        return tuple(self._tolerated)

    def process_event(
        self, event: Mapping[str, Any] | ServerEvent, *, at: float | None = None
    ) -> tuple[Notification, ...]:
        """Fold one event: a JSON object as received, or a typed event.

        ``at`` is its time of arrival in seconds since 1970; without it the time
        does not advance. A malformed event changes nothing and emits a ``processing-error``.
        Raises :class:`~realtime_trio.ClosedError` after :meth:`close`, and ``ValueError``
        for a time that is not finite.
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
        """Fold one text frame of the websocket, as text or as its UTF-8 bytes."""
        if at is not None or self._closed:
            self._check(at)
        try:
            event = self._read(frame)
        except DecodeError as exc:
            return self._malformed(exc, at)
        step = self._steps.get(type(event))
        return self._fold(event, at) if step is None else step(event, at)

    def process_audio(self, pcm: bytes, *, at: float | None = None) -> tuple[Notification, ...]:
        """Fold one binary frame of the websocket."""
        self._check(at)
        return self._fold(AudioFrame(data=bytes(pcm)), at)

    def set_user_session_id(self, session_id: str | None) -> None:
        """Say which session is the user's; the others are sub-sessions (protocol.md §8 U3)."""
        self._folds.set_user_session_id(session_id)

    def reset(self) -> None:
        """Drop what is under way, without notifications: open messages, tools, known ids.

        Open sub-sessions are dropped too. Sessions keep their stored messages.
        """
        for lane in Lane:
            self._folds.reset(lane)

    def close(self) -> None:
        """Close: the state stays readable, further events raise. A second call does nothing."""
        self._closed = True

    def _check(self, at: float | None) -> None:
        if self._closed:
            msg = "this processor is closed: create a new EventStreamProcessor()"
            raise ClosedError(msg)
        if at is not None and not math.isfinite(at):
            msg = "at must be a finite number of seconds since 1970"
            raise ValueError(msg)

    def _fold(self, event: ServerEvent | Delta, at: float | None) -> tuple[Notification, ...]:
        if isinstance(event, Reading):
            self._tolerated.add(event)
            steps: list[Step] = [
                self._folds.by_lane[lane].step for lane in lanes_of(type(event.event))
            ]
            return _in_turn(steps)(event, at)
        step = self._steps.get(type(event))
        if step is None:
            cls = DELTAS[type(event)] if isinstance(event, Delta) else type(event)
            steps = [self._folds.by_lane[lane].step for lane in lanes_of(cls)]
            step = self._steps[type(event)] = steps[0] if len(steps) == 1 else _in_turn(steps)
        return step(event, at)

    def _malformed(self, exc: DecodeError, at: float | None) -> tuple[Notification, ...]:
        lane = malformed_lane(exc.event_type, self._registry)
        return self._folds.by_lane[lane].step(
            Malformed(event_type=exc.event_type, error=str(exc)), at
        )
