"""The writer task: the one task that writes to a link."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from ._outbox import Outbox
from ._send_queue import Entry

__all__ = ["SendingLink", "write_from"]

_MAX_RUN: Final = 16 * 2**10
"""Maximum bytes of audio to write together."""

_AWAY: Final = "the link broke while it was being written"


class SendingLink(Protocol):
    """The sending half of a link, as the writer task uses it."""

    async def send_text(self, text: str) -> None:
        """Send one text frame."""
        ...

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary frame."""
        ...

    async def ping(self) -> None:
        """Send a ping of the transport."""
        ...


async def write_from(
    outbox: Outbox,
    link: SendingLink,
    send_many: Callable[[Sequence[bytes]], Awaitable[None]] | None = None,
) -> None:
    """Write the entries of the outbox; no other task writes to the link meanwhile.

    It writes until the link breaks, or until the next entry starts another task. After a frame of
    audio it waits for the next one: they follow so quickly that a task for each would cost too
    much.

    ``send_many`` writes several frames at once, if the transport can. Raises what the
    link raises. A cancellation in the middle of a frame breaks the link: close it.
    """
    audio = False
    while (entry := await outbox.next(stay=audio)) is not None:
        audio = isinstance(entry.frame, bytes)
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
                # Only entries that would leave next in any case, and only a few frames: a
                # cancel can no longer overtake an entry that is taken.
                run = [entry.frame, *outbox.audio.pop_run(_MAX_RUN - len(entry.frame))]
                frames, size = len(run), sum(map(len, run))
                await send_many(run)
        except BaseException:
            outbox.finish_write(entry, "in-doubt", _AWAY)
            raise
        outbox.finish_write(entry, "sent", frames=frames, size=size)


async def _write_unit(link: SendingLink, entry: Entry, ping: str) -> int:
    """Write an input between two pings; return the number of frames.

    The receipt is that of the input, so it is settled before the second ping.
    """
    assert isinstance(entry.frame, str)
    assert entry.receipt is not None
    await link.send_text(ping)
    await link.send_text(entry.frame)
    entry.receipt.settle("sent")
    await link.send_text(ping)
    return 3
