"""A websocket over trio-websocket, through its public API but for one look into its queue.

The library takes any ``trio.abc.Stream``, so what it does not offer is done in the stream
that it is given, :class:`WatchedStream`.

Three of its habits shape the rest. Its reader task may die of an exception (a ping that
comes while we close is enough), so it lives in a nursery of its own, where that is one more
way to lose a link. It answers pings from the reader: while the peer reads nothing, it does
not read either. And it hands messages over one by one, each with a switch of tasks for
either side: that would be most of what a message costs, the tasks behind not counted. So a
:meth:`TrioWebsocketTransport.receive` that has its message lets the library's reader get on
with what has come, until the reader turns to the socket again, or may be waiting to write,
and takes what is in the library's queue by then: nothing is held back for what may take its
time. Better still, :meth:`TrioWebsocketTransport.deliver` has messages taken in the reader's own
task, when it turns to the socket again: then no other task has to wake. The queue is no public
attribute. Where a release of the library has none of that name, messages are received one by
one.

A fourth habit: the library keeps the fragments of a message in a list until the last has come,
and bounds what they hold, not the list. So before each read that list is pressed: a megabyte
of empty or tiny fragments costs no more memory than what they hold. It is no public attribute
either; a test tells when a release has none of that name.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, final

import trio
from trio_websocket import CloseReason, ConnectionClosed, WebSocketConnection

from realtime_trio._exceptions import RealtimeError
from realtime_trio._transports import _dial as dial
from realtime_trio._transports._deflate import BoundedDeflate
from realtime_trio._transports._inbox import (
    BROKEN_BY_CANCEL,
    CLOSED_HERE,
    End,
    lost,
    shielded_checkpoint,
    too_big,
)
from realtime_trio._transports._trio_websocket_held import press, queue_of, size_of
from realtime_trio._transports._trio_websocket_stream import WatchedStream
from realtime_trio._transports._trio_websocket_upgrade import UpgradeRequest, begin

__all__ = ["TrioWebsocketTransport", "open_link"]

_NOTHING_THERE: Final = (trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError)
# Seconds that a message waits at most for those behind it, whatever the reader does.
_PATIENCE: Final = 0.01
# Bytes that a message takes in memory beside its payload.
_PLACE: Final = 64
# What the library says of a message above its limit, in a close frame of its own.
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
    """Upgrade an open stream; it is closed where that fails or is cancelled."""
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
    """How a link ended by a close frame, the peer's or the library's own."""
    reason = close.reason or ""
    if close.code == _TOO_BIG and reason.startswith(_EXCEEDED):
        return too_big(limit)
    return lost(close.code, reason)


@final
class TrioWebsocketTransport:
    """One open websocket; see :class:`~realtime_trio.abc.Transport` for what it promises.

    ``receive_nowait`` finds what the last ``receive`` has collected, which may be less than
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
        self._take: Callable[[deque[str | bytes]], bool] | None = None  # while it delivers
        self._failure: BaseException | None = None  # what that raised
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
        """Open the websocket, keep the library's reader, and close the socket in the end."""
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
                        wire.survey = self._survey
                        wire.opened = True
                        task_status.started()
                    if not wire.opened:
                        nursery.cancel_scope.cancel()
        except* Exception as failure:
            # The boundary to a task that is not ours: whatever it died of, the link is lost.
            self._crash(failure)
        finally:
            try:
                await trio.aclose_forcefully(wire)
            finally:
                self._finished.set()
                self._delivery.unpark_all()
        if not wire.opened:
            raise dial.refusal(target.place, wire.status, wire.answer)

    def _survey(self) -> int:
        """What waiting messages take beside their payload; keeps one in fragments small.

        Raises ``trio.BrokenResourceError``, with which the library ends the link.
        """
        if press(self._ws) > dial.MAX_FRAGMENTS:
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
        """Bytes that came in so far, the upgrade's answer and control frames included."""
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
                # Where the link ends meanwhile, the next call hears of it.
                with contextlib.suppress(*_NOTHING_THERE):
                    while True:
                        held.append(queue.receive_nowait())
        except ConnectionClosed:
            end = self._ended()
            self._drained = True
            # The library would go on waiting for the peer to close TCP.
            self._scope.cancel()
            await trio.lowlevel.cancel_shielded_checkpoint()
            raise end.error() from None
        finally:
            wire.demanded = False
            wire.collecting = None
            self._held_size = size_of(held)

    def receive_nowait(self) -> str | bytes:
        """Give what the last ``receive`` has collected, or say how the link ended."""
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
        """Have messages taken in the task of the library's reader, until ``take`` says no."""
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
        """Have taken what has come; tells whether some is left. In the one task or the other."""
        take, held, queue = self._take, self._held, self._queue
        if take is None or self._end is CLOSED_HERE:
            return False
        try:
            while queue is not None:
                message = queue.receive_nowait()
                held.append(message)
                self._held_size += size_of((message,))
        except _NOTHING_THERE:
            pass
        if held:
            try:
                more = take(held)
            except BaseException as failure:  # whatever it is, it is the receiver's
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
            self._tear()
            raise

    async def ping(self) -> None:
        """Send a ping and do not wait for its answer."""
        await self._check()
        payload = next(self._pings).to_bytes(8, "big")
        try:
            with trio.CancelScope() as self._wire.pinging:
                await self._ws.ping(payload)
        except ConnectionClosed:
            raise await self._refused() from None
        except BaseException:
            self._tear()
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

    def _tear(self) -> None:
        """End the link if the send that was cancelled just now had begun to write."""
        if self._wire.torn:
            self._finish(BROKEN_BY_CANCEL)
            self._scope.cancel()

    def _ended(self) -> End:
        """Tell how the link ended, asking the library where we do not know yet."""
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
        """End the link at once, without a goodbye; ``aclose`` waits for the socket."""
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
