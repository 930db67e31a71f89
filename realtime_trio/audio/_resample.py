"""Changing the format of a stream of PCM16, with soxr and numpy (extra ``audio``)."""

from __future__ import annotations

from typing import Any

from .._core._audio_format import AudioFormat
from . import _extras
from ._pcm import Carry

__all__ = ["Resampler"]


class Resampler:
    """Takes chunks in one format and gives chunks in another, as one unbroken stream.

    A chunk may give nothing, and what is held back comes with a later one or with
    :meth:`flush`. How the stream is cut into chunks changes nothing in what comes out, also where
    a chunk ends in the middle of a sample or of a frame. Where
    the number of channels differs, they are mixed to one, and that one is doubled. Formats
    that are equal cost nothing, and need no extra.

    Raises :class:`~realtime_trio.RealtimeError` where the extra ``audio`` is missing.
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
        """The next bytes of the source format in, whole frames of the target format out."""
        return self._run(self._whole(data), last=False)

    def flush(self) -> bytes:
        """The end of the stream: what was held back. The next call begins another stream.

        A frame whose end never came is left out.
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
            # Not as int16: soxr would add noise (dither) that depends on how the stream is cut.
            frames = self._stream.resample_chunk(frames.astype(np.float32), last=last)
            frames = np.clip(np.rint(frames), -32768, 32767)
        out: bytes = frames.astype("<i2").tobytes()
        return out
