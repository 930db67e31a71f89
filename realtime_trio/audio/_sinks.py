"""Where audio goes: anything with ``async write(chunk)`` in a format of its own."""

from __future__ import annotations

import wave
from contextlib import asynccontextmanager
from pathlib import Path
from collections.abc import AsyncIterator
from typing import Protocol

import trio

from .._core._audio import DEFAULT_FORMAT, AudioFormat

__all__ = ["AudioSink", "MemorySink", "PipeSink", "WavSink", "open_wav_sink"]


class AudioSink(Protocol):
    """A device, a file or a pipe.

    ``write`` takes one block of whole frames and returns when the sink can take the next: a
    device's returns as it plays, a file's at once. Whoever plays keeps the time where the
    sink does not.
    """

    @property
    def format(self) -> AudioFormat:
        """What the blocks must be made of."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Take one block."""
        ...


class MemorySink:
    """Keeps what it is given, as one piece of bytes in :attr:`data`."""

    def __init__(self, format: AudioFormat = DEFAULT_FORMAT) -> None:
        self.format = format
        self.blocks: list[bytes] = []

    @property
    def data(self) -> bytes:
        """All blocks joined."""
        return b"".join(self.blocks)

    async def write(self, chunk: bytes) -> None:
        """Keep a block."""
        await trio.lowlevel.checkpoint()
        self.blocks.append(chunk)


class WavSink:
    """A WAV file of PCM16; made by :func:`open_wav_sink`, which also completes its header."""

    def __init__(self, writer: wave.Wave_write, format: AudioFormat) -> None:
        self.format = format
        self.frames = 0
        self._writer = writer

    async def write(self, chunk: bytes) -> None:
        """Append a block to the file."""
        await trio.to_thread.run_sync(self._writer.writeframes, chunk)
        self.frames += len(chunk) // self.format.frame_bytes


@asynccontextmanager
async def open_wav_sink(
    path: str | Path, format: AudioFormat = DEFAULT_FORMAT
) -> AsyncIterator[WavSink]:
    """Write a WAV file; its header is completed when the block is left, however it is left."""
    writer = wave.open(str(path), "wb")  # noqa: SIM115  closed below
    try:
        writer.setnchannels(format.channels)
        writer.setsampwidth(2)
        writer.setframerate(format.rate)
        yield WavSink(writer, format)
    finally:
        writer.close()
        await trio.lowlevel.checkpoint_if_cancelled()


class PipeSink:
    """Raw PCM16 into a stream, such as standard output."""

    def __init__(
        self, stream: trio.abc.SendStream, format: AudioFormat = DEFAULT_FORMAT
    ) -> None:
        self.format = format
        self._stream = stream

    async def write(self, chunk: bytes) -> None:
        """Send a block; waits while the reader is slow."""
        await self._stream.send_all(chunk)
