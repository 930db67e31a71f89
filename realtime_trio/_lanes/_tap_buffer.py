"""A buffer that keeps nothing: the library itself takes each item where a lane dispatches it."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from ._buffer import Buffer, BufferedLane
from ._reader import Item, SubscriptionReader

__all__ = ["TapBuffer"]


@final
class TapBuffer(Buffer):
    """Passes each item on when the lane puts it, and keeps none."""

    __slots__ = ("_take",)

    def __init__(
        self, reader: SubscriptionReader, lane: BufferedLane, take: Callable[[Item], None]
    ) -> None:
        super().__init__(reader, lane)
        self._take = take

    def put(self, item: Item, size: int) -> None:
        """Pass an item on."""
        self._take(item)
