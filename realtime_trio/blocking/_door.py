"""How the classes of this door call trio from other threads: methods, blocks, iterators."""

from __future__ import annotations

import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, suppress
from contextvars import Context, copy_context
from functools import partial
from types import TracebackType
from typing import Generic, ParamSpec, TypeVar, final

import outcome
import trio

from .._doors._door_object import DoorObject, repr_of
from .._doors._held_manager import HeldManager
from .._doors._trio_call import CLOSED, NESTED, TrioCall
from .._exceptions import ClosedError, TurnError
from ._portal import Portal, join_portal, leave_portal
from ._thread_wait import ThreadWait

__all__ = ["Door", "HeldBlock", "Mirror", "same"]

N = TypeVar("N")
P = ParamSpec("P")
T = TypeVar("T")
W = TypeVar("W", covariant=True)


def check_thread() -> None:
    """Raise in a thread that runs a loop: a waiting call would stop the loop."""
    if trio.lowlevel.in_trio_task():
        message = "this call of rt.blocking would stop trio, which runs here: use rt.open_client"
        raise RuntimeError(message)
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    message = "this call of rt.blocking would stop the loop of asyncio, which runs here: use rt.aio"
    raise RuntimeError(message)


@final
class Door:
    """The connection to one client, server or session, and the calls that wait there."""

    __slots__ = ("_scopes", "asking", "closed", "portal", "scope")

    def __init__(self, portal: Portal) -> None:
        self.portal: Portal = portal
        self.asking: set[object] = set()
        """The threads that are in the block of an ``ask``."""
        self.closed: bool = False
        """Whether its block was left."""
        self.scope: trio.CancelScope | None = None
        """The scope of its block."""
        self._scopes: set[trio.CancelScope] = set()

    def call(self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run an async function of trio, and wait for it. Ctrl-C cancels it."""
        check_thread()
        if self.closed:
            raise ClosedError(CLOSED)
        wait = ThreadWait()

        def done() -> None:
            self._scopes.discard(call.scope)
            wait.finish()

        def begin() -> None:
            self._scopes.add(call.scope)
            try:
                call.start(context)
            except RuntimeError:  # trio is about to end: it accepts no more tasks
                done()

        context = copy_context()
        call = TrioCall(partial(fn, *args, **kwargs), done)
        self.portal.submit(begin)
        interrupt = self.portal.wait(wait, partial(self._hurry, call.scope))
        if interrupt is not None:
            raise interrupt
        return call.result()

    def _hurry(self, scope: trio.CancelScope) -> None:
        with suppress(ClosedError):
            self.portal.submit(scope.cancel)

    def plain(self, fn: Callable[[], T]) -> T:
        """Call a function that does not wait, in trio's thread.

        After the run has ended nothing changes any more, and the function is called here.
        """
        if self.portal.inside:
            return fn()
        wait = ThreadWait()
        found: list[outcome.Outcome[T]] = []

        def run() -> None:
            found.append(outcome.capture(fn))
            wait.finish()

        with suppress(ClosedError):
            self.portal.submit(run)
            interrupt = self.portal.wait(wait, wait.finish)
            if interrupt is not None:
                raise interrupt
        return found[0].unwrap() if found else self._afterwards(fn)

    def _afterwards(self, fn: Callable[[], T]) -> T:
        try:
            return fn()
        except RuntimeError as exc:  # it needs trio
            raise ClosedError(CLOSED) from exc

    def each(self, items: AsyncGenerator[T, None]) -> Generator[T, None, None]:
        """Iterate over an async generator of trio."""
        try:
            while True:
                try:
                    item = self.call(items.__anext__)
                except StopAsyncIteration:
                    return
                yield item
        finally:
            with suppress(ClosedError):
                self.call(items.aclose)

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

    def close(self, stop: Callable[[], Awaitable[None]]) -> None:
        """Close with ``stop``, and end all waiting calls."""
        with suppress(ClosedError):
            self.call(stop)
            self.plain(self.interrupt)

    def detach(self) -> None:
        """Cancel the block of this door, and end all waiting calls."""
        self.closed = True
        if self.scope is not None:
            self.plain(self.scope.cancel)

    def interrupt(self) -> None:
        """End every waiting call with :class:`~realtime_trio.ClosedError`; in trio's thread."""
        for scope in tuple(self._scopes):
            scope.cancel()


class Mirror(DoorObject[N]):
    """The object of this door that wraps one of trio."""

    def __init__(self, door: Door, native: N) -> None:
        self._door = door
        self._native = native

    def __repr__(self) -> str:
        return repr_of(self, "rt.blocking")

    def _block(self, manager: AbstractAsyncContextManager[T, bool | None]) -> HeldBlock[T, T]:
        return self._door.block(manager, same)


def same(door: Door, value: T) -> T:
    """Return the value unchanged: values need no wrapper."""
    return value


class HeldBlock(AbstractContextManager[W, bool | None], Generic[N, W]):
    """An async context manager of trio, as a plain one.

    When trio cancels the body (the client has ended), its waiting calls end with
    :class:`~realtime_trio.ClosedError`, and the block raises the error of the manager.
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
        """Without ``door``, the manager opens something and joins the shared run.

        With ``own``, its value has a separate door, which is closed at the end of the block.
        """
        self._manager = manager
        self._wrap = wrap
        self._door = door
        self._own = own or door is None
        self._joined: Portal | None = None
        self._value: tuple[N] | None = None
        self._alone = alone
        self._asker: object = None

    def __enter__(self) -> W:
        check_thread()
        if self._door is None:
            self._joined = join_portal()
            self._door = Door(self._joined)
        elif self._door.closed:
            raise ClosedError(CLOSED)
        elif self._own:
            self._door = Door(self._door.portal)
        self._check_alone(self._door, threading.get_ident())
        self._arrival, self._departure = ThreadWait(), ThreadWait()
        self._held = HeldManager(
            self._manager,
            entered=self._entered,
            interrupted=self._door.interrupt,
            left=self._left,
        )
        if self._own:
            self._door.scope = self._held.scope
        portal = self._door.portal
        try:
            portal.submit(partial(self._start, copy_context()))
            interrupt = portal.wait(self._arrival, self._hurry)
        except ClosedError:
            self._leave_portal()
            raise
        if self._value is None or interrupt is not None:
            self._conclude(interrupt)
            raise interrupt or ClosedError(CLOSED)
        return self._wrap(self._door, self._value[0])

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return self._conclude(exc)

    def _check_alone(self, door: Door, asker: object) -> None:
        if self._alone:
            if asker in door.asking:
                raise TurnError(NESTED)
            self._asker = asker
            door.asking.add(asker)

    # -- the trio side ---------------------------------------------------------------------

    def _start(self, context: Context) -> None:
        try:
            self._held.start(context)
        except RuntimeError:  # trio is about to end: it accepts no more tasks
            self._left()

    def _entered(self, value: N) -> None:
        self._value = (value,)
        self._arrival.finish()

    def _left(self) -> None:
        assert self._door is not None
        if self._own:
            self._door.closed = True
        self._door.asking.discard(self._asker)
        self._arrival.finish()
        self._departure.finish()

    # -- leaving ---------------------------------------------------------------------------

    def _hurry(self) -> None:
        assert self._door is not None
        with suppress(ClosedError):
            self._door.portal.submit(self._held.scope.cancel)

    def _conclude(self, own: BaseException | None) -> bool:
        """Leave, and raise the resulting error; return whether ``own`` is suppressed."""
        assert self._door is not None
        portal = self._door.portal
        late: BaseException | None = None
        with suppress(ClosedError):
            portal.submit(partial(self._held.leave, own))
            late = portal.wait(self._departure, self._hurry)
        self._leave_portal()
        result = self._held.outcome
        error = result.error if isinstance(result, outcome.Error) else None
        if late is not None:
            raise late
        if (error is own and own is not None) or isinstance(error, trio.Cancelled):
            return False
        if error is not None:
            raise error
        return result is not None and result.unwrap()

    def _leave_portal(self) -> None:
        if self._joined is not None and self._door is not None:
            self._door.closed = True
            leave_portal(self._joined)
            self._joined = None
