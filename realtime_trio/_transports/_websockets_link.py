"""A websocket over websockets' sans-IO ``ClientProtocol``: its parser, our tasks.

Why it is fast: one task reads 64 KiB at a time, splits it into messages (see
``_websockets_frames``) and puts them all into the inbox; the consumer awaits once and takes the
rest with ``receive_nowait``. So there is one task switch per chunk, not per message. A caller of
``deliver`` reads in its own task and needs no task switch. Frames that are queued together are
written together.

Rules that keep it correct:

Rule 1: the holder of ``_turn`` writes, and a frame is created only in its turn. Taking
a free turn is not a checkpoint, since ``send_all`` is one.

Rule 2: the pump never waits for a writer. A separate task writes pongs; while it
waits for its turn, a newer pong replaces the older one (RFC 6455 §5.5.3), so a flood of pings
costs one frame.

Rule 3: a write that did not end leaves half a frame on the wire. From then on nothing
more is written; a cancelled write ends the link immediately.

Rule 4: the end of the pump is the end of the socket. To end the link, cancel ``_scope``.

Rule 5: one task reads at a time: the pump, or ``deliver`` while the pump is paused. The pump
pauses only between two reads, since a read under TLS must not be cancelled in the middle;
it takes over again at the end of the link.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, final

import trio
from websockets.client import ClientProtocol
from websockets.frames import Close, CloseCode
from websockets.protocol import State

from .._exceptions import RealtimeError
from . import _dial as dial
from ._direct import READ_ERRORS, WRITE_ERRORS, WriteTurn, reader_of, writer_of
from ._inbox import BROKEN_BY_CANCEL, CLOSED_HERE, End, Inbox, lost, shielded_checkpoint, too_big
from ._websockets_frames import FrameReader, FrameWriter
from ._websockets_upgrade import new_protocol, upgrade

__all__ = ["WebsocketsTransport", "open_link"]

_What = TypeVar("_What")


async def open_link(
    stream: trio.abc.Stream,
    target: dial.Target,
    nursery: trio.Nursery,
    *,
    max_message_size: int,
    max_buffer: int,
    close_timeout: float,
    headers: Mapping[str, str] | None = None,
    compression: bool = False,
) -> WebsocketsTransport:
    """Upgrade an open stream; it is closed if that fails or is cancelled."""
    protocol = new_protocol(target, max_message_size, compression=compression)
    try:
        early, received = await upgrade(stream, protocol, target, headers or {})
        reader = FrameReader(protocol, max_message_size)
        link = WebsocketsTransport(stream, protocol, reader, max_buffer, close_timeout)
        link.begin(early, received)
        nursery.start_soon(link.pump)
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return link


@final
class WebsocketsTransport:
    """One open websocket; see :class:`~realtime_trio.abc.Transport` for its contract."""

    __slots__ = (
        "_broken",
        "_close_timeout",
        "_closing",
        "_delivering",
        "_finished",
        "_frames",
        "_fresh",
        "_inbox",
        "_limit",
        "_muted",
        "_nursery",
        "_over",
        "_parked",
        "_paused_pump",
        "_pong",
        "_protocol",
        "_read_some",
        "_reader",
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
        reader: FrameReader,
        max_buffer: int,
        close_timeout: float,
    ) -> None:
        """Take over an upgraded stream; :meth:`pump` must be started."""
        self._stream = stream
        self._read_some = reader_of(stream)
        self._send_all = writer_of(stream)
        self._protocol = protocol
        self._reader = reader
        self._frames = FrameWriter()
        self._limit = reader.longest
        self._received = 0
        self._close_timeout = close_timeout
        # Wake the pump at half the bound, not at each frame that is taken.
        self._inbox = Inbox(max_buffer, resume_at=max_buffer // 2)
        self._pong = b""
        self._turn = WriteTurn()
        self._torn = self._broken = False
        self._over = False  # nothing more can be read
        self._delivering = False
        self._fresh: deque[str | bytes] = deque()  # frames read by ``deliver``
        self._paused_pump = trio.lowlevel.ParkingLot()  # the paused pump waits here
        self._parked = False  # it waits there
        self._muted = False
        self._closing = False
        self._scope = trio.CancelScope()
        self._finished = trio.Event()

    _nursery: trio.Nursery  # the pump's

    @property
    def bytes_received(self) -> int:
        """Bytes received so far, including the answer to the upgrade and control frames."""
        return self._received

    async def receive(self) -> str | bytes:
        """Receive one frame; a cancelled call loses nothing."""
        return await self._inbox.receive()

    def receive_nowait(self) -> str | bytes:
        """Take a buffered frame, or raise ``trio.WouldBlock``."""
        return self._inbox.receive_nowait()

    async def deliver(self, take: Callable[[deque[str | bytes]], bool]) -> None:
        """Read in this task, and pass frames to ``take`` as they arrive, until it returns false."""
        inbox, fresh, reader, read_some = self._inbox, self._fresh, self._reader, self._read_some
        await trio.lowlevel.checkpoint_if_cancelled()
        ended = True
        self._delivering = True
        try:
            while inbox.end is None or not inbox.end.local:
                if fresh:
                    if not take(fresh):
                        ended = False
                        break
                    if fresh:
                        await trio.lowlevel.checkpoint()
                elif inbox.frames:
                    fresh.extend(inbox.take_all())
                elif inbox.end is not None:
                    break
                elif self._parked and not self._over:  # _read, without a coroutine of its own
                    if reader.busy:
                        self._answer_pings()
                    try:
                        data = await read_some()
                    except READ_ERRORS:
                        self._broken = self._over = True
                    else:
                        self._process(data)
                else:  # the pump must finish a read, or handle the end of the link
                    self._unpark()
                    await inbox.arrival()
        finally:
            self._delivering = False
            self._unpark()
            inbox.put_back(fresh)
        await trio.lowlevel.cancel_shielded_checkpoint()
        if ended:
            raise self._error()

    async def send_text(self, text: str) -> None:
        """Send one text frame; cancelled in mid-frame, it ends the link."""
        await self._send(self._frames.message, text)

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary frame; cancelled in mid-frame, it ends the link."""
        await self._send(self._frames.message, data)

    async def send_many(self, messages: Sequence[str | bytes]) -> None:
        """Send several frames in one write; if cancelled in the middle, it ends the link."""
        await self._send(self._frames.messages, messages)

    async def ping(self) -> None:
        """Send a ping; do not wait for its answer."""
        await self._send(self._frames.ping, b"")

    async def _send(self, make: Callable[[_What], bytes], what: _What) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        turn = self._turn
        if turn.taken:
            await turn.wait()
        turn.taken = True
        try:
            if self._muted:
                await trio.lowlevel.cancel_shielded_checkpoint()
                raise self._error()
            await self._write(make(what))
        finally:
            turn.pass_on()

    def abort(self) -> None:
        """End the link immediately, without a close frame; ``aclose`` waits for the socket."""
        self._torn = self._muted = True
        self._inbox.finish(lost(None))
        self._scope.cancel()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Close the link; the peer gets ``close_timeout`` seconds to answer."""
        if self._closing:
            await shielded_checkpoint()
            return
        self._closing = self._muted = True
        self._inbox.finish(CLOSED_HERE)
        if not self._torn:
            with trio.move_on_after(self._close_timeout, shield=True):
                await self._send_close(*dial.close_frame(code, reason))
        self._scope.cancel()
        with trio.CancelScope(shield=True):
            await self._finished.wait()

    async def _send_close(self, code: int, reason: str) -> None:
        # If the peer closed first, the pump holds the turn to answer: waiting for the turn
        # means waiting until that answer is sent.
        async with self._turn:
            if self._torn or self._protocol.state is not State.OPEN:
                return  # there is no peer any more
            self._protocol.send_close(code, reason)
            with contextlib.suppress(RealtimeError):
                await self._write(self._outgoing())
        await self._finished.wait()

    def _error(self) -> RealtimeError:
        return (self._inbox.end or self._end_so_far()).error()

    def _outgoing(self) -> bytes:
        return b"".join(self._protocol.data_to_send())

    async def _write(self, data: bytes) -> None:
        """Write whole frames; the caller holds the turn (rule 3)."""
        try:
            await self._send_all(data)
        except WRITE_ERRORS:
            self._torn = self._muted = True
            # Data that arrived before may show why, so the pump gets a moment to read it.
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
                    self._nursery = nursery
                    await self._read_until_lost()
                    nursery.cancel_scope.cancel()
        finally:
            self._muted = True
            self._inbox.finish(lost(None))
            try:
                await trio.aclose_forcefully(self._stream)
            finally:
                self._finished.set()

    async def _read_until_lost(self) -> None:
        """Read until the link ends, except while another task reads (rule 5)."""
        inbox = self._inbox
        while not self._over:
            if self._delivering:
                inbox.wake_receivers()
                self._parked = True
                await self._paused_pump.park()
            elif inbox.full:
                await inbox.wait_room()
            else:
                await self._read()
        if not self._broken:
            await self._finish_closing()

    async def _read(self) -> None:
        """Read once and process the data."""
        if self._reader.busy:
            self._answer_pings()
        try:
            data = await self._read_some()
        except READ_ERRORS:
            self._broken = self._over = True
        else:
            self._process(data)

    def _process(self, data: bytes) -> None:
        """Process what was read; no bytes are the end."""
        reader = self._reader
        self._received += len(data)
        if not data:
            reader.feed_eof()
            self._over = reader.over
            return
        if self._parked and self._delivering:
            self._fresh += reader.feed(data)
        else:
            self._inbox.put_all(reader.feed(data))
        if reader.over:  # the peer may close directly after it accepts
            self._over = self._muted = True

    def _unpark(self) -> None:
        """Let the pump go on."""
        self._parked = False
        self._paused_pump.unpark_all()

    def begin(self, early: bytes, received: int) -> None:
        """Process what came with the answer to the upgrade: ``received`` bytes with that."""
        self._received = received - len(early)
        if early:
            self._process(early)

    def _answer_pings(self) -> None:
        """Let a separate task write the newest pong (rule 2)."""
        self._reader.busy = False
        pongs = self._protocol.data_to_send()
        if pongs:
            waiting, self._pong = bool(self._pong), pongs[-1]
            if not waiting:
                self._nursery.start_soon(self._send_pong)

    async def _send_pong(self) -> None:
        async with self._turn:
            pong, self._pong = self._pong, b""
            if self._muted:
                return
            with contextlib.suppress(RealtimeError):
                await self._write(pong)

    def _end_so_far(self) -> End:
        """How the link ended, which is known before the pump records it."""
        protocol = self._protocol
        return self._ended_by(
            protocol.close_rcvd or (None if self._closing else protocol.close_sent)
        )

    def _ended_by(self, close: Close | None) -> End:
        if close is None:
            return lost(None)
        ours = self._protocol.close_rcvd is None
        if ours and close.code == CloseCode.MESSAGE_TOO_BIG and not self._reader.failed:
            return too_big(self._limit)
        return lost(close.code, close.reason)

    async def _finish_closing(self) -> None:
        """Record how the link ended, answer the peer's close frame, and wait for its EOF.

        Waiting matters if the peer caused the fault: closing a socket with unread bytes
        resets it, and our close frame, which names the fault, could be lost.
        """
        self._muted = True
        self._inbox.finish(self._end_so_far())
        close_frame = self._outgoing()
        if not close_frame:
            return
        with trio.move_on_after(self._close_timeout):
            async with self._turn:
                if self._torn:
                    return
                with contextlib.suppress(RealtimeError):
                    await self._write(close_frame)
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                while data := await self._stream.receive_some(dial.CHUNK):
                    self._received += len(data)
