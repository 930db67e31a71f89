"""``client.audio``: the audio lane, playback and speech.

Every client has it, so ``realtime_trio.audio`` is only imported on first use.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, final

import attrs
import trio

from .._core._audio_format import DEFAULT_FORMAT
from .._core._shell_notifications import AudioFlushed
from .._lanes._pipeline import Pipeline
from .._lanes._statistics import LaneStatistics
from .._lanes._subscription import LaneView
from .._outbound._outbox import Outbox
from .._outbound._turn_gate import TurnGate
from .._session._first_cause import first_cause
from .._session._playback_gate import PlaybackGate
from ..events import Lane
from ._sending import CHUNK, LEAD, Sender, SendingStatistics, check_chunk, send_all
from ._talk import Speaking, VoiceConversation, VoiceMode

if TYPE_CHECKING:
    from ..audio._jitter import PlaybackConfig
    from ..audio._playback import Playback, PlaybackStatistics
    from ..audio._sinks import AudioSink
    from ..audio._vad import VadConfig

__all__ = ["AudioLane", "AudioStatistics"]


@attrs.frozen(slots=True, kw_only=True)
class AudioStatistics(LaneStatistics):
    """Statistics of the lane, the playback (``None`` before the first one) and the sending."""

    playback: PlaybackStatistics | None
    sending: SendingStatistics


@final
class AudioLane(LaneView):
    """``client.audio``: the lane as a stream of notifications, playback and sending.

    Playback and sending need no subscription and block nothing: if they fall behind, sound is
    dropped and counted, and a notification is emitted.
    """

    __slots__ = (
        "_client",
        "_gate",
        "_leaving",
        "_playback",
        "_sender",
        "_session_starts",
        "_thread",
    )

    def __init__(
        self,
        pipeline: Pipeline,
        client: Speaking,
        *,
        outbox: Outbox,
        gate: TurnGate,
        playback: PlaybackGate,
        leaving: Callable[[], AbstractAsyncContextManager[None]],
        session_starts: Callable[[], int],
    ) -> None:
        super().__init__(pipeline, Lane.AUDIO)
        self._client = client
        self._gate = gate
        self._playback = playback
        self._leaving = leaving
        self._session_starts = session_starts
        self._sender = Sender(outbox)
        self._thread = outbox.thread

    # -- playing ---------------------------------------------------------------------------

    @asynccontextmanager
    async def play_to(
        self, sink: AudioSink, *, config: PlaybackConfig | None = None
    ) -> AsyncGenerator[Playback, None]:
        """Play the agent's speech, from now until the block is left.

        Audio goes through a jitter buffer in the sink's format. ``cancelled``,
        :meth:`Client.cancel`, :meth:`Client.push_to_talk` and :meth:`stop` stop it after the
        current block; ``audio-flushed`` reports what was discarded.

        Leaving stops immediately; to hear the end, ``await playback.drained()`` first. An
        exception of the sink cancels the body and is raised from this block. Raises
        ``trio.BusyResourceError`` if a playback is already running.
        """
        playback = self._playback.attach(sink, config)
        failure: BaseException | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(playback.run, name="playback")
                try:
                    yield playback
                except BaseException as exc:  # raised again below, without the nursery's group
                    failure = exc
                nursery.cancel_scope.cancel()
        except BaseException as exc:
            failure = first_cause(failure, exc)
        finally:
            self._playback.detach()
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # it refers to this frame

    def flush(self) -> AudioFlushed | None:
        """Discard the buffered sound after the current block.

        Later sound is played. Returns what was discarded, ``None`` if nothing was.
        """
        return self._playback.flush()

    def stop(self) -> AudioFlushed | None:
        """Stop playing this answer: discard its buffered and its later sound.

        The server continues the answer; ``await client.cancel()`` stops both.
        """
        self._thread.check()
        return self._playback.stop()

    # -- talking ---------------------------------------------------------------------------

    def begin_speech(self) -> None:
        """Start a new utterance; drop half a sample that is left from the last one.

        :meth:`send_from`, :meth:`talk` and :meth:`Client.push_to_talk` start with it, and the
        last one also ends with it.
        """
        self._sender.begin()

    async def send(self, pcm: bytes) -> None:
        """Queue one frame of PCM16, 16 kHz mono, waiting for room.

        Half a sample at its end leaves with the next frame, or is dropped if a new link opens in
        between. The frame passes the turn gate. If cancelled, nothing is queued. While there is
        no link, the frame is dropped and counted. Raises
        :class:`~realtime_trio.ClosedError` once the client is closed.
        """
        await self._sender.put(pcm)

    def send_nowait(self, pcm: bytes) -> None:
        """Queue one frame, or raise ``trio.WouldBlock`` if the queue is full."""
        self._sender.put_nowait(pcm)

    async def send_from(
        self,
        source: AsyncIterable[bytes],
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

        If cancelled, it stops; queued frames still leave. Do not send several sources at the
        same time: their frames would alternate. Raises what the source raises,
        :class:`~realtime_trio.ClosedError` once the client is closed, and ``ValueError`` for a
        chunk out of its bounds.
        """
        check_chunk(chunk)
        async with self._leaving():
            await send_all(
                source,
                self._gate,
                self._sender,
                respect_turn=respect_turn,
                as_text=as_text,
                chunk=chunk,
            )

    async def talk(
        self,
        source: AsyncIterable[bytes],
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
        from ..audio._stream import paced_chunks

        check_chunk(chunk)
        talk = VoiceConversation(
            self._client,
            self._sender,
            source,
            vad,
            gate=self._gate,
            playback=self._playback,
            session_starts=self._session_starts,
            barge_in=barge_in,
        )
        async with self._leaving():
            chunks = paced_chunks(source, DEFAULT_FORMAT, chunk=chunk, lead=LEAD)
            async with aclosing(chunks):
                await talk.run(chunks, mode)

    # -- both ------------------------------------------------------------------------------

    def statistics(self) -> AudioStatistics:
        """Return statistics of the lane, the playback and the sending."""
        playback = self._playback.playback
        return AudioStatistics(
            **attrs.asdict(super().statistics(), recurse=False),
            playback=None if playback is None else playback.statistics(),
            sending=self._sender.statistics(),
        )
