"""Shared by all transports: how a link ended, and the buffer of received frames.

Two rules are implemented here, so that all transports follow them in the same way:

Rule 1: the first end counts. Later signs of it (a failed write, the EOF after a
close frame) change nothing, except that a local close always wins.

Rule 2: frames that arrived before a link ended are delivered before the end is raised, unless
the client closed the link: then no task wants them, and they are dropped.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Sequence
from itertools import repeat
from typing import Final, final

import attrs
import trio

from .._exceptions import ClosedError, ConnectionLost

__all__ = [
    "BROKEN_BY_CANCEL",
    "CLOSED_HERE",
    "End",
    "Inbox",
    "cost_of",
    "lost",
    "shielded_checkpoint",
    "too_big",
]

PLACE: Final = 48
"""Bytes of overhead for each frame in the inbox: an empty frame costs memory, too."""


def cost_of(frame: str | bytes) -> int:
    """Return the bytes of memory of a buffered frame; text may take four bytes per character."""
    return sys.getsizeof(frame) + PLACE


@attrs.frozen(slots=True)
class End:
    """How a link ended; ``local`` if this side closed it."""

    message: str
    code: int | None = None
    reason: str = attrs.field(default="", repr=False)
    local: bool = False

    def error(self) -> ClosedError | ConnectionLost:
        """Return a new error: one that is raised twice would collect both tracebacks."""
        if self.local:
            return ClosedError(self.message)
        return ConnectionLost(self.message, code=self.code, reason=self.reason)


CLOSED_HERE: Final = End("the client closed the connection", local=True)
BROKEN_BY_CANCEL: Final = End("a send was cancelled in mid-frame, which broke the connection")


def too_big(limit: int) -> End:
    """Return the end of a link that this side ended because a message exceeded its limit."""
    return End(f"a message was larger than max_message_size ({limit} bytes)", 1009)


def lost(code: int | None, reason: str = "") -> End:
    """Return the end of a link that this side did not close.

    ``code`` is that of the close frame, or ``None`` (also for 1006, which stands for "no
    close frame" and is never sent). The peer's reason is not part of the message: it is
    text of the peer and may quote anything.
    """
    if code is None or code == 1006:
        return End("the connection broke without a close frame")
    # Convert the library's enum to int: the code is shown, compared and pickled.
    return End(f"the connection was closed with code {int(code)}", int(code), reason)


async def shielded_checkpoint() -> None:
    """Be a checkpoint, as every ``async def`` is, at a place that must not raise ``Cancelled``."""
    with trio.CancelScope(shield=True):
        await trio.lowlevel.checkpoint()


@final
class Inbox:
    """Frames between the reader of the wire and the caller of ``receive``; bounded in bytes.

    The producer keeps to the bound (``max_held``, counted by :func:`cost_of`): it checks
    :attr:`full` or :meth:`fits` and awaits :meth:`wait_room`. One frame is always accepted,
    however large. Frames that are put together are accounted for together: measured once,
    and released when the last of them is taken.
    """

    __slots__ = (
        "_arrivals",
        "_costs",
        "_held",
        "_max_held",
        "_resume_at",
        "_room",
        "end",
        "frames",
    )

    def __init__(self, max_held: int, *, resume_at: int | None = None) -> None:
        """``resume_at``: a waiting producer is woken when at most this many bytes are held."""
        self.frames: deque[str | bytes] = deque()
        """Read only."""
        self._costs: deque[int] = deque()  # released with each frame: usually 0
        self._held = 0
        self._max_held = max_held
        self._resume_at = max_held if resume_at is None else resume_at
        self._arrivals = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()
        self.end: End | None = None

    @property
    def full(self) -> bool:
        """Whether the bound is reached; always false after the link has ended."""
        return self._held >= self._max_held and self.end is None

    def fits(self, frame: str | bytes) -> bool:
        """Whether the frame can be put without exceeding the bound."""
        return not self.frames or self._held + cost_of(frame) <= self._max_held

    def put(self, frame: str | bytes) -> None:
        """Add a frame; it is dropped if this side closed the link."""
        if self.end is not None:
            return
        cost = cost_of(frame)
        self.frames.append(frame)
        self._costs.append(cost)
        self._held += cost
        if self._arrivals:
            self._arrivals.unpark()

    def put_all(self, frames: Sequence[str | bytes]) -> None:
        """Add frames in order, with the effect of :meth:`put` for each."""
        if self.end is not None or not frames:
            return
        count = len(frames)
        cost = sum(map(sys.getsizeof, frames)) + PLACE * count
        self.frames.extend(frames)
        self._costs.extend(repeat(0, count - 1))
        self._costs.append(cost)
        self._held += cost
        if self._arrivals:
            self._arrivals.unpark()

    def finish(self, end: End) -> None:
        """Record how the link ended (rules 1 and 2) and wake all waiting tasks."""
        if self.end is None or (end.local and not self.end.local):
            self.end = end
        if self.end.local:
            self.frames.clear()
            self._costs.clear()
            self._held = 0
        self._arrivals.unpark_all()
        self._room.unpark_all()

    async def wait_room(self) -> None:
        """Wait until a frame was taken (down to ``resume_at``) or the link ended."""
        await self._room.park()

    async def arrival(self) -> None:
        """Wait until a frame arrives, the link ends, or :meth:`wake_receivers` is called."""
        await self._arrivals.park()

    def wake_receivers(self) -> None:
        """Wake the tasks that wait for frames: something else has changed."""
        self._arrivals.unpark_all()

    def receive_nowait(self) -> str | bytes:
        """Take the oldest frame, or raise ``trio.WouldBlock``."""
        if not self.frames:
            if self.end is not None:
                raise self.end.error()
            raise trio.WouldBlock
        frame = self.frames.popleft()
        cost = self._costs.popleft()
        if cost:
            self._held -= cost
            if self._room and self._held <= self._resume_at:
                self._room.unpark_all()
        return frame

    def take_all(self) -> list[str | bytes]:
        """Take all buffered frames."""
        frames = list(self.frames)
        self.frames.clear()
        self._costs.clear()
        self._held = 0
        self._room.unpark_all()
        return frames

    def put_back(self, frames: deque[str | bytes]) -> None:
        """Put taken frames back to the front; ``frames`` is empty afterwards."""
        if frames and not (self.end is not None and self.end.local):
            cost = sum(map(sys.getsizeof, frames)) + PLACE * len(frames)
            self._costs.extendleft((cost, *repeat(0, len(frames) - 1)))
            self.frames.extendleft(reversed(frames))
            self._held += cost
        frames.clear()

    async def receive(self) -> str | bytes:
        """Take the oldest frame; wait for one. A cancelled call takes none."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self.frames or self.end is not None:
            await trio.lowlevel.cancel_shielded_checkpoint()
        while not self.frames and self.end is None:
            await self._arrivals.park()
        return self.receive_nowait()
