"""Voice activity by energy: when somebody begins and stops to talk. Sans-IO.

Audio is judged in frames of 20 ms. A frame is *loud* when its RMS level is at least
``threshold_db`` above the noise floor, and never below ``minimum_dbfs``. ``attack`` loud
frames in a row begin an utterance; it ends after ``hangover`` seconds without a loud one.
The ``pre_roll`` seconds before the beginning belong to it, so that its first sound is whole.

The floor falls at once and rises slowly, faster in quiet than in loud frames: a fan that
is switched on is noise after some seconds, a long word is not.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

import attrs

from .._core._audio import DEFAULT_FORMAT, AudioFormat
from ._pcm import level

__all__ = ["EnergyVad", "VadConfig", "VadEvent"]

FRAME_SECONDS = 0.02


@attrs.frozen(slots=True, kw_only=True)
class VadConfig:
    """How speech is told from noise: levels in dB, ``hangover`` and ``pre_roll`` in seconds.

    ``attack`` is a number of frames of 20 ms. ``rise_quiet`` and ``rise_loud`` are how fast
    the noise floor may rise, in dB a second.
    """

    threshold_db: float = attrs.field(default=12.0, validator=attrs.validators.gt(0.0))
    minimum_dbfs: float = attrs.field(default=-50.0, validator=attrs.validators.lt(0.0))
    attack: int = attrs.field(default=3, validator=attrs.validators.ge(1))
    hangover: float = attrs.field(default=0.6, validator=attrs.validators.ge(0.0))
    pre_roll: float = attrs.field(default=0.3, validator=attrs.validators.ge(0.0))
    rise_quiet: float = attrs.field(default=5.0, validator=attrs.validators.ge(0.0))
    rise_loud: float = attrs.field(default=1.0, validator=attrs.validators.ge(0.0))


@attrs.frozen(slots=True)
class VadEvent:
    """What a chunk brought: ``start`` with the pre-roll, ``speech`` that goes on, or its ``end``.

    The ``audio`` of these, joined, is the utterance with its hangover.
    """

    kind: Literal["start", "speech", "end"]
    audio: bytes = attrs.field(default=b"", repr=lambda data: f"<{len(data)} bytes>")


class EnergyVad:
    """Cuts a stream of PCM16 into utterances. Chunks may have any length."""

    def __init__(
        self, config: VadConfig | None = None, format: AudioFormat = DEFAULT_FORMAT
    ) -> None:
        self.config: VadConfig = config if config is not None else VadConfig()
        self.format = format
        self.speaking: bool = False
        """Whether an utterance runs."""
        self._frame = format.bytes_of(FRAME_SECONDS)
        self._rest = b""
        kept = round(self.config.pre_roll / FRAME_SECONDS) + self.config.attack
        self._recent: deque[bytes] = deque(maxlen=kept)
        self._lowest = self.config.minimum_dbfs - self.config.threshold_db
        self._floor = self._lowest
        self._hangover = max(1, round(self.config.hangover / FRAME_SECONDS))
        self._loud = self._quiet = 0

    @property
    def threshold(self) -> float:
        """The level in dBFS from which on a frame counts as loud now."""
        return self._floor + self.config.threshold_db

    def process(self, data: bytes) -> list[VadEvent]:
        """Take a chunk and say what it brought, in order."""
        data = self._rest + data if self._rest else data
        size = self._frame
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        events: list[VadEvent] = []
        for place in range(0, whole, size):
            events += self._process_frame(data[place : place + size])
        return events

    def flush(self) -> list[VadEvent]:
        """The stream is over: an utterance that runs ends here, with all that came."""
        rest, self._rest = self._rest, b""
        self._recent.clear()
        if not self.speaking:
            self._loud = 0
            return []
        self._stop()
        return [VadEvent("speech", rest), VadEvent("end")] if rest else [VadEvent("end")]

    def _process_frame(self, frame: bytes) -> list[VadEvent]:
        loud = self._is_loud(frame)
        if self.speaking:
            self._quiet = 0 if loud else self._quiet + 1
            events = [VadEvent("speech", frame)]
            if self._quiet >= self._hangover:
                self._stop()
                events.append(VadEvent("end"))
            return events
        self._recent.append(frame)
        self._loud = self._loud + 1 if loud else 0
        if self._loud < self.config.attack:
            return []
        self.speaking = True
        audio = b"".join(self._recent)
        self._recent.clear()
        return [VadEvent("start", audio)]

    def _stop(self) -> None:
        self.speaking = False
        self._loud = self._quiet = 0

    def _is_loud(self, frame: bytes) -> bool:
        rms = level(frame).rms_dbfs
        loud = rms >= self.threshold
        rise = self.config.rise_loud if loud else self.config.rise_quiet
        self._floor = max(self._lowest, min(rms, self._floor + rise * FRAME_SECONDS))
        return loud
