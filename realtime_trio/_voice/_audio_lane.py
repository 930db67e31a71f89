"""``client.audio``: the audio lane, hearing the agent and talking to it.

A client without sound has this too, so ``realtime_trio.audio`` is imported where it is used.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, final

import attrs
import trio

from .._core._audio import DEFAULT_FORMAT
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
    """The lane, what is played (``None`` where nothing ever was) and what is sent."""

    playback: PlaybackStatistics | None
    sending: SendingStatistics


@final
class AudioLane(LaneView):
    """``client.audio``: the lane as a stream of notifications, the agent's voice, the user's.

    Playing and sending need no subscription and hold nothing up: what they cannot take is
    dropped, counted and told.
    """

    __slots__ = ("_beginnings", "_client", "_gate", "_leaving", "_playback", "_sender")

    def __init__(
        self,
        pipeline: Pipeline,
        client: Speaking,
        *,
        outbox: Outbox,
        gate: TurnGate,
        playback: PlaybackGate,
        leaving: Callable[[], AbstractAsyncContextManager[None]],
        beginnings: Callable[[], int],
    ) -> None:
        super().__init__(pipeline, Lane.AUDIO)
        self._client = client
        self._gate = gate
        self._playback = playback
        self._leaving = leaving
        self._beginnings = beginnings
        self._sender = Sender(outbox)

    # -- hearing ---------------------------------------------------------------------------

    @asynccontextmanager
    async def play_to(
        self, sink: AudioSink, *, config: PlaybackConfig | None = None
    ) -> AsyncGenerator[Playback, None]:
        """Play what the agent says, from now until the block is left.

        Audio goes through a jitter buffer in the sink's format. ``cancelled``,
        :meth:`Client.cancel`, :meth:`Client.push_to_talk` and :meth:`stop` silence it after
        the block that is playing; what was thrown away is told as ``audio-flushed``.

        Leaving stops at once: ``await playback.drained()`` first to hear the end. What the
        sink raises comes out of this block, and the body is cancelled. Raises
        ``trio.BusyResourceError`` where something is playing already.
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
        """Throw away what waits to be played, after the block that is playing.

        What comes afterwards is played. Gives what was thrown away, ``None`` for nothing.
        """
        return self._playback.flush()

    def stop(self) -> AudioFlushed | None:
        """Play nothing more of this answer: neither what waits nor what comes of it yet.

        The server goes on with it; ``await client.cancel()`` stops both.
        """
        return self._playback.stop()

    # -- talking ---------------------------------------------------------------------------

    def begin_speech(self) -> None:
        """What is sent from now on is another speech: half a sample left of the last one goes.

        :meth:`send_from`, :meth:`talk` and :meth:`Client.push_to_talk` begin with it, and the last
        ends with it.
        """
        self._sender.begin()

    async def send(self, pcm: bytes) -> None:
        """Queue one frame of PCM16, 16 kHz mono, waiting for room.

        Half a sample at its end leaves with the next one, unless a new link comes between: then
        that sample is dropped. The turn gate does not hold it.
        Cancelled, it is not queued. While the link is away it is dropped and counted. Raises
        :class:`~realtime_trio.ClosedError` once the client is closed.
        """
        await self._sender.put(pcm)

    def send_nowait(self, pcm: bytes) -> None:
        """Queue one frame, or raise ``trio.WouldBlock`` where too much waits already."""
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

        ``source`` gives PCM16 in its ``format`` (16 kHz mono where it has none) and is
        resampled to 16 kHz mono. Chunks of ``chunk`` seconds, 0.02 to 0.1, leave at the pace
        of a clock, at most 0.1 seconds ahead of it; those of a
        :class:`~realtime_trio.audio.LiveSource` as they come. Where the link cannot keep up
        the oldest go, and :meth:`statistics` counts them.

        While the agent's turn lasts the source waits, unless ``respect_turn`` is false; what a
        live one hears meanwhile is not sent.
        ``as_text`` sends base64 text for a server that takes no binary frames; that is a
        command, so it always waits for the user's turn.

        Cancelled, it stops; what is queued still leaves. Several sources at once are mixed
        frame by frame, which is no use. Raises what the source raises,
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
        """Hold a conversation: tell the server the mode, and send the source to its end.

        The mode is a command: in the agent's turn it waits for the user's.

        In mode "ptt" the client finds the utterances in the source and sends each of them as
        if the key had been held down; in "vad" the server finds them in what is sent during
        the user's turns; in "realtime" it gets everything. Whenever the user begins to talk
        the playback stops, and a turn that runs is cancelled. With ``barge_in`` false the user
        is heard only when the agent has finished and was played: for loudspeakers without
        echo cancellation, and for files, which wait meanwhile.

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
            beginnings=self._beginnings,
            barge_in=barge_in,
        )
        async with self._leaving():
            chunks = paced_chunks(source, DEFAULT_FORMAT, chunk=chunk, lead=LEAD)
            async with aclosing(chunks):
                await talk.run(chunks, mode)

    # -- both ------------------------------------------------------------------------------

    def statistics(self) -> AudioStatistics:
        """How the lane, the playback and the sending do."""
        playback = self._playback.playback
        return AudioStatistics(
            **attrs.asdict(super().statistics(), recurse=False),
            playback=None if playback is None else playback.statistics(),
            sending=self._sender.statistics(),
        )
