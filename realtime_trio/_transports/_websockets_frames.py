"""Frames of a websocket on the client's side, read and made: most of them the short way.

The library's parser reads any frame that RFC 6455 knows, and takes two microseconds for it:
it is a coroutine that asks for two bytes, then two, then the rest, and makes a record of
them. Of a stream of events nearly every frame is of one plain kind, though: a whole message
that is not masked (a server's never are) and shorter than 64 KiB. Such a frame is cut out of
the bytes right here. Everything else goes to the library, byte for byte: control frames,
fragments, large messages, what runs over the end of the bytes at hand, and what is wrong.

Rule 1: the library sees whole frames, one after another, and no frame is seen by both. So
it stands at the border of two frames whenever the short way looks at bytes.
Rule 2: within a fragmented message nothing goes the short way, since the library must see
what may not stand there.
Rule 3: a frame of which only a part has come is the library's, so that it is the library
that collects it and that says at its head that it is too large.
Rule 4: what is held of a fragmented message is its bytes, in one piece, so that empty and tiny
fragments cost no memory. They cost time, and nothing holds the peer back while a message is
not complete: their number has a bound, too.

So the short way only takes what the library would take as well; a property test holds the
two equal.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from typing import Final, final

from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State

from realtime_trio._transports import _dial as dial

try:
    from websockets.speedups import apply_mask
except ImportError:  # an installation without a compiler
    from websockets.utils import apply_mask

__all__ = ["FrameReader", "FrameWriter"]

_TEXT: Final = Opcode.TEXT
_BINARY: Final = Opcode.BINARY
_WHOLE: Final = 0x80
_WHOLE_TEXT: Final = _WHOLE | _TEXT
_WHOLE_BINARY: Final = _WHOLE | _BINARY
_MASKED: Final = 0x80
_OPCODES: Final = frozenset(map(int, Opcode))
_TWO_BYTES: Final = 126
"""A length of this says that the length stands in the next two bytes, one more: in eight."""

_KEYS: Final = 4096
"""Random bytes that are asked of the system at once; a frame takes four."""


@final
class FrameReader:
    """Reads the messages out of what the peer sent, after the answer to the upgrade.

    ``protocol`` is in its state after that answer and has been given none of the bytes that
    follow. What it wants to be written stands in it.
    """

    __slots__ = (
        "_failed",
        "_fragments",
        "_head",
        "_longest",
        "_opcode",
        "_owed",
        "_protocol",
        "_whole",
        "busy",
        "over",
    )

    def __init__(self, protocol: ClientProtocol, max_message_size: int) -> None:
        self._protocol = protocol
        self._longest = max_message_size
        self._head = b""  # the beginning of a frame's head
        self._owed = 0  # bytes that the library lacks of the frame that it reads
        self._fragments = 0  # of the message that is not complete, which has this opcode
        self._opcode = _TEXT
        self._whole = bytearray()
        self._failed = False
        self.over: bool = False
        """Whether the peer has said its last word, or had it taken away."""
        self.busy: bool = False
        """Whether the library has read something: it may want to answer."""
        self._look()

    @property
    def longest(self) -> int:
        """Bytes of the longest message that is taken."""
        return self._longest

    @property
    def failed(self) -> bool:
        """Whether it was this reader that refused what came, and not the library."""
        return self._failed

    def feed_eof(self) -> None:
        """Take the end of what comes."""
        self._protocol.receive_eof()
        self._look()

    def _look(self) -> None:
        """Whether it is over is up to the library."""
        protocol = self._protocol
        self.over = (
            protocol.close_rcvd is not None
            or protocol.parser_exc is not None
            or protocol.state is State.CLOSED
            or self._failed
        )

    def feed(self, data: bytes) -> list[str | bytes]:
        """Take what came, in pieces of any size; give the messages that it completes.

        Once the peer's last word is among it, the rest is dropped.
        """
        messages: list[str | bytes] = []
        if self._head:
            data, self._head = self._head + data, b""
        at, end = 0, len(data)
        try:
            if not (self._owed or self._fragments or self.over):
                at = self._cut(data, at, messages)
                if at == end:  # nearly always
                    return messages
            while at < end and not self.over:
                if not self._owed:
                    if not self._fragments:
                        at = self._cut(data, at, messages)
                    self._owed = _frame_size(data, at)
                    if not self._owed:
                        self._head = data[at:]
                        break
                stop = min(end, at + self._owed)
                self._owed -= stop - at
                self._read(data[at:stop], messages)
                at = stop
        except UnicodeDecodeError:
            self._failed = self.over = True
            self._protocol.fail(CloseCode.INVALID_DATA)
        return messages

    def _cut(self, data: bytes, at: int, messages: list[str | bytes]) -> int:
        """Cut out plain frames up to the first that is not; give where that begins."""
        end, longest = len(data), self._longest
        while end - at >= 4:
            kind, size, start = data[at], data[at + 1], at + 2
            if size == _TWO_BYTES:
                size = data[at + 2] << 8 | data[at + 3]
                start = at + 4
            elif size > _TWO_BYTES:
                break
            stop = start + size
            if stop > end or size > longest:
                break
            if kind == _WHOLE_TEXT:
                messages.append(data[start:stop].decode())
            elif kind == _WHOLE_BINARY:
                messages.append(data[start:stop])
            else:
                break
            at = stop
        return at

    def _read(self, data: bytes, messages: list[str | bytes]) -> None:
        """Let the library read what is not plain."""
        self.busy = True
        self._protocol.receive_data(data)
        for frame in self._protocol.events_received():
            assert isinstance(frame, Frame)
            if frame.opcode in (_TEXT, _BINARY) and frame.fin:
                messages.append(_message(frame.opcode, frame.data))
            elif frame.opcode in (_TEXT, _BINARY, Opcode.CONT):
                self._collect(frame, messages)
        self._look()

    def _collect(self, frame: Frame, messages: list[str | bytes]) -> None:
        """Add a fragment to its message; the protocol keeps the message's size in bounds."""
        if frame.opcode is not Opcode.CONT:
            self._opcode = frame.opcode
        self._fragments += 1
        self._whole += frame.data
        if frame.fin:
            whole, self._whole, self._fragments = self._whole, bytearray(), 0
            messages.append(_message(self._opcode, whole))
        elif self._fragments > dial.MAX_FRAGMENTS and not self._failed:
            self._failed = True
            self._protocol.fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")


