"""Enter and leave an async context manager of trio from outside trio.

It lives in one system task from beginning to end, as trio's scopes and nurseries require.
The body runs elsewhere and reports here: :meth:`HeldManager.leave` passes how the body ended,
and ``interrupted`` is called when trio cancels it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from typing import Generic, TypeVar, final

import outcome
import trio

__all__ = ["HeldManager"]

T = TypeVar("T")


@final
class HeldManager(Generic[T]):
    """Holds ``manager`` open in a system task.

    ``entered`` gets the value, ``interrupted`` is called at most once, when the body should be
    cancelled, and ``left`` last, in any case. All of them run in trio's thread.
    """

    def __init__(
        self,
        manager: AbstractAsyncContextManager[T, bool | None],
        *,
        entered: Callable[[T], None],
        interrupted: Callable[[], None],
        left: Callable[[], None],
    ) -> None:
        self.scope: trio.CancelScope = trio.CancelScope()
        self.outcome: outcome.Outcome[bool] | None = None
        """Whether the manager suppressed the body's error, or the error that it raised."""
        self._manager = manager
        self._entered = entered
        self._interrupted = interrupted
        self._left = left
        self._leaving = trio.Event()
        self._error: BaseException | None = None
        self._cancelled = False

    def start(self, context: Context) -> None:
        """Begin to enter."""
        trio.lowlevel.spawn_system_task(self._run, name=self._manager, context=context)

    def leave(self, error: BaseException | None = None, *, cancelled: bool = False) -> None:
        """Leave the block: the body ended, with ``error`` or by cancellation."""
        self._error = error
        self._cancelled = cancelled
        self._leaving.set()

    async def _run(self) -> None:
        try:
            with self.scope:
                self.outcome = await outcome.acapture(self._hold)
        finally:
            self._left()

    async def _hold(self) -> bool:
        self._entered(await self._manager.__aenter__())
        error = await self._body()
        if error is None:
            return bool(await self._manager.__aexit__(None, None, None))
        suppressed = await self._manager.__aexit__(type(error), error, error.__traceback__)
        if isinstance(error, trio.Cancelled) and not suppressed:
            raise error
        return bool(suppressed)

    async def _body(self) -> BaseException | None:
        """Stand in for the body, and return its error in the form that trio expects."""
        try:
            await self._leaving.wait()
            if not self._cancelled:
                return self._error
            self.scope.cancel()
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as exc:
            if not self._leaving.is_set():
                self._interrupted()
                with trio.CancelScope(shield=True):
                    await self._leaving.wait()
            return exc if self._cancelled else self._error
        return None
