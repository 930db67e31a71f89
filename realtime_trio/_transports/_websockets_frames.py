"""Read and write the frames of a client's websocket, most of them on a fast path.

The library's parser reads any frame of RFC 6455, and takes two microseconds for it:
it is a coroutine that requests two bytes, then two, then the rest, and creates a record of
them. But in a stream of events nearly every frame is of one plain kind: a whole message,
unmasked (as all frames of a server) and shorter than 64 KiB. The fast path cuts such a frame
directly out of the bytes. Everything else goes to the library, byte for byte: control frames,
fragments, large messages, frames that are not complete yet, and invalid ones.

Rule 1: the library sees whole frames, one after another, and no frame is read twice. So
the library is between two frames whenever the fast path looks at bytes.
Rule 2: within a fragmented message nothing takes the fast path, since the library must detect
frames that are invalid there.
Rule 3: an incomplete frame goes to the library, which collects it and reports from its header
that it is too large.
Rule 4: a fragmented message is buffered as its bytes, in one piece, so that empty and tiny
fragments take no memory. They take time, and there is no backpressure while a message is
incomplete: so their number has a bound, too.

So the fast path only accepts what the library would accept as well; a property test compares
the two.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from typing import Final, final

from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State

from . import _dial as dial

try:
    from websockets.speedups import apply_mask
except ImportError:  # installed without a compiler
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
"""This length means that the next two bytes hold the length; one more means eight bytes."""

_KEYS: Final = 4096
"""Random bytes requested from the system at once; a frame takes four."""


@final
class FrameReader:
    """Reads messages from the bytes of the peer that follow the answer to the upgrade.

    ``protocol`` has processed that answer and none of the bytes that follow. It also holds what
    it wants to be written.
    """

    __slots__ = (
        "_failed",
        "_fragments",
        "_head",
        "_longest",
        "_opcode",
        "_owed",
        "_plain",
        "_protocol",
        "_whole",
        "busy",
        "over",
    )

    def __init__(self, protocol: ClientProtocol, max_message_size: int) -> None:
        self._protocol = protocol
        self._longest = max_message_size
        self._head = b""  # the beginning of a frame's header
        self._owed = 0  # missing bytes of the frame that the library reads
        self._fragments = 0  # of the incomplete message, which has this opcode
        self._opcode = _TEXT
        self._whole = bytearray()
        self._failed = False
        self._plain = True  # neither in the middle of something nor over
        self.over: bool = False
        """Whether nothing more can be read from the peer."""
        self.busy: bool = False
        """Whether the library has read something: it may want to answer."""
        self._look()

    @property
    def longest(self) -> int:
        """Bytes of the longest message that is accepted."""
        return self._longest

    @property
    def failed(self) -> bool:
        """Whether this reader refused the input, and not the library."""
        return self._failed

    def feed_eof(self) -> None:
        """Handle the end of the input."""
        self._protocol.receive_eof()
        self._look()

    def _look(self) -> None:
        """Let the library decide whether the input is over."""
        protocol = self._protocol
        self.over = (
            protocol.close_rcvd is not None
            or protocol.parser_exc is not None
            or protocol.state is State.CLOSED
            or self._failed
        )
        self._note_whether_plain()

    def _note_whether_plain(self) -> None:
        self._plain = not (self._head or self._owed or self._fragments or self.over)

    def feed(self, data: bytes) -> list[str | bytes]:
        """Process received bytes, in parts of any size; return the completed messages.

        After the peer's close frame, the rest is dropped.
        """
        if self._plain and len(data) > 3 and data[0] == _WHOLE_TEXT:
            # The usual case at a pace: one plain frame. All else takes the long path.
            size, start = data[1], 2
            if size == _TWO_BYTES:
                size, start = data[2] << 8 | data[3], 4
            if start + size == len(data) and data[1] <= _TWO_BYTES and size <= self._longest:
                try:
                    return [data[start:].decode()]
                except UnicodeDecodeError:
                    return self._feed(data)  # it fails the link
        return self._feed(data)

    def _feed(self, data: bytes) -> list[str | bytes]:
        """Process bytes of any kind, as :meth:`feed` does."""
        messages: list[str | bytes] = []
        if self._head:
            data, self._head = self._head + data, b""
        at, end = 0, len(data)
        try:
            if not (self._owed or self._fragments or self.over):
                at = self._cut(data, at, messages)
                if at == end:  # the usual case
                    self._plain = True
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
        self._note_whether_plain()
        return messages

    def _cut(self, data: bytes, at: int, messages: list[str | bytes]) -> int:
        """Cut out plain frames up to the first other one; return where that begins."""
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
        """Let the library read everything that is not plain."""
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
        """Add a fragment to its message; the protocol bounds the message's size."""
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
    """Return the length of the frame that begins here, with header; 0 if the header is cut off.

    If the first two bytes are already invalid, they are all that the library needs.
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
    """Creates the frames of one client, each with a separate mask (RFC 6455 §5.3)."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: Iterator[tuple[bytes]] = iter(())

    def message(self, message: str | bytes) -> bytes:
        """Return a whole message as a frame."""
        if isinstance(message, str):
            return self.frame(_TEXT, message.encode())
        return self.frame(_BINARY, message)

    def messages(self, messages: Iterable[str | bytes]) -> bytes:
        """Return several messages as consecutive frames."""
        return b"".join([self.message(message) for message in messages])

    def ping(self, payload: bytes) -> bytes:
        """Return a ping of at most 125 bytes."""
        return self.frame(Opcode.PING, payload)

    def frame(self, opcode: Opcode, payload: bytes) -> bytes:
        """Return a whole frame."""
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
        """Return four unpredictable bytes, from a buffer: asking the system each time is slow."""
        key = next(self._keys, None)
        if key is None:
            self._keys = struct.iter_unpack("4s", os.urandom(_KEYS))
            key = next(self._keys)
        return key[0]
