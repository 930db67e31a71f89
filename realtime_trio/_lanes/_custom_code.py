"""Code of the application that runs in the event loop: custom handlers and selectors.

While it runs, no other task runs. Code that takes longer than a tenth of a second is logged by
its name, and so is a handler that raises: its notification names only the type of the event.
Each name is logged at most once in ten seconds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from .._core._notifications import Notification
from .._throttle import Throttle
from ..events import Lane
from ._meter import metered

__all__ = ["SLOW", "call_handler", "clock", "log_slow", "log_slow_step"]

SLOW: Final = 0.1
"""Seconds for which a handler or a selector may hold the event loop without a log record."""

_logger: Final = logging.getLogger("realtime_trio.lanes")
_throttle: Final = Throttle(10.0)
clock: Callable[[], float] = time.perf_counter
"""The clock that times handlers and selectors."""

_named: float = 0.0  # when the last slow code ended


def call_handler(
    handler: Callable[[Any, Any], tuple[Any, tuple[Notification, ...]]], slice_: Any, event: Any
) -> tuple[Any, tuple[Notification, ...]]:
    """Call a custom handler, and log it if it is slow or raises."""
    began = clock()
    try:
        return handler(slice_, event)
    except Exception as exc:
        name, kind = _name_of(handler), type(exc).__name__
        if times := _throttle.count(f"{name} {kind}", clock()):
            _logger.warning("the handler %s raised %s%s", name, kind, _more(times))
        raise
    finally:
        if (took := clock() - began) > SLOW:
            log_slow("handler", handler, began)
        if (meter := metered.get()) is not None and meter.recorders:
            meter.called(_name_of(handler), took)


def log_slow(what: str, code: Callable[..., object], began: float) -> None:
    """Log that ``code``, which began at time ``began`` of :func:`clock`, took too long."""
    global _named
    _named = now = clock()
    name = _name_of(code)
    if times := _throttle.count(name, now):
        _logger.warning(
            "the %s %s held the event loop for %.0f ms%s",
            *(what, name, (now - began) * 1000, _more(times)),
        )


def log_slow_step(lane: Lane, began: float, ended: float, events: int) -> None:
    """Log a slow step of a lane, unless a record already names the code that made it slow."""
    if _named >= began:
        return
    name = lane.name.lower()
    if times := _throttle.count(f"{name} lane", ended):
        _logger.warning(
            "a step of the %s lane held the event loop for %.0f ms (%d events)%s",
            *(name, (ended - began) * 1000, events, _more(times)),
        )


def _name_of(code: Callable[..., object]) -> str:
    """Return module and name of a callable; for an object without a name, those of its class."""
    inner: object = code
    while (wrapped := getattr(inner, "func", None)) is not None:  # functools.partial
        inner = wrapped
    named = inner if hasattr(inner, "__qualname__") else type(inner)
    return f"{getattr(named, '__module__', '?')}.{getattr(named, '__qualname__', '?')}"


def _more(times: int) -> str:
    return f" ({times} times since the last report)" if times > 1 else ""
