"""Playing and talking.

Written by tools/doors.py: change the native classes instead.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
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
    """Plays to one sink, from :meth:`run` on. ``tell`` hears of gaps and flushes.

    With ``answer`` its owner says which answer the audio belongs to, here and with
    :meth:`begin_turn`. Without it, what comes after :meth:`end_answer` or :meth:`interrupt` is
    another answer.
    """

    @property
    def format(self) -> AudioFormat:
        """The format of it."""
        return self._native.format

    @property
    def interruption(self) -> AudioFlushed | None:
        """The last time that an answer was cut short; ``None`` once another one began."""
        return self._native.interruption

    def feed(self, data: bytes, format: AudioFormat | None) -> None:
        """Take whole frames as they arrive; ``None`` is what is not for playing.

        Never waits. Beyond the bound of the buffer the oldest goes.
        """
        self._native.feed(data, format)

    def end_answer(self) -> None:
        """The answer is complete: what is there is played, without waiting for more."""
        self._native.end_answer()

    def interrupt(self) -> AudioFlushed | None:
        """Stop at the end of the block that is playing and throw away what waits.

        What was thrown away is told for each answer that it belonged to, and returned as one
        for all of them; ``None`` where nothing waited.
        """
        return self._native.interrupt()

    def discard(self, data: bytes, format: AudioFormat | None) -> None:
        """Take audio of an answer that was interrupted: it is counted as flushed."""
        self._native.discard(data, format)

    def tell_discarded(self) -> None:
        """The answer that was interrupted is over: tell what came of it afterwards."""
        self._native.tell_discarded()

    def begin_turn(self, answer: SpokenAnswer | None = None) -> None:
        """Another answer begins; what came until now is complete."""
        self._native.begin_turn(answer)

    async def run(self) -> None:
        """Play until cancelled. Raises what the sink raises."""
        await self._door.call(self._native.run)

    async def drained(self) -> None:
        """Wait until all that came has been played, or thrown away.

        An answer that has not ended yet may bring more afterwards. Any number
        of tasks may wait.
        """
        await self._door.call(self._native.drained)

    def close(self) -> None:
        """Nothing more is played: what is left counts as flushed."""
        self._native.close()

    @property
    def volume(self) -> float:
        """A factor on every sample; what would be too loud is held at full scale."""
        return self._native.volume

    @volume.setter
    def volume(self, factor: float) -> None:
        self._native.volume = factor

    @property
    def level(self) -> Level:
        """How loud the block is that is playing now."""
        return self._native.level

    @property
    def playing(self) -> bool:
        """Whether there is sound, or some that waits."""
        return self._native.playing

    def statistics(self) -> PlaybackStatistics:
        """How it goes."""
        return self._native.statistics()


class Microphone(Mirror[NativeMicrophone]):
    """A :class:`LiveSource` that never ends; made by :func:`open_microphone`. One task reads it.

    Holds at most ``max_chunks``: where nobody reads, the oldest is dropped.
    """

    @property
    def format(self) -> AudioFormat:
        """The format of it."""
        return self._native.format

    async def __anext__(self) -> bytes:
        """Return the next item, and wait for one if need be."""
        return await self._door.call(self._native.__anext__)

    def __aiter__(self) -> Self:
        """Iterate over it."""
        return self

    def flush(self) -> int:
        """Forget what waits to be read; gives its size in bytes."""
        return self._native.flush()

    def statistics(self) -> MicrophoneStatistics:
        """What came and what became of it."""
        return self._native.statistics()


class Speaker(Mirror[NativeSpeaker]):
    """A :class:`ClockedSink`; made by :func:`open_speaker`. One task writes to it."""

    @property
    def format(self) -> AudioFormat:
        """The format of it."""
        return self._native.format

    @property
    def queued(self) -> int:
        """Bytes that were taken and have not been handed to the device yet."""
        return self._native.queued

    async def ready(self) -> None:
        """Wait while two blocks are queued, so it returns as the device plays."""
        await self._door.call(self._native.ready)

    def write_nowait(self, chunk: bytes) -> None:
        """Take a block. One that is shorter than the device's has silence behind it."""
        self._native.write_nowait(chunk)

    async def write(self, chunk: bytes) -> None:
        """Take a block when there is room. Cancelled, it has taken nothing."""
        await self._door.call(self._native.write, chunk)

    def flush(self) -> int:
        """Forget what is queued but for its first milliseconds, which are faded out."""
        return self._native.flush()

    async def drained(self) -> None:
        """Wait until nothing is queued."""
        await self._door.call(self._native.drained)

    def statistics(self) -> SpeakerStatistics:
        """What was written and what became of it."""
        return self._native.statistics()


