"""What trio-websocket holds, looked at where its public API does not show it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias, cast, final

import trio
from trio_websocket import WebSocketConnection

__all__ = ["press", "queue_of", "size_of"]

# What a frame takes beside its payload, rounded up: a count that creeps down is corrected
# at zero, one that creeps up (by control frames) would close the gate for good.
_HEADER: Final = 16
# So many fragments are held as they came; then they are joined to one.
_LOOSE: Final = 256

_Part: TypeAlias = str | bytes


def size_of(messages: Iterable[str | bytes]) -> int:
    """What messages took on the wire, their headers rounded up."""
    sizes = [
        len(message) if isinstance(message, bytes) or message.isascii() else len(message.encode())
        for message in messages
    ]
    return sum(sizes) + _HEADER * len(sizes)


def queue_of(ws: WebSocketConnection) -> trio.MemoryReceiveChannel[str | bytes] | None:
    """Where the library's reader puts messages."""
    queue: object = getattr(ws, "_recv_channel", None)
    if not isinstance(queue, trio.MemoryReceiveChannel):
        return None
    return cast("trio.MemoryReceiveChannel[str | bytes]", queue)


@final
class _Pressed(list[_Part]):
    """Parts of a message, most of them joined already."""

    __slots__ = ("done", "fragments")

    def __init__(self, parts: Iterable[_Part]) -> None:
        super().__init__(parts)
        self.done = 0  # parts that are joined
        self.fragments = 0  # that those were

    def press(self) -> None:
        """Join what is loose, so that each character is copied once."""
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
    """Press what the library holds of a message that is not complete; give its fragments.

    A frame that comes in several reads counts as so many; fewer than 256 are not counted.
    """
    parts: object = getattr(ws, "_message_parts", None)
    if not isinstance(parts, list):
        return 0
    known = cast("list[_Part]", parts)
    if not isinstance(known, _Pressed):
        if len(known) < _LOOSE:
            return 0
        known = _Pressed(known)
        # The library puts a list of its own there for the next message.
        ws._message_parts = known  # pyright: ignore[reportPrivateUsage]
    known.press()
    return known.fragments
