"""Voice activity detection: when a person starts and stops talking. Sans-IO.

Audio is processed in frames of 20 ms, each split into frequency bands (``_bands``). A frame is
*loud* if in at least one band its level is ``threshold_db`` above the band's noise and not below
``minimum_dbfs``. ``attack`` consecutive loud frames start an utterance; it ends after ``hangover``
seconds without a loud frame. The ``pre_roll`` seconds before the start belong to it, so that its
first sound is complete.

Rule 1. The first ``learning`` seconds of sound determine the noise level: their mean in a steady
band, otherwise close to their minimum, because a person is already talking. Sound louder than any
room noise (-15 dBFS) starts an utterance immediately. Speech during the learning time is reported
afterwards, from its first sound.
Rule 2. Digital silence does not count as noise: devices start with it and produce gaps of it.
Rule 3. The noise level adapts: down immediately, up by at most ``rise_quiet`` dB per second, or
``rise_loud`` while frames are loud.
Rule 4. Sound with a constant level for three seconds is noise. A fan that is switched on starts an
utterance, but only a short one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, Literal

import attrs

from .._core._audio_format import DEFAULT_FORMAT, AudioFormat
from ._bands import Bands, together
from ._pcm import level

__all__ = ["EnergyVad", "VadConfig", "VadEvent"]

FRAME_SECONDS: Final = 0.02
_SPEECH: Final = -15.0  # dBFS: louder than any room noise
_NOTHING: Final = -80.0  # dBFS: digital silence, with or without dither
_STEADY: Final = 12.0  # dB between the loudest and softest frame of learned noise
_LONG: Final = 3.0  # seconds of steadiness after which an utterance is noise
_LONG_STEADY: Final = 8.0  # dB, as above
_CHECK: Final = 10  # frames between two checks
_FOLLOW: Final = 0.05  # of the difference, per frame
_DROP: Final = 6.0  # dB below the noise level at which the noise has decreased


@attrs.frozen(slots=True, kw_only=True)
class VadConfig:
    """Options that separate speech from noise: levels in dB, times in seconds.

    ``threshold_db`` is the required level of a band above its noise. ``minimum_dbfs`` is the
    minimum level of speech. ``attack`` is a number of frames of 20 ms. ``rise_quiet`` and
    ``rise_loud`` limit the rise of the noise level, in dB per second. ``learning`` is the duration
    at the start from which the noise level is learned, 0 for none.
    """

    threshold_db: float = attrs.field(default=9.0, validator=attrs.validators.gt(0.0))
    minimum_dbfs: float = attrs.field(default=-50.0, validator=attrs.validators.lt(0.0))
    attack: int = attrs.field(default=3, validator=attrs.validators.ge(1))
    hangover: float = attrs.field(default=0.6, validator=attrs.validators.ge(0.0))
    pre_roll: float = attrs.field(default=0.3, validator=attrs.validators.ge(0.0))
    rise_quiet: float = attrs.field(default=5.0, validator=attrs.validators.ge(0.0))
    rise_loud: float = attrs.field(default=1.0, validator=attrs.validators.ge(0.0))
    learning: float = attrs.field(default=0.3, validator=attrs.validators.ge(0.0))


@attrs.frozen(slots=True)
class VadEvent:
    """A detection in a chunk: ``start`` with the pre-roll, continued ``speech``, or ``end``.

    The joined ``audio`` of these events is the utterance with its hangover.
    """

    kind: Literal["start", "speech", "end"]
    audio: bytes = attrs.field(default=b"", repr=lambda data: f"<{len(data)} bytes>")


def _frames(seconds: float) -> int:
    return round(seconds / FRAME_SECONDS)


class _Noise:
    """The noise level of each band, and the detection of louder sound."""

    def __init__(self, config: VadConfig, format: AudioFormat) -> None:
        self._config = config
        self._bands = Bands(format)
        self._lowest = config.minimum_dbfs - config.threshold_db
        self._none = [self._lowest] * self._bands.count
        self._learning = _frames(config.learning)
        self._learnt: list[list[float]] = []
        self._floors: list[float] | None = None if self._learning else self._none
        self._recent: deque[list[float]] = deque(maxlen=_frames(_LONG))
        self._until_check = 0

    @property
    def threshold(self) -> float:
        """The lowest level in dBFS at which any band is loud."""
        return min(self._floors or self._none) + self._config.threshold_db

    def judge(self, frame: bytes, *, speaking: bool) -> int:
        """Return the number of new loud frames: 0 or 1, or more if this frame ends the learning."""
        audible = level(frame).rms_dbfs
        levels = self._bands(frame)
        if speaking and self._is_steady(levels):
            self._floors = [self._mean(band) for band in zip(*self._recent, strict=True)]
            return 0
        if not speaking:
            self._recent.clear()
        if audible < _NOTHING:
            return 0
        if self._floors is None:
            return self._learn(levels)
        loud = audible >= self._config.minimum_dbfs and self._is_loud(levels, self._floors)
        self._floors = self._adapted(levels, self._floors, loud=loud)
        return int(loud)

    def _learn(self, levels: list[float]) -> int:
        if together(levels) >= max(_SPEECH, self._config.minimum_dbfs):
            return 1
        self._learnt.append(levels)
        if len(self._learnt) < self._learning:
            return 0
        learnt, self._learnt = self._learnt, []
        floors = self._floors = [self._noise_of(band) for band in zip(*learnt, strict=True)]
        run = 0
        for number, each in enumerate(learnt):
            run = run + 1 if self._is_loud(each, floors) else 0
            if run == self._config.attack:
                return len(learnt) - number + run - 1
        return 0

    def _noise_of(self, band: Sequence[float]) -> float:
        """Return the noise level of a band, from its levels at the start."""
        ordered = sorted(band)
        steady = ordered[-1] - ordered[0] <= _STEADY
        return self._mean(band) if steady else max(self._lowest, ordered[1])

    def _mean(self, band: Sequence[float]) -> float:
        return max(self._lowest, sum(band) / len(band))

    def _is_loud(self, levels: list[float], floors: list[float]) -> bool:
        threshold = self._config.threshold_db
        return any(now >= floor + threshold for now, floor in zip(levels, floors, strict=True))

    def _adapted(self, levels: list[float], floors: list[float], *, loud: bool) -> list[float]:
        """Return the noise level adapted to the current frame."""
        rise = (self._config.rise_loud if loud else self._config.rise_quiet) * FRAME_SECONDS
        share = 1.0 if loud else _FOLLOW
        followed: list[float] = []
        for now, floor in zip(levels, floors, strict=True):
            difference = now - floor
            if difference < -_DROP:
                step = difference / 2
            elif difference < 0:
                step = difference * _FOLLOW
            else:
                step = min(difference * share, rise)
            followed.append(max(self._lowest, floor + step))
        return followed

    def _is_steady(self, levels: list[float]) -> bool:
        """Whether an utterance is long and its loud bands are constant."""
        self._recent.append(levels)
        self._until_check -= 1
        if len(self._recent) < _frames(_LONG) or self._until_check > 0:
            return False
        self._until_check = _CHECK
        floors = self._floors or self._none
        for band, floor in zip(zip(*self._recent, strict=True), floors, strict=True):
            loudest = max(band)
            if loudest >= floor + self._config.threshold_db and loudest - min(band) > _LONG_STEADY:
                return False
        return True


class EnergyVad:
    """Cuts a PCM16 stream into utterances. Chunks can have any length."""

    def __init__(
        self, config: VadConfig | None = None, format: AudioFormat = DEFAULT_FORMAT
    ) -> None:
        self.config: VadConfig = config if config is not None else VadConfig()
        self.format = format
        self.speaking: bool = False
        """Whether an utterance is in progress."""
        self._frame = format.bytes_of(FRAME_SECONDS)
        self._rest = b""
        self._noise = _Noise(self.config, format)
        self._pre_roll = _frames(self.config.pre_roll)
        longest = max(self.config.attack, _frames(self.config.learning))
        self._recent: deque[bytes] = deque(maxlen=self._pre_roll + longest)
        self._hangover = max(1, _frames(self.config.hangover))
        self._loud = self._quiet = 0

    @property
    def threshold(self) -> float:
        """The current level in dBFS at which a frame in a single band counts as loud."""
        return self._noise.threshold

    def process(self, data: bytes) -> list[VadEvent]:
        """Process a chunk; return its events in order."""
        data = self._rest + data if self._rest else data
        size = self._frame
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        events: list[VadEvent] = []
        for place in range(0, whole, size):
            events += self._process_frame(data[place : place + size])
        return events

    def flush(self) -> list[VadEvent]:
        """End the stream: a running utterance ends here, with all its audio.

        The learned noise level is kept.
        """
        rest, self._rest = self._rest, b""
        self._recent.clear()
        if not self.speaking:
            self._loud = 0
            return []
        self._stop()
        return [VadEvent("speech", rest), VadEvent("end")] if rest else [VadEvent("end")]

    def _process_frame(self, frame: bytes) -> list[VadEvent]:
        loud = self._noise.judge(frame, speaking=self.speaking)
        if self.speaking:
            self._quiet = 0 if loud else self._quiet + 1
            events = [VadEvent("speech", frame)]
            if self._quiet >= self._hangover:
                self._stop()
                events.append(VadEvent("end"))
            return events
        self._recent.append(frame)
        self._loud = self._loud + loud if loud else 0
        if self._loud < self.config.attack:
            return []
        self.speaking = True
        audio = b"".join(list(self._recent)[-(self._pre_roll + self._loud) :])
        self._recent.clear()
        return [VadEvent("start", audio)]

    def _stop(self) -> None:
        self.speaking = False
        self._loud = self._quiet = 0
