"""How clients are measured and traced, described once: ``test_three_doors.py`` runs it."""

from __future__ import annotations

from typing import Any, cast

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

import realtime_trio as rt


def _spans() -> tuple[InMemorySpanExporter, TracerProvider]:
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return spans, provider


async def a_client_is_traced(kit: Any) -> None:
    spans, provider = _spans()
    async with kit.open_server() as server:
        server.script(rt.testing.turn("Hi", tools=[rt.testing.tool("weather")], text="Hello."))
        async with kit.open_client(server.url, auth="any") as client:
            await client.ready()
            async with rt.instrument.opentelemetry(client, tracer_provider=provider) as nothing:
                async with client.ask("Hi"):
                    pass
            assert nothing is None
            names = sorted(span.name.split()[0] for span in spans.get_finished_spans())
            assert names == ["connection", "execute_tool", "invoke_agent"]
            with pytest.raises(KeyError, match="mine"):
                async with rt.instrument.opentelemetry(client, tracer_provider=provider):
                    msg = "mine"
                    raise KeyError(msg)
            async with client.ask("Hi"):
                pass
            assert len(spans.get_finished_spans()) == 4


async def what_is_no_client_is_not_traced(kit: Any) -> None:
    async with kit.open_server() as server:
        with pytest.raises(TypeError, match="takes a client"):
            rt.instrument.opentelemetry(server)
        with pytest.raises(TypeError, match="takes a client"):
            rt.instrument.opentelemetry(cast("Any", None))


async def every_client_is_measured(kit: Any) -> None:
    registry = CollectorRegistry()

    def value(name: str) -> float:
        lines = generate_latest(registry).decode().splitlines()
        (line,) = [line for line in lines if line.startswith(f"{name} ")]
        return float(line.rpartition(" ")[2])

    with rt.instrument.prometheus(registry=registry):
        async with kit.open_server() as server:
            async with kit.open_client(server.url, auth="any") as one:
                async with kit.open_client(server.url, auth="any") as two:
                    await one.ready()
                    await two.ready()
                    assert value('realtime_trio_clients{status="open"}') == 2
                    async with one.ask("Hi"):
                        pass
        assert value("messaging_client_sent_messages_total") >= 1
