"""The four rules for what happens when a subscriber does not keep up.

Each is a value that is given to ``subscribe(overflow=…)``. Their counts hold for each lane
that the subscription hears; what a rule drops or merges, its subscription's
``statistics()`` tell. Beside its own count every rule has the same bound of 16 MiB, not
counting the largest item that it holds: one item of any size always finds room.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import attrs

from .._value import Value

__all__ = [
    "MAX_BYTES",
    "MAX_ITEMS",
    "Block",
    "Coalesce",
    "DropOldest",
    "Latest",
    "Overflow",
    "check_overflow",
]

MAX_ITEMS = 65_536
MAX_BYTES = 16 * 1024 * 1024


def _check_items(_rule: object, field: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and (type(value) is not int or value < 1):
        message = f"{field.name} must be a whole number of at least 1, and is {value!r}"
        raise ValueError(message)


@attrs.frozen(slots=True, eq=False, repr=False)
class Coalesce(Value):
    """Lossless, and never in anybody's way: neighbouring deltas of one message merge.

    Past ``max_items`` items or 16 MiB the subscription ends: it delivers what it holds and
    then raises :class:`~realtime_trio.LaggedError`.
    """

    max_items: int = attrs.field(default=MAX_ITEMS, validator=_check_items)


@attrs.frozen(slots=True, eq=False, repr=False)
class Block(Value):
    """Lossless and unmerged: when it is full, its own lane waits for it.

    The lane goes no further than the event whose items do not fit. When the lane itself has
    reached its bound the subscription is freed: it delivers what it holds and then raises
    :class:`~realtime_trio.LaggedError`. Another lane never waits for it.
    """

    max_items: int = attrs.field(validator=_check_items)


@attrs.frozen(slots=True, eq=False, repr=False)
class DropOldest(Value):
    """Keeps the newest ``max_items``, or the last ``seconds`` of audio; give one of the two.

    Where something was dropped, the next item is ``Lagged(count=…)``, and after it
    ``AudioGap(frames=…, bytes=…)`` if there was audio among it. With ``seconds`` the length
    of ``audio-output`` counts, and items of other kinds weigh nothing. The newest item is
    always kept.
    """

    max_items: int | None = attrs.field(default=None, validator=_check_items)
    seconds: float | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Refuse neither, both, and a length of time that is none."""
        if (self.max_items is None) == (self.seconds is None):
            message = "give one of the two: DropOldest(100) or DropOldest(seconds=2.0)"
            raise ValueError(message)
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            message = f"seconds must be more than 0, and is {self.seconds!r}"
            raise ValueError(message)


@attrs.frozen(slots=True, eq=False, repr=False)
class Latest(Value):
    """Keeps the newest item only; ``statistics().dropped`` counts the others."""


Overflow: TypeAlias = Coalesce | Block | DropOldest | Latest


def check_overflow(rule: object) -> None:
    """Raise ``TypeError`` for anything but a rule: it would silently decide what is lost."""
    if isinstance(rule, (Coalesce, Block, DropOldest, Latest)):
        return
    given = f"the class {rule.__name__}" if isinstance(rule, type) else repr(rule)
    message = (
        f"overflow must be a rule, not {given}: overflow=rt.Coalesce(), rt.Block(64), "
        "rt.DropOldest(100), rt.DropOldest(seconds=2.0) or rt.Latest()"
    )
    raise TypeError(message)
