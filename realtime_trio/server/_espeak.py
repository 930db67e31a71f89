"""Speech for the agent's voice: espeak-ng if it is installed, otherwise tones."""

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
    """Synthesise speech as PCM16, mono, 16 kHz: ``speak(synthesise("nine minutes"))``.

    This runs espeak-ng with the given voice. If espeak-ng is not installed or fails, each word
    becomes a tone. The call blocks until the process ends, so make it before the server runs
    and not in a task next to it.
    """
    program = shutil.which(_PROGRAM)
    if program is None:
        return _tones.speech(text)
    command = [program, "--stdout", "-v", voice, "--", text]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=_TIMEOUT)
        # espeak-ng writes the header before it knows the length, so the header claims too much.
        with wave.open(BytesIO(done.stdout)) as spoken:
            pcm, rate = spoken.readframes(spoken.getnframes()), spoken.getframerate()
    except (OSError, subprocess.SubprocessError, wave.Error, EOFError):
        return _tones.speech(text)
    return _resample(pcm[: len(pcm) // 2 * 2], rate)


def _resample(pcm: bytes, rate: int) -> bytes:
    """Resample by linear interpolation, which is good enough for a synthetic voice."""
    samples = samples_of(pcm)
    last = len(samples) - 1
    out = array("h")
    for number in range(len(samples) * _tones.RATE // rate):
        position = number * rate / _tones.RATE
        before = int(position)
        current, following = samples[before], samples[min(before + 1, last)]
        out.append(round(current + (following - current) * (position - before)))
    return to_bytes(out)
