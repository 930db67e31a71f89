"""The notes from which spans are built, and how their number is bounded."""

from __future__ import annotations

import time

import trio
import trio.testing
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import realtime_trio as rt
from realtime_trio.instrument._otel_metrics import metrics_of
from realtime_trio.instrument._otel_notes import INTERVAL, NoteLog
from realtime_trio.instrument._otel_spans import SpanTree
from realtime_trio.server import open_server
from realtime_trio.testing import say, tool, turn

BEGIN, END = rt.TurnStateChanged(can_send_input=False), rt.TurnStateChanged(can_send_input=True)


def _tracing() -> tuple[InMemorySpanExporter, TracerProvider]:
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    return kept, provider


def _log() -> tuple[InMemorySpanExporter, NoteLog]:
    kept, provider = _tracing()
    measured = metrics_of(MeterProvider([InMemoryMetricReader()]), "1")
    tree = SpanTree(provider.get_tracer("t"), measured, rt.SessionState, open_now=True)
    return kept, NoteLog(tree)


async def test_spans_have_the_times_of_their_notifications() -> None:
    """However long after them they are built."""
    kept, news = _log()
    assert not news.more.is_set()
    news.put(BEGIN)
    assert news.more.is_set()
    news.put(END)
    assert not kept.get_finished_spans()
    noted = time.time_ns()
    news.build()
    (span,) = kept.get_finished_spans()
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.start_time <= span.end_time <= noted
    assert not news.more.is_set()


async def test_notes_are_bounded() -> None:
    """What does not fit becomes a gap: the open spans end, and a new connection begins."""
    kept, news = _log()
    news.put(BEGIN)
    for _ in range(4096):
        news.put(rt.CancelConfirmed())
    news.build()
    names = [span.name for span in kept.get_finished_spans()]
    assert names == ["connection"]  # its turn was among what was dropped
    news.put(BEGIN)
    news.put(END)
    news.build()
    assert [span.name for span in kept.get_finished_spans()] == ["connection", "invoke_agent"]


async def test_spans_are_built_while_the_client_goes_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Not only at the end of the block."""
    kept, provider = _tracing()
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        await client.ready()
        server.script(turn("hi", say("one ", "two"), tools=[tool("look", {}, result="x")]))
        async with rt.instrument.opentelemetry(client, tracer_provider=provider):
            async with client.ask("hi"):
                pass
            await trio.sleep(2 * INTERVAL)
            built = {span.name.split()[0] for span in kept.get_finished_spans()}
            assert built == {"invoke_agent", "execute_tool"}


async def test_metrics_of_one_collection_are_read_together(autojump_clock: object) -> None:
    """And read again in the next one."""
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader])

    def events() -> int:
        data = reader.get_metrics_data()
        assert data is not None
        metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics]
        (consumed,) = (m for m in metrics if m.name == "messaging.client.consumed.messages")
        return sum(int(getattr(point, "value", 0)) for point in consumed.data.data_points)

    async with (
        open_server() as server,
        rt.open_client(server.url, auth="any") as client,
        rt.instrument.opentelemetry(client, meter_provider=meters),
    ):
        await client.ready()
        first = events()
        server.script(turn("hi", say("one")))
        async with client.ask("hi"):
            pass
        lanes = client.statistics().lanes
        assert first < events() == sum(lane.events for lane in lanes)
