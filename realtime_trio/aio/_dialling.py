"""The dial function of a node: it runs on the asyncio loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import attrs

from ..fleet._seat_run import Claim, Dial, DialFunction
from ._callbacks import as_auth, on_host

__all__ = ["DialSource", "as_dial"]

DialSource: TypeAlias = Callable[[Claim], Awaitable[Dial]]


def as_dial(dial: DialSource) -> DialFunction:
    """Return a dial function for trio."""

    async def on_loop(claim: Claim) -> Dial:
        options = await on_host(lambda: dial(claim))
        return attrs.evolve(options, auth=as_auth(options.auth))

    return on_loop
