"""Websockets without a network: pairs of transports, and servers named ``memory://…``.

Nothing here takes time, so a test under a virtual clock is deterministic. It reproduces
everything about a real link that a program can observe: close codes, an abort, a bounded buffer
and its backpressure, a refused upgrade, a message that is too large, and a send that breaks the
link when it is cancelled in the middle.
"""

from __future__ import annotations

import itertools
import urllib.parse
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Self, TypeAlias, final

import attrs
import trio

from .. import abc
from .._exceptions import ClosedError, ConnectionFailed
from . import _dial as dial
from ._inbox import (
    BROKEN_BY_CANCEL,
    CLOSED_HERE,
    End,
    Inbox,
    lost,
    shielded_checkpoint,
)

__all__ = [
    "MemoryAnswer",
    "MemoryConnector",
    "MemoryListener",
    "MemoryTransport",
    "memory_answer",
    "memory_pair",
]

MemoryAnswer: TypeAlias = Callable[[str, str, Mapping[str, str], bytes], tuple[int, bytes]]
"""Answers ``(method, path, headers, body)`` with ``(status, body)``; names in lower case."""

_SCHEME: Final = "memory://"
_PING_SIZE: Final = 6
"""Bytes that an empty ping or pong would take on the wire."""

_BACKLOG: Final = 128
"""Dials that wait for ``accept``; further ones are refused, as by a kernel."""


