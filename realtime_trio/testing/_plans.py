"""Fault plans for property tests: what goes wrong, drawn by Hypothesis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ..server._faults import (
    Cut,
    Delay,
    Drop,
    Duplicate,
    Garble,
    Oversized,
    Plan,
    Reorder,
    SlowDrain,
    Stall,
)

if TYPE_CHECKING:  # an extra: what does not draw does not need it
    from hypothesis.strategies import SearchStrategy

__all__ = ["fault_plans"]

_TYPES: Final = (
    "user_turn_start",
    "user_turn_end",
    "interaction",
    "completion",
    "text_delta",
    "tool_call",
    "cancelled",
    "chat_session_changed",
    "pong",
)


def fault_plans(
    *, max_plans: int = 3, max_times: int = 5, max_seconds: float = 20.0, frames: bool = True
) -> SearchStrategy[tuple[Plan, ...]]:
    """A strategy for what goes wrong: ``server.faults.install(*plans)``.

    Each draw is a row of at most ``max_plans`` plans of every kind: frames lost, doubled,
    overtaken, late, garbled, padded; links cut, stalled, muted for good, or slow. A plan
    strikes at most ``max_times`` times and delays or stalls for at most ``max_seconds``
    seconds, so what it hits can recover (a slow wire stays slow, but carries 1 kB a second).
    ``frames=False`` leaves out what harms single frames in silence (lost, doubled, overtaken,
    garbled), which no client can notice. Nothing going wrong is the simplest draw. Needs
    Hypothesis, from the extra ``testing``.
    """
    from hypothesis import strategies as st

    times = st.integers(1, max_times)
    selection = {
        "types": st.none() | st.sets(st.sampled_from(_TYPES), min_size=1).map(frozenset),
        "probability": st.sampled_from([1.0, 0.5, 0.1]),
        "times": times,
    }
    seconds = st.floats(0.0, max_seconds, allow_nan=False)
    position = {"after": st.integers(0, 60), "times": st.integers(1, min(2, max_times))}
    plan: SearchStrategy[Plan] = st.one_of(
        st.builds(Delay, seconds=seconds, jitter=seconds, **selection),
        st.builds(Oversized, size=st.sampled_from([1024, 2**21]), **selection),
        st.builds(SlowDrain, bytes_per_second=st.sampled_from([1e3, 1e4, 1e6])),
        st.builds(Cut, how=st.sampled_from(["abort", "mid-frame"]), **position),
        st.builds(Stall, seconds=seconds | st.just(math.inf), **position),
    )
    if frames:
        plan |= st.one_of(
            *(st.builds(kind, **selection) for kind in (Drop, Duplicate, Reorder, Garble))
        )
    return st.lists(plan, max_size=max_plans).map(tuple)
