"""What the extra ``audio`` brings, imported when it is first needed and not before."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .._exceptions import RealtimeError

__all__ = ["numpy", "sounddevice", "soundfile", "soxr"]


def _extra(name: str, purpose: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        msg = f"{purpose} needs {name}: pip install 'realtime-trio[audio]'"
        raise RealtimeError(msg) from None


def numpy() -> Any:
    """The module numpy. Raises :class:`~realtime_trio.RealtimeError` where it is missing."""
    return _extra("numpy", "changing the format of audio")


def soxr() -> Any:
    """The module soxr. Raises :class:`~realtime_trio.RealtimeError` where it is missing."""
    return _extra("soxr", "changing the rate of audio")


def soundfile() -> Any:
    """The module soundfile.

    Raises :class:`~realtime_trio.RealtimeError` where it is missing, or the libsndfile that it
    uses, which its wheels bring along.
    """
    try:
        return _extra("soundfile", "reading a sound file other than WAV of PCM16")
    except OSError:
        msg = "reading a sound file other than WAV of PCM16 needs libsndfile, which is missing"
        raise RealtimeError(msg) from None


def sounddevice() -> Any:
    """The module sounddevice.

    Raises :class:`~realtime_trio.RealtimeError` where it is missing, or the PortAudio of the
    system that it uses.
    """
    try:
        return _extra("sounddevice", "a microphone or a speaker")
    except OSError:
        msg = (
            "a microphone or a speaker needs PortAudio, which is not installed: on Debian and "
            "Ubuntu apt install libportaudio2, on macOS brew install portaudio"
        )
        raise RealtimeError(msg) from None
