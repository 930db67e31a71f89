"""Sinks that record times, and one with its own clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import trio

from realtime_trio.audio import DEFAULT_FORMAT, AudioFormat, MemorySink


class Stamped(MemorySink):
    """Keeps the time of each block; ``delays`` makes some of them slow."""

    def __init__(
        self, format: AudioFormat = DEFAULT_FORMAT, delays: Mapping[int, float] | None = None
    ) -> None:
        super().__init__(format)
        self.times: list[float] = []
        self.delays = delays or {}

    async def write(self, chunk: bytes) -> None:
        self.times.append(trio.current_time())
        await super().write(chunk)
        if len(self.times) in self.delays:
            await trio.sleep(self.delays[len(self.times)])


class Device:
    """A device that takes a block every 20 ms and holds two."""

    def __init__(self, format: AudioFormat = DEFAULT_FORMAT) -> None:
        self.format = format
        self.heard: list[bytes] = []
        self._blocks: deque[bytes] = deque()
        self._begun = trio.current_time()
        self._taken = 0

    def _turn(self) -> None:
        """Apply what the device's clock did since the last call."""
        ticks = int((trio.current_time() - self._begun) / 0.02 + 1e-6) - self._taken
        self._taken += ticks
        for _ in range(min(ticks, len(self._blocks))):
            self.heard.append(self._blocks.popleft())

    async def _tick(self) -> None:
        await trio.sleep_until(self._begun + 0.02 * (self._taken + 1))
        self._turn()

    @property
    def queued(self) -> int:
        self._turn()
        return sum(map(len, self._blocks))

    async def ready(self) -> None:
        await trio.lowlevel.checkpoint()
        self._turn()
        while len(self._blocks) >= 2:
            await self._tick()

    def write_nowait(self, chunk: bytes) -> None:
        self._blocks.append(chunk)

    async def write(self, chunk: bytes) -> None:
        await self.ready()
        self.write_nowait(chunk)

    def flush(self) -> int:
        size = self.queued
        self._blocks.clear()
        return size

    async def drained(self) -> None:
        while self.queued:
            await self._tick()
