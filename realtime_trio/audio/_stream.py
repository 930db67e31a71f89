"""From any source to chunks of one size in one format, at the pace of a clock."""

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
    """Cuts a stream of bytes into pieces of ``size`` bytes, whatever it comes in."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces that are complete now."""
        data = self._rest + data if self._rest else data
        size = self.size
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        return [data[place : place + size] for place in range(0, whole, size)]

    def rest(self) -> bytes:
        """The end of the stream: what does not make a whole piece."""
        rest, self._rest = self._rest, b""
        return rest


class Pacer:
    """A deadline clock: lets a stream go no faster than real time, but for ``lead`` seconds.

    Deadlines are counted from the first, so waking up late is made good and nothing drifts.
    A stream that stops for longer than the lead goes on from where it is: what it missed is
    not sent in one go.
    """

    def __init__(self, lead: float) -> None:
        self.lead = lead
        self._due: float | None = None

    async def wait(self, seconds: float) -> None:
        """Wait until the next piece, which lasts ``seconds``, may go. A checkpoint."""
        now = trio.current_time()
        earliest = now - self.lead
        due = earliest if self._due is None else max(self._due, earliest)
        self._due = due + seconds
        await trio.sleep_until(due)


def format_of(source: object) -> AudioFormat:
    """The format that a source says it has, or the protocol's."""
    format_ = getattr(source, "format", None)
    return format_ if isinstance(format_, AudioFormat) else DEFAULT_FORMAT


async def paced_chunks(
    source: AsyncIterable[bytes], target: AudioFormat, *, chunk: float, lead: float
) -> AsyncGenerator[bytes, None]:
    """The source's audio in chunks of ``chunk`` seconds of ``target``; the last may be shorter.

    A live source keeps the time itself and begins with what it hears from now on. A frame that
    is cut by two chunks of the source is put together again; one that is not whole at the very
    end is left out. Close it when you leave it before its end: that closes
    the source too, where it is a generator.
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
    """Iterate; a generator is closed when the block is left before its end."""
    iterator = aiter(source)
    try:
        yield iterator
    finally:
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()
