"""OpenTelemetry: one client is traced and measured within a block."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version

import trio
from opentelemetry import metrics, trace

from .._client._client import Client
from .._core._notifications import (
    AllNotificationsCleared,
    CancelConfirmed,
    ProcessingFailed,
    SessionNotificationsCleared,
    SubsessionEnded,
    SubsessionStarted,
    SystemNotification,
    ToolNotification,
    ToolNotificationRemoved,
    TurnStateChanged,
)
from .._core._shell_notifications import Disconnected, Reconnected
from .._exceptions import ClosedError
from .._lanes._overflow import DropOldest
from .._lanes._subscription import Subscription
from ..events import CompletionEvent
from ._otel_metrics import OtelTimes, metrics_of
from ._otel_spans import News, SpanTree

__all__ = ["traced"]

_HEARD: tuple[type[News], ...] = (
    *(AllNotificationsCleared, CancelConfirmed, CompletionEvent, Disconnected, ProcessingFailed),
    *(Reconnected, SessionNotificationsCleared, SubsessionEnded, SubsessionStarted),
    *(SystemNotification, ToolNotification, ToolNotificationRemoved, TurnStateChanged),
)


@asynccontextmanager
async def traced(
    client: Client,
    tracer_provider: trace.TracerProvider | None,
    meter_provider: metrics.MeterProvider | None,
) -> AsyncGenerator[None, None]:
    """Trace and measure within the block. What the block raises comes out as it is."""
    release = version("realtime-trio")
    tracer = (tracer_provider or trace.get_tracer_provider()).get_tracer("realtime_trio", release)
    measured = metrics_of(meter_provider or metrics.get_meter_provider(), release)
    times = OtelTimes(measured)
    pipeline = client._shell.pipeline  # pyright: ignore[reportPrivateUsage]
    news: Subscription[News] = client.subscribe(*_HEARD, overflow=DropOldest(4096))
    tree = SpanTree(tracer, measured, lambda: client.state, open_now=client.health.status == "open")
    measured.ledger.add(client)
    pipeline.measure(times)
    # In the nursery of the client, so that what the block raises does not come out in a group.
    client._shell.nursery.start_soon(_follow, news, tree)  # pyright: ignore[reportPrivateUsage]
    try:
        yield
    finally:
        pipeline.stop_measuring(times)
        measured.ledger.close(client)
        _take_the_rest(news, tree)
        tree.close()
        news.close()


async def _follow(news: Subscription[News], tree: SpanTree) -> None:
    with suppress(ClosedError):  # at the end of the block
        async for item in news:
            tree.take(item)


def _take_the_rest(news: Subscription[News], tree: SpanTree) -> None:
    while True:
        try:
            tree.take(news.receive_nowait())
        except (trio.WouldBlock, trio.EndOfChannel):
            return
