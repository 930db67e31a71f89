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
    async with unwrapping_nursery() as outer:
        nursery, scope = await outer.start(_hold_nursery)
        # Set here: a task that shields itself while its start is cancelled never ends.
        scope.shield = True
        try:
            yield nursery
        finally:
            scope.cancel()


async def _hold_nursery(
    task_status: trio.TaskStatus[tuple[trio.Nursery, trio.CancelScope]],
) -> None:
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            task_status.started((nursery, scope))
            await trio.sleep_forever()
