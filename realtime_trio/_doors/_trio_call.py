"""One call from outside trio: run an async function in a system task with its own scope."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Generic, TypeVar, final

import outcome
import trio

from .._exceptions import ClosedError

__all__ = ["CLOSED", "NESTED", "TrioCall"]

T = TypeVar("T")

CLOSED = "the client is closed, or the block that opened this was left"
NESTED = (
    "this task is inside another ask(): leave that block before the next question, "
    "or ask from another task, which then waits for its turn"
)


@final
class TrioCall(Generic[T]):
    """Runs ``fn`` and calls ``done`` when it has ended, in trio's thread."""

    def __init__(self, fn: Callable[[], Awaitable[T]], done: Callable[[], None]) -> None:
        self.scope: trio.CancelScope = trio.CancelScope()
        self._fn = fn
        self._done = done
        self._outcome: outcome.Outcome[T] | None = None

    def start(self, context: Context) -> None:
        """Start it; the function sees the context variables of ``context``."""
        trio.lowlevel.spawn_system_task(self._run, name=self._fn, context=context)

    async def _run(self) -> None:
        try:
            with self.scope:
                self._outcome = await outcome.acapture(self._fn)
        finally:
            self._done()

    def result(self) -> T:
        """Return the result of the function, or raise its error.

        Raises :class:`~realtime_trio.ClosedError` if the run of trio ended before it.
        """
        found = self._outcome
        if found is None or (
            isinstance(found, outcome.Error) and isinstance(found.error, trio.Cancelled)
        ):
            raise ClosedError(CLOSED)
        return found.unwrap()
