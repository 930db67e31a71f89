"""Audio without a network: formats, sources and sinks, playback, voice activity, levels.

``client.audio`` connects these to a client. numpy, soxr, soundfile and sounddevice (the extra
``audio``) are imported when needed: for rates other than 16 kHz, sound files other than PCM16 WAV,
and devices.
"""

# General layout:
#
#   _pcm        samples as numbers: levels, fades, tones        (sans-IO)
#   _bands      the levels of a frame in frequency bands        (sans-IO)
#   _vad        voice activity detection                        (sans-IO)
#   _jitter     the buffer between the network and a device     (sans-IO)
#   _owners     maps buffered bytes to answers                  (sans-IO)
#   _resample   from one format to another, with soxr
#   _stream     cuts any source into paced chunks of one size
#   _wav        sound files, as PCM16
#   _sources, _sinks, _devices      files, pipes, memory, microphone, speaker
#   _playback   from the jitter buffer to a sink

from .._core._audio_format import DEFAULT_FORMAT, AudioFormat
from .._core._spoken import SpokenAnswer
from ._devices import (
    Microphone,
    MicrophoneStatistics,
    Speaker,
    SpeakerStatistics,
    open_microphone,
    open_speaker,
)
from ._jitter import JitterBuffer, PlaybackConfig, PlaybackCounts
from ._pcm import Carry, Level, gain, level, silence, tone
from ._playback import Playback, PlaybackStatistics
from ._resample import Resampler
from ._sinks import (
    AudioSink,
    ClockedSink,
    FileSink,
    MemorySink,
    PipeSink,
    WavSink,
    open_wav_sink,
)
from ._sources import (
    AudioSource,
    FileSource,
    LiveSource,
    MemorySource,
    PipeSource,
    WavSource,
    open_wav,
    silence_source,
    tone_source,
)
from ._vad import EnergyVad, VadConfig, VadEvent

__all__ = [
    "DEFAULT_FORMAT",
    "AudioFormat",
    "AudioSink",
    "AudioSource",
    "Carry",
    "ClockedSink",
    "EnergyVad",
    "FileSink",
    "FileSource",
    "JitterBuffer",
    "Level",
    "LiveSource",
    "MemorySink",
    "MemorySource",
    "Microphone",
    "MicrophoneStatistics",
    "PipeSink",
    "PipeSource",
    "Playback",
    "PlaybackConfig",
    "PlaybackCounts",
    "PlaybackStatistics",
    "Resampler",
    "Speaker",
    "SpeakerStatistics",
    "SpokenAnswer",
    "VadConfig",
    "VadEvent",
    "WavSink",
    "WavSource",
    "gain",
    "level",
    "open_microphone",
    "open_speaker",
    "open_wav",
    "open_wav_sink",
    "silence",
    "silence_source",
    "tone",
    "tone_source",
]
