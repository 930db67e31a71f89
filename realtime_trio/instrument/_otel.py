"""OpenTelemetry: one client is traced and measured within a block."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
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
    failure: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_follow, news, tree)
            try:
                yield
            except BaseException as exc:  # raised again below, outside the nursery's group
                failure = exc
            nursery.cancel_scope.cancel()
    finally:
        pipeline.stop_measuring(times)
        measured.ledger.close(client)
        _take_the_rest(news, tree)
        tree.close()
        news.close()
    if failure is not None:
        raise failure


async def _follow(news: Subscription[News], tree: SpanTree) -> None:
    async for item in news:
        tree.take(item)


def _take_the_rest(news: Subscription[News], tree: SpanTree) -> None:
    while True:
        try:
            tree.take(news.receive_nowait())
        except (trio.WouldBlock, trio.EndOfChannel):
            return
