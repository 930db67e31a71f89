"""The stream that trio-websocket reads and writes: the real one, watched.

What the library does not offer is done here: counting bytes, reading the status of a refused
upgrade, bounding what is read ahead in bytes (the library counts messages), knowing whether a
write ended, that a ping has left, and whether the library's reader is busy.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Final, final

import trio

from realtime_trio._transports import _dial as dial
from realtime_trio._transports._direct import reader_of
from realtime_trio._transports._upgrade_answer import UpgradeAnswer, read_answer

__all__ = ["CHUNK", "WatchedStream"]

_PING: Final = 0x89
# Bytes that the library reads at once, and so what its reader can be busy with while a receive
# waits: a millisecond or two.
CHUNK: Final = 32 * 2**10
# In so few bytes read ahead there is nothing that would have to be pressed.
_LITTLE: Final = 512


@final
class WatchedStream(trio.abc.Stream):
    """The stream that the library reads and writes: the real one, watched."""

    def __init__(
        self, stream: trio.abc.Stream, max_buffer: int, secrets: Iterable[str] = ()
    ) -> None:
        self.received = 0
        self.torn = False
        self.demanded = False
        self.opened = False
        self.status: int | None = None
        self.answer: UpgradeAnswer | None = None  # where the upgrade was refused
        self._secrets = secrets
        # Cancelled when the upgrade fails; the library would wait for it forever.
        self.opening = trio.CancelScope()
        # Cancelled when a ping was written; the library would wait for its pong.
        self.pinging: trio.CancelScope | None = None
        # Cancelled as soon as no more messages are at hand.
        self.collecting: trio.CancelScope | None = None
        # Called ahead of each read, when the reader has dealt with all that was read before:
        # gives the bytes that waiting messages take beside what they took on the wire.
        self.survey: Callable[[], int] | None = None
        # Called ahead of each read, too: takes what the reader has put into the library's queue,
        # in the reader's task, and tells whether it left any.
        self.offer: Callable[[], bool] | None = None
        self._read_some = reader_of(stream, CHUNK)
        self._reading = self._writing = False
        self._stream = stream
        self._head = b""
        self._ahead = 0
        self._max_buffer = max_buffer
        self._gate = trio.lowlevel.ParkingLot()

    def demand(self) -> None:
        """Let the reader read: somebody waits for a message, or for the end."""
        self.demanded = True
        if self._gate:
            self._gate.unpark()

    def open_gate(self) -> None:
        """Let the reader read to the end: the consumer has left, its messages are dropped."""
        self._max_buffer = sys.maxsize
        self._gate.unpark()

    def busy(self) -> bool:
        """Whether the reader is sure to get on with what has come, and waits for nothing."""
        return not self._reading and not self._writing

    def _pause(self) -> None:
        if self.collecting is not None:
            self.collecting.cancel()

    def grew(self, size: int) -> None:
        """Account for what a message that was read takes beside its bytes on the wire."""
        self._ahead = max(0, self._ahead + size)

    def take(self, size: int) -> None:
        """Account for messages that the consumer took."""
        self._ahead = max(0, self._ahead - size)

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Read, but no further ahead of the consumer than the bound."""
        self._reading = True
        self._pause()
        while self.offer is not None and self.offer():
            await trio.lowlevel.checkpoint()
        extra = 0 if self._ahead < _LITTLE or self.survey is None else self.survey()
        while self._ahead + extra >= self._max_buffer and not self.demanded:
            await self._gate.park()
        try:
            data = await self._read_some()
        except trio.BrokenResourceError:
            self._give_up()
            raise
        self._reading = False
        self.received += len(data)
        self._ahead += len(data)
        if not self.opened:
            await self._look_at_answer(data)
        return data

    async def _look_at_answer(self, data: bytes | bytearray) -> None:
        if self.status is None:
            self._head += data
            self.status = dial.http_status(self._head)
        if self.status is not None and self.status >= 200:
            # Keep it from the library, which would wait for the body and then raise.
            message = "the upgrade was refused"
            self.answer = await read_answer(self._stream.receive_some, self._head, self._secrets)
            self._give_up()
            raise trio.BrokenResourceError(message)
        if not data:
            self._give_up()

    def _give_up(self) -> None:
        if not self.opened:
            self.opening.cancel()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write whole frames, or never again."""
        if self.torn:
            message = "half a frame was written"
            raise trio.BrokenResourceError(message)
        # A pong is the reader's to write, behind whoever writes already.
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
        """As the stream's own."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the stream; before the upgrade's end, this is how the library gives up."""
        self._give_up()
        await self._stream.aclose()
