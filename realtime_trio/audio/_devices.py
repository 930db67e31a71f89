"""The microphone and the speaker, through sounddevice and PortAudio (extra ``audio``).

PortAudio calls back in a separate thread that must never block. The two sides share only a
``deque``, whose ends are thread-safe, and counters that one side writes. ``run_sync_soon`` wakes
trio. Audio that one side cannot take is dropped and counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol, Self, final

import attrs
import trio

from .._core._audio_format import DEFAULT_FORMAT, AudioFormat
from .._exceptions import RealtimeError
from .._needs_trio import check_trio
from . import _extras
from ._pcm import fade
from ._stream import Chunker

__all__ = [
    "Microphone",
    "MicrophoneStatistics",
    "Speaker",
    "SpeakerStatistics",
    "open_microphone",
    "open_speaker",
]

_FADE = 0.005
_QUEUED_BLOCKS = 2


@attrs.frozen(slots=True, kw_only=True)
class MicrophoneStatistics:
    """Chunks: ``captured = delivered + dropped + flushed + waiting``.

    ``dropped`` chunks were not read in time; ``flushed`` chunks were discarded by
    :meth:`Microphone.flush`; ``overflows`` counts those reported by the device.
    """

    captured: int
    delivered: int
    dropped: int
    flushed: int
    waiting: int
    overflows: int


@attrs.frozen(slots=True, kw_only=True)
class SpeakerStatistics:
    """Blocks: ``written = played + flushed + waiting``.

    ``silent`` counts the device blocks without audio, ``underflows`` those reported by the device.
    """

    written: int
    played: int
    flushed: int
    waiting: int
    silent: int
    underflows: int


class _Status(Protocol):
    """The status that sounddevice passes to a callback."""

    input_overflow: bool
    output_underflow: bool


class _Waker:
    """Wakes tasks of one trio run from the device thread."""

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self.tasks = trio.lowlevel.ParkingLot()

    def __call__(self) -> None:
        """Wake the tasks. Thread-safe; never blocks; does nothing after trio has ended."""
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self.tasks.unpark_all, idempotent=True)


@final
class Microphone:
    """An endless :class:`~realtime_trio.audio.LiveSource`; see :func:`open_microphone`.

    Only one task may read it. It buffers at most ``max_chunks``; above that, the oldest is dropped.
    """

    def __init__(self, format: AudioFormat, max_chunks: int) -> None:
        self.format: AudioFormat = format
        """The format of the chunks."""
        self._chunks: deque[bytes] = deque()
        self._max = max_chunks
        self._waker = _Waker()
        self._captured = self._dropped = self._overflows = 0
        self._delivered = self._flushed = 0

    def _callback(self, data: Any, _frames: int, _time: Any, status: _Status) -> None:
        """Take a chunk (runs in the device thread)."""
        self._captured += 1
        self._overflows += bool(status.input_overflow)
        chunks = self._chunks
        if len(chunks) >= self._max:
            with suppress(IndexError):  # the reader was faster: there is room now
                chunks.popleft()
                self._dropped += 1
        chunks.append(bytes(data))
        self._waker()

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        while not self._chunks:
            await self._waker.tasks.park()
        self._delivered += 1
        return self._chunks.popleft()

    def __aiter__(self) -> Self:
        return self

    def flush(self) -> int:
        """Discard unread chunks; return their size in bytes."""
        size = 0
        with suppress(IndexError):
            while True:
                size += len(self._chunks.popleft())
                self._flushed += 1
        return size

    def statistics(self) -> MicrophoneStatistics:
        """Return the counters."""
        return MicrophoneStatistics(
            captured=self._captured,
            delivered=self._delivered,
            dropped=self._dropped,
            flushed=self._flushed,
            waiting=len(self._chunks),
            overflows=self._overflows,
        )


@final
class Speaker:
    """A :class:`~realtime_trio.audio.ClockedSink`; see :func:`open_speaker`.

    Only one task may write to it.
    """

    def __init__(self, format: AudioFormat, block_bytes: int) -> None:
        self.format: AudioFormat = format
        """The format of the blocks."""
        self._blocks: deque[bytes] = deque()
        self._chunker = Chunker(block_bytes)
        self._waker = _Waker()
        self._written = self._flushed = 0
        self._played = self._silent = self._underflows = 0

    def _callback(self, out: Any, _frames: int, _time: Any, status: _Status) -> None:
        """Give the device its next block, or silence (runs in the device thread)."""
        self._underflows += bool(status.output_underflow)
        try:
            block = self._blocks.popleft()
        except IndexError:
            self._silent += 1
            block = b""
        else:
            self._played += 1
            self._waker()
        # A view as bytes, whatever the item type of the device's buffer.
        view = memoryview(out).cast("B")
        length = min(len(block), len(view))
        view[:length] = block[:length]
        view[length:] = bytes(len(view) - length)

    @property
    def queued(self) -> int:
        """Bytes that are queued for the device."""
        return sum(len(block) for block in tuple(self._blocks))

    async def ready(self) -> None:
        """Wait while two blocks are queued, which paces the caller. A checkpoint."""
        await trio.lowlevel.checkpoint()
        while len(self._blocks) >= _QUEUED_BLOCKS:
            await self._waker.tasks.park()

    def write_nowait(self, chunk: bytes) -> None:
        """Queue a block. A short block is padded with silence."""
        pieces = self._chunker.feed(chunk)
        rest = self._chunker.rest()
        for piece in (*pieces, rest) if rest else pieces:
            self._written += 1
            self._blocks.append(piece)

    async def write(self, chunk: bytes) -> None:
        """Queue a block when there is room. If cancelled, nothing is queued."""
        await self.ready()
        self.write_nowait(chunk)

    def flush(self) -> int:
        """Discard queued audio, except its first milliseconds, which fade out."""
        size, first = 0, b""
        with suppress(IndexError):
            while True:
                block = self._blocks.popleft()
                first = first or block
                size += len(block)
                self._flushed += 1
        kept = first[: self.format.bytes_of(_FADE)]
        if kept:
            self._flushed -= 1
            self._blocks.append(fade(kept, 1.0, 0.0, self.format.channels))
        return size - len(kept)

    async def drained(self) -> None:
        """Wait until nothing is queued."""
        await trio.lowlevel.checkpoint()
        while self._blocks:
            await self._waker.tasks.park()

    def statistics(self) -> SpeakerStatistics:
        """Return the counters."""
        return SpeakerStatistics(
            written=self._written,
            played=self._played,
            flushed=self._flushed,
            waiting=len(self._blocks),
            silent=self._silent,
            underflows=self._underflows,
        )


@asynccontextmanager
async def open_microphone(
    format: AudioFormat = DEFAULT_FORMAT,
    *,
    device: int | str | None = None,
    chunk: float = 0.02,
    max_waiting: float = 5.0,
) -> AsyncGenerator[Microphone, None]:
    """Record from ``device`` (``None``: the system's default) in chunks of ``chunk`` seconds.

    It buffers at most ``max_waiting`` seconds of unread audio. Raises
    :class:`~realtime_trio.RealtimeError` if sounddevice or PortAudio is missing, or if the device
    cannot be opened.
    """
    check_trio("audio.open_microphone")
    module = _extras.sounddevice()
    microphone = Microphone(format, max(1, round(max_waiting / chunk)))
    frames = max(1, round(chunk * format.rate))
    callback = microphone._callback  # pyright: ignore[reportPrivateUsage]
    async with _stream(module, module.RawInputStream, callback, format, frames, device):
        yield microphone


@asynccontextmanager
async def open_speaker(
    format: AudioFormat = DEFAULT_FORMAT, *, device: int | str | None = None, block: float = 0.02
) -> AsyncGenerator[Speaker, None]:
    """Play on ``device`` (``None``: the system's default) in blocks of ``block`` seconds.

    Raises :class:`~realtime_trio.RealtimeError` as :func:`open_microphone` does.
    """
    check_trio("audio.open_speaker")
    module = _extras.sounddevice()
    frames = max(1, round(block * format.rate))
    speaker = Speaker(format, frames * format.frame_bytes)
    callback = speaker._callback  # pyright: ignore[reportPrivateUsage]
    async with _stream(module, module.RawOutputStream, callback, format, frames, device):
        yield speaker


@asynccontextmanager
async def _stream(
    module: Any,
    kind: Callable[..., Any],
    callback: Callable[..., None],
    format: AudioFormat,
    frames: int,
    device: int | str | None,
) -> AsyncGenerator[None, None]:
    """Open, start and later close a device stream, in threads because both can block."""

    def start() -> Any:
        stream = kind(
            samplerate=format.rate,
            channels=format.channels,
            dtype="int16",
            blocksize=frames,
            device=device,
            callback=callback,
        )
        stream.start()
        return stream

    try:
        stream = await trio.to_thread.run_sync(start)
    except (module.PortAudioError, ValueError) as exc:  # ValueError: no such device
        message = f"cannot open the audio device: {exc}"
        raise RealtimeError(message) from exc
    try:
        yield
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(stream.close)
