"""Conformance checks for a transport that sends several frames at once."""

from __future__ import annotations

from functools import partial

import trio
import trio.testing

from .._exceptions import ClosedError
from ..abc import SendsMany, Transport
from ._transport_tools import (
    Flood,
    Peer,
    expect_lost,
    in_background,
    raises,
)

__all__ = ["check_cancelled_send_many", "check_send_many"]


async def check_send_many(transport: Transport, peer: Peer) -> None:
    """If there is a ``send_many``, it sends frames of both kinds in order, or none at all."""
    if not isinstance(transport, SendsMany):
        return
    frames: list[str | bytes] = [
        "first",
        b"\x00\xff",
        "",
        b"",
        "é" * 100,
        bytes(70_000),
        *map(str, range(100)),
    ]
    for some in (0, len(frames), 1):
        with trio.testing.assert_checkpoints():
            await transport.send_many(frames[:some])
    with trio.CancelScope() as scope:
        scope.cancel()
        await transport.send_many(["never"])
    assert scope.cancelled_caught
    await transport.send_text("last")
    for frame in [*frames, "first", "last"]:
        assert await peer.receive() == frame
    await transport.aclose()
    with trio.testing.assert_checkpoints(), raises(ClosedError):
        await transport.send_many(["late"])


async def check_cancelled_send_many(transport: Transport, peer: Peer) -> None:
    """A ``send_many`` cancelled midway ends the link, as a single send does."""
    if not isinstance(transport, SendsMany):
        return
    send_many = transport.send_many

    async def send(text: str) -> None:
        await send_many([text[:10], text])

    async with in_background(Flood(send).run) as scope:
        scope.cancel()
    for call in (partial(send_many, ["late"]), partial(send_many, []), transport.receive):
        await expect_lost(call)
