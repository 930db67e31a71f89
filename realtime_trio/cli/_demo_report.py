"""The demo's measurements, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .._core._state import SessionState
from .._lanes._statistics import PipelineStatistics
from ..events import Lane
from ._terminal_text import clean

__all__ = ["Finding", "report"]


@attrs.frozen(slots=True, kw_only=True)
class Finding:
    """The result of a demo.

    ``samples`` are seconds from the socket to a subscriber, by phase and lane. ``cancel`` is the
    time in seconds from a cancel to its notification, with ``waiting`` events queued in the text
    lane.
    """

    lanes: PipelineStatistics
    samples: Mapping[tuple[str, Lane], list[float]]
    cancel: float
    waiting: int
    state: SessionState


def report(console: Console, found: Finding, wav: Path) -> None:
    """Print the final tables, and the file with the agent's voice."""
    console.print()
    console.print(_latencies(found))
    console.print()
    console.print(_outcome(found))
    console.print()
    console.print(Text(f"the agent's voice, as it was heard: {clean(str(wav))}"), soft_wrap=True)


def _latencies(found: Finding) -> Table:
    table = Table(title="From the socket to the subscriber", title_justify="left")
    table.add_column("lane", style="bold")
    table.add_column("phase")
    for name in ("events", "p50 ms", "p99 ms", "max ms"):
        table.add_column(name, justify="right")
    for lane in Lane:
        table.add_row(lane.name.lower(), "conversation", *_row(found, "conversation", lane))
    table.add_section()
    for lane in (Lane.CONTROL, Lane.TEXT):
        style = "yellow" if lane is Lane.TEXT else ""
        note = "flood, held back" if lane is Lane.TEXT else "flood"
        table.add_row(lane.name.lower(), note, *_row(found, "flood", lane), style=style)
    return table


def _row(found: Finding, phase: str, lane: Lane) -> list[str]:
    samples = sorted(found.samples.get((phase, lane), ()))
    if not samples:
        return ["0", "-", "-", "-"]
    last = len(samples) - 1
    picked = (samples[last // 2], samples[last * 99 // 100], samples[last])
    return [f"{len(samples):,}", *(f"{1000 * seconds:,.2f}" for seconds in picked)]


def _outcome(found: Finding) -> Table:
    state, lanes = found.state, found.lanes
    table = Table(title="Final state", title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column()
    table.add_row(
        "cancel",
        Text(
            f"{1000 * found.cancel:.2f} ms from the call to turn-cancelled, "
            f"with {found.waiting:,} events queued in the text lane"
        ),
    )
    for lane in lanes.lanes:
        assert lane.lane is not None
        text = (
            f"{lane.events:,} events, at most {lane.high_water:,} queued, {lane.dropped:,} dropped"
        )
        table.add_row(f"{lane.lane.name.lower()} lane", text)
    for session in state.sessions.values():
        current = " (current)" if session.id == state.current_session_id else ""
        text = (
            f"{len(session.messages)} messages, {session.input_tokens:,} tokens in, "
            f"{session.output_tokens:,} out{current}"
        )
        table.add_row("session", Text(f"{clean(session.id)}: {text}"))
    turn = "the user's" if state.turn.can_send_input else "the agent's"
    table.add_row(
        "turn",
        f"{turn}; {len(state.text.active_tools)} tools and "
        f"{len(state.text.subsessions)} delegations are open",
    )
    counters = state.counters
    table.add_row(
        "faults",
        f"{counters.malformed} malformed, {counters.unknown} unknown, "
        f"{counters.handler_errors} handler errors",
    )
    return table
