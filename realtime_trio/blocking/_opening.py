"""Opening something: the block that joins the shared run, or starts it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TypeVar

from ._door import Door, HeldBlock

__all__ = ["opened"]

N = TypeVar("N")
W = TypeVar("W")


def opened(
    manager: AbstractAsyncContextManager[N, bool | None], mirror: Callable[[Door, N], W]
) -> AbstractContextManager[W]:
    """Return the plain context manager for one of trio that opens something."""
    return HeldBlock(manager, mirror)
