"""The metrics of OpenTelemetry: counters are read when they are collected.

A provider has one set of instruments, whatever the number of clients. Recording one time costs more
than handling an event. So each lane records one time per 50 milliseconds, and a further one only if
it is the longest of those 50 milliseconds and at least 10 milliseconds long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, final
from weakref import WeakKeyDictionary

from opentelemetry.metrics import CallbackOptions, Histogram, MeterProvider, Observation

from .._lanes._meter import LONG
from ..events import Lane
from ._histograms import BOUNDS
from ._ledger import Ledger, Totals
from ._measures import (
    DELIVERY,
    EVENTS,
    HANDLER,
    HANDLING,
    HISTOGRAMS,
    LATENCY,
    MEASURES,
    SENT,
    SYSTEM,
    Measure,
)

__all__ = ["OtelMetrics", "OtelTimes", "metrics_of"]

_INTERVAL: Final = 0.05
_OF_MESSAGES: Final = (EVENTS, SENT, HANDLER)

_lock: Final = threading.Lock()
_known: WeakKeyDictionary[MeterProvider, OtelMetrics] = WeakKeyDictionary()


def metrics_of(provider: MeterProvider, release: str) -> OtelMetrics:
    """The instruments of a provider."""
    with _lock:
        if provider not in _known:
            _known[provider] = OtelMetrics(provider, release)
        return _known[provider]


@final
class OtelMetrics:
    """The instruments of one provider, and the clients that they read."""

    def __init__(self, provider: MeterProvider, release: str) -> None:
        meter = provider.get_meter("realtime_trio", release)
        self.ledger: Ledger = Ledger()
        self._collected = Collected(self.ledger)
        self.histograms: dict[Measure, Histogram] = {
            measure: meter.create_histogram(
                measure.name,
                unit=measure.unit,
                description=measure.description,
                explicit_bucket_boundaries_advisory=BOUNDS,
            )
            for measure in HISTOGRAMS
        }
        self.durations: Histogram = meter.create_histogram(
            "gen_ai.client.operation.duration", unit="s", description="A turn, a sub-session."
        )
        self.tokens: Histogram = meter.create_histogram(
            "gen_ai.client.token.usage", unit="{token}", description="Tokens of a model call."
        )
        for measure in MEASURES:
            create = {
                "counter": meter.create_observable_counter,
                "gauge": meter.create_observable_gauge,
            }.get(measure.kind)
            if create is not None:
                create(
                    measure.name,
                    [self._reader(measure)],
                    unit=measure.unit,
                    description=measure.description,
                )

    def _reader(self, measure: Measure) -> Callable[[CallbackOptions], Iterable[Observation]]:
        collected = self._collected  # not self: the provider keeps the callbacks, not this

        def read(_options: CallbackOptions) -> Iterable[Observation]:
            for values, value in collected.of(measure).items():
                yield Observation(value, attributes_of(measure, values))

        return read


def attributes_of(measure: Measure, values: Iterable[str]) -> dict[str, str]:
    """Return the attributes of one value."""
    given = dict(zip(measure.attributes, values, strict=True))
    return {"messaging.system": SYSTEM, **given} if measure in _OF_MESSAGES else given


@final
class Collected:
    """The totals of one collection; all of its callbacks share one reading of the clients."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._values: Totals = {}

    def of(self, measure: Measure) -> Mapping[tuple[str, ...], int]:
        """Return the values of a metric; a second request for a metric begins a new collection."""
        with self._lock:
            if measure not in self._values:
                self._values = self._ledger.totals()
            return self._values.pop(measure, {})


@final
class OtelTimes:
    """Records a sample of the times of one client; a ``TimeRecorder``."""

    def __init__(self, measured: OtelMetrics) -> None:
        self._histograms = measured.histograms
        self._attributes = {
            lane: attributes_of(LATENCY, (lane.name.lower(),)) for lane in Lane
        }  # of each kind of time
        self._next: dict[tuple[Measure, Lane], tuple[float, float]] = {}

    @property
    def interval(self) -> float:
        """Seconds between two samples of one lane."""
        return _INTERVAL

    def latency(self, lane: Lane, seconds: float) -> None:
        """Record the seconds from receiving an event until it was handled."""
        self._record(LATENCY, lane, seconds)

    def delivery(self, lane: Lane, seconds: float) -> None:
        """Record the seconds from receiving an event until a subscriber took its item."""
        self._record(DELIVERY, lane, seconds)

    def handling(self, lane: Lane, seconds: float) -> None:
        """Record the seconds in which an event was folded and dispatched."""
        self._record(HANDLING, lane, seconds)

    def handler(self, name: str, seconds: float) -> None:
        """Record the seconds that a custom handler ran."""
        self._histograms[HANDLER].record(seconds, attributes_of(HANDLER, (name,)))

    def _record(self, measure: Measure, lane: Lane, seconds: float) -> None:
        now = time.perf_counter()
        key = measure, lane
        until, longest = self._next.get(key, (0.0, 0.0))
        if now < until and seconds <= longest:
            return
        self._next[key] = now + _INTERVAL, max(seconds, LONG)
        self._histograms[measure].record(seconds, self._attributes[lane])
