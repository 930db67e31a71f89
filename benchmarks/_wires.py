"""Transports of the suite's own: prepared frames from memory, and the flood server next door."""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

import realtime_trio as rt

__all__ = ["Canned", "flood_server", "turns_heard"]

_PONG = '{"type":"pong"}'
_CANCELLED = '{"type":"cancelled"}'


class Canned:
    """A transport, and the connector that opens it: hands out frames that were prepared.

    What it costs itself is an await and a ``popleft``: the rest is the library's. It answers
    a ping and a cancel as a server does.
    """

    def __init__(self) -> None:
        self._frames: deque[str | bytes] = deque()
        self._more = trio.Event()
        self._received = 0
        self.sent = 0

    def play(self, frames: Iterable[str | bytes]) -> None:
        """Let frames arrive, all of them at once."""
        self._frames.extend(frames)
        self._more.set()

    async def connect(self, url: str, nursery: trio.Nursery) -> Canned:
        """Be opened."""
        await trio.lowlevel.checkpoint()
        return self

    async def send_text(self, text: str) -> None:
        """Take a command, and answer the two that want an answer."""
        await trio.lowlevel.checkpoint()
        self.sent += 1
        if '"ping"' in text:
            self.play([_PONG])
        elif '"client_wants_cancel"' in text:
            self.play([_CANCELLED])

    async def send_bytes(self, data: bytes) -> None:
        """Take audio."""
        await trio.lowlevel.checkpoint()
        self.sent += 1

    async def receive(self) -> str | bytes:
        """Give the next frame, or wait for one."""
        await trio.lowlevel.checkpoint()
        while not self._frames:
            self._more = trio.Event()
            await self._more.wait()
        return self.receive_nowait()

    def receive_nowait(self) -> str | bytes:
        """Give the next frame if there is one."""
        if not self._frames:
            raise trio.WouldBlock
        self._received += 1
        return self._frames.popleft()

    async def ping(self) -> None:
        """Do nothing: there is no wire."""
        await trio.lowlevel.checkpoint()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Be closed."""
        await trio.lowlevel.checkpoint()

    @property
    def bytes_received(self) -> int:
        """Anything that grows."""
        return self._received


@contextmanager
def flood_server() -> Iterator[str]:
    """Run the flood server in a process of its own; gives its URL."""
    root = str(Path(__file__).parents[len((__package__ or "").split("."))])
    with subprocess.Popen(
        [sys.executable, "-m", f"{__package__}._server"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
    ) as server:
        assert server.stdout is not None
        try:
            port = server.stdout.readline().strip()
            yield f"ws://127.0.0.1:{port}"
        finally:
            server.terminate()


async def turns_heard(notes: rt.Subscription[rt.Notification], turns: int) -> int:
    """Read notifications until so many turns have ended; gives how many there were."""
    count = 0
    async for note in notes:
        count += 1
        if type(note) is rt.AllNotificationsCleared:
            turns -= 1
            if not turns:
                break
    return count
