"""Convert any source to chunks of one size and format, paced by a clock."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager

import trio

from .._core._audio_format import DEFAULT_FORMAT, AudioFormat
from ._resample import Resampler
from ._sources import forget

__all__ = ["Chunker", "Pacer", "format_of", "iterating", "paced_chunks"]


class Chunker:
    """Cuts a stream of bytes into pieces of ``size`` bytes, regardless of its chunks."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Add bytes; return the complete pieces."""
        data = self._rest + data if self._rest else data
        size = self.size
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        return [data[place : place + size] for place in range(0, whole, size)]

    def rest(self) -> bytes:
        """End the stream; return the incomplete last piece."""
        rest, self._rest = self._rest, b""
        return rest


class Pacer:
    """A deadline clock that limits a stream to real time, plus a ``lead`` in seconds.

    Deadlines are counted from the first, so late wake-ups do not accumulate. After a pause longer
    than the lead, the stream continues at real time and does not catch up in a burst.
    """

    def __init__(self, lead: float) -> None:
        self.lead = lead
        self._due: float | None = None

    async def wait(self, seconds: float) -> None:
        """Wait until the next piece, of ``seconds``, is due. A checkpoint."""
        now = trio.current_time()
        earliest = now - self.lead
        due = earliest if self._due is None else max(self._due, earliest)
        self._due = due + seconds
        await trio.sleep_until(due)


def format_of(source: object) -> AudioFormat:
    """Return a source's format, or the protocol's default."""
    format_ = getattr(source, "format", None)
    return format_ if isinstance(format_, AudioFormat) else DEFAULT_FORMAT


async def paced_chunks(
    source: AsyncIterable[bytes], target: AudioFormat, *, chunk: float, lead: float
) -> AsyncGenerator[bytes, None]:
    """Yield the source's audio in chunks of ``chunk`` seconds of ``target``; the last can be
    shorter.

    A live source has its own clock; its unread audio is discarded first. A frame split between two
    chunks of the source is rejoined; an incomplete last frame is dropped. Close the iterator if you
    leave it early: this also closes a source that is a generator.
    """
    given = format_of(source)
    resampler = Resampler(given, target)
    chunker = Chunker(target.bytes_of(chunk))
    pacer = Pacer(math.inf if forget(source) else lead)
    async with iterating(source) as pieces:
        async for data in pieces:
            for piece in chunker.feed(resampler(data)):
                await pacer.wait(chunk)
                yield piece
    for piece in (*chunker.feed(resampler.flush()), chunker.rest()):
        if piece:
            await pacer.wait(target.seconds_of(len(piece)))
            yield piece


@asynccontextmanager
async def iterating(source: AsyncIterable[bytes]) -> AsyncGenerator[AsyncIterator[bytes], None]:
    """Iterate; a generator is closed at the end of the block."""
    iterator = aiter(source)
    try:
        yield iterator
    finally:
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()
