"""Neighbouring deltas as one (design.md, "The text lane coalesces")."""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

from .._core._fast import Delta
from .._core._values import evolve
from ..events import ServerEvent

__all__ = ["Entry", "Incoming", "merge", "same"]

# What a frame is read into: an event, or what stands for it in the fold (see ``_fast``). The
# few deltas that cannot be read the fast way are events here, and stay alone.
Incoming: TypeAlias = ServerEvent | Delta
# It, when it came, and how many bytes it stands for.
Entry: TypeAlias = tuple[Incoming, float, int]


def same(first: Delta, second: Incoming) -> bool:
    """Whether two deltas differ in what they say only, and may be folded as one.

    Those with an id are told apart by it. An empty one begins no message, and so must not
    give its time of arrival to one that does.
    """
    return (
        isinstance(second, Delta)
        and second.__class__ is first.__class__
        and second.session_id == first.session_id
        and second.role == first.role
        and second.id is None
        and first.id is None
        and second.format == first.format
        and second.user_session_id == first.user_session_id
        and second.parent_session_id == first.parent_session_id
        and first.content != ""
    )


def merge(first: Delta, size: int, rest: deque[Entry]) -> tuple[Delta, int, int]:
    """Take what is the :func:`same` as ``first`` out of the front of ``rest``.

    Gives one delta that says what all of them say, their bytes and their number.
    """
    pieces = [first.content]
    while rest:
        event = rest[0][0]
        if not isinstance(event, Delta) or not same(first, event):
            break
        pieces.append(event.content)
        size += rest.popleft()[2]
    return evolve(first, content="".join(pieces)), size, len(pieces)
