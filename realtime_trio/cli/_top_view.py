"""The picture of ``top``: the values of one moment, and their layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs
from rich.console import Group
from rich.table import Table
from rich.text import Text

from .._client._client import Client
from .._lanes._statistics import LaneStatistics, SubscriptionStatistics
from ..events import Lane
from ._terminal_text import clean, one_line

__all__ = ["TopView", "draw"]

_BAR: Final = 20
_STEPS: Final = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0)  # seconds
_LABELS: Final = ("≤0.1ms", "0.3", "1", "3", "10", "30", "100", "1s", "more")
_SUBSCRIBERS: Final = 12  # rows
_NAME: Final = 32
_RULE: Final = 22
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"


@attrs.frozen(slots=True, kw_only=True)
class TopView:
    """The values shown: the statistics of a client at one moment."""

    link: str = "closed"
    lanes: tuple[LaneStatistics, ...] = ()
    histograms: Mapping[str, Sequence[int]] = attrs.field(factory=dict[str, Sequence[int]])
    rows: tuple[tuple[str, str], ...] = ()
    subscribers: tuple[SubscriptionStatistics, ...] = ()
    tools: tuple[str, ...] = ()
    subagents: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        client: Client,
        samples: Mapping[tuple[str, Lane], Sequence[float]],
        errors: tuple[str, ...],
    ) -> TopView:
        """Read the current values of a client."""
        state, health = client.state, client.health
        statistics = client.statistics()
        session = state.current_session
        traffic = "" if health.traffic is None else f", {health.traffic:,} bytes received"
        turn = "the user's" if state.turn.can_send_input else "the agent's"
        rows = (
            ("link", f"{health.status}, {health.links} opened{traffic}"),
            ("to be sent", f"{health.outbox.commands} commands"),
            ("turn", turn),
            ("session", "none" if session is None else one_line(session.name or session.id, 60)),
            ("dropped", f"{statistics.total.dropped} items of subscribers"),
            ("evicted", f"{statistics.total.lagged} subscribers that did not keep up"),
        )
        return cls(
            link=health.status,
            lanes=statistics.lanes,
            histograms={
                lane.name.lower(): _histogram(
                    [
                        value
                        for (_, each), found in samples.items()
                        if each is lane
                        for value in found
                    ]
                )
                for lane in Lane
            },
            rows=rows,
            subscribers=statistics.subscribers,
            tools=tuple(
                f"{one_line(each.tool_name, 30)} {each.status}" for each in state.active_tools
            ),
            subagents=tuple(one_line(each.sub_agent_key, 30) for each in state.subsessions),
            errors=errors,
        )


def _histogram(seconds: Sequence[float]) -> list[int]:
    counts = [0] * (len(_STEPS) + 1)
    for value in seconds:
        counts[next((i for i, step in enumerate(_STEPS) if value <= step), len(_STEPS))] += 1
    return counts


def draw(view: TopView) -> Group:
    """Draw a picture of about 90 columns."""
    rows = Table(box=None, show_header=False, pad_edge=False)
    for name, value in view.rows:
        rows.add_row(Text(name, "bold"), Text(value))
    rows.add_row(Text("tools", "bold"), Text(", ".join(view.tools) or "none"))
    rows.add_row(Text("sub-agents", "bold"), Text(" > ".join(view.subagents) or "none"))
    errors = Text("\n".join(clean(each) for each in view.errors) or "none", "red")
    return Group(
        _lanes(view.lanes),
        Text(),
        _latencies(view),
        Text(),
        _subscribers(view.subscribers),
        Text(),
        rows,
        Text(),
        Text("last errors", "bold"),
        errors if view.errors else Text("none", "dim"),
    )


def _lanes(lanes: Sequence[LaneStatistics]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("lane")
    table.add_column("waiting".ljust(_BAR))
    for name in ("depth", "high water", "events", "per second", "coalesced"):
        table.add_column(name, justify="right")
    for lane in lanes:
        name = "" if lane.lane is None else lane.lane.name.lower()
        numbers = (lane.depth, lane.high_water, lane.events, round(lane.rate), lane.coalesced)
        bar = _bar(lane.depth, max(lane.high_water, 1))
        table.add_row(Text(name, "bold"), bar, *(f"{each:,}" for each in numbers))
    return table


def _subscribers(subscribers: Sequence[SubscriptionStatistics]) -> Table:
    """One row each; the lag is what waits to be received."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("subscriber", max_width=_NAME, no_wrap=True)
    table.add_column("overflow", max_width=_RULE, no_wrap=True)
    for name in ("lag", "bytes", "high water", "merged", "dropped"):
        table.add_column(name, justify="right")
    for each in subscribers[:_SUBSCRIBERS]:
        numbers = (each.depth, each.bytes, each.high_water, each.merged, each.dropped)
        style = "yellow" if each.blocking else ""
        table.add_row(
            Text(_subscriber(each), style),
            _rule(each.overflow),
            *(f"{number:,}" for number in numbers),
        )
    if len(subscribers) > _SUBSCRIBERS:
        table.add_row(Text(f"and {len(subscribers) - _SUBSCRIBERS} more", "dim"))
    return table


def _subscriber(each: SubscriptionStatistics) -> str:
    """What it subscribes to, and whether a lane waits for it."""
    lanes = "all" if len(each.lanes) == len(Lane) else ", ".join(x.name.lower() for x in each.lanes)
    what = f"{', '.join(each.classes)}" if each.classes else "everything"
    return f"{lanes}: {what}{', blocks' if each.blocking else ''}"


def _rule(overflow: str) -> str:
    """An overflow rule, shorter."""
    return overflow.replace("max_items=", "").replace("None, ", "").replace(", seconds=None", "")


def _bar(value: int, whole: int) -> Text:
    filled = min(_BAR, round(_BAR * value / whole))
    return Text("█" * filled, "green").append("░" * (_BAR - filled), "dim")


def _latencies(view: TopView) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("latency")
    for label in _LABELS:
        table.add_column(label, justify="right")
    for lane, counts in view.histograms.items():
        most = max([*counts, 1])
        cells = (f"{count:,} {_BLOCKS[round(8 * count / most)]}" for count in counts)
        table.add_row(Text(lane, "bold"), *cells)
    return table
