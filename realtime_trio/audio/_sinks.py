"""Audio sinks: any object with a ``format`` and ``async write(chunk)``."""

from __future__ import annotations

import wave
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, BinaryIO, Protocol, runtime_checkable

import trio

from .._core._audio_format import DEFAULT_FORMAT, AudioFormat
from .._needs_trio import check_trio

__all__ = [
    "AudioSink",
    "ClockedSink",
    "FileSink",
    "MemorySink",
    "PipeSink",
    "WavSink",
    "open_wav_sink",
]


class AudioSink(Protocol):
    """A file, a pipe or a device.

    ``write`` takes one block of whole frames and returns when the sink is ready for the next. The
    caller paces the writes, so a file receives no more of an answer than a device would have
    played. A sink with its own clock is a :class:`ClockedSink`.
    """

    @property
    def format(self) -> AudioFormat:
        """The format of the blocks."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Write one block."""
        ...


@runtime_checkable
class ClockedSink(AudioSink, Protocol):
    """A device with its own clock, which queues at most two blocks."""

    async def ready(self) -> None:
        """Wait until it can take a block; this paces playback."""
        ...

    def write_nowait(self, chunk: bytes) -> None:
        """Queue one block; call it after :meth:`ready`."""
        ...

    @property
    def queued(self) -> int:
        """Bytes that are queued for the device."""
        ...

    def flush(self) -> int:
        """Discard queued audio; return its size in bytes."""
        ...

    async def drained(self) -> None:
        """Wait until nothing is queued."""
        ...


class MemorySink:
    """Keeps the last ``max_blocks`` blocks written (``None``: all)."""

    def __init__(
        self, format: AudioFormat = DEFAULT_FORMAT, *, max_blocks: int | None = None
    ) -> None:
        self.format = format
        self.blocks: deque[bytes] = deque(maxlen=max_blocks)
        self.total: int = 0
        """Bytes written, including those not kept."""

    @property
    def data(self) -> bytes:
        """The kept blocks, joined."""
        return b"".join(self.blocks)

    async def write(self, chunk: bytes) -> None:
        """Keep a block. A checkpoint."""
        await trio.lowlevel.checkpoint()
        self.blocks.append(chunk)
        self.total += len(chunk)


class WavSink:
    """A PCM16 WAV file; see :func:`open_wav_sink`. It writes about a second at a time.

    The header is updated after each write, so the file stays playable if the process is killed.
    """

    def __init__(self, writer: wave.Wave_write, file: IO[bytes], format: AudioFormat) -> None:
        self.format: AudioFormat = format
        """The format of the file."""
        self.frames: int = 0
        """Frames written so far."""
        self._writer = writer
        self._file = file
        self._waiting = bytearray()
        self._batch = format.bytes_of(1.0)

    async def write(self, chunk: bytes) -> None:
        """Append a block. A checkpoint."""
        self._waiting += chunk
        self.frames += len(chunk) // self.format.frame_bytes
        if len(self._waiting) < self._batch:
            await trio.lowlevel.checkpoint()
        else:
            await trio.to_thread.run_sync(self._write_out)

    def _write_out(self) -> None:
        data, self._waiting = self._waiting, bytearray()
        self._writer.writeframes(data)
        self._file.flush()

    def _close(self) -> None:
        try:
            self._write_out()
        finally:
            self._writer.close()


@asynccontextmanager
async def open_wav_sink(
    path: str | Path, format: AudioFormat = DEFAULT_FORMAT
) -> AsyncGenerator[WavSink, None]:
    """Write a WAV file; it is completed at the end of the ``async with`` block.

    Raises ``OSError`` if it cannot be written.
    """
    check_trio("audio.open_wav_sink")
    file = await trio.to_thread.run_sync(Path(path).open, "wb")
    writer: wave.Wave_write = wave.open(file, "wb")  # noqa: SIM115  closed below
    writer.setnchannels(format.channels)
    writer.setsampwidth(2)
    writer.setframerate(format.rate)
    sink = WavSink(writer, file, format)

    def close() -> None:
        with file:
            sink._close()  # pyright: ignore[reportPrivateUsage]

    try:
        yield sink
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(close)


class PipeSink:
    """Writes raw PCM16 to a trio stream: a pipe, a socket, the input of a process."""

    def __init__(self, stream: trio.abc.SendStream, format: AudioFormat = DEFAULT_FORMAT) -> None:
        self.format = format
        self._stream = stream

    async def write(self, chunk: bytes) -> None:
        """Send a block; waits for a slow reader."""
        await self._stream.send_all(chunk)


class FileSink:
    """Writes raw PCM16 to a binary file, in threads because it can block."""

    def __init__(self, file: BinaryIO, format: AudioFormat = DEFAULT_FORMAT) -> None:
        self.format = format
        self._file = file

    async def write(self, chunk: bytes) -> None:
        """Write a block."""
        await trio.to_thread.run_sync(self._write, chunk)

    def _write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._file.flush()
