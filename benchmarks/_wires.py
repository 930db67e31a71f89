"""Transports of the suite: prepared frames from memory, and the flood server process."""

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
    """A transport that is also its connector and delivers prepared frames. It costs an await and a
    ``popleft``; all other cost is the library's. It answers a ping and a cancel as a server does.
    """

    def __init__(self) -> None:
        self._frames: deque[str | bytes] = deque()
        self._more = trio.Event()
        self._received = 0
        self.sent = 0

    def play(self, frames: Iterable[str | bytes]) -> None:
        """Let frames arrive, all at the same time."""
        self._frames.extend(frames)
        self._more.set()

    async def connect(self, url: str, nursery: trio.Nursery) -> Canned:
        """Return this transport."""
        await trio.lowlevel.checkpoint()
        return self

    async def send_text(self, text: str) -> None:
        """Take a command, and answer a ping or a cancel."""
        await trio.lowlevel.checkpoint()
        self.sent += 1
        if '"ping"' in text:
            self.play([_PONG])
        elif '"client_wants_cancel"' in text:
            self.play([_CANCELLED])

    async def send_bytes(self, data: bytes) -> None:
        """Ignore audio."""
        await trio.lowlevel.checkpoint()
        self.sent += 1

    async def receive(self) -> str | bytes:
        """Wait for the next frame and return it."""
        await trio.lowlevel.checkpoint()
        while not self._frames:
            self._more = trio.Event()
            await self._more.wait()
        return self.receive_nowait()

    def receive_nowait(self) -> str | bytes:
        """Return the next frame, or raise ``trio.WouldBlock``."""
        if not self._frames:
            raise trio.WouldBlock
        self._received += 1
        return self._frames.popleft()

    async def ping(self) -> None:
        """Do nothing: there is no network."""
        await trio.lowlevel.checkpoint()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Close it."""
        await trio.lowlevel.checkpoint()

    @property
    def bytes_received(self) -> int:
        """Anything with a growing length."""
        return self._received


@contextmanager
def flood_server() -> Iterator[str]:
    """Run the flood server in a separate process; yield its URL."""
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
    """Read notifications until so many turns have ended; return their number."""
    count = 0
    async for note in notes:
        count += 1
        if type(note) is rt.AllNotificationsCleared:
            turns -= 1
            if not turns:
                break
    return count
