"""One run of trio as a guest on an asyncio loop, shared by the clients of that loop.

trio takes its steps in the thread of the loop, between the callbacks of the loop, so plain calls
can use objects of both. A run exists while something is open on its loop. Each thread can have
one run.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import warnings
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Final, Protocol, final

import outcome
import trio

from ._steps import Steps

__all__ = ["Guest", "HostWait", "current_guest", "join_guest"]

_ABANDONED: Final = 10.0
"""Seconds that the clients of a closed loop have to end."""


class OpenBlock(Protocol):
    """A block that is open in a run."""

    def abandon(self) -> None:
        """Leave when no task can wait for it."""
        ...


class _ThreadRun(threading.local):
    """The run of this thread."""

    guest: Guest | None = None


_thread = _ThreadRun()


@final
class HostWait:
    """A wait of an asyncio task for an action of trio."""

    __slots__ = ("_done", "_future", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._done = False
        self._future: asyncio.Future[None] | None = None

    def finish(self) -> None:
        """End the wait. Called in the loop's thread."""
        self._done = True
        future = self._future
        if future is not None and not future.done() and not self._loop.is_closed():
            future.set_result(None)

    async def wait(self, cancel: Callable[[], None]) -> asyncio.CancelledError | None:
        """Wait to the end in any case; return a cancellation that arrived meanwhile.

        ``cancel`` is called at each cancellation of the task, to make trio finish sooner.
        """
        cancelled: asyncio.CancelledError | None = None
        while not self._done:
            self._future = self._loop.create_future()
            try:
                await self._future
            except asyncio.CancelledError as exc:
                cancelled = cancelled or exc
                cancel()
            except BaseException:  # the task is discarded
                cancel()
                raise
        return cancelled


@final
class Guest:
    """A run of trio on one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop: asyncio.AbstractEventLoop = loop
        self.ended: bool = False
        self._blocks: dict[OpenBlock, None] = {}
        self._tenants: set[OpenBlock] = set()
        self._evicting = False
        self._finish = trio.Event()
        self._waits: list[HostWait] = []
        self._steps = Steps(loop)
        self._shutdown_watch = self._until_shutdown()

    def start(self) -> None:
        """Start the run; from then on trio can be used in this thread."""
        # The loop closes its async generators when it shuts down: this shows us that it does.
        with suppress(StopIteration):
            self._shutdown_watch.__anext__().send(None)
        trio.lowlevel.start_guest_run(
            self._main,
            run_sync_soon_threadsafe=self._steps.soon_threadsafe,
            run_sync_soon_not_threadsafe=self._steps.soon,
            done_callback=self._done,
            host_uses_signal_set_wakeup_fd=True,
        )
        _thread.guest = self
        self._watch_close()

    def _watch_close(self) -> None:
        """End the run if its loop is closed: there is no other sign of that."""
        loop = self.loop
        close = loop.close

        def close_loop() -> None:
            close()
            self._unwatch_close()
            if _thread.guest is self:
                self.abandon()

        with suppress(AttributeError):  # the loop does not accept the attribute
            vars(loop)["close"] = close_loop

    def _unwatch_close(self) -> None:
        with suppress(AttributeError, KeyError):
            del vars(self.loop)["close"]

    # -- blocks ----------------------------------------------------------------------------

    @property
    def ending(self) -> bool:
        """Whether the last tenant has left."""
        return self._finish.is_set()

    def join(self, tenant: OpenBlock) -> None:
        """Keep the run alive until :meth:`left`: for clients and servers."""
        self._tenants.add(tenant)

    def entering(self, block: OpenBlock) -> None:
        """Track a block until it has :meth:`left`."""
        self._blocks[block] = None

    def left(self, block: OpenBlock) -> None:
        """Forget a block. The last client or server ends the run."""
        self._blocks.pop(block, None)
        self._tenants.discard(block)
        if not self._tenants:
            self._finish.set()
        if self._evicting:
            self._evict()

    async def wait_ended(self) -> asyncio.CancelledError | None:
        """Wait until the run has ended, if it is ending; see :meth:`HostWait.wait`."""
        if self.ended or not self.ending:
            return None
        wait = HostWait(self.loop)
        self._waits.append(wait)
        cancelled = await wait.wait(_ignore_cancel)
        await self._shutdown_watch.aclose()
        return cancelled

    async def _until_shutdown(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            if self._tenants:
                self._warn("the loop shuts down")
                self._evict()
                await self._wait_until_done()

    async def _wait_until_done(self) -> None:
        wait = HostWait(self.loop)
        self._waits.append(wait)
        await wait.wait(_ignore_cancel)

    def abandon(self) -> None:
        """End a run whose loop was closed immediately, so that this thread can have another."""
        if self.ended:
            return
        self._warn("its loop was closed")
        self._evict()
        hooks = sys.get_asyncgen_hooks()
        try:
            self._steps.take_late(until=lambda: self.ended, seconds=_ABANDONED)
        except TimeoutError:
            message = "the clients of a closed loop do not end"
            raise RuntimeError(message) from None
        sys.set_asyncgen_hooks(*hooks)  # trio has restored those of the closed loop

    def _warn(self, why: str) -> None:
        message = f"{why} and a client of rt.aio is still open: leave its block first"
        warnings.warn(message, ResourceWarning, stacklevel=3, source=self)

    def _evict(self) -> None:
        """Make the innermost block leave, and then, one by one, those around it."""
        self._evicting = True
        if self._blocks:
            next(reversed(self._blocks)).abandon()

    # -- the trio side ---------------------------------------------------------------------

    async def _main(self) -> None:
        while True:
            try:
                await self._finish.wait()
            except KeyboardInterrupt:  # it arrived while trio ran, but it is meant for the loop
                self.loop.call_soon(_interrupt)
            else:
                return

    def _done(self, result: outcome.Outcome[None]) -> None:
        self.ended = True
        _thread.guest = None
        self._unwatch_close()
        for wait in self._waits:
            wait.finish()
        result.unwrap()


def _ignore_cancel() -> None:
    """Do nothing: the end of a run cannot be made faster."""


def _interrupt() -> None:
    raise KeyboardInterrupt


def current_guest() -> Guest:
    """Return the run of this thread, for code that trio calls."""
    guest = _thread.guest
    assert guest is not None
    return guest


async def join_guest(tenant: OpenBlock) -> Guest:
    """Return the run of this loop for ``tenant``; start it if necessary.

    Raises ``RuntimeError`` if trio already runs in this thread, or if another loop of this
    thread has a run: each thread can have one.
    """
    if trio.lowlevel.in_trio_task() or (_thread.guest is None and trio.lowlevel.in_trio_run()):
        message = "rt.aio is for asyncio, but this thread runs trio: use rt.open_client here"
        raise RuntimeError(message)
    loop = asyncio.get_running_loop()
    while True:
        guest = _thread.guest
        if guest is None:
            guest = Guest(loop)
            guest.start()
        elif guest.loop is not loop:
            if not guest.loop.is_closed():
                message = "a client of rt.aio is open on another loop of this thread"
                raise RuntimeError(message)
            guest.abandon()
            continue
        if not guest.ending:
            guest.join(tenant)
            return guest
        cancelled = await guest.wait_ended()
        if cancelled is not None:
            raise cancelled
