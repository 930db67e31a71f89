"""How the classes of this door call trio: async methods, blocks, iterators."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import Generic, ParamSpec, TypeVar, final

import outcome
import trio

from .._doors._door_object import DoorObject, repr_of
from .._doors._held_manager import HeldManager
from .._doors._trio_call import CLOSED, NESTED, TrioCall
from .._exceptions import ClosedError, TurnError
from ._guest import Guest, HostWait, join_guest

__all__ = ["Door", "HeldBlock", "Mirror", "same"]

N = TypeVar("N")
P = ParamSpec("P")
T = TypeVar("T")
W = TypeVar("W", covariant=True)


@final
class Door:
    """The connection from one asyncio loop to the trio run on it."""

    __slots__ = ("asking", "closed", "guest", "loop")

    def __init__(self, guest: Guest) -> None:
        self.guest: Guest = guest
        self.asking: set[object] = set()
        """The tasks that are in the block of an ``ask``."""
        self.closed: bool = False
        """Whether the block of the client or server was left."""
        self.loop: asyncio.AbstractEventLoop = guest.loop

    def check(self) -> None:
        """Raise unless the caller may use this door."""
        if self.closed or self.guest.ended:
            raise ClosedError(CLOSED)
        if trio.lowlevel.in_trio_task():
            message = "this is a trio task, and the client belongs to rt.aio: use rt.open_client"
            raise RuntimeError(message)
        if asyncio.get_running_loop() is not self.loop:
            message = "this client belongs to another loop: open one for each loop"
            raise RuntimeError(message)

    async def call(self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an async function of trio.

        A cancellation cancels it, and is raised after its end.
        """
        self.check()
        wait = HostWait(self.loop)
        call = TrioCall(partial(fn, *args, **kwargs), wait.finish)
        call.start(copy_context())
        cancelled = await wait.wait(call.scope.cancel)
        if cancelled is not None:
            raise cancelled
        return call.result()

    async def each(self, items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """Iterate over an async generator of trio."""
        try:
            while True:
                try:
                    item = await self.call(items.__anext__)
                except StopAsyncIteration:
                    return
                yield item
        finally:
            with suppress(ClosedError):
                await self.call(items.aclose)

    def block(
        self,
        manager: AbstractAsyncContextManager[N, bool | None],
        wrap: Callable[[Door, N], T],
        *,
        alone: bool = False,
        own: bool = False,
    ) -> HeldBlock[N, T]:
        """Return the context manager of this door for one of trio."""
        return HeldBlock(manager, wrap, self, alone=alone, own=own)


class Mirror(DoorObject[N]):
    """The object of this door that wraps one of trio."""

    def __init__(self, door: Door, native: N) -> None:
        self._door = door
        self._native = native

    def __repr__(self) -> str:
        return repr_of(self, "rt.aio")

    def _block(self, manager: AbstractAsyncContextManager[T, bool | None]) -> HeldBlock[T, T]:
        return self._door.block(manager, same)


def same(door: Door, value: T) -> T:
    """Return the value unchanged: values need no wrapper."""
    return value


class HeldBlock(AbstractAsyncContextManager[W, bool | None], Generic[N, W]):
    """An async context manager of trio, as one of asyncio.

    When trio cancels the body (the client has ended), the task that entered is cancelled, and
    the block raises the error of the manager instead of that cancellation.
    """

    def __init__(
        self,
        manager: AbstractAsyncContextManager[N, bool | None],
        wrap: Callable[[Door, N], W],
        door: Door | None = None,
        *,
        alone: bool = False,
        own: bool = False,
    ) -> None:
        """Without ``door``, the manager opens something and joins the run of the loop.

        With ``own``, its value has a separate door, which is closed at the end of the block.
        """
        self._manager = manager
        self._wrap = wrap
        self._door = door
        self._own = own or door is None
        self._guest: Guest | None = None
        self._value: tuple[N] | None = None
        self._alone = alone
        self._asker: object = None
        self._interrupting = False

    async def __aenter__(self) -> W:
        if self._door is None:
            self._guest = await join_guest(self)
            self._door = Door(self._guest)
        self._door.check()
        if self._guest is None and self._own:
            self._door = Door(self._door.guest)
        loop = self._door.loop
        self._task = asyncio.current_task(loop)
        self._cancelling = 0 if self._task is None else self._task.cancelling()
        self._check_alone(self._door, self._task)
        self._arrival = HostWait(loop)
        self._departure = HostWait(loop)
        self._held = HeldManager(
            self._manager, entered=self._entered, interrupted=self._interrupt, left=self._left
        )
        self._door.guest.entering(self)
        self._held.start(copy_context())
        cancelled = await self._arrival.wait(self._held.scope.cancel)
        if self._value is None or cancelled is not None:
            await self._conclude(cancelled)
            raise cancelled or ClosedError(CLOSED)
        return self._wrap(self._door, self._value[0])

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        if isinstance(exc, GeneratorExit):  # the task is discarded: nothing can be awaited
            self.abandon()
            if self._guest is not None and self._guest.loop.is_closed():
                self._guest.abandon()
            return None
        return await self._conclude(exc)

    def abandon(self) -> None:
        """Leave without waiting, or do not enter."""
        if self._value is None:
            self._held.scope.cancel()
        self._held.leave(cancelled=True)

    def _check_alone(self, door: Door, asker: object) -> None:
        if self._alone:
            if asker in door.asking:
                raise TurnError(NESTED)
            self._asker = asker
            door.asking.add(asker)

    # -- the trio side ---------------------------------------------------------------------

    def _entered(self, value: N) -> None:
        self._value = (value,)
        self._arrival.finish()

    def _interrupt(self) -> None:
        task = self._task
        if task is not None and not task.done():
            self._interrupting = True
            task.cancel()

    def _left(self) -> None:
        assert self._door is not None
        if self._own:
            self._door.closed = True
        self._door.asking.discard(self._asker)
        self._door.guest.left(self)
        self._arrival.finish()
        self._departure.finish()

    # -- leaving ---------------------------------------------------------------------------

    async def _conclude(self, own: BaseException | None) -> bool:
        """Leave, and raise the resulting error; return whether ``own`` is suppressed."""
        cancelled = isinstance(own, asyncio.CancelledError)
        self._held.leave(None if cancelled else own, cancelled=cancelled)
        late = await self._departure.wait(self._held.scope.cancel)
        if self._guest is not None:
            late = late or await self._guest.wait_ended()
        if self._is_ours() and (cancelled or late is not None):
            # The cancellation was caused by the error that is raised now.
            cancelled, late = False, None
        result = self._held.outcome
        error = result.error if isinstance(result, outcome.Error) else None
        if late is not None:
            raise late
        if cancelled or error is own:
            return False
        if error is None:
            return result is not None and result.unwrap()
        if isinstance(error, trio.Cancelled):
            return False
        raise error

    def _is_ours(self) -> bool:
        """Undo our cancellation; return whether the task was not cancelled by anyone else."""
        if not self._interrupting or self._task is None:
            return False
        self._interrupting = False
        return self._task.uncancel() <= self._cancelling
