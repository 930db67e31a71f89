"""Read sound files: PCM16 WAV directly, all others with soundfile.

A WAV file is read strictly forward, so a pipe works. Streaming writers do not know sizes in advance
and cannot go back to fix them, so a size of 0, or one beyond the end of the file, means "to the
end". Programs also disagree about the pad byte after a chunk of odd size; it is detected from the
bytes that follow.
"""

from __future__ import annotations

import struct
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import attrs

from .._core._audio_format import AudioFormat
from .._exceptions import RealtimeError
from . import _extras
from ._pcm import swapped

__all__ = ["Reader", "open_reader"]

_PCM: Final = 1
_EXTENSIBLE: Final = 0xFFFE
_ENDLESS: Final = 0xFFFF_FFFF
_BYTE_ORDERS: Final = {b"RIFF": "<", b"RF64": "<", b"BW64": "<", b"RIFX": ">"}
_NAMES: Final = frozenset(
    {b"data", b"fmt ", b"fact", b"LIST", b"bext", b"cue ", b"PEAK", b"JUNK", b"smpl", b"id3 "}
)
_MAX_HEADER: Final = 4096
"""Maximum bytes read of a header chunk; no chunk that we parse is longer."""


class Reader(Protocol):
    """An open sound file."""

    @property
    def format(self) -> AudioFormat:
        """The format of :meth:`read`."""
        ...

    @property
    def frames(self) -> int:
        """The number of frames; 0 if unknown in advance."""
        ...

    def read(self, frames: int) -> bytes:
        """Return the next whole frames of PCM16; empty at the end."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def open_reader(path: str | Path) -> Reader:
    """Open a sound file; raises like :func:`~realtime_trio.audio.open_wav`."""
    with ExitStack() as stack:
        file = stack.enter_context(Path(path).open("rb"))
        try:
            reader = _WavReader(file, _Header.read(_Forward(file)))
        except _NotPcm16 as exc:
            not_ours = f"{path} is not a WAV file of PCM16 samples: {exc}"
            if not file.seekable():
                message = f"{not_ours}. A pipe can only be read as WAV"
                raise RealtimeError(message) from None
        else:
            stack.pop_all()  # the reader closes it
            return reader
    return _open_with_soundfile(path, not_ours)


class _NotPcm16(Exception):
    """The file is not PCM16; the message names its format."""


class _Forward:
    """A forward-only reader with a peek."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._next = b""

    def read(self, size: int) -> bytes:
        """Read ``size`` bytes, or fewer at the end."""
        head, self._next = self._next[:size], self._next[size:]
        return head + self._file.read(size - len(head)) if size > len(head) else head

    def peek(self, size: int) -> bytes:
        """Return the next bytes without consuming them."""
        self._next += self._file.read(max(0, size - len(self._next)))
        return self._next[:size]

    def skip(self, size: int) -> None:
        """Skip ``size`` bytes."""
        while size > 0:
            gone = len(self.read(min(size, 2**16)))
            if not gone:
                return
            size -= gone

    def left(self) -> int | None:
        """Return the number of remaining bytes, or ``None`` if unknown in advance."""
        if not self._file.seekable():
            return None
        place = self._file.tell()
        end = self._file.seek(0, 2)
        self._file.seek(place)
        return end - place + len(self._next)


@attrs.frozen(slots=True)
class _Header:
    """The parsed header. ``size`` is ``None`` if the samples extend to the end."""

    format: AudioFormat
    size: int | None
    big_endian: bool
    rest: _Forward

    @classmethod
    def read(cls, file: _Forward) -> _Header:
        """Read up to the samples. Raises :exc:`_NotPcm16`."""
        magic = file.read(12)
        if len(magic) < 12:
            message = "the file ends too early"
            raise _NotPcm16(message)
        order = _BYTE_ORDERS.get(magic[:4])
        if order is None or magic[8:] != b"WAVE":
            message = "it has no RIFF/WAVE header"
            raise _NotPcm16(message)
        format_: AudioFormat | None = None
        long_size: int | None = None
        while True:
            head = file.read(8)
            if len(head) < 8:
                message = "the file ends too early"
                raise _NotPcm16(message)
            name, size = struct.unpack(f"{order}4sI", head)
            if name == b"data":
                break
            chunk = file.read(min(size, _MAX_HEADER))
            file.skip(size - len(chunk))
            if size % 2:
                _skip_pad(file)
            if name == b"fmt ":
                format_ = _format_of(chunk, order)
            elif name == b"ds64" and len(chunk) >= 16:
                long_size = struct.unpack(f"{order}8xQ", chunk[:16])[0]
        if format_ is None:
            message = "it does not describe its samples"
            raise _NotPcm16(message)
        if size == _ENDLESS and long_size is not None:
            size = long_size
        return cls(format_, _data_size(size, file, order), order == ">", file)


