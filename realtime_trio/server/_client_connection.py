"""One connection of a client: a task that reads, a task that writes, a queue with a bound."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import attrs
import trio

from .._exceptions import ClosedError, ConnectionLost
from ..abc import Transport
from ._faults import Action, CutHow, Packet, Silence, Snip

__all__ = ["Connection", "Link"]


class Link(Transport, Protocol):
    """What the server needs of a transport beside the common: to break off without a word."""

    def abort(self) -> None:
        """Cut the link without a close frame."""
        ...


@runtime_checkable
class _Rude(Protocol):
    """A link that can do what only a socket can: leave half a frame, ignore pings."""

    silent: bool

    async def send_half(self, frame: str | bytes) -> None: ...


@attrs.frozen(slots=True)
class _End:
    """Close the link behind what was queued."""

    code: int
    reason: str


class Connection:
    """Carries frames between a link and whoever owns the connection.

    What is queued leaves in order, each packet at its time. The queue holds ``hard`` packets
    at most: with one more the link is aborted, so a client that never reads costs a bounded
    amount. Long before, from ``soft`` on, the connection is ``behind``: its owner should slow
    down until ``caught_up`` is called.
    """

    def __init__(
        self, number: int, link: Link, *, soft: int, hard: int, caught_up: Callable[[], None]
    ) -> None:
        self.number = number
        self._link = link
        self._soft = soft
        self._hard = hard
        self._caught_up = caught_up
        self._queue: deque[Packet | Snip | Silence | _End] = deque()
        self._filled = trio.Event()
        self._muted = False
        self._closing = False
        self._silence = trio.CancelScope()
        self._scope = trio.CancelScope()

    @property
    def backlog(self) -> int:
        """Packets that have not left yet."""
        return len(self._queue)

    @property
    def behind(self) -> bool:
        """Whether the client reads too slowly at the moment."""
        return len(self._queue) >= self._soft

    def put(self, action: Action) -> None:
        """Queue one action; a muted or closing connection swallows it."""
        if self._muted or self._closing:
            return
        if len(self._queue) >= self._hard:
            self.hang_up("abort")
            return
        self._queue.append(action)
        self._filled.set()

    def close(self, code: int, reason: str) -> None:
        """Close behind what is queued; a stall does not delay it."""
        if not self._closing:
            self._closing = True
            self._queue.append(_End(code, reason))
            self._filled.set()
            self._silence.cancel()

    def hang_up(self, how: CutHow) -> None:
        """End now: ``clean`` says goodbye, anything else breaks off; the queue is lost."""
        self._queue.clear()
        if how == "clean":
            self.close(1000, "")
        else:
            self._closing = True
            self._link.abort()
            self._scope.cancel()

    async def run(self, received: Callable[[str | bytes], None]) -> None:
        """Work until the link ends; ``received`` gets every frame. Closes the link."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._read, received)
        finally:
            self._closing = True
            self._queue.clear()
            await self._link.aclose()

    async def _read(self, received: Callable[[str | bytes], None]) -> None:
        try:
            while True:
                received(await self._link.receive())
        except (ConnectionLost, ClosedError):
            self._scope.cancel()

    async def _write(self) -> None:
        try:
            while True:
                while not self._queue:
                    self._filled = trio.Event()
                    await self._filled.wait()
                was_behind = self.behind
                action = self._queue.popleft()
                if was_behind and not self.behind:
                    self._caught_up()
                await self._perform(action)
        except (ConnectionLost, ClosedError):
            self._scope.cancel()

    async def _perform(self, action: Packet | Snip | Silence | _End) -> None:
        if isinstance(action, Packet):
            if action.at > trio.current_time():
                await trio.sleep_until(action.at)
            await self._send(action.encoded())
        elif isinstance(action, Silence):
            await self._be_silent(action.seconds)
        elif isinstance(action, _End):
            await self._link.aclose(action.code, action.reason)
            self._scope.cancel()
        else:
            await self._snip(action)

    async def _send(self, frame: str | bytes) -> None:
        if isinstance(frame, str):
            await self._link.send_text(frame)
        else:
            await self._link.send_bytes(frame)

    async def _be_silent(self, seconds: float) -> None:
        if math.isinf(seconds):
            self._muted = True
            self._queue.clear()
            self._caught_up()
        self._hold_pongs(True)
        with trio.CancelScope() as self._silence:
            if self._closing:
                self._silence.cancel()
            await trio.sleep(seconds)
        self._hold_pongs(False)

    def _hold_pongs(self, held: bool) -> None:
        """A stalled network answers no ping either, where the link can be told so."""
        if isinstance(self._link, _Rude):
            self._link.silent = held

    async def _snip(self, action: Snip) -> None:
        if action.how == "mid-frame" and isinstance(self._link, _Rude):
            await self._link.send_half(action.frame)
        self.hang_up(action.how)
