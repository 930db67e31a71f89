"""Map the bytes in a buffer to answers. Sans-IO.

The end of one answer can still be queued when the next one arrives. The buffer and the device then
hold bytes of several answers, in order. This module mirrors that order as (answer, size) pairs.
"""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

from .._core._audio_format import AudioFormat
from .._core._spoken import SpokenAnswer

__all__ = ["Owners"]

_Part: TypeAlias = tuple[SpokenAnswer | None, int]


class Owners:
    """Tracks bytes into and out of a buffer and counts what is heard of each answer."""

    def __init__(self, format: AudioFormat) -> None:
        self._format = format
        self._waiting: deque[_Part] = deque()
        self._taken: deque[_Part] = deque()  # the last bytes that the device took
        self._taken_size = 0

    def push(self, answer: SpokenAnswer, size: int) -> None:
        """Record bytes of an answer added to the buffer."""
        if self._waiting and self._waiting[-1][0] is answer:
            size += self._waiting.pop()[1]
        self._waiting.append((answer, size))

    def play(self, size: int, *, ramp: int = 0, keep: int = 0) -> None:
        """Record that the sink took the oldest bytes, or a generated ramp.

        The device can later return at most the last ``keep`` bytes.
        """
        for answer, count in self.drop_oldest(size):
            answer.add_heard(count, self._format)
            self._taken.append((answer, count))
        if ramp:
            self._taken.append((None, ramp))
        self._taken_size += size + ramp
        while self._taken and self._taken_size - self._taken[0][1] >= keep:
            self._taken_size -= self._taken.popleft()[1]

    def return_unplayed(self, size: int) -> int:
        """Record that the device did not play ``size`` bytes; return how many were received."""
        sent = 0
        for answer, count in self._last(size):
            if answer is not None:
                answer.add_heard(-count, self._format)
                self._waiting.appendleft((answer, count))
                sent += count
        self._taken.clear()
        self._taken_size = 0
        return sent

    def drop_oldest(self, size: int) -> list[tuple[SpokenAnswer, int]]:
        """Remove the oldest bytes; return their answers, each once."""
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
        """Return the milliseconds of an answer in the last ``size`` bytes taken by the device."""
        held = sum(count for whose, count in self._last(size) if whose is answer)
        return 1000 * self._format.seconds_of(held)

    def _last(self, size: int) -> list[_Part]:
        """Return the parts of the last ``size`` bytes taken, newest first."""
        parts: list[_Part] = []
        for answer, count in reversed(self._taken):
            if size <= 0:
                break
            parts.append((answer, min(count, size)))
            size -= count
        return parts
