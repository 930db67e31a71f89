"""How commands end on Ctrl-C, SIGTERM or a closed terminal."""

from __future__ import annotations

import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import final

import trio

__all__ = ["Ending", "endings", "until_signalled"]


def endings() -> list[signal.Signals]:
    """Return the signals that end a command.

    SIGINT is always included, although it is ignored in a process that a script starts in the
    background. SIGHUP is excluded if it is ignored, as by ``nohup``.
    """
    found = [signal.SIGINT, signal.SIGTERM]
    hang_up = getattr(signal, "SIGHUP", None)
    if hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN:
        found.append(hang_up)
    return found


@final
class Ending:
    """Records whether a signal arrived, and whether the command had started by then."""

    def __init__(self) -> None:
        self.started: bool = False
        """Set once there is work to end in an orderly way."""
        self.signalled: bool = False


@asynccontextmanager
async def until_signalled() -> AsyncGenerator[Ending, None]:
    """Cancel the block when a signal arrives; then continue after it.

    Raises ``KeyboardInterrupt`` instead if nothing had started.
    """
    ending = Ending()
    async with trio.open_nursery() as nursery:
        await nursery.start(_watch, ending, nursery.cancel_scope)
        yield ending
        nursery.cancel_scope.cancel()
    if ending.signalled and not ending.started:
        raise KeyboardInterrupt


async def _watch(
    ending: Ending, scope: trio.CancelScope, *, task_status: trio.TaskStatus[None]
) -> None:
    with trio.open_signal_receiver(*endings()) as signals:
        task_status.started()
        async for _ in signals:
            ending.signalled = True
            scope.cancel()
