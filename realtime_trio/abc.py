"""The interface to the network: implement it to use a custom transport."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import trio

__all__ = ["Aborts", "Connector", "Delivers", "SendsMany", "Transport"]


class Transport(Protocol):
    """One open websocket.

    One task sends and one task receives; no method is called by two tasks at once. Text frames are
    ``str``, binary frames ``bytes``. Every implementation passes the conformance suite in
    :mod:`realtime_trio.testing`.
    """

    async def send_text(self, text: str) -> None:
        """Send one text frame.

        Raises :class:`~realtime_trio.ConnectionLost` when the link has ended and
        :class:`~realtime_trio.ClosedError` after :meth:`aclose`. Cancelling it may leave
        half a frame on the wire, so the library closes the link after a cancelled send.
        """
        ...

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary frame; errors and cancellation as for :meth:`send_text`."""
        ...

    async def receive(self) -> str | bytes:
        """Receive one frame.

        Raises :class:`~realtime_trio.ConnectionLost` when everything that arrived is read.
        A cancelled call loses nothing.
        """
        ...

    def receive_nowait(self) -> str | bytes:
        """Return a frame that has already arrived, or raise ``trio.WouldBlock``.

        An implementation that cannot look ahead always raises ``trio.WouldBlock``.
        """
        ...

    async def ping(self) -> None:
        """Send a websocket ping (RFC 6455 §5.5.2) without waiting for the answer."""
        ...

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Close the link. Always returns, even if cancelled. Idempotent."""
        ...

    @property
    def bytes_received(self) -> int:
        """All bytes received so far, including control frames. The liveness check reads it."""
        ...


@runtime_checkable
class SendsMany(Protocol):
    """An optional method of a :class:`Transport`: several frames in one write.

    If a transport has the method, the library passes frames that are ready at the same time
    in one call, a few kilobytes at most. Otherwise it sends them one by one.

    The class of the transport must define its optional methods. From Python 3.12 on, the library
    does not find those that only ``__getattr__`` provides.
    """

    async def send_many(self, frames: Sequence[str | bytes]) -> None:
        """Send frames in this order, ``str`` as text and ``bytes`` as binary ones.

        Errors and cancellation as for :meth:`Transport.send_text`: either all of them have
        been handed to the system, or the link has ended.
        """
        ...


@runtime_checkable
class Delivers(Protocol):
    """An optional method of a :class:`Transport`: frames are taken in the task that reads.

    At a steady pace, a switch from the task that reads the socket to the one that receives costs
    more than a frame. If a transport has the method, the library calls it instead of
    :meth:`Transport.receive`.
    """

    async def deliver(self, take: Callable[[deque[str | bytes]], bool]) -> None:
        """Call ``take`` with the received frames until it returns ``False``. ``take`` removes one
        or more frames from the left and never waits; it is called again with the remaining ones. It
        may be called in another task, but only while this call runs. Its errors are raised here.
        Errors, cancellation and a second task are as for :meth:`Transport.receive`, which returns
        the frames that this method has left. A checkpoint.
        """
        ...


@runtime_checkable
class Aborts(Protocol):
    """An optional method of a :class:`Transport`: close without a closing handshake.

    Without it, closing a link to a dead peer takes as long as the transport waits for the closing
    handshake.
    """

    def abort(self) -> None:
        """Close the link immediately, without a close frame; :meth:`Transport.aclose` follows."""
        ...


class Connector(Protocol):
    """Opens transports."""

    async def connect(self, url: str, nursery: trio.Nursery) -> Transport:
        """Open a websocket to ``url`` (``ws(s)://…`` with its query).

        Background tasks run in ``nursery`` and end with the transport's ``aclose``. Raises
        :class:`~realtime_trio.ConnectionFailed`, which never quotes the query.
        """
        ...
