"""Convert the format of a PCM16 stream with soxr and numpy (extra ``audio``)."""

from __future__ import annotations

from typing import Any

from .._core._audio_format import AudioFormat
from . import _extras
from ._pcm import Carry

__all__ = ["Resampler"]


class Resampler:
    """Converts a continuous stream of chunks from one format to another.

    A chunk can produce no output; delayed output follows with a later chunk or with :meth:`flush`.
    The output does not depend on the chunk boundaries, even in the middle of a sample or a frame.
    If the numbers of channels differ, the channels are mixed to one, which is then duplicated.
    Equal formats are passed through and need no extra.

    Raises :class:`~realtime_trio.RealtimeError` if the extra ``audio`` is missing.
    """

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        self.source = source
        self.target = target
        self._whole = Carry(source.frame_bytes)
        self._numpy: Any = None if source == target else _extras.numpy()
        self._stream: Any = None
        if source.rate != target.rate:
            self._stream = _extras.soxr().ResampleStream(
                source.rate, target.rate, target.channels, dtype="float32", quality="HQ"
            )

    def __call__(self, data: bytes) -> bytes:
        """Convert the next bytes; return whole frames of the target format."""
        return self._run(self._whole(data), last=False)

    def flush(self) -> bytes:
        """End the stream; return the delayed output. The next call starts another stream.

        An incomplete last frame is dropped.
        """
        self._whole.clear()
        rest = self._run(b"", last=True)
        if self._stream is not None:
            self._stream.clear()
        return rest

    def _run(self, data: bytes, *, last: bool) -> bytes:
        np = self._numpy
        if np is None:
            return data
        frames = np.frombuffer(data, dtype="<i2").reshape(-1, self.source.channels)
        if self.source.channels != self.target.channels:
            mean = frames.mean(axis=1, keepdims=True).round() if len(frames) else frames[:, :1]
            frames = np.repeat(mean.astype(np.int16), self.target.channels, axis=1)
        if self._stream is not None:
            # Not as int16: soxr would add dither noise that depends on the chunk boundaries.
            frames = self._stream.resample_chunk(frames.astype(np.float32), last=last)
            frames = np.clip(np.rint(frames), -32768, 32767)
        out: bytes = frames.astype("<i2").tobytes()
        return out
