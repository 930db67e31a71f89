"""One connection of a client: a reading task, a writing task and a bounded queue."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import attrs
import trio

from .._exceptions import ClosedError, ConnectionLost
from ..abc import Transport
from ._faults import Action, CutHow, HangUp, Packet, Silence
from ._storage import held_bytes

__all__ = ["AbortableTransport", "ClientConnection"]


class AbortableTransport(Transport, Protocol):
    """A transport that can also cut its link without a close frame."""

    def abort(self) -> None:
        """Cut the link without a close frame."""
        ...


@runtime_checkable
class _SocketFaults(Protocol):
    """Abilities of a real socket only: send half a frame and leave pings unanswered."""

    ignore_pings: bool

    async def send_half_frame(self, frame: str | bytes) -> None: ...


@attrs.frozen(slots=True)
class _CloseLink:
    """Close the link after everything that is queued."""

    code: int
    reason: str


class ClientConnection:
    """Carries frames between a link and the owner of the connection.

    Queued packets leave in order, each at its time. The queue holds at most ``limit`` packets
    and ``max_bytes`` bytes, as held in memory, those of its last packet not counted. One more
    aborts the link, so a client that never reads costs a bounded amount of memory. From
    ``high_water`` packets or half of the bytes on, the connection is ``backlogged``, and its
    owner should pause until the connection calls ``on_drained``.
    """

    def __init__(
        self,
        number: int,
        link: AbortableTransport,
        *,
        high_water: int,
        limit: int,
        max_bytes: int,
        on_drained: Callable[[], None],
    ) -> None:
        self.number = number
        self._link = link
        self._high_water = high_water
        self._limit = limit
        self._max_bytes = max_bytes
        self._bytes = 0
        self._on_drained = on_drained
        self._queue: deque[tuple[Action | _CloseLink, int]] = deque()
        self._queued = trio.Event()
        self._muted = False
        self._closing = False
        self._stall_scope = trio.CancelScope()
        self._scope = trio.CancelScope()

    @property
    def backlog(self) -> int:
        """Packets that have not left yet."""
        return len(self._queue)

    @property
    def backlogged(self) -> bool:
        """Whether the queue has reached its high-water mark, in packets or in bytes."""
        return len(self._queue) >= self._high_water or self._bytes * 2 >= self._max_bytes

    def put(self, action: Action) -> None:
        """Queue one action; a muted or closing connection drops it."""
        if self._muted or self._closing:
            return
        # Do not measure frames for a client that keeps up: measuring takes time.
        size = held_bytes(action.frame) if self._queue and isinstance(action, Packet) else 0
        if len(self._queue) >= self._limit or self._bytes > self._max_bytes:
            self.hang_up("abort")
            return
        self._queue.append((action, size))
        self._bytes += size
        self._queued.set()

    def close(self, code: int, reason: str) -> None:
        """Close the link after everything that is queued; a stall does not delay this."""
        if not self._closing:
            self._closing = True
            self._queue.append((_CloseLink(code, reason), 0))
            self._queued.set()
            self._stall_scope.cancel()

    def hang_up(self, how: CutHow) -> None:
        """End the connection now, dropping the queue; only ``clean`` sends a close frame."""
        self._drop_queue()
        if how == "clean":
            self.close(1000, "")
        else:
            self._closing = True
            self._link.abort()
            self._scope.cancel()

    def _drop_queue(self) -> None:
        self._queue.clear()
        self._bytes = 0

    async def run(self, on_frame: Callable[[str | bytes], None]) -> None:
        """Run until the link ends, pass each frame to ``on_frame``, and close the link."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._read, on_frame)
        finally:
            self._closing = True
            self._drop_queue()
            await self._link.aclose()

    async def _read(self, on_frame: Callable[[str | bytes], None]) -> None:
        try:
            while True:
                on_frame(await self._link.receive())
        except (ConnectionLost, ClosedError):
            self._scope.cancel()

    async def _write(self) -> None:
        try:
            while True:
                while not self._queue:
                    self._queued = trio.Event()
                    await self._queued.wait()
                was_backlogged = self.backlogged
                action, size = self._queue.popleft()
                self._bytes -= size
                if was_backlogged and not self.backlogged:
                    self._on_drained()
                await self._perform(action)
        except (ConnectionLost, ClosedError):
            self._scope.cancel()

    async def _perform(self, action: Action | _CloseLink) -> None:
        if isinstance(action, Packet):
            if action.at > trio.current_time():
                await trio.sleep_until(action.at)
            await self._send(action.encoded())
        elif isinstance(action, Silence):
            await self._stall(action.seconds)
        elif isinstance(action, _CloseLink):
            await self._link.aclose(action.code, action.reason)
            self._scope.cancel()
        else:
            await self._perform_hang_up(action)

    async def _send(self, frame: str | bytes) -> None:
        if isinstance(frame, str):
            await self._link.send_text(frame)
        else:
            await self._link.send_bytes(frame)

    async def _stall(self, seconds: float) -> None:
        if math.isinf(seconds):
            self._muted = True
            self._drop_queue()
            self._on_drained()
        self._set_ignore_pings(True)
        with trio.CancelScope() as self._stall_scope:
            if self._closing:
                self._stall_scope.cancel()
            await trio.sleep(seconds)
        self._set_ignore_pings(False)

    def _set_ignore_pings(self, ignore: bool) -> None:
        """Stop answering pings, as a stalled network does, if the link supports it."""
        if isinstance(self._link, _SocketFaults):
            self._link.ignore_pings = ignore

    async def _perform_hang_up(self, action: HangUp) -> None:
        if action.how == "mid-frame" and isinstance(self._link, _SocketFaults):
            await self._link.send_half_frame(action.frame)
        self.hang_up(action.how)
