"""The errors of what runs on trio, in a program or a thread that does not."""

from __future__ import annotations

from threading import get_ident
from typing import final

import trio

__all__ = ["OwnThread", "check_trio"]


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


@final
class OwnThread:
    """The one thread that may wake a client's tasks; unknown until :meth:`take`."""

    __slots__ = ("_ident",)

    def __init__(self) -> None:
        self._ident: int | None = None

    def take(self) -> None:
        """Make the current thread the one."""
        self._ident = get_ident()

    def check(self) -> None:
        """Raise ``RuntimeError`` in another thread."""
        if self._ident not in (None, get_ident()):
            message = (
                "a client belongs to the thread that opened it: from another thread, call it with "
                "trio.from_thread.run or trio.from_thread.run_sync, or use rt.blocking"
            )
            raise RuntimeError(message)
