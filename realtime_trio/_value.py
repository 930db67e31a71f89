"""Equality, hash and repr of values: one set of methods for all of them.

attrs would generate and compile these three methods for each class, which takes a large part of the
import time of a vocabulary of this size. They behave like attrs' own methods.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from typing import Any

import attrs

__all__ = ["Value", "equal", "hashed", "shown"]


def _compared(value: Any, *, for_hash: bool = False) -> Iterator[Any]:
    """Return the fields that count for equality or for the hash."""
    for field in value.__attrs_attrs__:
        if field.eq if field.hash is None or not for_hash else field.hash:
            item = getattr(value, field.name)
            yield item if field.eq_key is None else field.eq_key(item)


def equal(self: Any, other: object) -> Any:
    """Compare equal if the class is the same and all fields are equal."""
    if other.__class__ is not self.__class__:
        return NotImplemented
    pairs = zip(_compared(self), _compared(other), strict=True)
    return all(mine == theirs for mine, theirs in pairs)


def hashed(self: Any) -> int:
    """Hash all fields; raises ``TypeError`` if a field is not hashable."""
    return hash((self.__class__, *_compared(self, for_hash=True)))


@reprlib.recursive_repr()
def shown(self: Any) -> str:
    """Show the class with its fields, except those with ``repr=False``."""
    parts: list[str] = []
    for field in self.__attrs_attrs__:
        if field.repr is not False:
            item = getattr(self, field.name, attrs.NOTHING)
            text = field.repr(item) if callable(field.repr) else repr(item)
            parts.append(f"{field.name}={text}")
    name = self.__class__.__qualname__.rsplit(">.", 1)[-1]
    return f"{name}({', '.join(parts)})"


class Value:
    """Base of values: ``eq=False, repr=False`` keeps attrs from generating its own methods."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        """Compare equal if the class is the same and all fields are equal."""
        same: bool = equal(self, other)
        return same

    def __hash__(self) -> int:
        """Hash all fields; raises ``TypeError`` if a field is not hashable."""
        return hashed(self)

    def __repr__(self) -> str:
        """Show the class with its fields, except those with ``repr=False``."""
        return shown(self)
