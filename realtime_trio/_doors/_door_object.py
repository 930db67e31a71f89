"""The base of the objects of all doors: each wraps an object of trio."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

__all__ = ["DoorObject", "block_of", "native_of", "repr_of"]

N = TypeVar("N")
T = TypeVar("T")


class DoorObject(ABC, Generic[N]):
    """An object of a door."""

    _native: N

    @abstractmethod
    def _block(self, manager: AbstractAsyncContextManager[T, bool | None]) -> object:
        """Return the context manager of this door for one of trio."""


def native_of(mirror: DoorObject[N]) -> N:
    """Return the trio object."""
    return mirror._native  # pyright: ignore[reportPrivateUsage]


def block_of(mirror: DoorObject[N], manager: AbstractAsyncContextManager[T, bool | None]) -> object:
    """Return the context manager of the door of ``mirror`` for one of trio."""
    return mirror._block(manager)  # pyright: ignore[reportPrivateUsage]


def repr_of(mirror: DoorObject[N], door: str) -> str:
    """Return the ``repr`` of the trio object, with the name of the door."""
    return repr(mirror._native).replace("<", f"<{door}.", 1)  # pyright: ignore[reportPrivateUsage]
