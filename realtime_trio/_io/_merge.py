"""Neighbouring deltas that become one event before they are folded (design.md, "coalesces")."""

from __future__ import annotations

from typing import Any, TypeAlias

from .._core._fast import Delta
from .._core._values import evolve
from ..events import ServerEvent

__all__ = ["Entry", "Incoming", "Run"]

# What a frame is read into: an event, or what stands for it in the fold (see ``_fast``). The
# few deltas that cannot be read the fast way are events here, and stay alone.
Incoming: TypeAlias = ServerEvent | Delta
# It, when it came, how many bytes it stands for, and how many deltas.
Entry: TypeAlias = tuple[Incoming, float, int, int]

_MAX_PIECES = 256  # what one step of the fold has to join


class Run:
    """Deltas that differ in what they say only, as they come.

    To fold the delta that says what all of them say gives what folding each gives, because
    the fold of a delta appends, and a run begins with one that says something: its time is
    the message's where it begins one. Deltas with an id are told apart by it.
    """

    __slots__ = ("_at", "_first", "_pieces", "_size")

    def __init__(self, first: Delta, at: float, size: int) -> None:
        self._first = first
        self._at = at
        self._size = size
        self._pieces = [first.content]

    @classmethod
    def begin(cls, event: Incoming, at: float, size: int) -> Run | None:
        """A run of one, where others may join this event."""
        if isinstance(event, Delta) and event.id is None and event.content:
            return cls(event, at, size)
        return None

    def join(self, event: Any, size: int) -> bool:
        """Take an event, if it is such a delta; tells whether it is."""
        first = self._first
        if (
            event.__class__ is first.__class__
            and event.session_id == first.session_id
            and event.role == first.role
            and event.id is None
            and event.format == first.format
            and event.user_session_id == first.user_session_id
            and event.parent_session_id == first.parent_session_id
            and len(self._pieces) < _MAX_PIECES
        ):
            self._pieces.append(event.content)
            self._size += size
            return True
        return False

    def entry(self) -> Entry:
        """The one that stands for all of them."""
        pieces = self._pieces
        if len(pieces) == 1:
            return self._first, self._at, self._size, 1
        event = evolve(self._first, content="".join(pieces))
        return event, self._at, self._size, len(pieces)
