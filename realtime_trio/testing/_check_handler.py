"""Find handlers that are not pure: a journal, a follower and history fold the same events again."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import attrs

from .._core._notifications import Notification
from .._core._state import AudioSlice, ControlSlice, TextSlice
from .._log._plain_values import NotStorable
from .._log._state_converter import StateConverter
from ..events import ServerEvent
from ._generating import require_hypothesis

__all__ = ["check_handler"]

_EXAMPLES: Final = 20
_SLICES: Final = (ControlSlice, TextSlice, AudioSlice)

Handler = Callable[[Any, Any], tuple[Any, tuple[Notification, ...]]]


def check_handler(handler: Handler, *events: ServerEvent) -> None:
    """Check that a custom handler is pure, so that folding the same events gives the same state.

    ``handler`` is a function given to :func:`~realtime_trio.handles`. It is called with
    ``events``, one after the other, from an empty slice; without events, with examples that
    Hypothesis generates from the annotations of the event's class (``realtime-trio[testing]``).

    Raises ``AssertionError`` if the handler changes its arguments, returns something other than
    a slice and a tuple of notifications, returns another result when it is called again (a
    clock, a random number, a counter outside the slice), or keeps a value in ``extra`` that a
    journal cannot store. Raises ``TypeError`` for a handler without annotations.
    """
    slice_class, event_class = _annotated(handler)
    samples = events or _examples(event_class)
    name = getattr(handler, "__name__", repr(handler))
    first = _fold(handler, slice_class, samples, name)
    again = _fold(handler, slice_class, samples, name)
    for event, one, other in zip(samples, first, again, strict=True):
        _require(
            one == other, f"{name} returns another result when it handles {_shown(event)} again"
        )


def _annotated(handler: Handler) -> tuple[type[Any], type[ServerEvent]]:
    hints = typing.get_type_hints(handler)
    parameters = [hints.get(each) for each in inspect.signature(handler).parameters]
    if len(parameters) == 2:
        slice_class, event_class = parameters
        if slice_class in _SLICES and isinstance(event_class, type):
            return slice_class, event_class
    message = "annotate the handler: def chart(slice_: rt.TextSlice, event: RenderChartEvent)"
    raise TypeError(message)


def _fold(
    handler: Handler, slice_class: type[Any], events: Sequence[ServerEvent], name: str
) -> list[tuple[bytes, tuple[Notification, ...]]]:
    """Return the results for each event: the slice as bytes, and the notifications."""
    converter = StateConverter(canonical=False)
    slice_ = slice_class()
    results: list[tuple[bytes, tuple[Notification, ...]]] = []
    for event in events:
        before, said = converter.dump(slice_), repr(event)
        new, notes = _called(handler, slice_, event, slice_class, name)
        twice, notes_twice = _called(handler, slice_, event, slice_class, name)
        shown = _shown(event)
        _require(
            converter.dump(slice_) == before and repr(event) == said,
            f"{name} changes its arguments when it handles {shown}: return a new slice",
        )
        try:
            dumped = converter.dump(new)
        except NotStorable as exc:
            message = f"a journal cannot store a value that {name} keeps in extra: {exc}"
            raise AssertionError(message) from None
        _require(
            (converter.dump(twice), notes_twice) == (dumped, notes),
            f"{name} returns another result when it handles {shown} again",
        )
        _require(
            converter.dump(converter.load(dumped, slice_class)) == dumped,
            f"a value that {name} keeps in extra differs when it is read back from a journal",
        )
        results.append((dumped, notes))
        slice_ = new
    return results


def _called(
    handler: Handler, slice_: Any, event: ServerEvent, slice_class: type[Any], name: str
) -> tuple[Any, tuple[Notification, ...]]:
    handled = cast("object", handler(slice_, event))
    parts = cast("tuple[object, ...]", handled) if isinstance(handled, tuple) else ()
    new, notes = parts if len(parts) == 2 else (None, None)
    said = cast("tuple[object, ...]", notes) if isinstance(notes, tuple) else (None,)
    _require(
        type(new) is slice_class and all(isinstance(note, Notification) for note in said),
        f"{name} must return ({slice_class.__name__}, tuple of notifications)",
    )
    return new, cast("tuple[Notification, ...]", notes)


def _examples(event_class: type[ServerEvent]) -> tuple[ServerEvent, ...]:
    require_hypothesis("check_handler")
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st

    attrs.resolve_types(cast("type[attrs.AttrsInstance]", event_class))
    found: list[ServerEvent] = []

    @settings(
        max_examples=_EXAMPLES,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(st.builds(event_class))
    def collect(event: ServerEvent) -> None:
        found.append(event)

    collect()
    return tuple(found)


def _shown(event: ServerEvent) -> str:
    return f"{event.type or type(event).__name__}"


def _require(held: bool, message: str) -> None:
    if not held:
        raise AssertionError(message)
