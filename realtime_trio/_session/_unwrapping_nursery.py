"""A nursery that ends with its body and raises the errors of the body without a group."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio

from ._first_cause import first_cause

__all__ = ["unwrapping_nursery"]


@asynccontextmanager
async def unwrapping_nursery() -> AsyncGenerator[trio.Nursery, None]:
    """Cancel the nursery when the body ends; raise an error of the body without a group."""
    failure: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            try:
                yield nursery
            except BaseException as exc:  # raised again below, outside the nursery's group
                failure = exc
            nursery.cancel_scope.cancel()
    except BaseException as exc:
        failure = first_cause(failure, exc)
    if failure is not None:
        try:
            raise failure
        finally:
            del failure  # it refers to this frame
