"""The collector for Prometheus, which reads values when it is scraped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, final

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from .._client._open_clients import listen
from ._histograms import BOUNDS, ClientTimes, TimeHistogram
from ._ledger import Ledger, Totals
from ._measures import HISTOGRAMS, MEASURES, Measure

if TYPE_CHECKING:
    from types import TracebackType

    from .._client._client import Client

__all__ = ["PrometheusMetrics"]


@final
class PrometheusMetrics(Collector):
    """The metrics of all clients; made by :func:`~realtime_trio.instrument.prometheus`. As a
    context manager, it closes at the end of its block.
    """

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._registry = REGISTRY if registry is None else registry
        self._ledger = Ledger()
        self._lock = threading.Lock()
        self._times: dict[Client, ClientTimes] = {}
        self._measuring: dict[Client, Callable[[], None]] = {}
        self._closed_times = ClientTimes()
        self._registry.register(self)
        self._stop = listen(self)
        self._is_closed = False

    def close(self) -> None:
        """Leave the registry and stop measuring. A second call does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._registry.unregister(self)
            self._stop()

    def __enter__(self) -> PrometheusMetrics:
        """Close the collector at the end of the block."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- the open clients ------------------------------------------------------------------

    def opened(self, client: Client) -> None:
        """Measure a client; called when it opens."""
        times = ClientTimes()
        with self._lock:
            self._times[client] = times
        self._ledger.add(client)
        pipeline = client._shell.pipeline  # pyright: ignore[reportPrivateUsage]
        self._measuring[client] = pipeline.measure(times)

    def closed(self, client: Client) -> None:
        """Keep the counters of a client; called when it closes."""
        self._ledger.close(client)
        with self._lock:
            times = self._times.pop(client)
            self._closed_times.merge(times)
        self._measuring.pop(client)()

    # -- a scrape --------------------------------------------------------------------------

    def describe(self) -> Iterator[Metric]:
        """Return the metrics without values, so that the registry knows their names."""
        return _families({}, ClientTimes())

    def collect(self) -> Iterator[Metric]:
        """Return the current values, in any thread."""
        times = ClientTimes()
        with self._lock:
            for each in (self._closed_times, *self._times.values()):
                times.merge(each)
        return _families(self._ledger.totals(), times)


def _families(totals: Totals, times: ClientTimes) -> Iterator[Metric]:
    for measure in MEASURES:
        if measure.kind == "histogram":
            continue
        family = _family(measure)
        for values, value in totals.get(measure, {}).items():
            family.add_metric(values, value)
        yield family
    histograms = {
        measure: HistogramMetricFamily(
            measure.prometheus_name, measure.description, labels=_labels(measure)
        )
        for measure in HISTOGRAMS
    }
    for measure, name, counted in times.each():
        histograms[measure].add_metric([name], _buckets(counted), counted.sum)
    yield from histograms.values()


def _family(measure: Measure) -> CounterMetricFamily | GaugeMetricFamily:
    make = CounterMetricFamily if measure.kind == "counter" else GaugeMetricFamily
    return make(measure.prometheus_name, measure.description, labels=_labels(measure))


def _labels(measure: Measure) -> list[str]:
    return [name.replace(".", "_") for name in measure.attributes]


def _buckets(histogram: TimeHistogram) -> list[tuple[str, int]]:
    bounds = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
    return list(zip(bounds, histogram.cumulative(), strict=True))
