"""A clear error for a program that runs on another loop than trio's."""

from __future__ import annotations

import sys

import trio

__all__ = ["check_loop"]


def check_loop() -> None:
    """Tell a program of asyncio what it needs, before trio says that nothing of its own runs."""
    asyncio = sys.modules.get("asyncio")
    if trio.lowlevel.in_trio_task() or asyncio is None:
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    message = (
        "rt.open_client needs trio, and this is a task of asyncio: "
        "use rt.aio.open_client here, with the same arguments"
    )
    raise RuntimeError(message)
