"""The tap at the intake: what the lanes take, in the order in which they take it, for a log.

Frames are handed to the log in batches, as many as were taken in one go. Between two batches
come the library's own events and the calls that change the state. Whatever one task does
without a checkpoint keeps its order, so folding the log one entry after the other gives the
state that the lanes come to.

A frame for which there was no room is held back: it is logged once it is taken, behind
everything that was put into the lanes meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, final

from ..events import ServerEvent

__all__ = ["InputLog", "InputTap"]


class InputLog(Protocol):
    """What is told of every input. Must neither wait nor raise. ``at`` is the time of arrival."""

    def frames(self, at: float, frames: list[str | bytes]) -> None:
        """Frames that were taken in one go; the list belongs to the log from now on."""
        ...

    def local_event(self, at: float, event: ServerEvent) -> None:
        """An event of the library's own."""
        ...

    def user_session_id(self, at: float, session_id: str | None) -> None:
        """A call of ``set_user_session_id``."""
        ...

    def reset(self, at: float) -> None:
        """A call of ``reset``."""
        ...


@final
class InputTap:
    """Collects the frames of one go. ``arrival`` gives the time that those have in the lanes."""

    __slots__ = ("_arrival", "_held", "_log", "_taken", "at")

    def __init__(self, log: InputLog, arrival: Callable[[], float]) -> None:
        self._log = log
        self._arrival = arrival
        self._taken: list[str | bytes] = []
        self._held: str | bytes | None = None
        self.at: float = 0.0
        """The time of the frames that are being taken."""

    def reading(self, frames: Iterable[str | bytes]) -> Iterator[str | bytes]:
        """The frames; when the next is asked for, the one before it was taken."""
        append = self._taken.append
        for frame in frames:
            append(frame)
            yield frame

    def batch_ends(self, *, refused: bool) -> None:
        """A go has ended; ``refused``: the last frame was not taken."""
        if refused:
            self._held = self._taken.pop()
        self._flush()

    def held_was_taken(self, at: float) -> None:
        """There was room at last for the frame that was held back."""
        assert self._held is not None
        self._log.frames(at, [self._held])
        self._held = None

    def _flush(self) -> None:
        if self._taken:
            self._log.frames(self.at, self._taken.copy())
            self._taken.clear()  # in place: ``reading`` goes on appending to it

    def local_event(self, event: ServerEvent, at: float) -> None:
        """An event of the library's own was put into its lanes."""
        self._flush()
        self._log.local_event(at, event)

    def user_session_id(self, session_id: str | None) -> None:
        """The text lane was told which session is the user's."""
        self._flush()
        self._log.user_session_id(self._arrival(), session_id)

    def reset(self) -> None:
        """Every lane was told to drop what is under way."""
        self._flush()
        self._log.reset(self._arrival())
