"""Metrics and traces of clients, for Prometheus and OpenTelemetry.

The extras ``prometheus`` and ``otel`` install what they need. Before the first call, nothing of it
is imported and nothing is measured. Metrics and spans contain counts, times, names and ids, but
never content: no texts, arguments, results or tokens.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast, overload

from .._client._client import Client
from .._doors._door_object import DoorObject, block_of, native_of
from .._exceptions import RealtimeError
from ._measures import MEASURES, Measure

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider
    from prometheus_client import CollectorRegistry

    from .. import aio, blocking
    from ._prometheus import PrometheusMetrics

__all__ = ["MEASURES", "Measure", "PrometheusMetrics", "opentelemetry", "prometheus"]


def prometheus(*, registry: CollectorRegistry | None = None) -> PrometheusMetrics:
    """Register a collector with the metrics of all clients of this process, until it is closed.

    ``registry`` is that of ``prometheus_client`` by default. Values are read when the registry is
    scraped, which may happen in any thread. The values of all clients are added up per lane. A
    closed client still counts in the counters and histograms.

    Raises ``ValueError`` if the registry has such a collector already, and
    :class:`~realtime_trio.RealtimeError` without the extra ``prometheus``.
    """
    _need("prometheus_client", "prometheus")
    from ._prometheus import PrometheusMetrics

    return PrometheusMetrics(registry)


@overload
def opentelemetry(
    client: Client | aio.Client,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> AbstractAsyncContextManager[None]: ...
@overload
def opentelemetry(
    client: blocking.Client,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> AbstractContextManager[None]: ...
def opentelemetry(
    client: Client | aio.Client | blocking.Client,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> AbstractAsyncContextManager[None] | AbstractContextManager[None]:
    """Trace and measure a client within this block: ``async with opentelemetry(client):``.

    The span of each connection contains the spans of its turns, and these contain the spans of
    their tools and sub-sessions. The span of a connection after a reconnect links to the previous
    one. The global providers are the default. All clients of one meter provider share their
    metrics. Open spans end when the block ends. For a client of ``rt.aio``, use ``async with`` in
    asyncio; for a client of ``rt.blocking``, plain ``with``.

    Raises what the block raises, ``TypeError`` for anything but a client, and
    :class:`~realtime_trio.RealtimeError` without the extra ``otel``.
    """
    native: object = client
    if isinstance(client, DoorObject):
        native = native_of(cast("DoorObject[object]", client))
    if not isinstance(native, Client):
        message = f"opentelemetry takes a client, not {client!r}"
        raise TypeError(message)
    _need("opentelemetry", "otel")
    from ._otel import traced

    block = traced(native, tracer_provider, meter_provider)
    if native is client:
        return block
    door = cast("DoorObject[object]", client)
    return cast("AbstractAsyncContextManager[None]", block_of(door, block))


def _need(module: str, extra: str) -> None:
    try:
        import_module(module)
    except ImportError:
        message = f"rt.instrument needs {module}: pip install 'realtime-trio[{extra}]'"
        raise RealtimeError(message) from None


def __getattr__(name: str) -> Any:
    if name == "PrometheusMetrics":
        _need("prometheus_client", "prometheus")
        from ._prometheus import PrometheusMetrics

        return PrometheusMetrics
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
