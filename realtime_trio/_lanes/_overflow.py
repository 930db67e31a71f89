"""The four overflow rules: the reaction to a subscriber that does not keep up.

A rule is passed to ``subscribe(overflow=…)``. Its count applies to each lane of the subscription;
``statistics()`` of the subscription returns how many items a rule dropped or merged. Every rule
also has a bound of 16 MiB, not counting the largest item that it holds: one item of any size
always fits.
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
        message = f"{field.name} must be a whole number of at least 1, not {value!r}"
        raise ValueError(message)


@attrs.frozen(slots=True, eq=False, repr=False)
class Coalesce(Value):
    """Lossless and never blocking: neighbouring deltas of one message are coalesced.

    Beyond ``max_items`` items or 16 MiB the subscription ends: it delivers the buffered items and
    then raises :class:`~realtime_trio.LaggedError`.
    """

    max_items: int = attrs.field(default=MAX_ITEMS, validator=_check_items)


@attrs.frozen(slots=True, eq=False, repr=False)
class Block(Value):
    """Lossless and not coalesced: when it is full, its lane waits for it.

    The lane stops at the event whose items do not fit. When the lane itself has
    reached its bound, the subscription is evicted: it delivers the buffered items and then raises
    :class:`~realtime_trio.LaggedError`. Other lanes never wait for it.
    """

    max_items: int = attrs.field(validator=_check_items)


@attrs.frozen(slots=True, eq=False, repr=False)
class DropOldest(Value):
    """Keeps the newest ``max_items``, or the last ``seconds`` of audio; give one of the two.

    If items were dropped, the next item is ``Lagged(count=…)``, followed by
    ``AudioGap(frames=…, bytes=…)`` if there was audio among them. With ``seconds`` the length
    of ``audio-output`` counts, and other items count as zero. The newest item is always kept.
    """

    max_items: int | None = attrs.field(default=None, validator=_check_items)
    seconds: float | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check that exactly one is given, and that a length of time is valid."""
        if (self.max_items is None) == (self.seconds is None):
            message = "give either a count or seconds: DropOldest(100) or DropOldest(seconds=2.0)"
            raise ValueError(message)
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            message = f"seconds must be greater than 0, not {self.seconds!r}"
            raise ValueError(message)


@attrs.frozen(slots=True, eq=False, repr=False)
class Latest(Value):
    """Keeps the newest item only; ``statistics().dropped`` counts the others."""


Overflow: TypeAlias = Coalesce | Block | DropOldest | Latest


def check_overflow(rule: object) -> None:
    """Raise ``TypeError`` if ``rule`` is not an overflow rule."""
    if isinstance(rule, (Coalesce, Block, DropOldest, Latest)):
        return
    given = f"the class {rule.__name__}" if isinstance(rule, type) else repr(rule)
    message = (
        f"overflow must be a rule, not {given}: overflow=rt.Coalesce(), rt.Block(64), "
        "rt.DropOldest(100), rt.DropOldest(seconds=2.0) or rt.Latest()"
    )
    raise TypeError(message)
