"""The server side of a websocket: wsproto on a trio stream, with fault injection."""

from __future__ import annotations

import socket
import struct
from collections import deque
from io import StringIO

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError

from .._exceptions import ClosedError, ConnectionLost
from ._http import Upgrade

__all__ = ["ServerSocket"]

_CHUNK = 65_536
_CLOSE_TIMEOUT = 1.0
"""Seconds that the closing handshake may take."""


class ServerSocket:
    """The server side of one websocket, as a :class:`~realtime_trio.abc.Transport`.

    ``ignore_pings`` leaves pings unanswered, as a stalled network does. A message larger than
    ``max_message`` bytes closes the link with code 1009. The constructor raises
    :class:`wsproto.utilities.RemoteProtocolError` if the upgrade request is incomplete.
    """

    def __init__(self, stream: trio.SocketStream, upgrade: Upgrade, max_message: int) -> None:
        self.ignore_pings = False
        self._stream = stream
        self._max_message = max_message
        self._lock = trio.Lock()
        self._frames: deque[str | bytes] = deque()
        # Not lists of fragments: those would cost many times the size of tiny fragments.
        self._text = StringIO()
        self._blob = bytearray()
        self._size = 0
        self._received = len(upgrade.trailing)
        self._lost: ConnectionLost | None = None
        self._closed = False
        self._reading = False
        self._ended = trio.Event()
        self._protocol = WSConnection(ConnectionType.SERVER)
        self._protocol.initiate_upgrade_connection(list(upgrade.headers), upgrade.target)
        list(self._protocol.events())  # the request itself, already checked
        self._trailing = upgrade.trailing

    async def accept(self) -> None:
        """Answer the upgrade; raises :class:`~realtime_trio.ConnectionLost`."""
        await self._send(AcceptConnection())
        if self._trailing:
            await self._feed(self._trailing)

    async def send_text(self, text: str) -> None:
        """Send one text frame."""
        await self._send(TextMessage(data=text))

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary frame."""
        await self._send(BytesMessage(data=data))

    async def send_half_frame(self, frame: str | bytes) -> None:
        """Send the first half of a frame; the only useful call afterwards is :meth:`abort`."""
        event = TextMessage(data=frame) if isinstance(frame, str) else BytesMessage(data=frame)
        data = self._protocol.send(event)
        async with self._lock:
            await self._stream.send_all(data[: max(1, len(data) // 2)])

    async def receive(self) -> str | bytes:
        """Receive one frame; raises :class:`~realtime_trio.ConnectionLost` at the end."""
        while not self._frames:
            if self._closed:
                message = "the server closed this link"
                raise ClosedError(message)
            if self._lost is not None:
                raise self._lost
            await self._read()
        await trio.lowlevel.checkpoint()
        return self._frames.popleft()

    def receive_nowait(self) -> str | bytes:
        """Return a frame that has arrived, otherwise raise ``trio.WouldBlock``."""
        if self._frames:
            return self._frames.popleft()
        if self._lost is not None:
            raise self._lost
        raise trio.WouldBlock

    async def ping(self) -> None:
        """Send a websocket ping."""
        await self._send(Ping())

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame, wait a second for the answer, close; never raises, repeatable."""
        if self._closed:
            await trio.lowlevel.checkpoint()
            return
        self._closed = True
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _CLOSE_TIMEOUT):
            try:
                if self._lost is None:
                    await self._send(CloseConnection(code=code, reason=reason), closing=True)
                    await self._await_close_frame()
            except ConnectionLost:
                pass  # the client has already gone
        await trio.aclose_forcefully(self._stream)

    def abort(self) -> None:
        """Reset the TCP connection without a close frame."""
        self._closed = True
        reset = struct.pack("ii", 1, 0)
        try:
            self._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        except OSError:
            return  # the socket is already closed
        self._stream.socket.close()

    @property
    def bytes_received(self) -> int:
        """Bytes received so far, control frames included."""
        return self._received

    async def _await_close_frame(self) -> None:
        """Read until the client answers the close frame, or wait for the task that is reading."""
        if self._reading:
            await self._ended.wait()
        while self._lost is None:
            await self._read()

    async def _read(self) -> None:
        self._reading = True
        try:
            data = await self._stream.receive_some(_CHUNK)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as exc:
            raise self._lose(None, "", "the link broke") from exc
        finally:
            self._reading = False
        if not data:
            raise self._lose(None, "", "the link ended without a close frame")
        self._received += len(data)
        await self._feed(bytes(data))

    async def _feed(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in list(self._protocol.events()):  # wsproto reports a malformed frame as a close
            if isinstance(event, TextMessage | BytesMessage):
                await self._assemble(event)
            elif isinstance(event, Ping):
                if not self.ignore_pings:
                    await self._send(event.response())
            elif isinstance(event, CloseConnection):
                await self._answer_close(event)

    async def _assemble(self, event: TextMessage | BytesMessage) -> None:
        """Assemble the fragments of a message."""
        self._size += len(event.data)
        if self._size > self._max_message:
            await self._send(CloseConnection(code=1009, reason="message too big"), closing=True)
            raise self._lose(
                1009,
                "message too big",
                f"the client sent a message of more than {self._max_message} bytes"
                " (ServerConfig.max_message_bytes)",
            )
        if isinstance(event, TextMessage):
            self._text.write(event.data)
        else:
            self._blob += event.data
        if event.message_finished:
            is_text = isinstance(event, TextMessage)
            self._frames.append(self._text.getvalue() if is_text else bytes(self._blob))
            self._text, self._blob, self._size = StringIO(), bytearray(), 0

    async def _answer_close(self, event: CloseConnection) -> None:
        self._lost = self._lose(int(event.code), event.reason or "", "the client closed the link")
        if not self._closed:
            await self._send(event.response(), closing=True)

    def _lose(self, code: int | None, reason: str, message: str) -> ConnectionLost:
        if self._lost is None:
            self._lost = ConnectionLost(message, code=code, reason=reason)
        self._ended.set()
        return self._lost

    async def _send(self, event: Event, *, closing: bool = False) -> None:
        if self._closed and not closing:
            message = "the server closed this link"
            raise ClosedError(message)
        async with self._lock:
            try:
                await self._stream.send_all(self._protocol.send(event))
            except LocalProtocolError as exc:
                raise self._lose(None, "", "the link is closing") from exc
            except (trio.BrokenResourceError, trio.ClosedResourceError) as exc:
                raise self._lose(None, "", "the link broke") from exc
