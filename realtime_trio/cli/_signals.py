"""What a command does that is told to end: by Ctrl-C, SIGTERM, or a terminal that goes away."""

from __future__ import annotations

import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import final

import trio

__all__ = ["Ending", "endings", "until_told"]


def endings() -> list[signal.Signals]:
    """The signals that end a command.

    SIGINT also where a script started the process in the background, which ignores it then;
    SIGHUP not where it is ignored, as ``nohup`` has it.
    """
    found = [signal.SIGINT, signal.SIGTERM]
    hang_up = getattr(signal, "SIGHUP", None)
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:
        found.append(hang_up)
    return found


@final
class Ending:
    """Whether a command was told to end, and whether it had begun by then."""

    def __init__(self) -> None:
        self.begun: bool = False
        """Set once there is something to be ended in good order."""
        self.told: bool = False


@asynccontextmanager
async def until_told() -> AsyncGenerator[Ending, None]:
    """Cancel the block when the process is told to end; then go on behind it.

    Raises ``KeyboardInterrupt`` instead where nothing had begun.
    """
    ending = Ending()
    async with trio.open_nursery() as nursery:
        await nursery.start(_watch, ending, nursery.cancel_scope)
        yield ending
        nursery.cancel_scope.cancel()
    if ending.told and not ending.begun:
        raise KeyboardInterrupt


async def _watch(
    ending: Ending, scope: trio.CancelScope, *, task_status: trio.TaskStatus[None]
) -> None:
    with trio.open_signal_receiver(*endings()) as signals:
        task_status.started()
        async for _ in signals:
            ending.told = True
            scope.cancel()
