"""Whose the bytes in a buffer are. Sans-IO.

The end of one answer may still wait to be played when the next one comes, so the buffer and
the device hold bytes of several answers at once, in order. This is the same order again, as
(answer, size) pairs.
"""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

from .._core._audio_format import AudioFormat
from .._core._spoken import SpokenAnswer

__all__ = ["Owners"]

_Part: TypeAlias = tuple[SpokenAnswer | None, int]


class Owners:
    """Follows what goes into a buffer and out of it, and counts for each answer what is heard."""

    def __init__(self, format: AudioFormat) -> None:
        self._format = format
        self._waiting: deque[_Part] = deque()
        self._taken: deque[_Part] = deque()  # by the device, the last of it
        self._taken_size = 0

    def push(self, answer: SpokenAnswer, size: int) -> None:
        """Bytes of an answer were put into the buffer."""
        if self._waiting and self._waiting[-1][0] is answer:
            size += self._waiting.pop()[1]
        self._waiting.append((answer, size))

    def play(self, size: int, *, ramp: int = 0, keep: int = 0) -> None:
        """The sink got the oldest bytes, or a ramp that nobody sent.

        It can give back no more than the last ``keep`` bytes.
        """
        for answer, count in self.lose(size):
            answer.heard(count, self._format)
            self._taken.append((answer, count))
        if ramp:
            self._taken.append((None, ramp))
        self._taken_size += size + ramp
        while self._taken and self._taken_size - self._taken[0][1] >= keep:
            self._taken_size -= self._taken.popleft()[1]

    def give_back(self, size: int) -> int:
        """The device has not played its last ``size`` bytes; gives how many of them were sent."""
        sent = 0
        for answer, count in self._last(size):
            if answer is not None:
                answer.heard(-count, self._format)
                self._waiting.appendleft((answer, count))
                sent += count
        self._taken.clear()
        self._taken_size = 0
        return sent

    def lose(self, size: int) -> list[tuple[SpokenAnswer, int]]:
        """The oldest bytes left the buffer: whose they were, each answer once."""
        lost: dict[SpokenAnswer, int] = {}
        while size and self._waiting:
            answer, count = self._waiting.popleft()
            if count > size:
                self._waiting.appendleft((answer, count - size))
                count = size
            size -= count
            assert answer is not None
            lost[answer] = lost.get(answer, 0) + count
        return list(lost.items())

    def queued_ms(self, answer: SpokenAnswer, size: int) -> float:
        """How much of an answer is in the last ``size`` bytes that the device took."""
        held = sum(count for whose, count in self._last(size) if whose is answer)
        return 1000 * self._format.seconds_of(held)

    def _last(self, size: int) -> list[_Part]:
        """The parts of the last ``size`` bytes that were taken, the newest first."""
        parts: list[_Part] = []
        for answer, count in reversed(self._taken):
            if size <= 0:
                break
            parts.append((answer, min(count, size)))
            size -= count
        return parts
