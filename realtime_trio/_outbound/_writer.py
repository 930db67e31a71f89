"""The writer task: the one task that writes to a link."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from ._outbox import Outbox
from ._send_queue import Entry

__all__ = ["SendingLink", "write_from"]

_MAX_RUN: Final = 16 * 2**10
"""Bytes of audio that are written together."""

_AWAY: Final = "the link broke while it was on its way"


class SendingLink(Protocol):
    """What the writer task writes to: the sending half of a link."""

    async def send_text(self, text: str) -> None:
        """Send one text frame."""
        ...

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary frame."""
        ...

    async def ping(self) -> None:
        """Send a ping of the transport's own."""
        ...


async def write_from(
    outbox: Outbox,
    link: SendingLink,
    send_many: Callable[[Sequence[bytes]], Awaitable[None]] | None = None,
) -> None:
    """Write what the outbox gives until the link breaks: the one task that touches it.

    ``send_many`` writes some frames at once, if the transport can. Raises what the
    link raises. Cancelled in the middle of a frame, it has broken the link: close it.
    """
    while True:
        entry = await outbox.next()
        frames, size = 1, entry.size
        try:
            if entry.receipt is not None:
                await entry.receipt.written_ahead()
            if entry.around is not None:
                frames = await _write_unit(link, entry, entry.around)
            elif entry.frame is None:
                await link.ping()
            elif isinstance(entry.frame, str):
                await link.send_text(entry.frame)
            elif send_many is None:
                await link.send_bytes(entry.frame)
            else:
                # What would leave next whatever happens now, and no more than a few frames:
                # what is taken can no longer be overtaken by a cancel.
                run = [entry.frame, *outbox.audio.pop_run(_MAX_RUN - len(entry.frame))]
                frames, size = len(run), sum(map(len, run))
                await send_many(run)
        except BaseException:
            outbox.wrote(entry, "in-doubt", _AWAY)
            raise
        outbox.wrote(entry, "sent", frames=frames, size=size)


async def _write_unit(link: SendingLink, entry: Entry, ping: str) -> int:
    """Write an input between two pings of its own; gives the number of frames.

    The receipt is that of the input, so it is settled before the second ping.
    """
    assert isinstance(entry.frame, str)
    assert entry.receipt is not None
    await link.send_text(ping)
    await link.send_text(entry.frame)
    entry.receipt.settle("sent")
    await link.send_text(ping)
    return 3
