"""The dial function of a node: a plain one runs in a thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import TypeAlias, cast

import attrs
import trio

from ..fleet._seat_run import Claim, Dial, DialFunction
from ._callbacks import as_auth

__all__ = ["DialSource", "as_dial"]

DialSource: TypeAlias = Callable[[Claim], Dial] | Callable[[Claim], Awaitable[Dial]]


def as_dial(dial: DialSource) -> DialFunction:
    """Return a dial function for trio."""

    async def in_thread(claim: Claim) -> Dial:
        plain = cast("Callable[[Claim], Dial]", dial)
        options = await trio.to_thread.run_sync(plain, claim, abandon_on_cancel=True)
        return attrs.evolve(options, auth=as_auth(options.auth))

    return cast("DialFunction", dial) if iscoroutinefunction(dial) else in_thread
