"""Neighbouring deltas that are folded as one (design.md, "coalesces").

To fold the delta that says what all of them say gives the state that folding each gives,
because the fold of a delta appends. Nobody can look between: a lane handles a run without a
checkpoint. What is told is another matter: one piece for all of them, or each its own where
the client was asked not to coalesce (then they stand *apart*).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from .._core._fast_decoder import Delta, Incoming
from .._core._mould import alike, mould_of, said
from .._core._notifications import MessageStreaming, Notification, streaming
from .._core._values import evolve

__all__ = ["HEAVY", "Entry", "Run", "cut", "same", "told_apart"]

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
    """Deltas of which one can stand for all, as they come: ``first`` and what joins it.

    It begins with one that says something: the time of that one is the message's, if it
    begins one. Those that are told apart have come at the same time.
    """

    __slots__ = (
        "_after",
        "_apart",
        "_at",
        "_before",
        "_frame",
        "_from",
        "_limit",
        "_pieces",
        "_size",
        "_to",
        "first",
    )

    def __init__(self, first: Delta, frame: str, at: float, apart: int) -> None:
        self.first = first
        self._frame: str | None = frame
        self._at = at
        self._size = len(frame)
        self._pieces = [first.content]
        self._apart = apart
        self._limit = apart or _MAX_PIECES

    @classmethod
    def begin(cls, event: Incoming, frame: str | bytes, at: float, *, apart: int) -> Run | None:
        """A run of one, where others may join this event: ``apart`` in all, if it is not 0."""
        if isinstance(event, Delta) and event.id is None and event.content:
            assert isinstance(frame, str)
            return cls(event, frame, at, apart)
        return None

    def join(self, frame: str, at: float) -> bool:
        """Take a frame, if it is such a delta; tells whether it is (see ``_mould``)."""
        if self._frame is not None:
            if not alike(self._frame, frame):
                return False
            self._cast(self._frame)
        if (
            frame[: self._from] == self._before
            and frame[self._to :] == self._after
            and len(self._pieces) < self._limit
            and self._size < HEAVY
            and (at == self._at or not self._apart)
        ):
            try:
                self._pieces.append(said(frame[self._from : self._to]))
            except ValueError:
                return False
            self._size += len(frame)
            return True
        return False

    def _cast(self, frame: str) -> None:
        """Make the mould, when the second frame comes and looks like the first."""
        self._frame = None
        mould = mould_of(frame, self.first)
        if mould is None:
            self._limit = 0
        self._before, self._after = mould or ("", "")
        self._from, self._to = len(self._before), -len(self._after)

    def __len__(self) -> int:
        return len(self._pieces)

    def entry(self) -> Entry:
        """What stands for all of them."""
        return _entry(self.first, self._at, self._size, self._pieces, apart=self._apart > 0)


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

    All but the last of it was told of the first piece, and so was what the message had held
    back (protocol.md §2 L4). A piece that says nothing tells nothing.
    """
    if not notes or type(notes[-1]) is not MessageStreaming:
        return notes
    whole = notes[-1]
    session_id, message_id, role = whole.session_id, whole.message_id, whole.role
    said_before = whole.delta[: len(whole.delta) - sum(map(len, pieces))]
    first, *others = [piece for piece in pieces if piece]
    each = [
        streaming(session_id, message_id, role, piece) for piece in (said_before + first, *others)
    ]
    return (*notes[:-1], *each)
