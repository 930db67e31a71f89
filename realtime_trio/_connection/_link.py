"""One connection, from the dial to its end: proof, receive task, writer task, liveness.

A connection that was opened may still be mute (protocol.md §7.2), so it is asked for a sign
of life before it counts: ``ping``, and whatever comes until ``pong`` is kept for the receive
task. The end of any of its tasks is the end of the link.
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
from ._liveness import watch_grace, watch_silence, watch_traffic
from ._recorder import RecorderTap

__all__ = ["Link", "dial"]

# What is taken in one go: so many frames, or up to the first that is large. Most are deltas,
# which cost next to nothing here: the others wait a fraction of a millisecond.
_BATCH: Final = 128
_LARGE: Final = 16 * 1024
_SMALL: Final = 256
"""A ``pong`` is no longer than this, so nothing longer is decoded to look for it."""

_EARLY: Final = 1024
_EARLY_BYTES: Final = 16 * 2**20
"""Frames that may come before the ``pong``, and the memory that they may take.

A link that says so much is not mute, and counts as proven. The frame that passes the bound is
kept as well: it may be one history.
"""

_GOODBYE: Final = 1000
_GOING_AWAY: Final = 1001


class Intake(Protocol):
    """The part of the pipeline that a link fills. One task at a time."""

    def take(self, frames: Iterable[str | bytes], observe: Callable[[Incoming], None]) -> bool:
        """Take frames and tell what they were; ``False`` where a lane is at its bound."""
        ...

    def take_one(self, frame: str | bytes, observe: Callable[[Incoming], None]) -> bool:
        """Take one frame, as :meth:`take` does several."""
        ...

    async def settle(self) -> None:
        """Wait for room for the frame at which :meth:`take` stopped, and take it."""
        ...

    async def feed(
        self, frames: Iterable[str | bytes], observe: Callable[[Incoming], None]
    ) -> None:
        """Take frames, waiting while a lane is at its bound, and tell what they were."""
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
    """Open a connection and prove it.

    Raises :class:`~realtime_trio.ConnectionFailed`. Cancelled, it leaves nothing open.
    """
    with trio.move_on_after(config.connect_timeout):
        transport = await connector.connect(url, nursery)
        tap.opened(url)
        try:
            return Link(transport, await _prove(transport, config, codec, tap), tap)
        except BaseException as exc:
            await _close(transport, _GOING_AWAY)
            tap.closed(None)
            if isinstance(exc, _Mute):
                message = f"the connection to {place(url)} is mute: {exc}"
                raise ConnectionFailed(message) from None
            if isinstance(exc, (ConnectionLost, ClosedError)):
                message = f"the connection to {place(url)} ended before it answered a ping: {exc}"
                raise ConnectionFailed(message) from exc
            raise
    message = f"no live connection to {place(url)} within {config.connect_timeout:g} s"
    raise ConnectionFailed(message)


def place(url: str) -> str:
    """The host of an URL, as messages may name it."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0]


class _Mute(Exception):
    """Nobody answered the first ping."""


async def _prove(
    transport: Transport, config: ClientConfig, codec: Codec, tap: RecorderTap
) -> list[str | bytes]:
    """Ask for a sign of life; give what came up to it."""
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
    raise _Mute(message)


def _is_pong(frame: str | bytes, codec: Codec) -> bool:
    if isinstance(frame, bytes) or len(frame) > _SMALL:
        return False
    try:
        return isinstance(codec.decode_text(frame), PongEvent)
    except DecodeError:
        return False


async def _close(transport: Transport, code: int) -> None:
    # aclose always returns, also when cancelled; the shield gives the peer its moment.
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
        self._scope = trio.CancelScope()

    async def run(
        self,
        intake: Intake,
        outbox: Outbox,
        gate: TurnGate,
        observe: Callable[[Incoming], None],
        no_turn: Callable[[], None],
        config: ClientConfig,
    ) -> ConnectionLost:
        """Move frames both ways until the link ends; gives how it ended.

        ``observe`` is told what comes, and ``no_turn`` when an input has begun no turn.

        Cancelled, it says goodbye. Either way the connection is closed afterwards.
        """
        goodbye = _GOODBYE
        many = self._send_many if isinstance(self._transport, SendsMany) else None
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._until_lost, self._receive, intake, observe)
                    nursery.start_soon(self._until_lost, write_from, outbox, self, many)
                    nursery.start_soon(self._until_lost, watch_traffic, self, outbox, config)
                    nursery.start_soon(self._until_lost, watch_silence, gate, config)
                    nursery.start_soon(watch_grace, gate, config, no_turn)
            goodbye = _GOING_AWAY
        finally:
            if self.dead and isinstance(self._transport, Aborts):
                self._transport.abort()
            await _close(self._transport, goodbye)
            self._tap.closed(self._end)
        return self._end or ConnectionLost("the connection was given up")

    @property
    def bytes_received(self) -> int:
        """Bytes of any kind that came."""
        return self._transport.bytes_received

    def replace(self) -> None:
        """End the link, so that another takes its place."""
        self._lost(ConnectionLost("a new connection was asked for"))

    def _lost(self, end: ConnectionLost) -> None:
        if self._end is None:
            self._end = end
        self._scope.cancel()

    async def _until_lost(self, work: Callable[..., Awaitable[None]], *args: object) -> None:
        try:
            await work(*args)
        except ConnectionLost as exc:
            self._lost(exc)
        except ClosedError:
            self._lost(ConnectionLost("the connection was closed from this side"))

    async def _receive(self, intake: Intake, observe: Callable[[Incoming], None]) -> None:
        """The receive task: it never waits for the application, only for the lanes' handlers."""
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
            await intake.feed(self._at_hand(first), observe)

    def _take(
        self, intake: Intake, observe: Callable[[Incoming], None], frames: deque[str | bytes]
    ) -> bool:
        """Take what a transport delivers: at a pace, one frame."""
        if len(frames) > 1 or self._tap.recording:
            return intake.take(self._from(frames), observe)
        self.frames_received += 1
        return intake.take_one(frames.popleft(), observe)

    def _from(self, frames: deque[str | bytes]) -> Iterator[str | bytes]:
        """The frames of one go, which leave ``frames`` one at a time."""
        came = self._tap.received if self._tap.recording else None
        for _ in range(min(len(frames), _BATCH)):
            frame = frames.popleft()
            self.frames_received += 1
            if came is not None:
                came(frame)
            yield frame
            if len(frame) > _LARGE:
                return

    def _at_hand(self, frame: str | bytes) -> Iterator[str | bytes]:
        """A frame and what came with it, one at a time, until the others get their turn.

        Nothing is taken from the transport before the lanes have taken what came before.
        """
        receive_nowait = self._transport.receive_nowait
        came = self._tap.received if self._tap.recording else None
        left = _BATCH
        while True:
            self.frames_received += 1
            if came is not None:
                came(frame)
            yield frame
            left -= 1
            if not left or len(frame) > _LARGE:
                return
            try:
                frame = receive_nowait()
            except (trio.WouldBlock, ConnectionLost, ClosedError):  # receive() says it anew
                return

    # -- what the writer writes to ---------------------------------------------------------

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
        """Send a ping of the transport's own."""
        await self._transport.ping()
