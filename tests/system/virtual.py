"""Virtual time beside real sockets: it passes only while nothing else moves."""

from __future__ import annotations

import trio
import trio.testing

STEP = 0.25
"""Seconds: short beside every deadline of a client, so none is met in one leap."""


async def keep_time(clock: trio.testing.MockClock, step: float = STEP) -> None:
    """Let time pass, by ``step`` seconds, whenever every task waits and no socket has news.

    What crosses a loopback socket is there at once, so however busy the machine is, an answer
    that is on its way comes before the time that it may take is over. The same holds for a thread.
    """
    threads = trio.to_thread.current_default_thread_limiter()
    while True:
        await trio.testing.wait_all_tasks_blocked()
        if threads.borrowed_tokens == 0:
            clock.jump(step)
