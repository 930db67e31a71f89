"""One link, from the dial to its end: proof, receive task, writer task, liveness.

A new link may be mute (protocol.md §7.2), so the client asks it for a sign of life before it
counts: it sends ``ping`` and keeps the frames received before ``pong`` for the receive task.
When any of its tasks ends, the link ends.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final, Protocol, final

import trio

from .._config import ClientConfig
from .._core._codec import Codec
from .._core._fast_decoder import Incoming
from .._exceptions import ClosedError, ConnectionFailed, ConnectionLost, DecodeError
from .._outbound._outbox import Outbox
from .._outbound._turn_gate import TurnGate
from .._outbound._writer import write_from
from ..abc import Aborts, Connector, Delivers, SendsMany, Transport
from ..events import PingEvent, PongEvent
from ._liveness import end_grace, watch_link
from ._recorder import RecorderTap

__all__ = ["Link", "dial"]

# How many frames are taken together: up to this many, or up to the first large one. Most are
# deltas, which are cheap here: other tasks wait a fraction of a millisecond.
_BATCH: Final = 128
_LARGE: Final = 16 * 1024
_SMALL: Final = 256
"""A ``pong`` is not longer than this, so longer frames are not decoded to look for it."""

_EARLY: Final = 1024
_EARLY_BYTES: Final = 16 * 2**20
"""Bounds of the frames received before the ``pong``: their number and their memory.

A link that sends more than that is not mute and counts as proven. The frame that exceeds the
bound is kept as well: it may be a complete history.
"""

_NORMAL_CLOSURE: Final = 1000
_GOING_AWAY: Final = 1001


class Intake(Protocol):
    """The part of the pipeline that a link fills. One task at a time."""

    def take(self, frames: Iterable[str | bytes], observe: Callable[[Incoming], None]) -> bool:
        """Route frames and pass each event to ``observe``; ``False`` if a lane is at its bound."""
        ...

    def take_one(self, frame: str | bytes, observe: Callable[[Incoming], None]) -> bool:
        """Route one frame, as :meth:`take` does for several."""
        ...

    async def settle(self) -> None:
        """Wait for room for the frame at which :meth:`take` stopped, and route it."""
        ...

    async def feed(
        self, frames: Iterable[str | bytes], observe: Callable[[Incoming], None]
    ) -> None:
        """Route frames, wait while a lane is at its bound, and pass each event to ``observe``."""
        ...


async def dial(
    connector: Connector,
    url: str,
    nursery: trio.Nursery,
    *,
    config: ClientConfig,
    codec: Codec,
    tap: RecorderTap,
) -> Link:
    """Open a link and prove it.

    Raises :class:`~realtime_trio.ConnectionFailed`. If cancelled, it leaves nothing open.
    """
    with trio.move_on_after(config.connect_timeout):
        transport = await connector.connect(url, nursery)
        tap.opened(url)
        try:
            return Link(transport, await _prove(transport, config, codec, tap), tap)
        except BaseException as exc:
            await _close(transport, _GOING_AWAY)
            tap.closed(None)
            if isinstance(exc, _NoPong):
                message = f"the connection to {place(url)} is mute: {exc}"
                raise ConnectionFailed(message) from None
            if isinstance(exc, (ConnectionLost, ClosedError)):
                message = f"the connection to {place(url)} ended before it answered a ping: {exc}"
                raise ConnectionFailed(message) from exc
            raise
    message = f"no live connection to {place(url)} within {config.connect_timeout:g} s"
    raise ConnectionFailed(message)


def place(url: str) -> str:
    """Return the host of a URL, for messages."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0]


class _NoPong(Exception):
    """The first ping got no answer."""


async def _prove(
    transport: Transport, config: ClientConfig, codec: Codec, tap: RecorderTap
) -> list[str | bytes]:
    """Ask for a sign of life; return the frames received before it."""
    early: list[str | bytes] = []
    held = 0
    ping = codec.encode(PingEvent())
    with trio.move_on_after(config.pong_timeout):
        await transport.send_text(ping)
        tap.sent(ping)
        while len(early) < _EARLY and held < _EARLY_BYTES:
            frame = await transport.receive()
            tap.received(frame)
            early.append(frame)
            held += sys.getsizeof(frame)
            if _is_pong(frame, codec):
                break
        return early
    message = f"no pong within {config.pong_timeout:g} s"
    raise _NoPong(message)


def _is_pong(frame: str | bytes, codec: Codec) -> bool:
    if isinstance(frame, bytes) or len(frame) > _SMALL:
        return False
    try:
        return isinstance(codec.decode_text(frame), PongEvent)
    except DecodeError:
        return False


async def _close(transport: Transport, code: int) -> None:
    # aclose always returns, also when cancelled; the shield gives the peer time to answer.
    with trio.move_on_after(1, shield=True):
        await transport.aclose(code)


