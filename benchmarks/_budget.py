"""The budget: the lines that judge a run, most of them ratios within that run."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from . import _stats
from ._model import Answer, Run
from ._stats import Estimate

__all__ = ["LINES", "Line", "Outcome", "judge", "missing"]


@attrs.frozen(slots=True, kw_only=True)
class Line:
    """The limit of the series ``top``, divided by ``bottom`` if it is given. A ratio of rates is
    written with the times exchanged: half the time is twice the rate.
    """

    question: str
    what: str
    top: str
    bottom: str | None = None
    at_most: float | None = None
    at_least: float | None = None
    unit: str = "x"
    optional: bool = False
    """Whether it needs something that can be missing, such as recordings of a real server."""

    def allows(self, value: float) -> bool:
        """Whether a value is within the limit."""
        if self.at_most is not None and value > self.at_most:
            return False
        return self.at_least is None or value >= self.at_least


@attrs.frozen(slots=True, kw_only=True)
class Outcome:
    """The result of a line."""

    line: Line
    value: Estimate

    @property
    def held(self) -> bool:
        """Whether the median is within the limit."""
        return self.line.allows(self.value.median)

    @property
    def sure(self) -> bool:
        """Whether the whole interval agrees with the median."""
        return self.line.allows(self.value.low) is self.line.allows(self.value.high)

    @property
    def limit(self) -> str:
        """The limit as text."""
        if self.line.at_most is not None:
            return f"at most {self.line.at_most:g} {self.line.unit}"
        return f"at least {self.line.at_least:g} {self.line.unit}"


LINES: tuple[Line, ...] = (
    Line(
        question="core",
        what="core, per event of the mixed stream, over json.loads",
        top="core",
        bottom="json.loads",
        at_most=1.1,
    ),
    Line(
        question="lanes",
        what="lanes, coalescing off, over json.loads",
        top="coalescing off",
        bottom="json.loads",
        at_most=2,
    ),
    Line(
        question="lanes",
        what="lanes, coalescing on, over json.loads",
        top="coalescing on",
        bottom="json.loads",
        at_most=1.35,
    ),
    Line(
        question="core",
        what="core, per event of a real server's traffic, over json.loads",
        top="real server: core",
        bottom="real server: json.loads",
        at_most=2.5,
        optional=True,
    ),
    Line(
        question="paced",
        what="at a pace, the faster transport, over asyncio by hand (json + pydantic)",
        top="websockets, client, 50 x 40/s",
        bottom="asyncio by hand, 50 x 40/s",
        at_most=1.3,
    ),
    Line(
        question="paced",
        what="at a pace, trio-websocket, over its bare receive loop",
        top="trio-websocket, client, 50 x 40/s",
        bottom="trio-websocket, bare loop, 50 x 40/s",
        at_most=1.25,
    ),
    Line(
        question="latency",
        what="latency, socket to subscriber, 1,000 events/s, p99",
        top="trio-websocket, 1000/s: p99",
        at_most=10,
        unit="ms",
    ),
    Line(
        question="latency",
        what="the same, over that of the bare loop",
        top="trio-websocket, 1000/s: p99 over the bare loop's",
        at_most=1,
        unit="ms",
    ),
    Line(
        question="socket",
        what="trio-websocket, events/s over its bare receive loop",
        top="trio-websocket, bare loop",
        bottom="trio-websocket, client",
        at_least=0.75,
    ),
    Line(
        question="socket",
        what="the faster transport, events/s over trio-websocket",
        top="trio-websocket, client",
        bottom="websockets, client",
        at_least=3.5,
    ),
    Line(
        question="socket",
        what="sending 640-byte audio frames, the faster over trio-websocket",
        top="trio-websocket, send audio",
        bottom="websockets, send audio",
        at_least=2,
    ),
    Line(
        question="doors",
        what="rt.aio, CPU per event under a flood, over the native client",
        top="aio",
        bottom="native",
        at_most=1.5,
    ),
    Line(
        question="doors",
        what="rt.blocking, CPU per event under a flood, over the native client",
        top="blocking",
        bottom="native",
        at_most=1.3,
    ),
    Line(
        question="doors",
        what="rt.aio, added latency at 1,000 events/s, p99",
        top="aio: added p99",
        at_most=0.5,
        unit="ms",
    ),
    Line(
        question="growth",
        what="cost per delta, 1M deltas over 10k deltas",
        top="delta at 1,000,000",
        bottom="delta at 10,000",
        at_most=1.3,
    ),
    Line(
        question="growth",
        what="cost per event, 10,000 listed sessions over 10",
        top="listed session at 10,000",
        bottom="listed session at 10",
        at_most=1.3,
    ),
    Line(
        question="growth",
        what="cost per event, 4,000 tool calls in one message over 10",
        top="tool call at 4,000",
        bottom="tool call at 10",
        at_most=1.3,
    ),
    Line(
        question="cancel_under_flood",
        what="cancel with 100,000 events queued, median",
        top="inbound",
        at_most=2,
        unit="ms",
    ),
    Line(
        question="cancel_under_flood",
        what="cancel with 3,000 audio frames queued, median",
        top="outbound",
        at_most=2,
        unit="ms",
    ),
    Line(
        question="instruments",
        what="CPU of an event once instruments are gone, in memory at saturation",
        top="closed",
        bottom="none",
        at_most=1.02,
    ),
    Line(
        question="instruments",
        what="CPU of an event with Prometheus, in memory at saturation",
        top="prometheus",
        bottom="none",
        at_most=1.1,
    ),
    Line(
        question="instruments",
        what="CPU of an event with OpenTelemetry, over a socket",
        top="socket, opentelemetry",
        bottom="socket, none",
        at_most=1.1,
    ),
    Line(
        question="instruments",
        what="CPU of an event with OpenTelemetry, in memory at saturation",
        top="opentelemetry",
        bottom="none",
        at_most=1.2,
    ),
    Line(
        question="journal",
        what="CPU of an event with a journal, in memory at saturation",
        top="in memory, with a journal",
        bottom="in memory, without",
        at_most=1.35,
    ),
    Line(
        question="journal",
        what="CPU of an event with a journal, over a socket",
        top="over a socket, with a journal",
        bottom="over a socket, without",
        at_most=1.2,
    ),
    Line(
        question="journal",
        what="latency of the text lane with a journal, p50",
        top="lane p50, with a journal",
        bottom="lane p50, without",
        at_most=1.1,
    ),
    Line(
        question="journal",
        what="a commit at saturation, p99",
        top="commit p99",
        at_most=250,
        unit="ms",
    ),
    Line(
        question="journal",
        what="bytes of an event in a journal",
        top="bytes per event",
        at_most=60,
        unit="B",
    ),
    Line(
        question="journal",
        what="folding a log, over json.loads",
        top="fold a log",
        bottom="json.loads",
        at_most=2.5,
    ),
    Line(
        question="journal",
        what="the state at a position, p99",
        top="at() p99",
        at_most=10,
        unit="ms",
    ),
    Line(
        question="fleet",
        what="takeover of 100 sessions: owned again",
        top="takeover of 100: owned again",
        at_most=6,  # a heartbeat and five seconds
        unit="s",
        optional=True,
    ),
    Line(
        question="many",
        what="idle client, each of 1,000, its subscription included",
        top="idle client at 1000",
        at_most=40,
        unit="KB",
    ),
    Line(
        question="many",
        what="cost per event, 1,000 busy clients over one",
        top="event at 1000",
        bottom="event at 1",
        at_most=1.3,
    ),
    Line(
        question="audio",
        what="100 voices heard, frames of 20 ms",
        top="heard, 100",
        at_most=60,
        unit="% of a core",
    ),
    Line(
        question="startup",
        what="import of realtime_trio over import of trio",
        top="import realtime_trio",
        bottom="import trio",
        at_most=1.6,
    ),
    Line(
        question="socket",
        what="the faster transport, events/s over asyncio by hand (json + pydantic)",
        top="asyncio by hand, json + pydantic",
        bottom="websockets, client",
        at_least=1.2,
    ),
    Line(
        question="socket",
        what="the faster transport, events/s over asyncio by hand (msgspec)",
        top="asyncio by hand, msgspec",
        bottom="websockets, client",
        at_least=1.25,
    ),
    Line(
        question="peers_parsing",
        what="decode over openai-python's parsing, events/s",
        top="openai-python: parse",
        bottom="realtime_trio: decode",
        at_least=30,
    ),
    Line(
        question="peers_socket",
        what="the faster transport over openai-python's client, events/s",
        top="openai-python: client",
        bottom="realtime_trio, websockets",
        at_least=6,
    ),
    Line(
        question="peers_pipecat",
        what="frames/s over pipecat, three pass-through processors",
        top="pipecat: frame",
        bottom="realtime_trio: event",
        at_least=10,
    ),
    Line(
        question="peers_pipecat",
        what="interruption with 10,000 queued, over pipecat's",
        top="realtime_trio: cancel",
        bottom="pipecat: interruption",
        at_most=0.1,
    ),
)


def _value(line: Line, answer: Answer | None) -> Estimate | None:
    top = answer.find(line.top) if answer is not None else None
    if answer is None or top is None or not _stats.flat(top.samples):
        return None
    if line.bottom is None:
        return _stats.estimate(top.samples)
    bottom = answer.find(line.bottom)
    ratios = _stats.ratios(top.samples, bottom.samples) if bottom is not None else []
    return _stats.estimate(ratios) if _stats.flat(ratios) else None


def judge(run: Run) -> Iterator[Outcome]:
    """Judge the lines for which the run has figures."""
    for line in LINES:
        value = _value(line, run.answer(line.question))
        if value is not None:
            yield Outcome(line=line, value=value)


def missing(run: Run) -> list[str]:
    """Return the lines whose question was asked but whose figures are missing."""
    asked = [line for line in LINES if run.answer(line.question) and not line.optional]
    lines = [line for line in asked if _value(line, run.answer(line.question)) is None]
    return [f"not measured ({line.question}): {line.what}" for line in lines]
