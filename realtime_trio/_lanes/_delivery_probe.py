"""How long an item waits in a buffer: one of them is timed at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from ._buffer import Buffer

__all__ = ["DeliveryProbe"]


@final
class DeliveryProbe:
    """Times the last item of a buffer until the subscriber takes it, then leaves the buffer."""

    __slots__ = ("_ahead", "_dropped", "_emit", "_since")

    def __init__(self, record: Callable[[float], None], buffer: Buffer, since: float) -> None:
        self._emit = record
        self._ahead = len(buffer.items)
        self._dropped = buffer.dropped
        self._since = since

    def take(self, buffer: Buffer) -> None:
        """Note that the subscriber takes the next item."""
        self._ahead -= 1
        if buffer.dropped != self._dropped:
            buffer.probe = None  # the item may be gone
        elif not self._ahead:
            buffer.probe = None
            self._emit(time.perf_counter() - self._since)
