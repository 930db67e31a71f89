"""Changing the rate of a stream of PCM16, with soxr (extra ``audio``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._core._audio import AudioFormat
from .._exceptions import RealtimeError

if TYPE_CHECKING:
    import soxr

__all__ = ["Resampler"]


def _soxr() -> Any:
    try:
        import soxr
    except ImportError:
        msg = "changing the rate of audio needs soxr: pip install 'realtime-trio[audio]'"
        raise RealtimeError(msg) from None
    return soxr


class Resampler:
    """Takes chunks in one format and gives chunks in another, as one unbroken stream.

    A chunk may give nothing, and what is held back comes with a later one or with
    :meth:`flush`. Channels are mixed down or doubled; more than two on one side only by
    taking the mean.
    """

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        self.source = source
        self.target = target
        self._stream: soxr.ResampleStream | None = None
        if source.rate != target.rate:
            self._stream = _soxr().ResampleStream(
                source.rate, target.rate, target.channels, dtype="int16", quality="HQ"
            )

    def __call__(self, data: bytes) -> bytes:
        """Whole frames of the source format in, whole frames of the target format out."""
        return self._run(data, last=False)

    def flush(self) -> bytes:
        """The end of the stream: what was held back. The resampler then begins anew."""
        rest = self._run(b"", last=True)
        if self._stream is not None:
            self._stream.clear()
        return rest

    def _run(self, data: bytes, *, last: bool) -> bytes:
        if self.source == self.target:
            return data
        import numpy as np

        frames = np.frombuffer(data, dtype="<i2").reshape(-1, self.source.channels)
        if self.source.channels != self.target.channels:
            mean = frames.mean(axis=1, keepdims=True).round().astype(np.int16)
            frames = np.repeat(mean, self.target.channels, axis=1)
        if self._stream is None:
            return frames.astype("<i2").tobytes()
        out = self._stream.resample_chunk(np.ascontiguousarray(frames), last=last)
        return out.astype("<i2").tobytes()
