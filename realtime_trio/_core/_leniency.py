"""What the codec left out of an event, and how it is remembered (protocol.md §2 L3)."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from ._local_events import Reading

__all__ = ["LeftOut", "Tolerated", "current", "leaving_out"]

_MAX_PATHS: Final = 256


class LeftOut:
    """The places of one event whose value could not be used, in the order of their finding.

    A place is a path without the indexes of lists, so a thousand bad entries are one. Every
    step of a path is the name of a field that a class has: never what a server made up.
    """

    __slots__ = ("_steps", "cut", "paths")

    def __init__(self, *, cut: bool = False) -> None:
        self.cut = cut
        """Whether something was cut out of the event because it was nested too deep."""
        self._steps: list[str] = ["$"]
        self.paths: dict[str, None] = {}

    def push(self, step: str) -> None:
        """Go into a field or the entries of a list."""
        self._steps.append(step)

    def pop(self) -> None:
        """Go back out."""
        self._steps.pop()

    def add(self, step: str) -> None:
        """Note a place, ``step`` from where the reading is."""
        if len(self.paths) < _MAX_PATHS:
            self.paths["".join((*self._steps, step))] = None


# The hooks of a converter take a value and a type, and nothing else: what they leave out goes
# to whoever reads at the moment. Nobody does: then nothing may be left out.
_reading: ContextVar[LeftOut | None] = ContextVar("_reading", default=None)
current = _reading.get


@contextmanager
def leaving_out(*, cut: bool = False) -> Generator[LeftOut, None, None]:
    """Let the reading of one event leave out what is ill-typed, and collect what it was."""
    left_out = LeftOut(cut=cut)
    token = _reading.set(left_out)
    try:
        yield left_out
    finally:
        _reading.reset(token)


class Tolerated:
    """Which places of which types a server gets wrong: at most 256 of them, each once."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], None] = {}

    def __iter__(self) -> Generator[tuple[str, str], None, None]:
        """Every type and place, in the order in which they were met first."""
        yield from self._known

    def add(self, reading: Reading) -> list[tuple[str, str]]:
        """Remember what an event left out; gives what is new."""
        fresh: list[tuple[str, str]] = []
        for path in reading.left_out:
            key = (reading.event.type, path)
            if key not in self._known and len(self._known) < _MAX_PATHS:
                self._known[key] = None
                fresh.append(key)
        return fresh
