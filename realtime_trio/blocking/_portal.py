"""One run of trio in a separate thread, shared by all blocking clients of the process.

The run exists while something is open. Other threads pass it functions, and wait.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import final

import trio

from .._doors._trio_call import CLOSED
from .._exceptions import ClosedError
from ._supply import Passes
from ._thread_wait import ThreadWait

__all__ = ["Portal", "join_portal"]


@final
class Portal:
    """The run, and the interface to it."""

    def __init__(self) -> None:
        self.ended: bool = False
        self.passes: Passes = Passes()
        """Calls in the next pass of trio's loop."""
        self._tenants = 0
        self._waits: set[ThreadWait] = set()
        self._started = ThreadWait()
        self._thread = threading.Thread(target=self._run, name="realtime_trio", daemon=True)
        self._token: trio.lowlevel.TrioToken | None = None
        self._finish: trio.Event | None = None

    # -- tenants: under the lock of the module ---------------------------------------------

    def enter(self) -> None:
        """Keep the run alive until :meth:`leave`; the first one starts it."""
        self._tenants += 1
        if self._tenants == 1:
            self._thread.start()
            self._started.wait(_ignore_cancel)

    def leave(self) -> bool:
        """Return whether this was the last one, so that the run ends."""
        self._tenants -= 1
        if self._tenants:
            return False
        assert self._finish is not None
        self.submit(self._finish.set)
        return True

    def join(self) -> None:
        """Wait for the end of the thread."""
        self._thread.join()

    # -- calls -----------------------------------------------------------------------------

    @property
    def inside(self) -> bool:
        """Whether the caller is in the thread of the run."""
        return threading.current_thread() is self._thread

    def submit(self, fn: Callable[[], object]) -> None:
        """Call ``fn`` in trio's thread, soon. It must not block or raise.

        Raises :class:`~realtime_trio.ClosedError` once the run has ended.
        """
        assert self._token is not None
        try:
            self._token.run_sync_soon(fn)
        except trio.RunFinishedError:
            raise ClosedError(CLOSED) from None

    def wait(self, wait: ThreadWait, cancel: Callable[[], None]) -> BaseException | None:
        """Wait as :meth:`ThreadWait.wait` does, but at most until the run has ended."""
        self._waits.add(wait)
        try:
            if self.ended:
                return None
            return wait.wait(cancel)
        finally:
            self._waits.discard(wait)

    def _run(self) -> None:
        try:
            trio.run(self._main)
        finally:
            self.ended = True
            for wait in tuple(self._waits):
                wait.finish()
            self._started.finish()

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._finish = trio.Event()
        trio.lowlevel.spawn_system_task(self.passes.run)
        self._started.finish()
        await self._finish.wait()


class _Shared:
    """The portal of this process, while there is one."""

    lock = threading.Lock()
    portal: Portal | None = None


def join_portal() -> Portal:
    """Keep the run of this process alive until :func:`leave_portal`; start it if necessary."""
    with _Shared.lock:
        if _Shared.portal is None:
            _Shared.portal = Portal()
        portal = _Shared.portal
        portal.enter()
        return portal


def leave_portal(portal: Portal) -> None:
    """End the run and its thread if this was the last user."""
    with _Shared.lock:
        last = portal.leave()
        if last and _Shared.portal is portal:
            _Shared.portal = None
    if last:
        portal.join()


def _forget() -> None:
    """Forget the run in the child of a fork, which has no trio thread."""
    _Shared.lock = threading.Lock()
    _Shared.portal = None


def _ignore_cancel() -> None:
    """Do nothing: the start of the thread cannot be made faster."""


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
