"""The block that opens something: it joins the run of the loop, or starts it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from ._door import Door, HeldBlock

__all__ = ["opened"]

N = TypeVar("N")
W = TypeVar("W")


def opened(
    manager: AbstractAsyncContextManager[N, bool | None], mirror: Callable[[Door, N], W]
) -> AbstractAsyncContextManager[W]:
    """Return the context manager of this door for one of trio that opens something."""
    return HeldBlock(manager, mirror)
