"""Fast reads and writes on a stream: they bypass trio's guards if it is TCP.

``receive_some`` of trio tries the socket before it waits, so a frame in paced traffic costs two
system calls, the first of them useless. ``send_all`` handles partial writes and guards against a
second writer on every call. The functions here are written for the usual case: no data is
available yet, and the whole frame fits.

They ask for the file descriptor each time, also after a wait: once the socket is closed, it may
belong to another file.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias, TypeGuard, final

import trio

from . import _dial as dial

__all__ = ["READ_ERRORS", "WRITE_ERRORS", "WriteTurn", "reader_of", "writer_of"]

_Read: TypeAlias = Callable[[], Awaitable[bytes]]
_Write: TypeAlias = Callable[[bytes], Awaitable[None]]

READ_ERRORS: Final = (trio.BrokenResourceError, trio.ClosedResourceError)
WRITE_ERRORS: Final = (*READ_ERRORS, OSError)


def _is_plain(stream: trio.abc.Stream) -> TypeGuard[trio.SocketStream]:
    """Whether it is TCP, on a system where a socket is a file."""
    return isinstance(stream, trio.SocketStream) and os.name == "posix"


def reader_of(stream: trio.abc.Stream, size: int = dial.CHUNK) -> _Read:
    """Return a function that waits for data and reads up to ``size`` bytes.

    It is a checkpoint; if cancelled, it reads nothing. It raises one of ``READ_ERRORS``.
    """
    if not _is_plain(stream):
        return partial(_receive_bytes, stream, size)
    fileno = stream.socket.fileno

    async def receive_some() -> bytes:
        while True:
            number = fileno()
            if number >= 0:
                await trio.lowlevel.wait_readable(number)
            if number < 0 or fileno() != number:
                message = "the socket was closed"
                raise trio.ClosedResourceError(message)
            try:
                return os.read(number, size)
            except BlockingIOError:  # spurious wakeup
                continue
            except OSError as exc:
                message = "the socket broke"
                raise trio.BrokenResourceError(message) from exc

    return receive_some


async def _receive_bytes(stream: trio.abc.Stream, size: int) -> bytes:
    return bytes(await stream.receive_some(size))


def writer_of(stream: trio.abc.Stream) -> _Write:
    """Return a function that writes a whole frame. The caller checks for cancellation first.

    It raises one of ``WRITE_ERRORS`` if the stream is broken or closed.
    """
    if not _is_plain(stream):
        return stream.send_all
    fileno = stream.socket.fileno

    async def send_all(data: bytes) -> None:
        try:
            sent = os.write(fileno(), data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            await stream.send_all(memoryview(data)[sent:])
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()

    return send_all


@final
class WriteTurn:
    """A lock that is passed on in order, at less cost than ``trio.Lock``."""

    __slots__ = ("_queue", "taken")

    def __init__(self) -> None:
        self.taken = False
        self._queue = trio.lowlevel.ParkingLot()

    async def wait(self) -> None:
        """Wait for the turn. A cancelled call gives up its place."""
        await self._queue.park()

    def pass_on(self) -> None:
        """Pass the turn to the next waiting task, or release it."""
        if self._queue:
            self._queue.unpark()  # still taken: no other task can get it in between
        else:
            self.taken = False

    async def __aenter__(self) -> None:
        if self.taken:
            await self.wait()
        self.taken = True

    async def __aexit__(self, *_: object) -> None:
        self.pass_on()
