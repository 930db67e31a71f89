"""The stream that trio-websocket uses: a wrapper that watches the real one.

It implements what the library lacks: counting bytes, reading the status of a refused
upgrade, bounding the read-ahead in bytes (the library counts messages), and knowing whether a
write ended, whether a ping was sent, and whether the library's reader is busy.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Final, final

import trio

from ._direct import reader_of
from ._interim_answers import AnswerReader
from ._upgrade_answer import UpgradeAnswer, read_answer

__all__ = ["CHUNK", "WatchedStream"]

_PING: Final = 0x89
# The size of the library's reads, and so the most that its reader can be busy with while a
# receive waits: a millisecond or two.
CHUNK: Final = 32 * 2**10
# With so few bytes read ahead there is nothing worth joining.
_LITTLE: Final = 512


@final
class WatchedStream(trio.abc.Stream):
    """The stream that the library reads and writes: a watched wrapper of the real one."""

    def __init__(
        self, stream: trio.abc.Stream, max_buffer: int, secrets: Iterable[str] = ()
    ) -> None:
        self.received = 0
        self.torn = False
        self.demanded = False
        self.opened = False
        self.answer: UpgradeAnswer | None = None  # set if the upgrade was refused
        self._secrets = secrets
        # Cancelled when the upgrade fails; the library would wait for it forever.
        self.opening = trio.CancelScope()
        # Cancelled when a ping was written; the library would wait for its pong.
        self.pinging: trio.CancelScope | None = None
        # Cancelled as soon as no more messages are buffered.
        self.collecting: trio.CancelScope | None = None
        # Called before each read, when the reader has processed all earlier data: returns the
        # memory overhead of buffered messages, beyond their size on the wire.
        self.check_buffers: Callable[[], int] | None = None
        # Also called before each read: takes what the reader has put into the library's queue,
        # in the reader's task, and returns whether some is left.
        self.offer: Callable[[], bool] | None = None
        self._read_some = reader_of(stream, CHUNK)
        self._reading = self._writing = False
        self._stream = stream
        self._head = AnswerReader()
        self._ahead = 0
        self._max_buffer = max_buffer
        self._gate = trio.lowlevel.ParkingLot()

    def demand(self) -> None:
        """Let the reader read: a task waits for a message, or for the end."""
        self.demanded = True
        if self._gate:
            self._gate.unpark()

    def open_gate(self) -> None:
        """Let the reader read to the end: the consumer has left, so messages are dropped."""
        self._max_buffer = sys.maxsize
        self._gate.unpark()

    def busy(self) -> bool:
        """Whether the reader is certain to process the received data and waits for nothing."""
        return not self._reading and not self._writing

    def _pause(self) -> None:
        if self.collecting is not None:
            self.collecting.cancel()

    def grew(self, size: int) -> None:
        """Account for the memory overhead of a message that was read."""
        self._ahead = max(0, self._ahead + size)

    def take(self, size: int) -> None:
        """Account for messages that the consumer took."""
        self._ahead = max(0, self._ahead - size)

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Read, but not further ahead of the consumer than the bound."""
        self._reading = True
        self._pause()
        while self.offer is not None and self.offer():
            await trio.lowlevel.checkpoint()
        extra = 0 if self._ahead < _LITTLE or self.check_buffers is None else self.check_buffers()
        while self._ahead + extra >= self._max_buffer and not self.demanded:
            await self._gate.park()
        try:
            data = await self._read_some()
            self._reading = False
            self.received += len(data)
            if not self.opened:
                data = await self._read_answer(data)
        except trio.BrokenResourceError:
            self._give_up()
            raise
        self._ahead += len(data)
        return data

    @property
    def status(self) -> int | None:
        """The status of the answer to the upgrade, once it is known."""
        return self._head.status

    async def _read_answer(self, data: bytes) -> bytes:
        """Return the part of the answer that the library may see."""
        head = self._head
        try:
            while not (begun := head.feed(data)) and data:
                data = await self._read_some()
                self.received += len(data)
        except OverflowError as exc:
            raise trio.BrokenResourceError(str(exc)) from None
        if head.status is not None and head.status >= 200:
            # Hide it from the library, which would wait for the body and then raise.
            message = "the upgrade was refused"
            self.answer = await read_answer(self._stream.receive_some, begun, self._secrets)
            raise trio.BrokenResourceError(message)
        if not data:
            self._give_up()
        return begun

    def _give_up(self) -> None:
        if not self.opened:
            self.opening.cancel()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write whole frames; after a partial write, refuse all further ones."""
        if self.torn:
            message = "half a frame was written"
            raise trio.BrokenResourceError(message)
        # The reader writes pongs, after any running write.
        self._writing = True
        self._pause()
        try:
            await self._stream.send_all(data)
        except BaseException:
            self.torn = True
            self._give_up()
            raise
        self._writing = False
        if self.pinging is not None and data[0] == _PING:
            self.pinging.cancel()

    async def wait_send_all_might_not_block(self) -> None:
        """Delegate to the stream."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the stream; before the upgrade's end, this is how the library gives up."""
        self._give_up()
        await self._stream.aclose()
