"""The error of what runs on trio, in a program that does not."""

from __future__ import annotations

import trio

__all__ = ["check_trio"]


def check_trio(function: str) -> None:
    """Raise ``RuntimeError`` outside ``trio.run``: under asyncio, or in a cell of a notebook.

    ``function`` is the public name without the package, such as "server.open_server".
    """
    if not trio.lowlevel.in_trio_task():
        name = function.rpartition(".")[2]
        message = (
            f"rt.{function} runs on trio: start the program with trio.run(main). "
            f"Inside asyncio or a notebook, use rt.aio.{name} with the same arguments; "
            f"in synchronous code, rt.blocking.{name}"
        )
        raise RuntimeError(message)
