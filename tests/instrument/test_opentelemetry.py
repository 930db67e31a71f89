"""Spans and metrics of a client, in the exporters in memory of OpenTelemetry's SDK."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
import trio
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import realtime_trio as rt
from realtime_trio import events as ev
from realtime_trio.instrument._otel_metrics import metrics_of
from realtime_trio.instrument._otel_spans import SpanTree
from realtime_trio.server import open_server
from realtime_trio.testing import delegate, say, tool, turn


@attrs.frozen
class Telemetry:
    """Providers that keep what they get."""

    spans: InMemorySpanExporter = attrs.field(factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = attrs.field(factory=InMemoryMetricReader)
    tracers: TracerProvider = attrs.field(factory=TracerProvider)
    meters: MeterProvider = attrs.field()

    @meters.default
    def _meters(self) -> MeterProvider:
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        return MeterProvider([self.reader])

    def span(self, name: str) -> ReadableSpan:
        """The one span of that name."""
        (span,) = self.named(name)
        return span

    def named(self, name: str) -> list[ReadableSpan]:
        """The spans whose names begin like this, in the order in which they ended."""
        return [s for s in self.spans.get_finished_spans() if s.name.startswith(name)]

    def points(self, name: str) -> list[Any]:
        """The values of a metric."""
        data = self.reader.get_metrics_data()
        assert data is not None
        metrics = (m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics)
        return [
            point for metric in metrics if metric.name == name for point in metric.data.data_points
        ]


def _parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent is not None else None


def _id(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


async def test_a_conversation_is_a_tree_of_spans(autojump_clock: object) -> None:
    """Connection, turn, tool and sub-session; no span holds what was said."""
    told = Telemetry()
    async with open_server() as server, rt.open_client(server.url, auth="s3cret") as client:
        await client.ready()
        script = turn(
            "hello there",
            say("an answer"),
            tools=[tool("lookup", {"q": "private"}, result="hidden")],
            delegate=delegate("helper", "sub request", say("sub answer")),
        )
        server.script(script)
        async with rt.instrument.opentelemetry(
            client, tracer_provider=told.tracers, meter_provider=told.meters
        ):
            async with client.ask("hello there"):
                pass
            await trio.testing.wait_all_tasks_blocked()
            events = client.statistics().text.events
            points = told.points("messaging.client.consumed.messages")
            values = {p.attributes["messaging.destination.name"]: p.value for p in points}
            assert values["text"] == events
            assert told.points("realtime_trio.lane.latency")
    connection = told.span("connection")
    operations = told.named("invoke_agent")
    whole = next(span for span in operations if _parent(span) == _id(connection))
    sub = next(span for span in operations if _parent(span) == _id(whole))
    lookup = told.span("execute_tool lookup")
    assert _parent(lookup) == _id(whole)
    assert lookup.attributes is not None
    assert lookup.attributes["gen_ai.tool.name"] == "lookup"
    assert whole.attributes is not None
    assert whole.attributes["gen_ai.conversation.id"]
    assert sub.attributes is not None
    assert sub.attributes["realtime_trio.depth"] == 1
    assert told.points("gen_ai.client.operation.duration")
    everything = " ".join(span.to_json() for span in told.spans.get_finished_spans())
    for secret in ("hello there", "an answer", "private", "hidden", "sub request", "s3cret"):
        assert secret not in everything


async def test_a_new_connection_is_linked_to_the_one_before(autojump_clock: object) -> None:
    """And the lost one is an error."""
    told = Telemetry()
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        await client.ready()
        async with rt.instrument.opentelemetry(
            client, tracer_provider=told.tracers, meter_provider=told.meters
        ):
            with client.subscribe(rt.SessionRestored) as restored:
                server.hang_up()
                await restored.receive()
    first, second = told.named("connection")
    assert not first.status.is_ok
    assert [link.context.span_id for link in second.links] == [_id(first)]
    assert second.attributes is not None
    assert second.attributes["realtime_trio.attempts"] == 1


async def test_what_the_block_raises_comes_out_as_it_is(autojump_clock: object) -> None:
    """Not in a group, and the client is measured no longer."""
    told = Telemetry()
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        with pytest.raises(KeyError):
            async with rt.instrument.opentelemetry(
                client, tracer_provider=told.tracers, meter_provider=told.meters
            ):
                raise KeyError
        assert not client._shell.pipeline._lanes[rt.Lane.TEXT].meter.recorders


async def test_clients_of_one_provider_share_their_instruments(autojump_clock: object) -> None:
    """Their counters are one sum."""
    told = Telemetry()
    async with (
        open_server() as server,
        rt.open_client(server.url, auth="any") as one,
        rt.open_client(server.url, auth="any") as two,
        rt.instrument.opentelemetry(one, tracer_provider=told.tracers, meter_provider=told.meters),
        rt.instrument.opentelemetry(two, tracer_provider=told.tracers, meter_provider=told.meters),
    ):
        await one.ready()
        await two.ready()
        points = told.points("realtime_trio.clients")
        counts = {p.attributes["status"]: p.value for p in points}
        assert counts == {"open": 2, "away": 0}


# -- single notifications ------------------------------------------------------------------

TOOL: dict[str, Any] = {"session_id": "s", "id": "t", "tool_name": "look", "arguments": {}}
BEGIN, END = rt.TurnStateChanged(can_send_input=False), rt.TurnStateChanged(can_send_input=True)
SUB = rt.SubsessionStarted(
    session_id="sub",
    parent_session_id="s",
    user_session_id="s",
    sub_session_type="oneshot",
    sub_agent_type="",
    prime_agent_key=None,
    sub_agent_key="helper",
    depth=1,
)


def _spans(*news: object, open_now: bool = True) -> Telemetry:
    told = Telemetry()
    measured = metrics_of(told.meters, "1")
    state: Callable[[], rt.SessionState] = rt.SessionState
    tree = SpanTree(told.tracers.get_tracer("t"), measured, state, open_now=open_now)
    for item in news:
        tree.take(item)  # type: ignore[arg-type]
    tree.close()
    return told


@pytest.mark.parametrize(
    "end",
    [
        rt.ToolNotificationRemoved(session_id="s", id="t"),
        rt.SessionNotificationsCleared(session_id="s"),
        rt.AllNotificationsCleared(),
    ],
)
def test_a_tool_without_a_result_has_failed(end: rt.Notification) -> None:
    """However the state gives it up."""
    told = _spans(BEGIN, rt.ToolNotification(status="executing", **TOOL), end, END)
    span = told.span("execute_tool look")
    assert span.attributes is not None
    assert span.attributes["error.type"] == "removed"
    assert [event.name for event in span.events] == ["executing"]


def test_a_tool_that_completes_has_not_failed() -> None:
    """Even where its beginning was not seen, and after the end of its turn."""
    told = _spans(BEGIN, END, rt.ToolNotification(status="complete", **TOOL))
    span = told.span("execute_tool look")
    assert not span.events
    assert span.attributes is not None
    assert "error.type" not in span.attributes
    assert _parent(span) == _id(told.span("invoke_agent"))


def test_tokens_belong_to_the_operation_of_their_session() -> None:
    """The counts of a call that is still running do not count."""
    calls = [
        ev.CompletionEvent(session_id="sub", running=True, input_tokens=100),
        ev.CompletionEvent(session_id="sub", running=False, input_tokens=3, output_tokens=4),
        ev.CompletionEvent(session_id="s", running=False, input_tokens=5),
    ]
    ended = rt.SubsessionEnded(
        session_id="sub", parent_session_id="s", user_session_id="s", depth=0
    )
    told = _spans(BEGIN, SUB, *calls, ended, END)
    sub, whole = told.named("invoke_agent")
    assert sub.attributes is not None
    assert whole.attributes is not None
    assert sub.attributes["gen_ai.usage.input_tokens"] == 3
    assert sub.attributes["gen_ai.usage.output_tokens"] == 4
    assert whole.attributes["gen_ai.usage.input_tokens"] == 5
    assert sub.attributes["gen_ai.agent.name"] == "helper"


def test_errors_and_cancels_are_on_the_turn() -> None:
    """Without their texts."""
    told = _spans(
        BEGIN,
        rt.CancelConfirmed(),
        rt.ProcessingFailed(event_type="x", error="words"),
        rt.SystemNotification(type="error", severity="error", content="words"),
        END,
        rt.SystemNotification(type="error", severity="error", content="words"),
    )
    span = told.span("invoke_agent")
    assert [event.name for event in span.events] == ["cancelled", "processing-error"]
    assert not span.status.is_ok
    assert [event.name for event in told.span("connection").events] == ["server_error"]
    assert "words" not in span.to_json()


def test_a_turn_over_two_connections_is_linked_to_the_second() -> None:
    """It stays the child of the first."""
    told = _spans(
        BEGIN, rt.Disconnected(code=1006), rt.Disconnected(), rt.Reconnected(missed=True), END
    )
    first, second = told.named("connection")
    span = told.span("invoke_agent")
    assert _parent(span) == _id(first)
    assert [link.context.span_id for link in span.links] == [_id(second)]
    assert first.attributes is not None
    assert first.attributes["error.type"] == "1006"


def test_a_goodbye_is_no_error() -> None:
    """Neither is what is not understood."""
    told = _spans(rt.Disconnected(code=1000), rt.Initialized(), rt.CancelConfirmed())
    assert told.span("connection").status.status_code.name == "UNSET"


def test_a_client_that_is_away_has_no_connection_yet() -> None:
    """The first that it gets has nothing to be linked to."""
    told = _spans(BEGIN, rt.Reconnected(), open_now=False)
    assert told.span("connection").links == ()
    assert _parent(told.span("invoke_agent")) is None


def test_a_gap_ends_what_is_open() -> None:
    """What happened in it is unknown."""
    told = _spans(BEGIN, rt.Lagged(count=3), SUB)
    assert len(told.named("connection")) == 2
