"""Record the inputs of the lanes, in the order in which the lanes take them, for a log.

Frames are passed to the log in batches, as many as were taken together. Between two batches
are the library's own events and the calls that change the state. Whatever one task does
without a checkpoint keeps its order, so folding the log entry by entry gives the same state as
the lanes.

A frame without room waits: it is logged when it is taken, after everything that was put
into the lanes meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import filterfalse
from typing import Protocol, final

from ..events import ServerEvent

__all__ = ["InputLog", "InputTap"]


class InputLog(Protocol):
    """Receives every input. Must neither wait nor raise. ``at`` is the time of arrival."""

    def frames(self, at: float, frames: list[str | bytes]) -> None:
        """Log frames that were taken together; the log owns the list from now on."""
        ...

    def frame(self, at: float, frame: str | bytes) -> None:
        """Log a frame that was taken alone, as in paced traffic."""
        ...

    def local_event(self, at: float, event: ServerEvent) -> None:
        """Log an event of the library itself."""
        ...

    def user_session_id(self, at: float, session_id: str | None) -> None:
        """Log a call of ``set_user_session_id``."""
        ...

    def reset(self, at: float) -> None:
        """Log a call of ``reset``."""
        ...


@final
class InputTap:
    """Collects the frames of one batch. ``arrival`` returns the time that they get in the lanes."""

    __slots__ = ("_arrival", "_held", "_log", "_taken", "at")

    def __init__(self, log: InputLog, arrival: Callable[[], float]) -> None:
        self._log = log
        self._arrival = arrival
        self._taken: list[str | bytes] = []
        self._held: str | bytes | None = None
        self.at: float = 0.0
        """The time of the frames that are being taken."""

    def reading(self, frames: Iterable[str | bytes]) -> Iterator[str | bytes]:
        """Yield the frames; when the next one is requested, the previous one was taken."""
        # Appending returns None, so nothing is left out: this is a generator that runs in C.
        return filterfalse(self._taken.append, frames)

    def batch_ends(self, *, refused: bool) -> None:
        """End a batch; ``refused``: the last frame was not taken."""
        if refused:
            self._held = self._taken.pop()
        if self._taken:
            self._log.frames(self.at, self._taken)
            self._taken = []

    def one_taken(self, at: float, frame: str | bytes) -> None:
        """Note that a frame was taken that belongs to no batch."""
        self._log.frame(at, frame)

    def hold(self, frame: str | bytes) -> None:
        """Keep a frame that belongs to no batch and was not taken, until there is room."""
        self._held = frame

    def held_was_taken(self, at: float) -> None:
        """Note that the waiting frame was taken."""
        assert self._held is not None
        self._log.frame(at, self._held)
        self._held = None

    def _flush(self) -> None:
        if self._taken:
            self._log.frames(self.at, self._taken.copy())
            self._taken.clear()  # in place: ``reading`` keeps appending to it

    def local_event(self, event: ServerEvent, at: float) -> None:
        """Log an event of the library itself that was put into its lanes."""
        self._flush()
        self._log.local_event(at, event)

    def user_session_id(self, session_id: str | None) -> None:
        """Log that the user's session was set in the text lane."""
        self._flush()
        self._log.user_session_id(self._arrival(), session_id)

    def reset(self) -> None:
        """Log that every lane was reset."""
        self._flush()
        self._log.reset(self._arrival())
