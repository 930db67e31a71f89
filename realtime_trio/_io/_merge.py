"""Neighbouring deltas as one (design.md, "The text lane coalesces")."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeAlias

import attrs

from ..events import ServerEvent, TextDeltaEvent, ThoughtDeltaEvent

__all__ = ["DELTAS", "Entry", "may_merge", "merge"]

# An event in a lane: when it came, and how many bytes it stands for.
Entry: TypeAlias = tuple[ServerEvent, float, int]

DELTAS: frozenset[type[Any]] = frozenset((TextDeltaEvent, ThoughtDeltaEvent))
# What must be equal in two deltas: everything but what they say.
_NAMES = {cls: [a.name for a in attrs.fields(cls) if a.name != "content"] for cls in DELTAS}
_SAME: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    cls: attrgetter(*names) for cls, names in _NAMES.items()
}


def may_merge(first: Any, second: Any) -> bool:
    """Whether it is worth a closer look: two deltas of one kind and session, without an id.

    Deltas with an id are told apart by it. An empty one begins no message, and so must not
    give its time of arrival to one that does.
    """
    return (
        type(second) is type(first)
        and second.session_id == first.session_id
        and first.id is None
        and first.content != ""
    )


def merge(first: Any, size: int, rest: deque[Entry]) -> tuple[ServerEvent, int, int]:
    """Take the deltas that are equal to ``first`` in all but their content out of ``rest``.

    Gives one delta that says what all of them say, their bytes and their number.
    """
    cls: type[Any] = first.__class__
    same = _SAME[cls]
    key = same(first)
    pieces = [first.content]
    while rest:
        event: Any = rest[0][0]
        if type(event) is not cls or same(event) != key:
            break
        pieces.append(event.content)
        size += rest.popleft()[2]
    weight = len(pieces)
    if weight == 1:
        return first, size, 1
    fields = dict(zip(_NAMES[cls], key, strict=True))  # half of what attrs.evolve costs
    return cls(content="".join(pieces), **fields), size, weight
