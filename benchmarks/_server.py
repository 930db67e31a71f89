"""The flood server: sends the events of a scenario, as fast as the socket accepts them or at a
pace. It is a separate process without a websocket library and creates frames in advance, so that no
benchmark measures the server. The scenario is the ``agent_key`` in the URL: ``flood-TURNS``,
``openai-TURNS``, ``pace-RATE-COUNT``, ``choir-RATE-COUNT-SIZE-NAME``, ``sink-COUNT`` or nothing. It
starts when the client sends ``get_agents``; a choir starts when all its members have, and its
members are served in turn, at the rate of each. A flood is compressed if the client offers it.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import socket
import struct
import sys
import threading
import time
import urllib.parse
import zlib
from collections.abc import Iterable, Iterator
from typing import ClassVar

from .stream import SESSION, encode, mixed_stream, text_deltas
from .stream_openai import openai_stream

# The content of a flood, by the first word of its scenario.
_FLOODS = {"flood": mixed_stream, "openai": openai_stream}
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CHUNK = 1 << 16
_FINAL, _COMPRESSED = 0x80, 0x40
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x1, 0x2, 0x8, 0x9, 0xA


def framed(payload: bytes, opcode: int = _TEXT, *, flags: int = _FINAL) -> bytes:
    """Return a whole frame from server to client (RFC 6455 §5.2): not masked."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", flags | opcode, size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", flags | opcode, 126, size)
    else:
        head = struct.pack("!BBQ", flags | opcode, 127, size)
    return head + payload


def deflated(payloads: Iterable[bytes]) -> Iterator[bytes]:
    """Compresses the frames of one connection (RFC 7692 §7.2.1) with a shared window."""
    deflate = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, -15)
    for payload in payloads:
        packed = deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH)
        yield framed(packed[:-4], flags=_FINAL | _COMPRESSED)


def stamped(at: int) -> bytes:
    """Return a delta with its send time: nanoseconds of the clock that all processes share."""
    event = {
        "type": "text_delta",
        "session_id": SESSION,
        "role": "assistant",
        "parent_session_id": None,
        "user_session_id": SESSION,
        "content": f"{at:020} ",
        "format": "markdown",
    }
    return framed(encode(event))


class _Reader:
    """Reads a client's frames; payloads of audio are counted, not looked at."""

    def __init__(self, link: socket.socket) -> None:
        self._file = link.makefile("rb", buffering=_CHUNK)
        self._inflate = zlib.decompressobj(-15)

    def upgrade(self) -> tuple[str, bytes, bool]:
        """Read the upgrade request; return its path, its key, and whether it offers deflate."""
        path = self._file.readline().split()[1].decode()
        headers: dict[bytes, bytes] = {}
        while line := self._file.readline().strip():
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        deflate = b"permessage-deflate" in headers.get(b"sec-websocket-extensions", b"")
        return path, headers.get(b"sec-websocket-key", b""), deflate

    def frame(self) -> tuple[int, bytes]:
        """Read one frame. Raises ``EOFError`` at the end."""
        head = self._file.read(2)
        if len(head) < 2:
            raise EOFError
        opcode, size = head[0] & 0x0F, head[1] & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self._file.read(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._file.read(8))
        mask = self._file.read(4)
        payload = self._file.read(size)
        if opcode == _BINARY:
            return opcode, payload
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        if head[0] & _COMPRESSED:
            payload = self._inflate.decompress(payload + b"\x00\x00\xff\xff")
        return opcode, payload


class _Choir:
    """Clients that one thread serves together, each at the same pace."""

    _known: ClassVar[dict[str, _Choir]] = {}
    _lock = threading.Lock()

    def __init__(self, rate: int, count: int, size: int) -> None:
        self._rate, self._count, self._size = rate, count, size
        self._links: list[socket.socket] = []

    @classmethod
    def join(cls, name: str, words: Iterable[str], link: socket.socket) -> None:
        """Add a member; the last one starts it."""
        with cls._lock:
            choir = cls._known.setdefault(name, cls(*map(int, words)))
            choir._links.append(link)
            if len(choir._links) == choir._size:
                del cls._known[name]
                threading.Thread(target=choir._sing, daemon=True).start()

    def _sing(self) -> None:
        frame = framed(text_deltas(1)[0])
        pause = 1 / (self._rate * self._size)
        due = time.perf_counter() + 0.1
        for _ in range(self._count):
            for link in self._links:
                due += pause
                ahead = due - time.perf_counter()
                if ahead > 0:
                    time.sleep(ahead)
                with contextlib.suppress(OSError):
                    link.sendall(frame)


class _Connection:
    """One client, in a separate thread."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._reader = _Reader(link)
        self._words: list[str] = []
        self._audio = 0

    def run(self) -> None:
        """Serve until the client leaves."""
        try:
            self._open()
            while True:
                opcode, payload = self._reader.frame()
                if opcode == _CLOSE:
                    self._link.sendall(framed(payload, _CLOSE))
                    return
                self._take(opcode, payload)
        except (EOFError, OSError):
            return
        finally:
            self._link.close()

    def _open(self) -> None:
        path, key, deflate = self._reader.upgrade()
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
        self._words = query.get("agent_key", [""])[0].split("-")
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        self._link.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + (b"Sec-WebSocket-Extensions: permessage-deflate\r\n" if deflate else b"")
            + b"Sec-WebSocket-Accept: "
            + accept
            + b"\r\n\r\n"
        )
        make = _FLOODS.get(self._words[0])
        frames = () if make is None else make(int(self._words[1]))
        self._blob = b"".join(deflated(frames) if deflate else map(framed, frames))

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING:
            self._link.sendall(framed(payload, _PONG))
        elif opcode == _BINARY:
            self._audio += 1
            if self._words[0] == "sink" and self._audio == int(self._words[1]):
                self._audio = 0
                self._say(b'{"type":"pong"}')
        elif opcode == _TEXT:
            self._command(payload)

    def _command(self, payload: bytes) -> None:
        found = re.search(rb'"type": ?"(\w+)"', payload)
        match found[1] if found else b"":
            case b"ping":
                self._say(b'{"type":"pong"}')
            case b"client_wants_cancel":
                self._say(b'{"type":"cancelled"}')
            case b"get_agents":
                self._start()

    def _say(self, text: bytes) -> None:
        self._link.sendall(framed(text))

    def _start(self) -> None:
        if self._words[0] in _FLOODS:
            self._link.sendall(self._blob)
        elif self._words[0] == "pace":
            rate, count = int(self._words[1]), int(self._words[2])
            threading.Thread(target=self._pace, args=(rate, count), daemon=True).start()
        elif self._words[0] == "choir":
            _Choir.join(self._words[4], self._words[1:4], self._link)

    def _pace(self, rate: int, count: int) -> None:
        """Send so many events a second; a late one is sent immediately, with its time."""
        began = time.perf_counter()
        try:
            for number in range(count):
                ahead = began + number / rate - time.perf_counter()
                if ahead > 0:
                    time.sleep(ahead)
                self._link.sendall(stamped(time.perf_counter_ns()))
            self._say(b'{"type":"user_turn_start"}')
        except OSError:
            return


def main() -> None:
    """Serve on a free port of the loopback until the process is ended."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            link, _ = listener.accept()
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_Connection(link).run, daemon=True).start()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
