"""What a scrape of Prometheus says of the clients of this process."""

from __future__ import annotations

import sys

import pytest
import trio
import trio.testing
from prometheus_client import CollectorRegistry, generate_latest

import realtime_trio as rt
from realtime_trio.instrument import MEASURES
from realtime_trio.instrument._histograms import BOUNDS, TimeHistogram
from realtime_trio.server import RealtimeServer, open_server
from realtime_trio.testing import say, turn

LANE = {"realtime_trio_lane": "text"}


def _value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    value = registry.get_sample_value(name, labels)
    assert value is not None, f"no sample of {name} with {labels}"
    return value


async def _converse(server: RealtimeServer, client: rt.Client) -> None:
    await client.ready()
    server.script(turn("hi", say("one ", "two ", "three")))
    with client.text.subscribe() as notes:
        async with client.ask("hi"):
            pass
        await trio.testing.wait_all_tasks_blocked()
        while True:
            try:
                notes.receive_nowait()
            except trio.WouldBlock:
                break


async def test_all_clients_are_one_set_of_values(autojump_clock: object) -> None:
    """Also those that opened before, and in counters those that have closed."""
    registry = CollectorRegistry()
    events = "messaging_client_consumed_messages_total"
    text = {"messaging_destination_name": "text"}
    async with open_server() as server, rt.open_client(server.url, auth="any") as first:
        with rt.instrument.prometheus(registry=registry):
            async with rt.open_client(server.url, auth="any") as second:
                await _converse(server, second)
                assert _value(registry, "realtime_trio_clients", status="open") == 2
                both = first.statistics().text.events + second.statistics().text.events
                assert _value(registry, events, **text) == both
                handled = _value(registry, "realtime_trio_lane_latency_seconds_count", **LANE)
                assert handled > 0
                taken = _value(registry, "realtime_trio_lane_delivery_seconds_count", **LANE)
                assert taken > 0
            assert _value(registry, "realtime_trio_clients", status="open") == 1
            assert _value(registry, events, **text) >= both
            after = _value(registry, "realtime_trio_lane_latency_seconds_count", **LANE)
            assert after >= handled
        assert registry.get_sample_value(events, text) is None
        assert not first._shell.pipeline._lanes[rt.Lane.TEXT].meter.recorders


async def test_reconnects_and_bytes_are_counted_over_all_links(autojump_clock: object) -> None:
    """The bytes of a link that is gone still count."""
    registry = CollectorRegistry()
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        with rt.instrument.prometheus(registry=registry):
            await client.ready()
            io = "realtime_trio_connection_io_bytes_total"
            before = _value(registry, io, network_io_direction="receive")
            assert before == client.health.bytes_received > 0
            with client.subscribe(rt.SessionRestored) as restored:
                server.hang_up()
                await restored.receive()
            await (await client.get_voices()).sent()
            assert _value(registry, "realtime_trio_connection_reconnects_total") == 1
            assert _value(registry, io, network_io_direction="receive") > before
            assert _value(registry, io, network_io_direction="transmit") > 0


async def test_a_scrape_in_another_thread_works(autojump_clock: object) -> None:
    """The registry is scraped by the thread of a web server."""
    registry = CollectorRegistry()
    async with open_server() as server, rt.open_client(server.url, auth="any") as client:
        with rt.instrument.prometheus(registry=registry):
            await client.ready()
            page = await trio.to_thread.run_sync(generate_latest, registry)
    for measure in MEASURES:
        assert measure.prometheus_name.encode() in page


async def test_nothing_of_what_was_said_is_in_a_scrape(autojump_clock: object) -> None:
    """Neither texts nor tokens."""
    registry = CollectorRegistry()
    async with open_server() as server:
        with rt.instrument.prometheus(registry=registry):
            async with rt.open_client(server.url, auth="s3cret-token") as client:
                await _converse(server, client)
                page = generate_latest(registry).decode()
    assert "s3cret" not in page
    assert "three" not in page


def test_a_second_collector_of_a_registry_is_refused() -> None:
    """Its values would be counted twice. Closing twice does nothing."""
    registry = CollectorRegistry()
    metrics = rt.instrument.prometheus(registry=registry)
    with pytest.raises(ValueError, match="Duplicated"):
        rt.instrument.prometheus(registry=registry)
    metrics.close()
    metrics.close()
    rt.instrument.prometheus(registry=registry).close()


@pytest.mark.parametrize(
    ("module", "extra"), [("prometheus_client", "prometheus"), ("opentelemetry", "otel")]
)
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, module: str, extra: str) -> None:
    """The message says what to install."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(rt.RealtimeError, match=rf"realtime-trio\[{extra}\]"):
        rt.instrument._need(module, extra)


def test_a_histogram_counts_by_bucket() -> None:
    """Each bound counts what is at most that long."""
    histogram = TimeHistogram()
    for seconds in (BOUNDS[0], BOUNDS[3], 100.0):
        histogram.add(seconds)
    counts = histogram.cumulative()
    assert counts[0] == 1
    assert counts[2] == 1
    assert counts[3] == 2
    assert counts[-2:] == [2, 3]
    assert histogram.sum == BOUNDS[0] + BOUNDS[3] + 100.0
