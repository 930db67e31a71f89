"""Nurseries that end with their body and raise the errors of the body without a group."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio

from ._first_cause import first_cause

__all__ = ["outliving_nursery", "unwrapping_nursery"]


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


@asynccontextmanager
async def outliving_nursery() -> AsyncGenerator[trio.Nursery, None]:
    """Return a nursery whose tasks run until the body has ended, also when that is cancelled.

    Errors are raised as in :func:`unwrapping_nursery`.
    """
    scope = trio.CancelScope(shield=True)

    async def hold(task_status: trio.TaskStatus[trio.Nursery]) -> None:
        with scope:
            async with trio.open_nursery() as nursery:
                task_status.started(nursery)
                await trio.sleep_forever()

    async with unwrapping_nursery() as outer:
        try:
            yield await outer.start(hold)
        finally:
            scope.cancel()