class WavSink(Mirror[NativeWavSink]):
    """A WAV file of PCM16; made by :func:`open_wav_sink`. Writes about a second at a time.

    Its header is right after each of them, so of a process that is killed a file remains that
    plays.
    """

    @property
    def format(self) -> AudioFormat:
        """The format of it."""
        return self._native.format

    @property
    def frames(self) -> int:
        """Frames that have been written to it."""
        return self._native.frames

    async def write(self, chunk: bytes) -> None:
        """Append a block."""
        await self._door.call(self._native.write, chunk)


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
    ) -> AbstractAsyncContextManager[Playback]:
        """Play what the agent says, from now until the block is left.

        Audio goes through a jitter buffer in the sink's format. ``cancelled``,
        :meth:`Client.cancel`, :meth:`Client.push_to_talk` and :meth:`stop` silence it after
        the current block; ``audio-flushed`` reports what was discarded.

        Leaving stops immediately; to hear the end, ``await playback.drained()`` first. An
        exception of the sink cancels the body and comes out of this block. Raises
        :class:`~realtime_trio.BusyResourceError` if a playback is already running.
        """
        return self._door.block(self._inner.play_to(as_sink(sink), config=config), Playback)

    def flush(self) -> AudioFlushed | None:
        """Discard the buffered sound after the current block.

        Later sound is played. Returns what was discarded, ``None`` for nothing.
        """
        return self._inner.flush()

    def stop(self) -> AudioFlushed | None:
        """Play nothing more of this answer: neither buffered nor later sound.

        The server continues the answer; ``await client.cancel()`` stops both.
        """
        return self._inner.stop()

    def begin_speech(self) -> None:
        """Start a new speech: half a sample left of the last one is dropped.

        :meth:`send_from`, :meth:`talk` and :meth:`Client.push_to_talk` start with it, and the
        last one also ends with it.
        """
        self._inner.begin_speech()

    async def send(self, pcm: bytes) -> None:
        """Queue one frame of PCM16, 16 kHz mono, waiting for room.

        Half a sample at its end leaves with the next frame, or is dropped if a new link opens in
        between. The frame passes the turn gate. If cancelled, nothing is queued. While there is
        no link, the frame is dropped and counted. Raises
        :class:`~realtime_trio.ClosedError` once the client is closed.
        """
        await self._door.call(self._inner.send, pcm)

    def send_nowait(self, pcm: bytes) -> None:
        """Queue one frame, or raise :class:`~realtime_trio.WouldBlock` if the queue is full."""
        self._inner.send_nowait(pcm)

    async def send_from(
        self,
        source: SoundSource,
        *,
        respect_turn: bool = True,
        as_text: bool = False,
        chunk: float = CHUNK,
    ) -> None:
        """Send a source to its end, in real time.

        ``source`` gives PCM16 in its ``format`` (16 kHz mono if it has none) and is
        resampled to 16 kHz mono. Chunks of ``chunk`` seconds, 0.02 to 0.1, leave at the pace
        of a clock, at most 0.1 seconds ahead of it; those of a
        :class:`~realtime_trio.audio.LiveSource` as they arrive. If the link is too slow,
        the oldest chunks are dropped, and :meth:`statistics` counts them.

        During the agent's turn the source waits, unless ``respect_turn`` is false. Sound that a
        live source records meanwhile is not sent.
        ``as_text`` sends base64 text for a server that takes no binary frames; that is a
        command, so it always waits for the user's turn.

        If cancelled, it stops; queued frames still leave. Do not send several sources at the
        same time: their frames would alternate. Raises what the source raises,
        :class:`~realtime_trio.ClosedError` once the client is closed, and ``ValueError`` for a
        chunk out of its bounds.
        """
        await self._door.call(
            self._inner.send_from,
            as_source(source),
            respect_turn=respect_turn,
            as_text=as_text,
            chunk=chunk,
        )

    async def talk(
        self,
        source: SoundSource,
        *,
        mode: VoiceMode = "ptt",
        vad: VadConfig | None = None,
        barge_in: bool = True,
        chunk: float = CHUNK,
    ) -> None:
        """Hold a conversation: tell the server the mode, and send the source to its end.

        The mode is a command: in the agent's turn it waits for the user's.

        In mode "ptt" the client finds the utterances in the source and sends each of them as
        if the key had been held down; in "vad" the server finds them in what is sent during
        the user's turns; in "realtime" it gets everything. When the user starts to talk,
        playback stops and the running turn is cancelled. With ``barge_in`` false the client
        ignores the user until the answer was played: for loudspeakers without echo
        cancellation, and for files, which wait meanwhile.

        Raises what :meth:`send_from` raises.
        """
        await self._door.call(
            self._inner.talk, as_source(source), mode=mode, vad=vad, barge_in=barge_in, chunk=chunk
        )

    def statistics(self) -> AudioStatistics:
        """Figures of the lane, the playback and the sending."""
        return self._inner.statistics()


def open_microphone(
    format: AudioFormat = DEFAULT_FORMAT,
    *,
    device: int | str | None = None,
    chunk: float = 0.02,
    max_waiting: float = 5.0,
) -> AbstractAsyncContextManager[Microphone]:
    """Record from ``device`` (``None``: the system's default) in chunks of ``chunk`` seconds.

    Holds at most ``max_waiting`` seconds that nobody has read. Raises
    :class:`~realtime_trio.RealtimeError` where sounddevice or PortAudio is missing, or the
    device cannot be opened.
    """
    return opened(
        native_open_microphone(format, device=device, chunk=chunk, max_waiting=max_waiting),
        Microphone,
    )


def open_speaker(
    format: AudioFormat = DEFAULT_FORMAT, *, device: int | str | None = None, block: float = 0.02
) -> AbstractAsyncContextManager[Speaker]:
    """Play on ``device`` (``None``: the system's default) in blocks of ``block`` seconds.

    Raises :class:`~realtime_trio.RealtimeError` as :func:`open_microphone` does.
    """
    return opened(native_open_speaker(format, device=device, block=block), Speaker)


def open_wav_sink(
    path: str | Path, format: AudioFormat = DEFAULT_FORMAT
) -> AbstractAsyncContextManager[WavSink]:
    """Write a WAV file; it is completed when the block is left, however it is left.

    Raises ``OSError`` where it cannot be written.
    """
    return opened(native_open_wav_sink(path, format), WavSink)
