"""Record the ill-typed parts of events that the codec skips (protocol.md §2 L3)."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from ._local_events import Reading

__all__ = ["SkippedPaths", "Tolerated", "current", "lenient_decoding"]

_MAX_PATHS: Final = 256


class SkippedPaths:
    """The paths of one event's unusable values, in the order in which they are found.

    A path has no list indexes, so a thousand bad entries count as one. Every step of a path is a
    field name of one of our classes, never text from the server.
    """

    __slots__ = ("_steps", "cut", "paths")

    def __init__(self, *, cut: bool = False) -> None:
        self.cut = cut
        """Whether something was cut out of the event because it was nested too deep."""
        self._steps: list[str] = ["$"]
        self.paths: dict[str, None] = {}

    def push(self, step: str) -> None:
        """Enter a field or the entries of a list."""
        self._steps.append(step)

    def pop(self) -> None:
        """Leave the field or the list that was entered last."""
        self._steps.pop()

    def add(self, step: str) -> None:
        """Record the path that is ``step`` below the current one."""
        if len(self.paths) < _MAX_PATHS:
            self.paths["".join((*self._steps, step))] = None


# Converter hooks take only a value and a type, so the current recorder is a context variable.
# Without a recorder, decoding is strict: nothing may be skipped.
_reading: ContextVar[SkippedPaths | None] = ContextVar("_reading", default=None)
current = _reading.get


@contextmanager
def lenient_decoding(*, cut: bool = False) -> Generator[SkippedPaths, None, None]:
    """Decode one event leniently: skip ill-typed values and record their paths."""
    skipped = SkippedPaths(cut=cut)
    token = _reading.set(skipped)
    try:
        yield skipped
    finally:
        _reading.reset(token)


class Tolerated:
    """The ill-typed (event type, path) pairs seen so far: unique, at most 256."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], None] = {}

    def __iter__(self) -> Generator[tuple[str, str], None, None]:
        """Iterate over the pairs in order of first occurrence."""
        yield from self._known

    def add(self, reading: Reading) -> list[tuple[str, str]]:
        """Add the skipped paths of an event; return the new ones."""
        fresh: list[tuple[str, str]] = []
        for path in reading.skipped:
            key = (reading.event.type, path)
            if key not in self._known and len(self._known) < _MAX_PATHS:
                self._known[key] = None
                fresh.append(key)
        return fresh
