"""The modules of the extra ``audio``, imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .._exceptions import RealtimeError

__all__ = ["numpy", "sounddevice", "soundfile", "soxr"]


def _extra(name: str, purpose: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        message = f"{purpose} needs {name}: pip install 'realtime-trio[audio]'"
        raise RealtimeError(message) from None


def numpy() -> Any:
    """Import numpy. Raises :class:`~realtime_trio.RealtimeError` if it is missing."""
    return _extra("numpy", "changing the format of audio")


def soxr() -> Any:
    """Import soxr. Raises :class:`~realtime_trio.RealtimeError` if it is missing."""
    return _extra("soxr", "changing the rate of audio")


def soundfile() -> Any:
    """Import soundfile.

    Raises :class:`~realtime_trio.RealtimeError` if it or libsndfile, which its wheels include, is
    missing.
    """
    try:
        return _extra("soundfile", "reading a sound file other than WAV of PCM16")
    except OSError:
        message = "reading a sound file other than WAV of PCM16 needs libsndfile, which is missing"
        raise RealtimeError(message) from None


def sounddevice() -> Any:
    """Import sounddevice.

    Raises :class:`~realtime_trio.RealtimeError` if it or the system's PortAudio is missing.
    """
    try:
        return _extra("sounddevice", "a microphone or a speaker")
    except OSError:
        message = (
            "a microphone or a speaker needs PortAudio, which is not installed: on Debian and "
            "Ubuntu apt install libportaudio2, on macOS brew install portaudio"
        )
        raise RealtimeError(message) from None