def _skip_pad(file: _Forward) -> None:
    """Skip the pad byte after a chunk of odd size, if the file has one."""
    following = file.peek(4)
    if following not in _NAMES:
        file.skip(1)


def _format_of(chunk: bytes, order: str) -> AudioFormat:
    """Parse the format in a ``fmt`` chunk. Raises :exc:`_NotPcm16`."""
    if len(chunk) < 16:
        message = "it does not describe its samples"
        raise _NotPcm16(message)
    tag, channels, rate, _, block, bits = struct.unpack(f"{order}HHIIHH", chunk[:16])
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        (tag,) = struct.unpack(f"{order}H", chunk[24:26])  # the first bytes of the sub-format
    if tag != _PCM:
        message = f"its samples have the format {tag:#06x}"
        raise _NotPcm16(message)
    if not channels or not rate:
        message = f"its header names {channels} channels at {rate} Hz"
        raise _NotPcm16(message)
    # Samples with fewer bits are left-aligned in their bytes.
    if not 9 <= bits <= 16 or block not in (0, 2 * channels):
        message = f"its samples have {bits} bits: expected 16 (PCM16)"
        raise _NotPcm16(message)
    return AudioFormat(rate, channels)


def _data_size(size: int, file: _Forward, order: str) -> int | None:
    """Return the number of sample bytes, if the file states it."""
    left = file.left()
    if size == 0:
        # Written by a streaming program, unless well-formed chunks follow.
        head = file.peek(8)
        if len(head) == 8:
            name, following = struct.unpack(f"{order}4sI", head)
            if name in _NAMES and left is not None and following + 8 <= left:
                return 0
        return left
    if left is None:
        return None if size >= 2**31 - 2**16 else size
    return min(size, left)


class _WavReader:
    """Reads PCM16 from a WAV file."""

    def __init__(self, file: BinaryIO, header: _Header) -> None:
        self.format: AudioFormat = header.format
        self.frames: int = (header.size or 0) // header.format.frame_bytes
        self._file = file
        self._header = header
        self._left = header.size

    def read(self, frames: int) -> bytes:
        """Return the next whole frames."""
        step = self.format.frame_bytes
        size = frames * step
        if self._left is not None:
            size = min(size, self._left - self._left % step)
            self._left -= size
        data = self._header.rest.read(size)
        data = data[: len(data) - len(data) % step]
        return swapped(data) if self._header.big_endian else data

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _open_with_soundfile(path: str | Path, not_ours: str) -> Reader:
    """Open any other sound file. ``not_ours`` is the reason why this module cannot parse it."""
    try:
        soundfile, numpy = _extras.soundfile(), _extras.numpy()
    except RealtimeError as exc:
        message = f"{not_ours}. {exc}"
        raise RealtimeError(message) from None
    try:
        return _SoundReader(soundfile.SoundFile(str(path)), numpy, soundfile.SoundFileError)
    except (soundfile.SoundFileError, TypeError, ValueError):
        # soundfile raises TypeError for the extension of a headerless format: it needs a rate.
        message = f"{not_ours}; libsndfile does not recognise it either"
        raise RealtimeError(message) from None


class _SoundReader:
    """Reads a file with soundfile, as PCM16."""

    def __init__(self, file: Any, numpy: Any, error: type[Exception]) -> None:
        self.format: AudioFormat = AudioFormat(file.samplerate, file.channels)
        self.frames: int = file.frames
        # On a seekable file, soundfile seeks to the current position after each read, and its MP3
        # decoder produces silence after a seek.
        file.seekable = lambda: False
        self._file = file
        self._numpy = numpy
        self._error = error

    def read(self, frames: int) -> bytes:
        """Return the next frames; :class:`~realtime_trio.RealtimeError` if they are corrupt."""
        np = self._numpy
        try:
            # As floats: soundfile does not scale float files when it reads integers.
            samples = self._file.read(frames, dtype="float32", always_2d=True)
        except self._error as exc:
            message = f"{self._file.name} is corrupt: {exc}"
            raise RealtimeError(message) from None
        scaled = np.rint(np.clip(np.nan_to_num(samples), -1.0, 1.0) * 32768).clip(max=32767)
        data: bytes = scaled.astype("<i2").tobytes()
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()