@final
class Link:
    """A proven connection."""

    def __init__(self, transport: Transport, early: list[str | bytes], tap: RecorderTap) -> None:
        self._transport = transport
        self.opened_at: float = trio.current_time()
        self.frames_received: int = 0
        self.dead: bool = False
        self._early = early
        self._tap = tap
        self._end: ConnectionLost | None = None
        self._scope: trio.CancelScope | None = None

    async def run(
        self,
        intake: Intake,
        outbox: Outbox,
        gate: TurnGate,
        observe: Callable[[Incoming], None],
        no_turn: Callable[[], None],
        config: ClientConfig,
    ) -> ConnectionLost:
        """Move frames in both directions until the link ends; return how it ended.

        ``observe`` is called with each event received, and ``no_turn`` when an input has begun no
        turn. If cancelled, the close frame is sent. In every case the connection is closed
        afterwards.
        """
        close_code = _NORMAL_CLOSURE
        many = self._send_many if isinstance(self._transport, SendsMany) else None
        try:
            async with trio.open_nursery() as nursery:
                self._scope = nursery.cancel_scope
                write = partial(self._until_lost, write_from, outbox, self, many)
                outbox.writer.start(nursery, write, "writer")
                outbox.wake()
                grace = partial(end_grace, gate, config, no_turn)
                gate.on_grace = lambda: nursery.start_soon(grace)
                nursery.start_soon(self._until_lost, watch_link, self, outbox, gate, config)
                try:
                    await self._until_lost(self._receive, intake, observe)
                finally:
                    outbox.writer.abandon()
            close_code = _GOING_AWAY
        finally:
            if self.dead and isinstance(self._transport, Aborts):
                self._transport.abort()
            await _close(self._transport, close_code)
            self._tap.closed(self._end)
        return self._end or ConnectionLost("the connection was given up")

    @property
    def bytes_received(self) -> int:
        """Bytes of any kind received."""
        return self._transport.bytes_received

    def replace(self) -> None:
        """End the link so that another one replaces it."""
        self._lost(ConnectionLost("the application asked for a new connection"))

    def _lost(self, end: ConnectionLost) -> None:
        if self._end is None:
            self._end = end
        if self._scope is not None:
            self._scope.cancel()

    async def _until_lost(self, work: Callable[..., Awaitable[None]], *args: object) -> None:
        try:
            await work(*args)
        except ConnectionLost as exc:
            self._lost(exc)
        except ClosedError:
            self._lost(ConnectionLost("the client closed the connection"))

    async def _receive(self, intake: Intake, observe: Callable[[Incoming], None]) -> None:
        """The receive task: it never waits for the application, only for the handlers."""
        early, self._early = self._early, []
        self.frames_received += len(early)
        await intake.feed(early, observe)
        transport = self._transport
        if isinstance(transport, Delivers):
            take = partial(self._take, intake, observe)
            while True:
                await transport.deliver(take)
                await intake.settle()
        while True:
            first = await transport.receive()
            await intake.feed(self._received_with(first), observe)

    def _take(
        self, intake: Intake, observe: Callable[[Incoming], None], frames: deque[str | bytes]
    ) -> bool:
        """Route what a transport delivers: one frame in paced traffic."""
        if len(frames) > 1 or self._tap.recording:
            return intake.take(self._batch_of(frames), observe)
        self.frames_received += 1
        return intake.take_one(frames.popleft(), observe)

    def _batch_of(self, frames: deque[str | bytes]) -> Iterator[str | bytes]:
        """Yield the frames of one batch; each leaves ``frames`` as it is yielded."""
        record = self._tap.received if self._tap.recording else None
        for _ in range(min(len(frames), _BATCH)):
            frame = frames.popleft()
            self.frames_received += 1
            if record is not None:
                record(frame)
            yield frame
            if len(frame) > _LARGE:
                return

    def _received_with(self, frame: str | bytes) -> Iterator[str | bytes]:
        """Yield a frame and those received with it, until other tasks must run.

        No frame is taken from the transport before the lanes have taken the previous one.
        """
        receive_nowait = self._transport.receive_nowait
        record = self._tap.received if self._tap.recording else None
        left = _BATCH
        while True:
            self.frames_received += 1
            if record is not None:
                record(frame)
            yield frame
            left -= 1
            if not left or len(frame) > _LARGE:
                return
            try:
                frame = receive_nowait()
            except (trio.WouldBlock, ConnectionLost, ClosedError):  # receive() raises it again
                return

    # -- the interface of the writer -------------------------------------------------------

    async def send_text(self, text: str) -> None:
        """Send and record one text frame."""
        await self._transport.send_text(text)
        self._tap.sent(text)

    async def send_bytes(self, data: bytes) -> None:
        """Send and record one binary frame."""
        await self._transport.send_bytes(data)
        self._tap.sent(data)

    async def _send_many(self, frames: Sequence[bytes]) -> None:
        assert isinstance(self._transport, SendsMany)
        await self._transport.send_many(frames)
        for frame in frames:
            self._tap.sent(frame)

    async def ping(self) -> None:
        """Send a ping of the transport."""
        await self._transport.ping()
