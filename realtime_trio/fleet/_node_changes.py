"""The changes of a node's sessions, and the channel that reports them."""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Final, Self, TypeAlias, final

import attrs
import trio

from .._exceptions import ClosedError
from .._lanes._waiters import ChangeSignal, Waiters

__all__ = ["Claimed", "Lost", "NodeChange", "NodeChanges", "Released", "signal_of"]

_MOST: Final = 4096


@attrs.frozen(slots=True, kw_only=True)
class Claimed:
    """This node now holds a session; ``took_over`` if it took it over from a dead node."""

    session: str
    took_over: str | None = None


@attrs.frozen(slots=True, kw_only=True)
class Released:
    """This node released a session: it was drained, it ended, or it could not be opened."""

    session: str
    why: str


@attrs.frozen(slots=True, kw_only=True)
class Lost:
    """Another node now holds a session of this node; the connection here is closed."""

    session: str
    why: str


NodeChange: TypeAlias = Claimed | Released | Lost


@final
class NodeChanges(trio.abc.ReceiveChannel[NodeChange]):
    """The sessions that a node claims, releases and loses; made by ``node.changes()``.

    It ends after the last change when the node ends, or when its reader is 4,096 changes behind.
    Several tasks may read it: each change goes to one of them. ``receive`` is always a checkpoint;
    cancelling it loses nothing.
    """

    def __init__(self) -> None:
        self._items: deque[NodeChange] = deque()
        self._over = False
        self._closed = False
        self._arrivals = Waiters()

    def put(self, change: NodeChange) -> bool:
        """Add a change; return false if the channel has ended. Only the node calls this."""
        if self._over or self._closed:
            return False
        if len(self._items) >= _MOST:
            self.finish()
            return False
        self._items.append(change)
        self._arrivals.wake()
        return True

    def finish(self) -> None:
        """End the channel after the buffered changes. Only the node calls this."""
        self._over = True
        self._arrivals.wake_all()

    def receive_nowait(self) -> NodeChange:
        """Take a buffered change, or raise ``trio.WouldBlock``.

        Raises ``trio.EndOfChannel`` after the last one, and :class:`~realtime_trio.ClosedError`
        after :meth:`close`.
        """
        if self._closed:
            message = "this channel was closed"
            raise ClosedError(message)
        if self._items:
            return self._items.popleft()
        if self._over:
            raise trio.EndOfChannel
        raise trio.WouldBlock

    async def receive(self) -> NodeChange:
        """Wait for the next change and return it. A cancelled call takes none."""
        await trio.lowlevel.checkpoint()
        while True:
            try:
                return self.receive_nowait()
            except trio.WouldBlock:
                await self._arrivals.park()

    def close(self) -> None:
        """Drop the buffered changes. A second call does nothing."""
        self._closed = True
        self._items.clear()
        self._arrivals.wake_all()

    async def aclose(self) -> None:
        """:meth:`close` and a checkpoint."""
        self.close()
        await trio.lowlevel.checkpoint()

    def __enter__(self) -> Self:
        """Leaving the block closes the channel."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def signal_of(changes: NodeChanges) -> ChangeSignal:
    """Return the object that wakes a reader that is not a trio task."""
    return changes._arrivals  # pyright: ignore[reportPrivateUsage]
