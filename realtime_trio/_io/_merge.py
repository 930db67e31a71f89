"""Neighbouring deltas that are folded as one (design.md, "coalesces").

To fold the delta that says what all of them say gives the state that folding each gives,
because the fold of a delta appends. Nobody can look between: a lane handles a run without a
checkpoint. What is told is another matter: one piece for all of them, or each its own where
the client was asked not to coalesce (then they stand *apart*).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from .._core._fast import Delta
from .._core._notifications import MessageStreaming, Notification, streaming
from .._core._values import evolve
from ..events import ServerEvent

__all__ = ["HEAVY", "Entry", "Incoming", "Run", "cut", "same", "told_apart"]

# What a frame is read into: an event, or what stands for it in the fold (see ``_fast``). The
# few deltas that cannot be read the fast way are events here, and stay alone.
Incoming: TypeAlias = ServerEvent | Delta
# It, when it came, how many bytes and deltas it stands for, and what they say if they are to
# be told apart.
Entry: TypeAlias = tuple[Incoming, float, int, int, Sequence[str] | None]

# What one step of the fold has to join: so many pieces, so many bytes and one delta more.
_MAX_PIECES = 256
HEAVY = 256 * 1024


def same(first: Delta, second: Any) -> bool:
    """Whether the second is a delta that differs from the first in what it says only.

    Deltas with an id are told apart by it.
    """
    return (
        second.__class__ is first.__class__
        and second.session_id == first.session_id
        and second.role == first.role
        and second.id is None
        and second.format == first.format
        and second.user_session_id == first.user_session_id
        and second.parent_session_id == first.parent_session_id
    )


class Run:
    """Deltas of which one can stand for all, as they come.

    It begins with one that says something: the time of that one is the message's, if it
    begins one. Those that are told apart have come at the same time.
    """

    __slots__ = ("_apart", "_at", "_first", "_limit", "_pieces", "_size")

    def __init__(self, first: Delta, at: float, size: int, apart: int) -> None:
        self._first = first
        self._at = at
        self._size = size
        self._pieces = [first.content]
        self._apart = apart
        self._limit = apart or _MAX_PIECES

    @classmethod
    def begin(cls, event: Incoming, at: float, size: int, *, apart: int) -> Run | None:
        """A run of one, where others may join this event: ``apart`` in all, if it is not 0."""
        if isinstance(event, Delta) and event.id is None and event.content:
            return cls(event, at, size, apart)
        return None

    def join(self, event: Any, at: float, size: int) -> bool:
        """Take an event, if it is such a delta; tells whether it is."""
        first = self._first
        # As in same(): a call would cost a fifth of all this.
        if (
            event.__class__ is first.__class__
            and event.session_id == first.session_id
            and event.role == first.role
            and event.id is None
            and event.format == first.format
            and event.user_session_id == first.user_session_id
            and event.parent_session_id == first.parent_session_id
            and len(self._pieces) < self._limit
            and self._size < HEAVY
            and (at == self._at or not self._apart)
        ):
            self._pieces.append(event.content)
            self._size += size
            return True
        return False

    def entry(self) -> Entry:
        """What stands for all of them."""
        pieces = self._pieces
        return _entry(self._first, self._at, self._size, pieces, apart=self._apart > 0)


def _entry(event: Delta, at: float, size: int, pieces: Sequence[str], *, apart: bool) -> Entry:
    count = len(pieces)
    if count == 1:
        return evolve(event, content=pieces[0]), at, size, 1, None
    return evolve(event, content="".join(pieces)), at, size, count, pieces if apart else None


def cut(entry: Entry, count: int) -> tuple[Entry, Entry]:
    """The first ``count`` deltas of a run, and the others; each has some."""
    event, at, size, weight, pieces = entry
    assert isinstance(event, Delta)
    assert pieces is not None
    share = size * count // weight
    return (
        _entry(event, at, share, pieces[:count], apart=True),
        _entry(event, at, size - share, pieces[count:], apart=True),
    )


def told_apart(notes: tuple[Notification, ...], pieces: Sequence[str]) -> tuple[Notification, ...]:
    """What folding each would have told, from what folding them as one has told.

    All but the last of it was told of the first piece. A piece that says nothing tells
    nothing.
    """
    if not notes or type(notes[-1]) is not MessageStreaming:
        return notes
    whole = notes[-1]
    session_id, message_id, role = whole.session_id, whole.message_id, whole.role
    each = [streaming(session_id, message_id, role, piece) for piece in pieces if piece]
    return (*notes[:-1], *each)