def _message(opcode: Opcode, data: bytes | bytearray | memoryview) -> str | bytes:
    return str(data, "utf-8") if opcode is _TEXT else bytes(data)


def _frame_size(data: bytes, at: int) -> int:
    """How long the frame is that begins here, its head included; 0 where the head is cut off.

    Where the first two bytes are wrong already, they are all that the library needs.
    """
    if len(data) < at + 2:
        return 0
    if data[at + 1] & _MASKED or data[at] & 0x0F not in _OPCODES:
        return 2
    size = data[at + 1]
    wide = {_TWO_BYTES: 2, _TWO_BYTES + 1: 8}.get(size, 0)
    start = at + 2 + wide
    if len(data) < start:
        return 0
    return 2 + wide + (int.from_bytes(data[at + 2 : start]) if wide else size)


@final
class FrameWriter:
    """Makes the frames of one client, each with a mask of its own (RFC 6455 §5.3)."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: Iterator[tuple[bytes]] = iter(())

    def message(self, message: str | bytes) -> bytes:
        """A whole message."""
        if isinstance(message, str):
            return self.frame(_TEXT, message.encode())
        return self.frame(_BINARY, message)

    def messages(self, messages: Iterable[str | bytes]) -> bytes:
        """Some messages, one behind the other."""
        return b"".join([self.message(message) for message in messages])

    def ping(self, payload: bytes) -> bytes:
        """A ping, of at most 125 bytes."""
        return self.frame(Opcode.PING, payload)

    def frame(self, opcode: Opcode, payload: bytes) -> bytes:
        """A whole frame."""
        size = len(payload)
        key = self._key()
        if size < _TWO_BYTES:
            head = bytes((_WHOLE | opcode, _MASKED | size))
        elif size < 1 << 16:
            head = struct.pack("!BBH", _WHOLE | opcode, _MASKED | _TWO_BYTES, size)
        else:
            head = struct.pack("!BBQ", _WHOLE | opcode, _MASKED | (_TWO_BYTES + 1), size)
        return b"".join((head, key, apply_mask(payload, key)))

    def _key(self) -> bytes:
        """Four bytes that nobody can guess: asking the system for so few each time is slow."""
        key = next(self._keys, None)
        if key is None:
            self._keys = struct.iter_unpack("4s", os.urandom(_KEYS))
            key = next(self._keys)
        return key[0]