@final
class MemoryTransport:
    """One end of an in-memory websocket; see :class:`~realtime_trio.abc.Transport`."""

    __slots__ = ("_inbox", "_max_message_size", "_peer", "_received")

    _peer: MemoryTransport

    def __init__(self, max_buffer: int, max_message_size: int) -> None:
        """Create one end; :meth:`pair` creates two and connects them."""
        self._inbox = Inbox(max_buffer)
        self._max_message_size = max_message_size
        self._received = 0

    @classmethod
    def pair(cls, max_buffer: int, max_message_size: int) -> tuple[Self, Self]:
        """Create two connected ends; see :func:`memory_pair`."""
        one, other = cls(max_buffer, max_message_size), cls(max_buffer, max_message_size)
        one._peer, other._peer = other, one
        return one, other

    @property
    def bytes_received(self) -> int:
        """Bytes of payload received so far; pings and pongs count as six each."""
        return self._received

    async def receive(self) -> str | bytes:
        """Receive one frame; a cancelled call loses nothing."""
        return await self._inbox.receive()

    def receive_nowait(self) -> str | bytes:
        """Take a buffered frame, or raise ``trio.WouldBlock``."""
        return self._inbox.receive_nowait()

    async def send_text(self, text: str) -> None:
        """Send one text frame; blocks while the peer's buffer is full."""
        await self._send(text, len(text) if text.isascii() else len(text.encode()))

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary frame; blocks while the peer's buffer is full."""
        await self._send(data, len(data))

    async def _send(self, frame: str | bytes, size: int) -> None:
        await self._check()
        peer = self._peer
        if peer._inbox.fits(frame):
            await trio.lowlevel.cancel_shielded_checkpoint()
            self._raise_end()
        while not peer._inbox.fits(frame):
            try:
                await peer._inbox.wait_room()
            except BaseException:
                # A socket would have written a part of the frame by now.
                self._cut(BROKEN_BY_CANCEL)
                raise
            self._raise_end()
        peer._arrive(frame, size)

    def _arrive(self, frame: str | bytes, size: int) -> None:
        self._received += size
        if size > self._max_message_size:
            self._end(1009, "message too big")
        else:
            self._inbox.put(frame)

    def _end(self, code: int, reason: str) -> None:
        """End both sides, as a close frame and its answer would."""
        end = lost(code, reason)
        self._inbox.finish(end)
        self._peer._inbox.finish(end)

    async def ping(self) -> None:
        """Ping the peer, which answers immediately; do not wait for the answer."""
        await self._check()
        await trio.lowlevel.cancel_shielded_checkpoint()
        self._raise_end()
        self._peer._received += _PING_SIZE
        self._received += _PING_SIZE

    async def _check(self) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._inbox.end is not None:
            await trio.lowlevel.cancel_shielded_checkpoint()
            self._raise_end()

    def _raise_end(self) -> None:
        if self._inbox.end is not None:
            raise self._inbox.end.error()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Close the link; the peer gets ``ConnectionLost`` with code and reason."""
        self._inbox.finish(CLOSED_HERE)
        self._peer._inbox.finish(lost(*dial.close_frame(code, reason)))
        await shielded_checkpoint()

    def abort(self) -> None:
        """Cut the link without a close frame; the peer gets ``ConnectionLost``, code ``None``."""
        self._cut(CLOSED_HERE)

    def _cut(self, end: End) -> None:
        self._inbox.finish(end)
        self._peer._inbox.finish(lost(None))


def memory_pair(
    *, max_buffer: int = dial.MAX_BUFFER, max_message_size: int = dial.MAX_MESSAGE_SIZE
) -> tuple[MemoryTransport, MemoryTransport]:
    """Create the two ends of an in-memory websocket: ``(client, server)``.

    ``max_buffer`` bounds the frames that wait to be received in each direction (bytes of memory,
    and 48 for each frame; one frame always fits); a send blocks at the bound. A message of more
    than ``max_message_size`` bytes ends the link with code 1009.
    """
    return MemoryTransport.pair(max_buffer, max_message_size)


@attrs.define(slots=True, eq=False)
class _Dial:
    """A dial that waits for its server, which answers with a transport or an error."""

    url: str = attrs.field(repr=False)
    answer: MemoryTransport | ConnectionFailed | None = None
    answered: trio.Event = attrs.field(factory=trio.Event)

    def settle(self, answer: MemoryTransport | ConnectionFailed) -> None:
        self.answer = answer
        self.answered.set()


# Weak: a listener without a reference cannot accept, so dialling it is pointless.
_listeners: weakref.WeakValueDictionary[str, MemoryListener] = weakref.WeakValueDictionary()
_numbers: Final = itertools.count(1)


@final
class MemoryListener:
    """A server in this process with the URL ``memory://name``, within one ``trio.run``.

    ``with MemoryListener() as listener`` registers the name until the block ends. Dials wait
    until :meth:`accept` takes them, at most 128 of them; further ones are refused.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        refuse: Callable[[str], int | None] | None = None,
        max_buffer: int = dial.MAX_BUFFER,
        max_message_size: int = dial.MAX_MESSAGE_SIZE,
    ) -> None:
        """Register ``name`` (a generated one if ``None``).

        ``refuse`` is called with the URL of each dial: if it returns an HTTP status, the upgrade
        is refused with it; ``None`` lets the dial wait. Raises ``ValueError`` if the name is taken
        or cannot be part of a URL.
        """
        name = f"server-{next(_numbers)}" if name is None else name
        if _name_of(_SCHEME + name) != name:
            message = "the name of a memory server must be lower case without any of /?#@:"
            raise ValueError(message)
        if name in _listeners:
            message = f"a memory server named {name!r} is already registered"
            raise ValueError(message)
        self.refuse = refuse
        self.answer: MemoryAnswer | None = None
        """Answers HTTP requests to this server, if it has a REST part."""
        self._name = name
        self._sizes = (max_buffer, max_message_size)
        self._dials: deque[_Dial] = deque()
        self._arrivals = trio.lowlevel.ParkingLot()
        self._closed = False
        self._run = trio.lowlevel.current_trio_token() if trio.lowlevel.in_trio_run() else None
        _listeners[name] = self

    @property
    def elsewhere(self) -> bool:
        """Whether it belongs to another trio run than the caller: then it must not be used."""
        return self._run is not None and self._run is not trio.lowlevel.current_trio_token()

    @property
    def url(self) -> str:
        """The URL to dial; a path and a query may follow."""
        return _SCHEME + self._name

    async def accept(self) -> tuple[str, MemoryTransport]:
        """Take the oldest dial: its URL, and the server's end of the link.

        Raises :class:`~realtime_trio.ClosedError` once closed. A cancelled call takes none.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._dials or self._closed:
            await trio.lowlevel.cancel_shielded_checkpoint()
        while not self._dials and not self._closed:
            await self._arrivals.park()
        if self._closed:
            message = "the memory server was closed"
            raise ClosedError(message)
        dialled = self._dials.popleft()
        max_buffer, max_message_size = self._sizes
        client, server = memory_pair(max_buffer=max_buffer, max_message_size=max_message_size)
        dialled.settle(client)
        return dialled.url, server

    async def dial(self, url: str) -> MemoryTransport:
        """Request a link and wait for the answer; a cancelled call withdraws the dial."""
        status = None if self.refuse is None else self.refuse(url)
        await trio.lowlevel.checkpoint()
        if status is not None:
            raise dial.refusal(self.url, status)
        if self._closed or len(self._dials) >= _BACKLOG:
            raise _no_server(self.url)
        dialled = _Dial(url)
        self._dials.append(dialled)
        self._arrivals.unpark()
        try:
            await dialled.answered.wait()
        except BaseException:
            if dialled in self._dials:
                self._dials.remove(dialled)
            elif isinstance(dialled.answer, MemoryTransport):
                dialled.answer.abort()  # it was accepted just before the cancellation
            raise
        if isinstance(dialled.answer, MemoryTransport):
            return dialled.answer
        raise dialled.answer or _no_server(self.url)

    def close(self) -> None:
        """Release the name and refuse the waiting dials; open links stay open."""
        self._closed = True
        if _listeners.get(self._name) is self:
            del _listeners[self._name]
        while self._dials:
            self._dials.popleft().settle(_no_server(self.url))
        self._arrivals.unpark_all()

    def __enter__(self) -> Self:
        """Return the listener itself."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()


