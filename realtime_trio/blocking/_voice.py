"""Playing and talking.

Written by tools/doors.py: change the native classes instead.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

from .._core._audio_format import DEFAULT_FORMAT, AudioFormat
from .._core._shell_notifications import AudioFlushed
from .._core._spoken import SpokenAnswer
from .._voice._audio_lane import AudioLane as NativeAudioLane
from .._voice._audio_lane import AudioStatistics
from .._voice._sending import CHUNK
from .._voice._talk import VoiceMode
from ..audio._devices import Microphone as NativeMicrophone
from ..audio._devices import MicrophoneStatistics, SpeakerStatistics
from ..audio._devices import Speaker as NativeSpeaker
from ..audio._devices import open_microphone as native_open_microphone
from ..audio._devices import open_speaker as native_open_speaker
from ..audio._jitter import PlaybackConfig
from ..audio._pcm import Level
from ..audio._playback import Playback as NativePlayback
from ..audio._playback import PlaybackStatistics
from ..audio._sinks import WavSink as NativeWavSink
from ..audio._sinks import open_wav_sink as native_open_wav_sink
from ..audio._vad import VadConfig
from ._callbacks import SoundSink, SoundSource, as_sink, as_source
from ._channels import LaneView
from ._door import Door, Mirror
from ._opening import opened

__all__ = [
    "AudioLane",
    "Microphone",
    "Playback",
    "Speaker",
    "WavSink",
    "open_microphone",
    "open_speaker",
    "open_wav_sink",
]


class Playback(Mirror[NativePlayback]):
    """Plays to one sink while :meth:`run` runs. ``emit`` receives gaps and flushes.

    With ``answer``, the owner determines the answer of the audio, here and with :meth:`begin_turn`.
    Without it, :meth:`end_answer` and :meth:`interrupt` start another answer.
    """

    @property
    def format(self) -> AudioFormat:
        """The format of the sink."""
        return self._door.plain(lambda: self._native.format)

    @property
    def interruption(self) -> AudioFlushed | None:
        """The last interruption of an answer; ``None`` once another answer has started."""
        return self._door.plain(lambda: self._native.interruption)

    def feed(self, data: bytes, format: AudioFormat | None) -> None:
        """Add received whole frames; ``None`` stands for a frame without playback.

        Never blocks. Above the buffer's limit, the oldest audio is dropped.
        """
        self._door.plain(lambda: self._native.feed(data, format))

    def end_answer(self) -> None:
        """Mark the answer as complete: buffered audio is played without waiting for more."""
        self._door.plain(lambda: self._native.end_answer())

    def interrupt(self) -> AudioFlushed | None:
        """Stop after the current block and discard buffered audio.

        It emits the discarded audio of each answer, and returns the total; ``None`` if the buffer
        was empty.
        """
        return self._door.plain(lambda: self._native.interrupt())

    def discard(self, data: bytes, format: AudioFormat | None) -> None:
        """Count audio of an interrupted answer as flushed."""
        self._door.plain(lambda: self._native.discard(data, format))

    def emit_discarded(self) -> None:
        """End the interrupted answer: emit the audio that arrived after the interruption."""
        self._door.plain(lambda: self._native.emit_discarded())

    def begin_turn(self, answer: SpokenAnswer | None = None) -> None:
        """Start another answer; the previous one is complete."""
        self._door.plain(lambda: self._native.begin_turn(answer))

    def run(self) -> None:
        """Play until cancelled. Errors of the sink propagate."""
        self._door.call(self._native.run)

    def drained(self) -> None:
        """Wait until all received audio has been played or discarded.

        An unfinished answer can receive more audio afterwards. Any number of threads may wait.
        """
        self._door.call(self._native.drained)

    def close(self) -> None:
        """Stop playback; buffered audio counts as flushed."""
        self._door.plain(lambda: self._native.close())

    @property
    def volume(self) -> float:
        """A factor for every sample; results are clipped at full scale."""
        return self._door.plain(lambda: self._native.volume)

    @volume.setter
    def volume(self, factor: float) -> None:
        self._door.plain(lambda: setattr(self._native, "volume", factor))

    @property
    def level(self) -> Level:
        """The level of the current block."""
        return self._door.plain(lambda: self._native.level)

    @property
    def playing(self) -> bool:
        """Whether audio is playing or buffered."""
        return self._door.plain(lambda: self._native.playing)

    def statistics(self) -> PlaybackStatistics:
        """Return the current statistics."""
        return self._door.plain(lambda: self._native.statistics())


class Microphone(Mirror[NativeMicrophone]):
    """An endless :class:`~realtime_trio.audio.LiveSource`; see :func:`open_microphone`.

    Only one thread may read it. It buffers at most ``max_chunks``; above that, the oldest is
    dropped.
    """

    @property
    def format(self) -> AudioFormat:
        """The format of the chunks."""
        return self._door.plain(lambda: self._native.format)

    def __next__(self) -> bytes:
        """Wait for the next item and return it."""
        return self._door.call(self._native.__anext__)

    def __iter__(self) -> Self:
        """Iterate over it."""
        return self

    def flush(self) -> int:
        """Discard unread chunks; return their size in bytes."""
        return self._door.plain(lambda: self._native.flush())

    def statistics(self) -> MicrophoneStatistics:
        """Return the counters."""
        return self._door.plain(lambda: self._native.statistics())


class Speaker(Mirror[NativeSpeaker]):
    """A :class:`~realtime_trio.audio.ClockedSink`; see :func:`open_speaker`.

    Only one thread may write to it.
    """

    @property
    def format(self) -> AudioFormat:
        """The format of the blocks."""
        return self._door.plain(lambda: self._native.format)

    @property
    def queued(self) -> int:
        """Bytes that are queued for the device."""
        return self._door.plain(lambda: self._native.queued)

    def ready(self) -> None:
        """Wait while two blocks are queued, which paces the caller."""
        self._door.call(self._native.ready)

    def write_nowait(self, chunk: bytes) -> None:
        """Queue a block. A short block is padded with silence."""
        self._door.plain(lambda: self._native.write_nowait(chunk))

    def write(self, chunk: bytes) -> None:
        """Queue a block when there is room."""
        self._door.call(self._native.write, chunk)

    def flush(self) -> int:
        """Discard queued audio, except its first milliseconds, which fade out."""
        return self._door.plain(lambda: self._native.flush())

    def drained(self) -> None:
        """Wait until nothing is queued."""
        self._door.call(self._native.drained)

    def statistics(self) -> SpeakerStatistics:
        """Return the counters."""
        return self._door.plain(lambda: self._native.statistics())


class WavSink(Mirror[NativeWavSink]):
    """A PCM16 WAV file; see :func:`open_wav_sink`. It writes about a second at a time.

    The header is updated after each write, so the file stays playable if the process is killed.
    """

    @property
    def format(self) -> AudioFormat:
        """The format of the file."""
        return self._door.plain(lambda: self._native.format)

    @property
    def frames(self) -> int:
        """Frames written so far."""
        return self._door.plain(lambda: self._native.frames)

    def write(self, chunk: bytes) -> None:
        """Append a block."""
        self._door.call(self._native.write, chunk)


class AudioLane(LaneView):
    """``client.audio``: the lane as a stream of notifications, playback and sending.

    Playback and sending need no subscription and block nothing: if they fall behind, sound is
    dropped and counted, and a notification is emitted.
    """

    def __init__(self, door: Door, native: NativeAudioLane) -> None:
        super().__init__(door, native)
        self._inner = native

    def play_to(
        self, sink: SoundSink, *, config: PlaybackConfig | None = None
    ) -> AbstractContextManager[Playback]:
        """Play the agent's speech, from now until the block is left.

        Audio goes through a jitter buffer in the sink's format. ``cancelled``,
        :meth:`Client.cancel`, :meth:`Client.push_to_talk` and :meth:`stop` stop it after the
        current block; ``audio-flushed`` reports what was discarded.

        Leaving stops immediately; to hear the end, ``playback.drained()`` first. An
        exception of the sink ends what the body waits for and is raised from this block. Raises
        :class:`~realtime_trio.BusyResourceError` if a playback is already running.
        """
        return self._door.block(self._inner.play_to(as_sink(sink), config=config), Playback)

    def flush(self) -> AudioFlushed | None:
        """Discard the buffered sound after the current block.

        Later sound is played. Returns what was discarded, ``None`` if nothing was.
        """
        return self._door.plain(lambda: self._inner.flush())

    def stop(self) -> AudioFlushed | None:
        """Stop playing this answer: discard its buffered and its later sound.

        The server continues the answer; ``client.cancel()`` stops both.
        """
        return self._door.plain(lambda: self._inner.stop())

    def begin_speech(self) -> None:
        """Start a new utterance; drop half a sample that is left from the last one.

        :meth:`send_from`, :meth:`talk` and :meth:`Client.push_to_talk` start with it, and the
        last one also ends with it.
        """
        self._door.plain(lambda: self._inner.begin_speech())

    def send(self, pcm: bytes) -> None:
        """Queue one frame of PCM16, 16 kHz mono, waiting for room.

        Half a sample at its end leaves with the next frame, or is dropped if a new link opens in
        between. The frame passes the turn gate. While there is
        no link, the frame is dropped and counted. Raises
        :class:`~realtime_trio.ClosedError` once the client is closed.
        """
        self._door.call(self._inner.send, pcm)

    def send_nowait(self, pcm: bytes) -> None:
        """Queue one frame, or raise :class:`~realtime_trio.WouldBlock` if the queue is full."""
        self._door.plain(lambda: self._inner.send_nowait(pcm))

    def send_from(
        self,
        source: SoundSource,
        *,
        respect_turn: bool = True,
        as_text: bool = False,
        chunk: float = CHUNK,
    ) -> None:
        """Send a source to its end, in real time.

        ``source`` yields PCM16 in its ``format`` (16 kHz mono if it has none), which is resampled
        to 16 kHz mono. Chunks of ``chunk`` seconds, 0.02 to 0.1, leave at the pace of a clock, at
        most 0.1 seconds ahead of it; those of a :class:`~realtime_trio.audio.LiveSource` as they
        arrive. If the link is too slow, the oldest chunks are dropped, and :meth:`statistics`
        counts them.

        During the agent's turn the source waits, unless ``respect_turn`` is false. Sound that a
        live source records meanwhile is not sent.
        ``as_text`` sends base64 text for a server that takes no binary frames; that is a
        command, so it always waits for the user's turn.

        Do not send several sources at the
        same time: their frames would alternate. Raises what the source raises,
        :class:`~realtime_trio.ClosedError` once the client is closed, and ``ValueError`` for a
        chunk out of its bounds.
        """
        self._door.call(
            self._inner.send_from,
            as_source(source),
            respect_turn=respect_turn,
            as_text=as_text,
            chunk=chunk,
        )

    def talk(
        self,
        source: SoundSource,
        *,
        mode: VoiceMode = "ptt",
        vad: VadConfig | None = None,
        barge_in: bool = True,
        chunk: float = CHUNK,
    ) -> None:
        """Hold a conversation: set the mode on the server, and send the source to its end.

        The mode is a command: in the agent's turn it waits for the user's.

        In mode "ptt" the client finds the utterances in the source and sends each of them as
        if the key had been held down; in "vad" the server finds them in the audio of
        the user's turns; in "realtime" it gets everything. When the user starts to talk,
        playback stops and the running turn is cancelled. If ``barge_in`` is false, the client
        ignores the user until the answer was played: for loudspeakers without echo
        cancellation, and for files, which wait meanwhile.

        Raises what :meth:`send_from` raises.
        """
        self._door.call(
            self._inner.talk, as_source(source), mode=mode, vad=vad, barge_in=barge_in, chunk=chunk
        )

    def statistics(self) -> AudioStatistics:
        """Return statistics of the lane, the playback and the sending."""
        return self._door.plain(lambda: self._inner.statistics())


def open_microphone(
    format: AudioFormat = DEFAULT_FORMAT,
    *,
    device: int | str | None = None,
    chunk: float = 0.02,
    max_waiting: float = 5.0,
) -> AbstractContextManager[Microphone]:
    """Record from ``device`` (``None``: the system's default) in chunks of ``chunk`` seconds.

    It buffers at most ``max_waiting`` seconds of unread audio. Raises
    :class:`~realtime_trio.RealtimeError` if sounddevice or PortAudio is missing, or if the device
    cannot be opened.
    """
    return opened(
        native_open_microphone(format, device=device, chunk=chunk, max_waiting=max_waiting),
        Microphone,
    )


def open_speaker(
    format: AudioFormat = DEFAULT_FORMAT, *, device: int | str | None = None, block: float = 0.02
) -> AbstractContextManager[Speaker]:
    """Play on ``device`` (``None``: the system's default) in blocks of ``block`` seconds.

    Raises :class:`~realtime_trio.RealtimeError` as :func:`open_microphone` does.
    """
    return opened(native_open_speaker(format, device=device, block=block), Speaker)


def open_wav_sink(
    path: str | Path, format: AudioFormat = DEFAULT_FORMAT
) -> AbstractContextManager[WavSink]:
    """Write a WAV file; it is completed at the end of the ``with`` block.

    Raises ``OSError`` if it cannot be written.
    """
    return opened(native_open_wav_sink(path, format), WavSink)
