"""The metrics, and how to read them from the statistics of a client. Names follow OpenTelemetry's
semantic conventions for messaging if there is one; the others begin with ``realtime_trio``.
Prometheus has the same names with underscores for the dots.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

import attrs

from .._client._client import Client
from .._lanes._statistics import LaneStatistics

__all__ = ["HISTOGRAMS", "MEASURES", "SYSTEM", "Measure", "Reading", "read_client"]

SYSTEM: Final = "agent_c_realtime"
"""The value of ``messaging.system`` and ``gen_ai.provider.name``."""

_LANE: Final = "realtime_trio.lane"
_SUFFIX: Final = {"s": "_seconds", "By": "_bytes"}


@attrs.frozen(slots=True, kw_only=True)
class Measure:
    """One metric: its name in OpenTelemetry, its unit, and the attributes of its values."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    description: str
    attributes: tuple[str, ...] = ()

    @property
    def prometheus_name(self) -> str:
        """The name in Prometheus, without the suffix of its samples (``_total``, ``_bucket``)."""
        return self.name.replace(".", "_") + _SUFFIX.get(self.unit, "")


def _counter(name: str, unit: str, description: str, *attributes: str) -> Measure:
    return Measure(
        name=name, kind="counter", unit=unit, description=description, attributes=attributes
    )


def _gauge(name: str, unit: str, description: str, *attributes: str) -> Measure:
    return Measure(
        name=name, kind="gauge", unit=unit, description=description, attributes=attributes
    )


def _histogram(name: str, description: str, *attributes: str) -> Measure:
    return Measure(
        name=name, kind="histogram", unit="s", description=description, attributes=attributes
    )


EVENTS: Final = _counter(
    *("messaging.client.consumed.messages", "{message}", "Events that a lane has handled."),
    "messaging.destination.name",
)
SENT: Final = _counter("messaging.client.sent.messages", "{message}", "Frames that were sent.")
BYTES: Final = _counter(
    *("realtime_trio.connection.io", "By", "Bytes that links received and sent."),
    "network.io.direction",
)
RECONNECTS: Final = _counter(
    "realtime_trio.connection.reconnects", "{reconnect}", "Links after the first of a client."
)
COALESCED: Final = _counter(
    "realtime_trio.lane.coalesced", "{event}", "Deltas coalesced with the previous one.", _LANE
)
DROPPED: Final = _counter(
    "realtime_trio.lane.dropped", "{item}", "Items that subscriptions dropped.", _LANE
)
LAGGED: Final = _counter(
    "realtime_trio.lane.lagged", "{subscription}", "Subscriptions that were evicted.", _LANE
)
FAULTS: Final = _counter(
    *("realtime_trio.lane.faults", "{event}", "Events with a fault, by its kind."),
    *(_LANE, "error.type"),
)
AUDIO_DROPPED: Final = _counter(
    "realtime_trio.outbox.audio_dropped", "{frame}", "Frames of speech dropped without a link."
)
CLIENTS: Final = _gauge(
    "realtime_trio.clients", "{client}", "Open clients, by the status of the link.", "status"
)
DEPTH: Final = _gauge(
    "realtime_trio.lane.depth", "{event}", "Events that wait to be handled.", _LANE
)
WAITING_BYTES: Final = _gauge(
    "realtime_trio.lane.waiting", "By", "Bytes that wait to be handled.", _LANE
)
SUBSCRIPTIONS: Final = _gauge(
    "realtime_trio.lane.subscriptions", "{subscription}", "Open subscriptions.", _LANE
)
COMMANDS: Final = _gauge(
    "realtime_trio.outbox.commands", "{command}", "Commands that wait to be sent."
)

LATENCY: Final = _histogram(
    "realtime_trio.lane.latency", "From receiving an event until it was handled.", _LANE
)
DELIVERY: Final = _histogram(
    "realtime_trio.lane.delivery", "From receiving an event until a subscriber took it.", _LANE
)
HANDLING: Final = _histogram(
    "realtime_trio.lane.handling", "Folding and dispatching one event.", _LANE
)
HANDLER: Final = _histogram(
    "messaging.process.duration", "One call of a custom handler.", "code.function.name"
)

HISTOGRAMS: Final = (LATENCY, DELIVERY, HANDLING, HANDLER)
MEASURES: Final = (
    *(EVENTS, SENT, BYTES, RECONNECTS, COALESCED, DROPPED, LAGGED, FAULTS, AUDIO_DROPPED),
    *(CLIENTS, DEPTH, WAITING_BYTES, SUBSCRIPTIONS, COMMANDS),
    *HISTOGRAMS,
)
"""Every metric."""

Reading: TypeAlias = tuple[Measure, tuple[str, ...], int]
"""A metric, the values of its attributes, and its value."""


def read_client(client: Client) -> Iterator[Reading]:
    """Yield the current values of a client, in any thread."""
    # Not `client.statistics()`, which sorts samples for its percentiles, and not `client.health`:
    # its age of a pong needs the clock of the client's own thread.
    shell = client._shell  # pyright: ignore[reportPrivateUsage]
    for lane in shell.pipeline.statistics(timed=False).lanes:
        yield from _read_lane(lane)
    supervisor, outbox = shell.supervisor, shell.outbox.statistics()
    link = "away" if supervisor.link is None else "open"
    yield SENT, (), outbox.sent
    yield BYTES, ("receive",), supervisor.bytes_received
    yield BYTES, ("transmit",), outbox.sent_bytes
    yield RECONNECTS, (), max(0, supervisor.links - 1)
    yield AUDIO_DROPPED, (), outbox.audio_dropped
    for status in ("open", "away"):
        yield CLIENTS, (status,), int(link == status)
    yield COMMANDS, (), outbox.commands


def _read_lane(lane: LaneStatistics) -> Iterator[Reading]:
    assert lane.lane is not None
    name = lane.lane.name.lower()
    yield EVENTS, (name,), lane.events
    yield COALESCED, (name,), lane.coalesced
    yield DROPPED, (name,), lane.dropped
    yield LAGGED, (name,), lane.lagged
    faults = {
        "unknown": lane.unknown,
        "malformed": lane.malformed,
        "tolerated": lane.tolerated,
        "duplicate": lane.duplicates,
        "handler": lane.handler_errors,
    }
    for kind, count in faults.items():
        yield FAULTS, (name, kind), count
    yield DEPTH, (name,), lane.depth
    yield WAITING_BYTES, (name,), lane.bytes
    yield SUBSCRIPTIONS, (name,), lane.subscriptions
