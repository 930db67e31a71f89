"""Helpers of the transport conformance suite: the peer, waiting, flooding and expecting."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Final, Protocol

import trio
import trio.testing

from .._exceptions import ConnectionLost

__all__ = ["Flood", "Peer", "expect_lost", "in_background", "raises", "settle"]

# Long enough for a frame to cross a loopback socket while all our tasks wait.
_SETTLE: Final = 0.05
_PADDING: Final = ":" + "x" * 2**16
# What a peer may accept, including system buffers, before a sender must block.
_FLOOD: Final = 256 * 2**20


class Peer(Protocol):
    """The other end of the link under test: a transport that can also cut the link."""

    async def send_text(self, text: str) -> None:
        """Send one text frame."""
        ...

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary frame."""
        ...

    async def receive(self) -> str | bytes:
        """Receive one frame; raises ``ConnectionLost`` at the end."""
        ...

    async def ping(self) -> None:
        """Send a ping without waiting for its answer."""
        ...

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Close the link with a close frame."""
        ...

    def abort(self) -> None:
        """Cut the link without a close frame."""
        ...


@contextlib.contextmanager
def raises(expected: type[BaseException]) -> Generator[list[BaseException], None, None]:
    """Expect a bare error, and collect it in the list."""
    caught: list[BaseException] = []
    try:
        yield caught
    except expected as error:
        caught.append(error)
    else:
        message = f"expected {expected.__name__}, but nothing was raised"
        raise AssertionError(message)


@contextlib.asynccontextmanager
async def in_background(
    work: Callable[[], Awaitable[object]],
) -> AsyncGenerator[trio.CancelScope, None]:
    """Run ``work`` until all tasks are blocked, then run the block; the scope cancels ``work``."""
    scope = trio.CancelScope()

    async def run() -> None:
        with scope:
            await work()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await settle()
        yield scope


async def settle() -> None:
    """Wait until every task is blocked and frames in transit have arrived."""
    await trio.testing.wait_all_tasks_blocked(_SETTLE)


class Flood:
    """Numbered frames, sent until something stops them."""

    def __init__(self, send: Callable[[str], Awaitable[None]], limit: int = _FLOOD) -> None:
        self.sent = 0
        self.taken = 0
        self._send = send
        self._limit = limit

    async def run(self) -> None:
        """Send forever; fail if the sender gets further ahead of the receiver than the limit."""
        while True:
            await self._send(numbered(self.sent))
            self.sent += 1
            ahead = (self.sent - self.taken) * len(_PADDING)
            assert ahead <= self._limit, f"nothing holds the sender back: it is {ahead} bytes ahead"

    async def take(self, receive: Callable[[], Awaitable[str | bytes]]) -> None:
        """Receive the next frame and check that it is the right one."""
        assert await receive() == numbered(self.taken)
        self.taken += 1


def numbered(number: int) -> str:
    """Make a frame so large that a few of them fill a buffer."""
    return f"{number}{_PADDING}"


async def expect_lost(call: Callable[[], Awaitable[object]]) -> ConnectionLost:
    """Expect ``ConnectionLost`` from the call, and return it."""
    with raises(ConnectionLost) as caught:
        await call()
    error = caught[0]
    assert isinstance(error, ConnectionLost)
    return error
