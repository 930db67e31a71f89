"""A source that continues even if it is not read, in virtual time."""

from __future__ import annotations

from typing import Self

import trio

from realtime_trio.audio import DEFAULT_FORMAT


class Live:
    """A microphone with the audio ``said`` from now on; late reads get it late."""

    format = DEFAULT_FORMAT

    def __init__(self, said: bytes, chunk: float = 0.02) -> None:
        self._said = said
        self._chunk = chunk
        self._size = DEFAULT_FORMAT.bytes_of(chunk)
        self._began = trio.current_time()
        self._next = 0
        self.flushed = 0

    async def __anext__(self) -> bytes:
        place = self._next * self._size
        if place >= len(self._said):
            raise StopAsyncIteration
        self._next += 1
        await trio.sleep_until(self._began + self._next * self._chunk)
        return self._said[place : place + self._size]

    def __aiter__(self) -> Self:
        return self

    def flush(self) -> int:
        gone = int((trio.current_time() - self._began) / self._chunk + 1e-6)
        size = max(0, gone - self._next) * self._size
        self._next = max(self._next, gone)
        self.flushed += size
        return size
