"""What do frames and interruptions cost in pipecat, and what do events and cancels here?"""

from __future__ import annotations

from functools import partial

import trio

from ._kit import Kit
from .bench_cancel_under_flood import inbound
from .bench_lanes import heard
from .stream import EVENTS_A_TURN, mixed_stream, text_deltas

TITLE = "Peers: pipecat with three processors that pass everything on, beside the lanes"
PROCESSES = (1, 3)

_QUEUED = 10_000


def measure(kit: Kit) -> None:
    """Compare frames with events, then interruptions with cancels while much is queued."""
    from . import _pipecat

    turns = kit.pick(30, 60)
    frames = [frame.decode() for frame in mixed_stream(turns)]
    count = turns * EVENTS_A_TURN

    def ours(*, coalesce: bool) -> float:
        return trio.run(partial(heard, frames, turns, coalesce=coalesce))

    kit.rounds(
        {
            "pipecat: frame": lambda: _pipecat.passed(count, lean=True),
            "pipecat: frame, with all that it starts unasked": lambda: _pipecat.passed(
                count, lean=False
            ),
            "realtime_trio: event": lambda: ours(coalesce=True),
            "realtime_trio: event, coalescing off": lambda: ours(coalesce=False),
        },
        ops=count,
        base="pipecat: frame",
    )
    queued = [frame.decode() for frame in text_deltas(1000)] * (_QUEUED // 1000)
    kit.rounds(
        {
            "pipecat: interruption": lambda: _pipecat.interrupted(_QUEUED),
            "realtime_trio: cancel": lambda: trio.run(inbound, queued),
        },
        ops=1,
        base="pipecat: interruption",
        unit="ms",
        rounds=kit.pick(5, 9),
    )