@attrs.frozen(slots=True, kw_only=True)
class MemoryConnector:
    """Opens transports to the listener with the URL ``memory://name…``."""

    connect_timeout: float = dial.CONNECT_TIMEOUT
    """Seconds that a dial waits for ``accept``."""

    async def connect(self, url: str, nursery: trio.Nursery) -> abc.Transport:
        """Open a link; needs no background task, so ``nursery`` is not used.

        Raises :class:`~realtime_trio.ConnectionFailed` if there is no such server or it
        refuses; ``ValueError`` if ``url`` is not a ``memory://`` URL.
        """
        name = _name_of(url)
        listener = _listeners.get(name)
        if listener is None:
            await trio.lowlevel.checkpoint()
            raise _no_server(_SCHEME + name)
        if listener.elsewhere:
            await trio.lowlevel.checkpoint()
            message = (
                f"the server at {_SCHEME}{name} belongs to another run of trio: open it with the "
                "open_server of the door that opens the client, or dial its listen() address"
            )
            raise ConnectionFailed(message, status=404)
        with trio.move_on_after(self.connect_timeout):
            return await listener.dial(url)
        raise dial.timed_out(_SCHEME + name, self.connect_timeout)


def memory_answer(url: str) -> MemoryAnswer | None:
    """Return the REST part of the server ``memory://name…``, if it has one."""
    listener = _listeners.get(_name_of(url))
    return None if listener is None or listener.elsewhere else listener.answer


def _name_of(url: str) -> str:
    try:
        parts = urllib.parse.urlsplit(url)
        name = parts.hostname
    except ValueError:
        name = None
    if not url.startswith(_SCHEME) or not name:
        message = "the URL of a memory server must look like memory://name"
        raise ValueError(message)
    return name


def _no_server(url: str) -> ConnectionFailed:
    return ConnectionFailed(f"no server accepts at {url}")
