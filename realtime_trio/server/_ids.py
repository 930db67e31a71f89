"""Ids in the style of a real server, the same in every run with the same seed."""

from __future__ import annotations

import hashlib

__all__ = ["WORDS", "IdGenerator"]

_WORDS = (
    "acorn amber anchor apple arrow aspen atlas autumn badge basin beacon birch bishop blanket "
    "bonus breeze bridge bronze cabin cactus camel candle canyon carbon castle cedar cherry "
    "cinema circle cobalt comet copper coral cosmos cotton cricket crystal dancer delta desert "
    "diamond dolphin dragon eagle ember engine falcon feather fiesta flame forest fossil galaxy "
    "garden ginger glacier granite guitar hammer harbor hazel helium island ivory jasmine jungle "
    "kettle lagoon lantern lemon linen lotus magnet maple marble meadow mango mirror monsoon "
    "mustard nectar nickel ocean olive onyx opal orbit orchid otter paper pebble pepper piano "
    "planet pollen prism quartz rabbit raven ribbon river rocket saffron salmon shadow silver "
    "spiral summit sunset temple thunder tiger topaz tulip tundra valley velvet violet walnut "
    "willow winter yellow zephyr"
)
WORDS = tuple(_WORDS.split())


class IdGenerator:
    """Makes ids from a seed and one counter for each kind.

    The words of an id permute all pairs of words, so none repeats until every pair has been
    used. After that a number is appended.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._counts: dict[str, int] = {}

    def words(self, kind: str, number: int = 2) -> str:
        """Return the next ``number`` words of ``kind``, joined by dashes."""
        count = self._next(kind)
        size = len(WORDS)
        step, space = 7919, size * size
        index = (self._offset(kind) + count * step) % space
        words = [WORDS[index // size], WORDS[index % size]]
        if number > 2:
            words.append(WORDS[(index * 31 + count) % size])
        if count >= space:
            words.append(str(count // space))
        return "-".join(words)

    def hex(self, kind: str) -> str:
        """Return 20 hexadecimal digits, as used after ``toolu_`` and ``call_``."""
        return self._digest(f"{kind}:{self._next(kind)}")[:20]

    def _next(self, kind: str) -> int:
        count = self._counts.get(kind, 0)
        self._counts[kind] = count + 1
        return count

    def _offset(self, kind: str) -> int:
        return int(self._digest(kind)[:12], 16)

    def _digest(self, text: str) -> str:
        return hashlib.sha256(f"{self._seed}:{text}".encode()).hexdigest()
