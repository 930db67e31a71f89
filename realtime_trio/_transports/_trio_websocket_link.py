"""A websocket over trio-websocket, through its public API except for its queue and parts.

The library takes any ``trio.abc.Stream``, so the features it lacks are implemented in the stream
that it gets, :class:`WatchedStream`.

Four properties of the library shape the rest:

- Its reader task may fail with an exception (a ping received while we close is enough), so it
  runs in a separate nursery, where a failure is one more way to lose a link.
- It answers pings from the reader: while the peer does not read, the reader stops reading too.
- It delivers messages one by one, each with a task switch on both sides, which would be most of
  the cost of a message. So :meth:`TrioWebsocketTransport.receive`, once it has a message, lets
  the library's reader process the data already received, until the reader returns to the socket
  or may block on a write. Then it takes what is in the library's queue; it never delays a message
  for that. :meth:`TrioWebsocketTransport.deliver` goes further: messages are taken in the task of
  the reader when it returns to the socket, so no other task has to wake. The queue is not a
  public attribute. If a release of the library lacks it, messages are received one by one.
- It keeps the fragments of a message in a list until the last one arrives, and bounds their
  content, not the list. So that list is joined before each read: a megabyte of empty or tiny
  fragments takes no more memory than their content. The list is not public either; a test fails
  if a release lacks it.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, final

import trio
from trio_websocket import CloseReason, ConnectionClosed, WebSocketConnection

from .._exceptions import RealtimeError
from . import _dial as dial
from ._deflate import BoundedDeflate
from ._inbox import (
    BROKEN_BY_CANCEL,
    CLOSED_HERE,
    End,
    lost,
    shielded_checkpoint,
    too_big,
)
from ._trio_websocket_buffers import join_fragments, queue_of, size_of
from ._trio_websocket_stream import WatchedStream
from ._trio_websocket_upgrade import UpgradeRequest, begin

__all__ = ["TrioWebsocketTransport", "open_link"]

_NO_MESSAGE: Final = (trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError)
# The longest time in seconds that a message waits for those behind it.
_PATIENCE: Final = 0.01
# Bytes of memory that a message takes besides its payload.
_PLACE: Final = 64
# The library's close reason for a message above its limit.
_TOO_BIG: Final = 1009
_EXCEEDED: Final = "Exceeded maximum message size"


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
) -> TrioWebsocketTransport:
    """Upgrade an open stream; it is closed if that fails or is cancelled."""
    try:
        wire = WatchedStream(stream, max_buffer, target.secrets)
        link = TrioWebsocketTransport(wire, close_timeout)
        request = UpgradeRequest(
            headers=[(name.encode(), value.encode()) for name, value in (headers or {}).items()],
            max_message_size=max_message_size,
            compression=compression,
        )
        await nursery.start(link.run, target, request)
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return link


def _lost_by(close: CloseReason, limit: int) -> End:
    """Return how a link ended by a close frame, from the peer or from the library."""
    reason = close.reason or ""
    if close.code == _TOO_BIG and reason.startswith(_EXCEEDED):
        return too_big(limit)
    return lost(close.code, reason)


@final
class TrioWebsocketTransport:
    """One open websocket; see :class:`~realtime_trio.abc.Transport` for its contract.

    ``receive_nowait`` returns what the last ``receive`` has collected, which may be less than
    what has arrived.
    """

    __slots__ = (
        "_close_timeout",
        "_deflate",
        "_delivery",
        "_drained",
        "_end",
        "_failure",
        "_finished",
        "_held",
        "_held_size",
        "_limit",
        "_pings",
        "_queue",
        "_scope",
        "_take",
        "_wire",
        "_ws",
    )

    _ws: WebSocketConnection
    _queue: trio.MemoryReceiveChannel[str | bytes] | None

    def __init__(self, wire: WatchedStream, close_timeout: float) -> None:
        """:meth:`run` opens it."""
        self._wire = wire
        self._close_timeout = close_timeout
        self._limit = dial.MAX_MESSAGE_SIZE
        self._deflate: BoundedDeflate | None = None
        self._end: End | None = None
        self._drained = False
        self._held: deque[str | bytes] = deque()
        self._held_size = 0  # on the wire; accounted for when all of them are taken
        self._take: Callable[[deque[str | bytes]], bool] | None = None  # during ``deliver``
        self._failure: BaseException | None = None  # the error that ``_take`` raised
        self._delivery = trio.lowlevel.ParkingLot()
        self._pings = itertools.count()
        self._scope = trio.CancelScope()
        self._finished = trio.Event()

    async def run(
        self,
        target: dial.Target,
        request: UpgradeRequest,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Open the websocket, run the library's reader, and close the socket at the end."""
        wire = self._wire
        self._limit = request.max_message_size
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    with wire.opening:
                        if request.compression:
                            most = request.max_message_size
                            self._deflate = BoundedDeflate(most, wire.grew)
                        self._ws = await begin(nursery, wire, target, request, self._deflate)
                        self._queue = queue_of(self._ws)
                        wire.check_buffers = self._check_buffers
                        wire.opened = True
                        task_status.started()
                    if not wire.opened:
                        nursery.cancel_scope.cancel()
        except* Exception as failure:
            # The boundary to a task that is not ours: any error ends the link.
            self._crash(failure)
        finally:
            try:
                await trio.aclose_forcefully(wire)
            finally:
                self._finished.set()
                self._delivery.unpark_all()
        if not wire.opened:
            raise dial.refusal(target.place, wire.status, wire.answer)

    def _check_buffers(self) -> int:
        """Return the memory overhead of buffered messages; join fragments.

        Raises ``trio.BrokenResourceError``, with which the library ends the link.
        """
        if join_fragments(self._ws) > dial.MAX_FRAGMENTS:
            message = "a message came in too many fragments"
            self._finish(End(message))
            raise trio.BrokenResourceError(message)
        waiting = len(self._held)
        if self._queue is not None:
            waiting += self._queue.statistics().current_buffer_used
        return _PLACE * waiting

    def _crash(self, failure: ExceptionGroup[Exception]) -> None:
        names = ", ".join(sorted({type(error).__name__ for error in failure.exceptions}))
        self._finish(End(f"the websocket's reader failed with {names}"))

    @property
    def bytes_received(self) -> int:
        """Bytes received so far, including the answer to the upgrade and control frames."""
        return self._wire.received

    async def receive(self) -> str | bytes:
        """Receive one frame; a cancelled call loses nothing."""
        if self._end is CLOSED_HERE:
            await self._check()
        if self._held:
            await trio.lowlevel.checkpoint()
        else:
            await self._collect()
        return self.receive_nowait()

    async def _collect(self) -> None:
        """Wait for a message and take those that the library's reader finds behind it."""
        wire, held = self._wire, self._held
        wire.demand()
        try:
            held.append(await self._ws.get_message())
            queue = self._queue
            if queue is not None:
                if wire.busy():
                    with trio.move_on_after(_PATIENCE) as wire.collecting:
                        await trio.sleep_forever()
                # If the link ends meanwhile, the next call raises the error.
                with contextlib.suppress(*_NO_MESSAGE):
                    while True:
                        held.append(queue.receive_nowait())
        except ConnectionClosed:
            end = self._ended()
            self._drained = True
            # The library would keep waiting for the peer to close TCP.
            self._scope.cancel()
            await trio.lowlevel.cancel_shielded_checkpoint()
            raise end.error() from None
        finally:
            wire.demanded = False
            wire.collecting = None
            self._held_size = sum(map(size_of, held))

    def receive_nowait(self) -> str | bytes:
        """Take a frame that the last ``receive`` collected, or raise how the link ended."""
        end = self._end
        if self._held and end is not CLOSED_HERE:
            message = self._held.popleft()
            if not self._held:
                self._wire.take(self._held_size)
                self._held_size = 0
            return message
        if end is not None and (self._drained or end.local):
            raise end.error()
        raise trio.WouldBlock

    async def deliver(self, take: Callable[[deque[str | bytes]], bool]) -> None:
        """Take messages in the task of the library's reader until ``take`` returns false."""
        await trio.lowlevel.checkpoint()
        wire = self._wire
        self._take = take
        wire.offer = self._offer
        wire.demand()
        try:
            while True:
                if self._end is CLOSED_HERE:
                    await self._check()
                self._offer()
                if self._take is None:
                    break
                if self._held:
                    await trio.lowlevel.checkpoint()
                elif self._queue is None or self._ws.closed is not None or self._finished.is_set():
                    await self._collect()
                else:
                    await self._delivery.park()
        finally:
            wire.demanded = False
            wire.offer = self._take = None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _offer(self) -> bool:
        """Pass collected messages to ``take``; return whether some are left. Runs in both tasks."""
        take, held, queue = self._take, self._held, self._queue
        if take is None or self._end is CLOSED_HERE:
            return False
        try:
            while queue is not None:
                message = queue.receive_nowait()
                held.append(message)
                self._held_size += size_of(message)
        except _NO_MESSAGE:
            pass
        if held:
            try:
                more = take(held)
            except BaseException as failure:  # any error is raised in the receiver
                self._failure, more = failure, False
            if not held:
                self._wire.take(self._held_size)
                self._held_size = 0
            if not more:
                self._take = None
        if self._take is None or self._ws.closed is not None:
            self._delivery.unpark_all()
            return False
        return bool(held)

    async def send_text(self, text: str) -> None:
        """Send one text frame; cancelled in mid-frame, it ends the link."""
        await self._send(text)

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary frame; cancelled in mid-frame, it ends the link."""
        await self._send(data)

    async def _send(self, message: str | bytes) -> None:
        await self._check()
        try:
            await self._ws.send_message(message)
        except ConnectionClosed:
            raise await self._refused() from None
        except BaseException:
            self._end_if_torn()
            raise

    async def ping(self) -> None:
        """Send a ping; do not wait for its answer."""
        await self._check()
        payload = next(self._pings).to_bytes(8, "big")
        try:
            with trio.CancelScope() as self._wire.pinging:
                await self._ws.ping(payload)
        except ConnectionClosed:
            raise await self._refused() from None
        except BaseException:
            self._end_if_torn()
            raise
        finally:
            self._wire.pinging = None

    async def _check(self) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._end is not None:
            raise await self._refused()

    async def _refused(self) -> RealtimeError:
        await trio.lowlevel.cancel_shielded_checkpoint()
        return self._ended().error()

    def _end_if_torn(self) -> None:
        """End the link if the send that was just cancelled had begun to write."""
        if self._wire.torn:
            self._finish(BROKEN_BY_CANCEL)
            self._scope.cancel()

    def _ended(self) -> End:
        """Return how the link ended; ask the library if it is not recorded yet."""
        if self._end is None:
            close = self._ws.closed
            big = self._deflate is not None and self._deflate.exceeded
            if close is None:
                self._finish(lost(None))
            else:
                self._finish(too_big(self._limit) if big else _lost_by(close, self._limit))
        assert self._end is not None
        return self._end

    def _finish(self, end: End) -> None:
        if self._end is None or end.local:
            self._end = end

    def abort(self) -> None:
        """End the link immediately, without a close frame; ``aclose`` waits for the socket."""
        self._wire.torn = True
        self._finish(lost(None))
        self._scope.cancel()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Close the link; the peer gets ``close_timeout`` seconds to answer."""
        if self._end is CLOSED_HERE:
            await shielded_checkpoint()
            return
        self._finish(CLOSED_HERE)
        self._delivery.unpark_all()
        self._wire.open_gate()
        if not self._wire.torn and not self._finished.is_set():
            with trio.move_on_after(self._close_timeout, shield=True):
                await self._ws.aclose(*dial.close_frame(code, reason))
        self._scope.cancel()
        with trio.CancelScope(shield=True):
            await self._finished.wait()
