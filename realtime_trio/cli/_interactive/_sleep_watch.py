"""Detect that the machine has slept, with two clocks of which one stops meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import trio

__all__ = ["notice_sleep"]

_PERIOD: Final = 5.0  # seconds between two looks at the clocks
_SLEPT: Final = 20.0  # a gap of this many seconds means that the machine slept


async def notice_sleep(
    woken: Callable[[], object], wall_clock: Callable[[], float] = time.time
) -> None:
    """Call ``woken`` each time the machine wakes up, until cancelled.

    The open link is dead by then, but would only notice it later.
    """
    before = wall_clock() - trio.current_time()
    while True:
        await trio.sleep(_PERIOD)
        now = wall_clock() - trio.current_time()
        if now - before > _SLEPT:
            woken()
        before = now
