"""Inspect buffers of trio-websocket that its public API does not show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias, cast, final

import trio
from trio_websocket import WebSocketConnection

__all__ = ["join_fragments", "queue_of", "size_of"]

# Overhead of a frame besides its payload, rounded up: a count that drifts down is corrected at
# zero; one that drifts up (because of control frames) would close the gate permanently.
_HEADER: Final = 16
# The number of fragments kept unjoined; then they are joined into one.
_MAX_UNJOINED: Final = 256

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
class _JoinedParts(list[_Part]):
    """The parts of a message, most of them joined already."""

    __slots__ = ("fragments", "joined")

    def __init__(self, parts: Iterable[_Part]) -> None:
        super().__init__(parts)
        self.joined = 0  # joined parts
        self.fragments = 0  # fragments in the joined parts

    def join_fragments(self) -> None:
        """Join the unjoined parts; each character is copied once."""
        unjoined = self[self.joined :]
        if len(unjoined) >= _MAX_UNJOINED:
            self.fragments += len(unjoined)
            whole = (
                "".join(cast("list[str]", unjoined))
                if isinstance(unjoined[0], str)
                else b"".join(cast("list[bytes]", unjoined))
            )
            self[self.joined :] = [whole] if whole else []
            self.joined = len(self)


def join_fragments(ws: WebSocketConnection) -> int:
    """Join the buffered fragments of an incomplete message; return their number.

    A frame that arrives in several reads counts several times; fewer than 256 are not counted.
    """
    parts: object = getattr(ws, "_message_parts", None)
    if not isinstance(parts, list):
        return 0
    known = cast("list[_Part]", parts)
    if not isinstance(known, _JoinedParts):
        if len(known) < _MAX_UNJOINED:
            return 0
        known = _JoinedParts(known)
        # The library creates a new list here for the next message.
        ws._message_parts = known  # pyright: ignore[reportPrivateUsage]
    known.join_fragments()
    return known.fragments
