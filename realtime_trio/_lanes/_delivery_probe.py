"""How long an item waits in a buffer: one of them is timed at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from ._buffers import Buffer

__all__ = ["DeliveryProbe"]


@final
class DeliveryProbe:
    """Times one item of a buffer at a time, until the subscriber takes it."""

    __slots__ = ("_ahead", "_dropped", "_since", "_tell")

    def __init__(self, tell: Callable[[float], None]) -> None:
        self._tell = tell
        self._ahead = self._dropped = 0
        self._since = 0.0

    def mark(self, buffer: Buffer, since: float) -> None:
        """Time the last item of the buffer, if no item of it is being timed."""
        if not self._ahead and buffer.items:
            self._ahead = len(buffer.items)
            self._dropped = buffer.dropped
            self._since = since

    def take(self, buffer: Buffer) -> None:
        """The subscriber takes the next item."""
        if self._ahead:
            self._ahead -= 1
            if buffer.dropped != self._dropped:
                self._ahead = 0  # the item may be gone
            elif not self._ahead:
                self._tell(time.perf_counter() - self._since)
