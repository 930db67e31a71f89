"""A nursery around a body whose errors come out bare, and which ends with its body."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio

from .._session._first_cause import first_cause

__all__ = ["bare_nursery"]


@asynccontextmanager
async def bare_nursery() -> AsyncGenerator[trio.Nursery, None]:
    """A nursery that is cancelled when its body ends; what the body raises is in no group."""
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
