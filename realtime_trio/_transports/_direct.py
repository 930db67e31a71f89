"""The shortest way to read and to write a stream: past trio's own guards where it is TCP.

``receive_some`` of trio tries the socket before it waits, so that a frame that comes at a pace
costs two system calls, the first of them in vain. ``send_all`` pays for the case in which not
all fits, and for guards against a second writer, each time. Both are made here for the other
case, which is nearly every one: nothing is there yet, and all fits.

The socket's number is asked for each time: once the socket is closed, it may be another file's.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias, TypeGuard, final

import trio

from realtime_trio._transports import _dial as dial

__all__ = ["WRITE_ERRORS", "WriteTurn", "reader_of", "writer_of"]

_Read: TypeAlias = Callable[[], Awaitable[bytes | bytearray]]
_Write: TypeAlias = Callable[[bytes], Awaitable[None]]

WRITE_ERRORS: Final = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


def _is_plain(stream: trio.abc.Stream) -> TypeGuard[trio.SocketStream]:
    """Whether it is TCP, on a system where a socket is a file."""
    return isinstance(stream, trio.SocketStream) and os.name == "posix"


def reader_of(stream: trio.abc.Stream, size: int = dial.CHUNK) -> _Read:
    """What reads up to ``size`` bytes once there are any. A checkpoint; cancelled, it reads none.

    Raises ``trio.BrokenResourceError`` or ``trio.ClosedResourceError``.
    """
    if not _is_plain(stream):
        return partial(stream.receive_some, size)
    fileno = stream.socket.fileno

    async def receive_some() -> bytes | bytearray:
        while True:
            number = fileno()
            if number < 0:
                message = "the socket was closed"
                raise trio.ClosedResourceError(message)
            await trio.lowlevel.wait_readable(number)
            try:
                return os.read(number, size)
            except BlockingIOError:  # the system may wake for nothing
                continue
            except OSError as exc:
                message = "the socket broke"
                raise trio.BrokenResourceError(message) from exc

    return receive_some


def writer_of(stream: trio.abc.Stream) -> _Write:
    """What writes all of a frame. The caller has looked whether it is cancelled.

    Raises one of ``WRITE_ERRORS`` where the stream is broken or closed.
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
    """A lock that is handed on in order, at less cost than ``trio.Lock``."""

    __slots__ = ("_queue", "taken")

    def __init__(self) -> None:
        self.taken = False
        self._queue = trio.lowlevel.ParkingLot()

    async def wait(self) -> None:
        """Wait in line; the turn is ours afterwards. A cancelled call leaves the line."""
        await self._queue.park()

    def pass_on(self) -> None:
        """Give the turn to the next in line, or back."""
        if self._queue:
            self._queue.unpark()  # still taken: nobody can come between
        else:
            self.taken = False

    async def __aenter__(self) -> None:
        if self.taken:
            await self.wait()
        self.taken = True

    async def __aexit__(self, *_: object) -> None:
        self.pass_on()
