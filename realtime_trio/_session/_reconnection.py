"""The awaitable that ``client.reconnect()`` returns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, final

__all__ = ["Reconnection"]


@final
class Reconnection:
    """Await it to wait for the new, proven link. The client reconnects even if nobody waits.

    Any number of tasks may wait, and cancelling one changes nothing. Raises
    :class:`~realtime_trio.ClosedError` if the client ends.
    """

    __slots__ = ("_wait",)

    def __init__(self, wait: Callable[[], Awaitable[None]]) -> None:
        self._wait = wait

    async def wait(self) -> None:
        """Wait for the new link; the same as awaiting the object."""
        await self._wait()

    def __await__(self) -> Generator[Any, Any, None]:
        """Wait for the new link."""
        return self.wait().__await__()
