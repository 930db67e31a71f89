"""Changes of a value, such as the state: the latest wins."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

import trio
import trio.abc

from .._core._state import SessionState
from .._exceptions import ClosedError
from . import _custom_code as timing
from ._waiters import ChangeSignal, Waiters

__all__ = ["Changes", "Watch", "signal_of"]

T = TypeVar("T")
_NOTHING = object()


class Changes:
    """Tells watchers when what they watch may have changed."""

    __slots__ = ("ended", "waiters")

    def __init__(self) -> None:
        self.ended: bool = False
        self.waiters: Waiters = Waiters()

    @property
    def changed(self) -> Callable[[], None]:
        """Makes every watcher check again."""
        return self.waiters.wake_all

    def end(self) -> None:
        """Note that no more changes will follow."""
        self.ended = True
        self.waiters.wake_all()

    async def wait(self) -> None:
        """Wait for a change."""
        await self.waiters.park()


class Watch(trio.abc.ReceiveChannel[T], Generic[T]):
    """A value, each time it differs; made by ``watch`` from a selector on the state.

    The first value is the current one. Values that were replaced between two receives are
    not delivered: the latest wins. The selector and ``==`` run in the receiving task only,
    and their errors are raised there. A value that equals the last one is not delivered again.

    ``receive`` is always a checkpoint; cancelling it loses nothing. It belongs to one task
    at a time: a second gets ``trio.BusyResourceError``. When the client has ended, the last
    value is delivered if it is new, then the channel ends. It holds no resources;
    closing it ends a waiting task with :class:`~realtime_trio.ClosedError`.
    """

    __slots__ = ("_busy", "_changes", "_closed", "_code", "_last", "_read")

    def __init__(
        self,
        changes: Changes,
        read: Callable[[], T],
        code: Callable[[SessionState], T] | None = None,
    ) -> None:
        self._changes = changes
        self._read = read
        self._code = read if code is None else code  # names the selector in a warning
        self._last: object = _NOTHING
        self._closed = self._busy = False

    async def receive(self) -> T:
        """Return the current value if it is new, else wait for the next one."""
        if self._busy:
            message = "another task is receiving from this watch: give each task its own"
            raise trio.BusyResourceError(message)
        self._busy = True
        try:
            await trio.lowlevel.checkpoint()
            while True:
                try:
                    return self.receive_nowait()
                except trio.WouldBlock:
                    await self._changes.wait()
        finally:
            self._busy = False

    def receive_nowait(self) -> T:
        """Return the current value if it is new, else raise ``trio.WouldBlock``."""
        if self._closed:
            message = "this watch was closed"
            raise ClosedError(message)
        began = timing.clock()
        value = self._read()
        same = self._last is not _NOTHING and self._last == value
        if timing.clock() - began > timing.SLOW:
            timing.log_slow("selector", self._code, began)
        if not same:
            self._last = value
            return value
        if self._changes.ended:
            raise trio.EndOfChannel
        raise trio.WouldBlock

    async def aclose(self) -> None:
        """:meth:`close`, and a checkpoint."""
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """End now. A second call does nothing."""
        self._closed = True
        self._changes.changed()

    def __enter__(self) -> Watch[T]:
        """Plain ``with`` closes too."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def signal_of(watch: Watch[T]) -> ChangeSignal:
    """Return the object that wakes a reader that is not a trio task; see :class:`Watch`."""
    return watch._changes.waiters  # pyright: ignore[reportPrivateUsage]
