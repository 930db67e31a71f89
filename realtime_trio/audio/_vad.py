"""Voice activity by energy: when somebody begins and stops to talk. Sans-IO.

A frame of 20 ms is speech when its RMS level is at least ``threshold_db`` above the noise
floor and at least ``minimum_dbfs``. The floor follows quiet frames slowly and falls at once.
``attack`` frames of speech in a row begin an utterance; it ends after ``hangover`` seconds
without speech. The ``pre_roll`` seconds before the beginning belong to the utterance, so
that its first sound is not cut off.
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
    """How speech is told from noise. Levels in dB, times in seconds."""

    threshold_db: float = 12.0
    minimum_dbfs: float = -50.0
    attack: int = attrs.field(default=3, validator=attrs.validators.ge(1))
    hangover: float = attrs.field(default=0.6, validator=attrs.validators.ge(0.0))
    pre_roll: float = attrs.field(default=0.3, validator=attrs.validators.ge(0.0))
    floor_rise_db: float = 0.1


@attrs.frozen(slots=True)
class VadEvent:
    """``start``: ``audio`` is the pre-roll and the first speech; ``speech``: more; ``end``: over."""

    kind: Literal["start", "speech", "end"]
    audio: bytes = attrs.field(default=b"", repr=lambda data: f"<{len(data)} bytes>")


class EnergyVad:
    """Cuts a stream of PCM16 into utterances. Chunks may have any length."""

    def __init__(
        self, config: VadConfig | None = None, format: AudioFormat = DEFAULT_FORMAT
    ) -> None:
        self.config = config if config is not None else VadConfig()
        self.format = format
        self.speaking = False
        self._frame = format.bytes_of(FRAME_SECONDS)
        self._rest = b""
        kept = max(1, round(self.config.pre_roll / FRAME_SECONDS)) + self.config.attack
        self._recent: deque[bytes] = deque(maxlen=kept)
        self._floor: float | None = None
        self._loud = 0
        self._quiet = 0

    def process(self, data: bytes) -> list[VadEvent]:
        """Take a chunk and say what it brought, in order."""
        self._rest += data
        events: list[VadEvent] = []
        while len(self._rest) >= self._frame:
            frame, self._rest = self._rest[: self._frame], self._rest[self._frame :]
            events.extend(self._process_frame(frame))
        return events

    def flush(self) -> list[VadEvent]:
        """The stream is over: an utterance that runs ends here."""
        rest, self._rest = self._rest, b""
        if not self.speaking:
            return []
        self._stop()
        return [VadEvent("speech", rest), VadEvent("end")] if rest else [VadEvent("end")]

    def _process_frame(self, frame: bytes) -> list[VadEvent]:
        loud = self._is_speech(frame)
        if not self.speaking:
            self._recent.append(frame)
            self._loud = self._loud + 1 if loud else 0
            if self._loud < self.config.attack:
                return []
            self.speaking, self._quiet = True, 0
            audio = b"".join(self._recent)
            self._recent.clear()
            return [VadEvent("start", audio)]
        self._quiet = 0 if loud else self._quiet + 1
        events = [VadEvent("speech", frame)]
        if self._quiet * FRAME_SECONDS >= self.config.hangover and not loud:
            self._stop()
            events.append(VadEvent("end"))
        return events

    def _stop(self) -> None:
        self.speaking, self._loud, self._quiet = False, 0, 0

    def _is_speech(self, frame: bytes) -> bool:
        rms = level(frame).rms_dbfs
        floor = rms if self._floor is None else self._floor
        loud = rms >= max(floor + self.config.threshold_db, self.config.minimum_dbfs)
        if rms < floor:
            self._floor = rms
        elif not loud:
            self._floor = min(rms, floor + self.config.floor_rise_db)
        else:
            self._floor = floor
        return loud
