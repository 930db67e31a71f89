"""Inspect what trio-websocket buffers where its public API does not show it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias, cast, final

import trio
from trio_websocket import WebSocketConnection

__all__ = ["press", "queue_of", "size_of"]

# Overhead of a frame besides its payload, rounded up: a count that drifts down is corrected at
# zero; one that drifts up (because of control frames) would close the gate permanently.
_HEADER: Final = 16
# The number of fragments kept unjoined; then they are joined into one.
_LOOSE: Final = 256

_Part: TypeAlias = str | bytes


def size_of(message: str | bytes) -> int:
    """Return the size of a message on the wire, with its header rounded up."""
    if isinstance(message, bytes) or message.isascii():
        return len(message) + _HEADER
    return len(message.encode()) + _HEADER


def queue_of(ws: WebSocketConnection) -> trio.MemoryReceiveChannel[str | bytes] | None:
    """Return the queue into which the library's reader puts messages."""
    queue: object = getattr(ws, "_recv_channel", None)
    if not isinstance(queue, trio.MemoryReceiveChannel):
        return None
    return cast("trio.MemoryReceiveChannel[str | bytes]", queue)


@final
class _Pressed(list[_Part]):
    """The parts of a message, most of them joined already."""

    __slots__ = ("done", "fragments")

    def __init__(self, parts: Iterable[_Part]) -> None:
        super().__init__(parts)
        self.done = 0  # joined parts
        self.fragments = 0  # fragments in the joined parts

    def press(self) -> None:
        """Join the unjoined parts; each character is copied once."""
        loose = self[self.done :]
        if len(loose) >= _LOOSE:
            self.fragments += len(loose)
            whole = (
                "".join(cast("list[str]", loose))
                if isinstance(loose[0], str)
                else b"".join(cast("list[bytes]", loose))
            )
            self[self.done :] = [whole] if whole else []
            self.done = len(self)


def press(ws: WebSocketConnection) -> int:
    """Join the buffered fragments of an incomplete message; return their number.

    A frame that arrives in several reads counts several times; fewer than 256 are not counted.
    """
    parts: object = getattr(ws, "_message_parts", None)
    if not isinstance(parts, list):
        return 0
    known = cast("list[_Part]", parts)
    if not isinstance(known, _Pressed):
        if len(known) < _LOOSE:
            return 0
        known = _Pressed(known)
        # The library creates a new list here for the next message.
        ws._message_parts = known  # pyright: ignore[reportPrivateUsage]
    known.press()
    return known.fragments
