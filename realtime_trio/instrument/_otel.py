"""Trace and measure one client with OpenTelemetry, within a block."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

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
from .._version import __version__
from ..events import CompletionEvent
from ._otel_metrics import OtelTimes, metrics_of
from ._otel_notes import INTERVAL, NoteLog
from ._otel_spans import SpanNote, SpanTree

__all__ = ["traced"]

_SPAN_NOTES: tuple[type[SpanNote], ...] = (
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
    """Trace and measure within the block. Errors of the block are raised unchanged."""
    release = __version__
    tracer = (tracer_provider or trace.get_tracer_provider()).get_tracer("realtime_trio", release)
    measured = metrics_of(meter_provider or metrics.get_meter_provider(), release)
    times = OtelTimes(measured)
    shell = client._shell  # pyright: ignore[reportPrivateUsage]
    tree = SpanTree(tracer, measured, lambda: client.state, open_now=client.health.status == "open")
    notes = NoteLog(tree)
    stop = shell.pipeline.tap(_SPAN_NOTES, notes.put)
    measured.ledger.add(client)
    stop_measuring = shell.pipeline.measure(times)
    following = trio.CancelScope()
    # In the nursery of the client, so that errors of the block are not wrapped in a group.
    shell.nursery.start_soon(_follow, notes, following)
    try:
        yield
    finally:
        stop()
        following.cancel()
        stop_measuring()
        measured.ledger.close(client)
        notes.build()
        tree.close()


async def _follow(notes: NoteLog, scope: trio.CancelScope) -> None:
    with scope:
        while True:
            await notes.more.wait()
            await trio.sleep(INTERVAL)
            notes.build()
