"""A websocket over websockets' sans-IO ``ClientProtocol``: its parser, our tasks.

Why it is fast: one task, the pump, reads 64 KiB at a time, has the parser cut it into
frames and puts them all into the inbox; the consumer awaits once and takes the rest with
``receive_nowait``. So the switch between tasks is paid once a chunk, not once a message.

Rules that keep it whole:

Rule 1: who holds ``_turn`` writes, and a frame is made only when its turn has come. Taking
a free turn is no checkpoint, since ``send_all`` is one.

Rule 2: the pump never waits for a writer. A pong is written by a task of its own; while it
waits for its turn, a newer pong replaces it (RFC 6455 §5.5.3), so a flood of pings costs
one frame.

Rule 3: a write that did not end leaves half a frame on the wire. From then on nothing is
written any more; cancelled, it ends the link at once.

Rule 4: the pump's end is the end of the socket. Whoever wants the link gone cancels
``_scope``.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final, final

import trio
from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.uri import WebSocketURI

from realtime_trio._exceptions import RealtimeError
from realtime_trio._io import _transport_dial as dial
from realtime_trio._io._transport_inbox import (
    BROKEN_BY_CANCEL,
    CLOSED_HERE,
    Inbox,
    lost,
    shielded_checkpoint,
)

__all__ = ["WebsocketsTransport", "open_link"]

# The library logs requests, and with them the token, as soon as debug logging is on for the
# root logger. This one is outside the tree and off.
_SILENT: Final = logging.Logger("realtime_trio.websockets")
_SILENT.disabled = True

_TEXT: Final = Opcode.TEXT
_BINARY: Final = Opcode.BINARY


async def open_link(
    stream: trio.abc.Stream,
    target: dial.Target,
    nursery: trio.Nursery,
    *,
    max_message_size: int,
    max_buffer: int,
    close_timeout: float,
) -> WebsocketsTransport:
    """Upgrade an open stream; it is closed where that fails or is cancelled."""
    uri = WebSocketURI(target.secure, target.host, target.port, target.resource, "")
    protocol = ClientProtocol(uri, max_size=max_message_size, logger=_SILENT)
    try:
        received = await _upgrade(stream, protocol, target)
        link = WebsocketsTransport(stream, protocol, received, max_buffer, close_timeout)
        nursery.start_soon(link.pump)
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return link


async def _upgrade(stream: trio.abc.Stream, protocol: ClientProtocol, target: dial.Target) -> int:
    """Do the opening handshake; give the number of bytes that came."""
    protocol.send_request(protocol.connect())
    head = b""
    received = 0
    try:
        await stream.send_all(b"".join(protocol.data_to_send()))
        while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
            data = await stream.receive_some(dial.CHUNK)
            received += len(data)
            head = (head + data)[:16]
            status = dial.http_status(head)
            if status is not None and status >= 200:
                # The library would read the body first, which may never end.
                raise dial.refusal(target.place, status)
            if data:
                protocol.receive_data(data)
            else:
                protocol.receive_eof()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        raise dial.refusal(target.place, None) from None
    if protocol.handshake_exc is not None:
        # Not as the cause: it may quote what the server answered.
        raise dial.refusal(target.place, None)
    return received


def _writer(stream: trio.abc.Stream) -> Callable[[bytes], Awaitable[None]]:
    """Give what writes all of a frame, by the shortest way there is.

    A frame mostly fits into the kernel's buffer at once; trio's ``send_all`` pays for the
    other case, and for guards against a second writer, each time.
    """
    if not isinstance(stream, trio.SocketStream):
        return stream.send_all
    send = stream.socket.send

    async def send_all(data: bytes) -> None:
        sent = await send(data)
        if sent < len(data):
            await stream.send_all(memoryview(data)[sent:])

    return send_all


@final
class _Turn:
    """A lock that is handed on in order, for a third of the price of ``trio.Lock``."""

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


@final
class WebsocketsTransport:
    """One open websocket; see :class:`~realtime_trio.abc.Transport` for what it promises."""

    __slots__ = (
        "_close_timeout",
        "_closing",
        "_finished",
        "_garbled",
        "_inbox",
        "_muted",
        "_parts",
        "_pong",
        "_protocol",
        "_received",
        "_scope",
        "_send_all",
        "_stream",
        "_torn",
        "_turn",
    )

    def __init__(
        self,
        stream: trio.abc.Stream,
        protocol: ClientProtocol,
        received: int,
        max_buffer: int,
        close_timeout: float,
    ) -> None:
        """Take over an upgraded stream; :meth:`pump` must be started."""
        self._stream = stream
        self._send_all = _writer(stream)
        self._protocol = protocol
        self._received = received
        self._close_timeout = close_timeout
        # Wake the pump at half the bound, not at each frame that is taken.
        self._inbox = Inbox(max_buffer, resume_at=max_buffer // 2)
        self._parts: list[Frame] = []
        self._pong = b""
        self._turn = _Turn()
        self._torn = False
        # The peer may have closed in the same breath in which it accepted.
        self._muted = protocol.state is not State.OPEN
        self._closing = False
        self._garbled = False
        self._scope = trio.CancelScope()
        self._finished = trio.Event()

    @property
    def bytes_received(self) -> int:
        """Bytes that came in so far, the upgrade's answer and control frames included."""
        return self._received

    async def receive(self) -> str | bytes:
        """Receive one frame; a cancelled call loses nothing."""
        return await self._inbox.receive()

    def receive_nowait(self) -> str | bytes:
        """Give a frame that is at hand, else raise ``trio.WouldBlock``."""
        return self._inbox.receive_nowait()

    async def send_text(self, text: str) -> None:
        """Send one text frame; cancelled in mid-frame, it ends the link."""
        await self._send(_TEXT, text.encode())

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary frame; cancelled in mid-frame, it ends the link."""
        await self._send(_BINARY, data)

    async def ping(self) -> None:
        """Send a ping and do not wait for its answer."""
        await self._send(Opcode.PING, b"")

    async def _send(self, opcode: Opcode, payload: bytes) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        turn = self._turn
        if turn.taken:
            await turn.wait()
        turn.taken = True
        try:
            if self._muted:
                await trio.lowlevel.cancel_shielded_checkpoint()
                raise self._error()
            # The protocol would only wrap this call; it has no state for whole messages.
            await self._write(Frame(opcode, payload).serialize(mask=True))
        finally:
            turn.pass_on()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Close the link; the peer gets ``close_timeout`` seconds to answer."""
        if self._closing:
            await shielded_checkpoint()
            return
        self._closing = self._muted = True
        self._inbox.finish(CLOSED_HERE)
        if not self._torn:
            with trio.move_on_after(self._close_timeout, shield=True):
                await self._say_goodbye(*dial.close_frame(code, reason))
        self._scope.cancel()
        with trio.CancelScope(shield=True):
            await self._finished.wait()

    async def _say_goodbye(self, code: int, reason: str) -> None:
        # Where the peer closed first, its turn is the pump's answer: waiting for ours is
        # waiting until that is out.
        async with self._turn:
            if self._torn or self._protocol.state is not State.OPEN:
                return  # nobody to say it to
            self._protocol.send_close(code, reason)
            with contextlib.suppress(RealtimeError):
                await self._write(self._outgoing())
        await self._finished.wait()

    def _error(self) -> RealtimeError:
        return (self._inbox.end or lost(None)).error()

    def _outgoing(self) -> bytes:
        return b"".join(self._protocol.data_to_send())

    async def _write(self, data: bytes) -> None:
        """Write whole frames; the turn is ours (rule 3)."""
        try:
            await self._send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            self._torn = self._muted = True
            # What arrived before may tell why, so the pump gets a moment to read it.
            deadline = trio.current_time() + self._close_timeout
            self._scope.deadline = min(self._scope.deadline, deadline)
            raise self._error() from None
        except BaseException:
            self._torn = self._muted = True
            self._inbox.finish(BROKEN_BY_CANCEL)
            self._scope.cancel()
            raise

    async def pump(self) -> None:
        """Read until the link ends, then close the socket. Raises nothing but ``Cancelled``."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    await self._read(nursery)
                    nursery.cancel_scope.cancel()
        finally:
            self._muted = True
            self._inbox.finish(lost(None))
            try:
                await trio.aclose_forcefully(self._stream)
            finally:
                self._finished.set()

    async def _read(self, nursery: trio.Nursery) -> None:
        self._sort(nursery)  # frames may have come with the answer to the upgrade
        while not self._over():
            while self._inbox.full:
                await self._inbox.wait_room()
            try:
                data = await self._stream.receive_some(dial.CHUNK)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
            self._received += len(data)
            if data:
                self._protocol.receive_data(data)
            else:
                self._protocol.receive_eof()
            self._sort(nursery)
        await self._part()

    def _over(self) -> bool:
        """Whether the peer has said its last word, or had it taken away."""
        protocol = self._protocol
        return (
            protocol.close_rcvd is not None
            or protocol.parser_exc is not None
            or protocol.state is State.CLOSED
            or self._garbled
        )

    def _sort(self, nursery: trio.Nursery) -> None:
        """Put the frames that the parser has cut into the inbox, and answer pings."""
        put = self._inbox.put
        try:
            for frame in self._protocol.events_received():
                if not isinstance(frame, Frame):
                    continue  # the answer to the upgrade
                opcode = frame.opcode
                if frame.fin and opcode is _TEXT:
                    put(str(frame.data, "utf-8"))
                elif frame.fin and opcode is _BINARY:
                    put(bytes(frame.data))
                elif opcode is Opcode.CONT or not frame.fin:
                    self._join(frame)
        except UnicodeDecodeError:
            self._garbled = True
            self._protocol.fail(CloseCode.INVALID_DATA)
        if self._over():
            return
        pongs = self._protocol.data_to_send()
        if pongs:
            self._answer(pongs[-1], nursery)

    def _join(self, frame: Frame) -> None:
        """Collect a fragmented message; the protocol keeps order and size in bounds."""
        self._parts.append(frame)
        if not frame.fin:
            return
        parts, self._parts = self._parts, []
        whole = b"".join(part.data for part in parts)
        self._inbox.put(whole.decode() if parts[0].opcode is _TEXT else whole)

    def _answer(self, pong: bytes, nursery: trio.Nursery) -> None:
        """Have the newest pong written by a task of its own (rule 2)."""
        waiting = bool(self._pong)
        self._pong = pong
        if not waiting:
            nursery.start_soon(self._send_pong)

    async def _send_pong(self) -> None:
        async with self._turn:
            pong, self._pong = self._pong, b""
            if self._muted:
                return
            with contextlib.suppress(RealtimeError):
                await self._write(pong)

    async def _part(self) -> None:
        """Tell how it ended, answer the peer's close frame, and wait for its EOF.

        Waiting matters where the fault was the peer's: closing a socket with bytes unread
        resets it, and our close frame, which says what was wrong, could be lost with it.
        """
        self._muted = True
        protocol = self._protocol
        close = protocol.close_rcvd or (None if self._closing else protocol.close_sent)
        self._inbox.finish(lost(None) if close is None else lost(close.code, close.reason))
        farewell = self._outgoing()
        if not farewell:
            return
        with trio.move_on_after(self._close_timeout):
            async with self._turn:
                if self._torn:
                    return
                with contextlib.suppress(RealtimeError):
                    await self._write(farewell)
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                while data := await self._stream.receive_some(dial.CHUNK):
                    self._received += len(data)
