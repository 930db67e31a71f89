"""Where audio comes from: anything that gives chunks of PCM16 when iterated with ``async for``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self, runtime_checkable

import trio

from .._core._audio_format import DEFAULT_FORMAT, AudioFormat
from ._pcm import silence, tone
from ._wav import Reader, open_reader

__all__ = [
    "AudioSource",
    "FileSource",
    "LiveSource",
    "MemorySource",
    "PipeSource",
    "WavSource",
    "open_wav",
    "silence_source",
    "tone_source",
]

CHUNK_SECONDS = 0.02


class AudioSource(Protocol):
    """Chunks of PCM16 in :attr:`format`, ended by the end of the iteration.

    An async iterable of ``bytes`` without a ``format`` counts as 16 kHz mono. Chunks may have
    any length; a frame may be cut by two of them.
    """

    @property
    def format(self) -> AudioFormat:
        """What the chunks are made of."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The chunks in order."""
        ...


@runtime_checkable
class LiveSource(AudioSource, Protocol):
    """A source that goes on while nobody reads it, as a microphone does.

    It keeps the time itself, so what it gives is sent as it comes. What it gathered while
    nobody listened is not sent at all: it would be late, and so would all that follows.
    """

    def flush(self) -> int:
        """Forget what waits to be read; gives its size in bytes. Never blocks."""
        ...


def forget(source: object) -> bool:
    """Let go what waits in a live source, and say whether it is one."""
    if not isinstance(source, LiveSource):
        return False
    source.flush()
    return True


class MemorySource:
    """Audio that is at hand: bytes, or chunks of them. Each iteration begins at the start."""

    def __init__(
        self,
        data: bytes | Iterable[bytes],
        format: AudioFormat = DEFAULT_FORMAT,
        *,
        chunk: float = CHUNK_SECONDS,
    ) -> None:
        self.format = format
        if isinstance(data, bytes):
            size = max(format.frame_bytes, format.bytes_of(chunk))
            self._chunks = [data[i : i + size] for i in range(0, len(data), size)]
        else:
            self._chunks = list(data)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Chunks(self._chunks)


class _Chunks:
    """An iteration that may be left at any time: there is nothing to close."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._rest = iter(chunks)

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        for chunk in self._rest:
            return chunk
        raise StopAsyncIteration

    def __aiter__(self) -> Self:
        return self


def tone_source(
    seconds: float, frequency: float = 440.0, *, amplitude: float = 0.5, rate: int = 16_000
) -> MemorySource:
    """A sine of ``frequency`` Hz, mono; ``amplitude`` is of full scale 1.0."""
    data = tone(frequency, round(seconds * rate), rate, amplitude)
    return MemorySource(data, AudioFormat(rate))


def silence_source(seconds: float, format: AudioFormat = DEFAULT_FORMAT) -> MemorySource:
    """Silence."""
    return MemorySource(silence(round(seconds * format.rate), format.channels), format)


class WavSource:
    """A sound file as PCM16, read in threads; made by :func:`open_wav`.

    ``format`` is the file's rate and channels, ``frames`` its length: 0 where a pipe does not say.
    The file is closed at its end, or by :meth:`close`, or with a ``with`` block. A second
    iteration goes on where the first one stopped.
    """

    def __init__(self, reader: Reader, chunk: float) -> None:
        self._reader: Reader | None = reader
        self.format: AudioFormat = reader.format
        self.frames: int = reader.frames
        self._chunk_frames = max(1, round(chunk * self.format.rate))

    @property
    def seconds(self) -> float:
        """How long the file plays."""
        return self.frames / self.format.rate

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._reader is None:
            raise StopAsyncIteration
        data = await trio.to_thread.run_sync(self._reader.read, self._chunk_frames)
        if not data:
            self.close()
            raise StopAsyncIteration
        return data

    def __aiter__(self) -> Self:
        return self

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_wav(path: str | Path, *, chunk: float = CHUNK_SECONDS) -> WavSource:
    """Open a sound file as a source of chunks of ``chunk`` seconds.

    WAV files of 16 bit PCM need nothing else, whatever their header looks like: also the
    extensible one, and sizes that the program which wrote them did not know. Every other file that
    libsndfile reads (24 bit and float WAV, FLAC, Ogg, MP3 and more) takes soundfile, which the
    extra ``audio`` brings; its samples become PCM16.

    Raises :class:`~realtime_trio.RealtimeError` where it is no sound file, or soundfile is needed
    and missing, and ``OSError`` where it cannot be read.
    """
    return WavSource(open_reader(path), chunk)


class PipeSource:
    """Raw PCM16 from a stream of trio: a pipe, a socket, the output of a process."""

    def __init__(
        self,
        stream: trio.abc.ReceiveStream,
        format: AudioFormat = DEFAULT_FORMAT,
        *,
        chunk: float = CHUNK_SECONDS,
    ) -> None:
        self.format = format
        self._stream = stream
        self._size = max(format.frame_bytes, format.bytes_of(chunk))

    async def __anext__(self) -> bytes:
        data = await self._stream.receive_some(self._size)
        if not data:
            raise StopAsyncIteration
        return bytes(data)

    def __aiter__(self) -> Self:
        return self


class FileSource:
    """Raw PCM16 from a binary file that may block, read in threads: a regular file as stdin."""

    def __init__(
        self, file: BinaryIO, format: AudioFormat = DEFAULT_FORMAT, *, chunk: float = CHUNK_SECONDS
    ) -> None:
        self.format = format
        self._file = file
        self._size = max(format.frame_bytes, format.bytes_of(chunk))

    async def __anext__(self) -> bytes:
        # A thread that waits for a terminal cannot be stopped: it is left to itself.
        data = await trio.to_thread.run_sync(self._file.read, self._size, abandon_on_cancel=True)
        if not data:
            raise StopAsyncIteration
        return data

    def __aiter__(self) -> Self:
        return self
