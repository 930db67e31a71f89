"""Audio sources: any async iterable of PCM16 chunks."""

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
    """An async iterable of PCM16 chunks in :attr:`format`.

    An async iterable of ``bytes`` without a ``format`` counts as 16 kHz mono. Chunks can have any
    length; a frame can be split between two of them.
    """

    @property
    def format(self) -> AudioFormat:
        """The format of the chunks."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over the chunks in order."""
        ...


@runtime_checkable
class LiveSource(AudioSource, Protocol):
    """A source that continues while it is not read, such as a microphone.

    It has its own clock, so its chunks are sent immediately. Chunks from before the utterance are
    never sent: they would be late and delay everything after them.
    """

    def flush(self) -> int:
        """Discard unread chunks; return their size in bytes. Never blocks."""
        ...


def forget(source: object) -> bool:
    """Discard unread chunks of a live source; return whether it is one."""
    if not isinstance(source, LiveSource):
        return False
    source.flush()
    return True


class MemorySource:
    """Audio in memory: bytes, or chunks of bytes. Each iteration starts at the beginning."""

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
    """An iterator that needs no closing."""

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
    """Return a mono sine of ``frequency`` Hz; an ``amplitude`` of 1.0 is full scale."""
    data = tone(frequency, round(seconds * rate), rate, amplitude)
    return MemorySource(data, AudioFormat(rate))


def silence_source(seconds: float, format: AudioFormat = DEFAULT_FORMAT) -> MemorySource:
    """Return a source of silence."""
    return MemorySource(silence(round(seconds * format.rate), format.channels), format)


class WavSource:
    """A sound file as PCM16, read in threads; see :func:`open_wav`.

    ``format`` is the file's rate and channels, ``frames`` its length, or 0 for a pipe of unknown
    length. The file is closed at its end, by :meth:`close`, or by a ``with`` block. A second
    iteration continues where the first one stopped.
    """

    def __init__(self, reader: Reader, chunk: float) -> None:
        self._reader: Reader | None = reader
        self.format: AudioFormat = reader.format
        self.frames: int = reader.frames
        self._chunk_frames = max(1, round(chunk * self.format.rate))

    @property
    def seconds(self) -> float:
        """The duration of the file."""
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
        """Close the file. Idempotent."""
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
    """Open a sound file as a source with chunks of ``chunk`` seconds.

    16-bit PCM WAV files need no extra, including those with an extensible header and those with
    unknown sizes. All other formats of libsndfile (24-bit and float WAV, FLAC, Ogg, MP3 and more)
    need soundfile from the extra ``audio``; their samples are converted to PCM16.

    Raises :class:`~realtime_trio.RealtimeError` if it is not a sound file, or if soundfile is
    needed and missing, and ``OSError`` if it cannot be read.
    """
    return WavSource(open_reader(path), chunk)


class PipeSource:
    """Reads raw PCM16 from a trio stream: a pipe, a socket, the output of a process."""

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
    """Reads raw PCM16 from a binary file, in threads because it can block."""

    def __init__(
        self, file: BinaryIO, format: AudioFormat = DEFAULT_FORMAT, *, chunk: float = CHUNK_SECONDS
    ) -> None:
        self.format = format
        self._file = file
        self._size = max(format.frame_bytes, format.bytes_of(chunk))

    async def __anext__(self) -> bytes:
        # A thread that reads a terminal cannot be stopped, so it is abandoned.
        data = await trio.to_thread.run_sync(self._file.read, self._size, abandon_on_cancel=True)
        if not data:
            raise StopAsyncIteration
        return data

    def __aiter__(self) -> Self:
        return self
