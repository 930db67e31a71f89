"""Words for the agent's voice: espeak-ng where the system has it, tones where it has not."""

from __future__ import annotations

import shutil
import subprocess
import wave
from array import array
from io import BytesIO
from typing import Final

from ..audio._pcm import samples_of, to_bytes
from . import _tones

__all__ = ["synthesise"]

_PROGRAM: Final = "espeak-ng"
_TIMEOUT: Final = 20.0


def synthesise(text: str, *, voice: str = "en") -> bytes:
    """Speech as PCM16, mono, 16 kHz, for a script: ``speak(synthesise("nine minutes"))``.

    espeak-ng speaks where it is installed, with one of its voices; elsewhere, and where it
    fails, each word is a tone. It runs as a process and is waited for, so call it before the
    server runs, not in a task beside it.
    """
    program = shutil.which(_PROGRAM)
    if program is None:
        return _tones.speech(text)
    command = [program, "--stdout", "-v", voice, "--", text]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=_TIMEOUT)
        # It writes the header before it knows the length: there are fewer frames than it says.
        with wave.open(BytesIO(done.stdout)) as spoken:
            pcm, rate = spoken.readframes(spoken.getnframes()), spoken.getframerate()
    except (OSError, subprocess.SubprocessError, wave.Error, EOFError):
        return _tones.speech(text)
    return _resample(pcm[: len(pcm) // 2 * 2], rate)


def _resample(pcm: bytes, rate: int) -> bytes:
    """Another rate, in straight lines from sample to sample: enough for a voice of this kind."""
    samples = samples_of(pcm)
    last = len(samples) - 1
    out = array("h")
    for number in range(len(samples) * _tones.RATE // rate):
        place = number * rate / _tones.RATE
        before = int(place)
        here, following = samples[before], samples[min(before + 1, last)]
        out.append(round(here + (following - here) * (place - before)))
    return to_bytes(out)
