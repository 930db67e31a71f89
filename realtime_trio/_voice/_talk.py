"""A voice conversation: who may talk, in the three modes of the protocol.

========  ====================================  ========================================
mode      audio that is sent                    utterances are found by
========  ====================================  ========================================
ptt       each utterance, as if the user held   the client's VAD
          the key down while talking
vad       everything in the user's turns        the server
realtime  everything                            the server
========  ====================================  ========================================

In every mode the client's VAD detects when the user starts to talk: playback stops immediately,
and the running turn is cancelled. Without this barge-in the client ignores the user while the
agent talks: a file waits, and a live source, which records the loudspeaker, is read again when
the sound has faded.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, final

import trio

from .._exceptions import InDoubt, NotSent
from .._outbound._cancel import CancelResult
from .._outbound._receipt import Receipt
from .._outbound._turn_gate import TurnGate
from .._session._playback_gate import PlaybackGate
from ..events import Event, SetVoiceInputModeEvent
from ._sending import Sender

if TYPE_CHECKING:
    from ..audio._vad import VadConfig, VadEvent

__all__ = ["Speaking", "VoiceConversation", "VoiceMode"]

VoiceMode: TypeAlias = Literal["ptt", "vad", "realtime"]


class Speaking(Protocol):
    """The part of a client that a conversation needs."""

    async def send(self, event: Event, *, force: bool = False) -> Receipt:
        """Queue an event."""
        ...

    async def cancel(self) -> CancelResult:
        """Cancel the running turn."""
        ...

    def push_to_talk(self, *, force: bool = False) -> AbstractAsyncContextManager[None]:
        """Hold down the push-to-talk key."""
        ...


Chunks = AsyncGenerator[bytes, None]

_ECHO: Final = 0.25
"""Seconds for which a room and a device may still sound after the last block."""


@final
class VoiceConversation:
    """One run of ``AudioLane.talk``."""

    def __init__(
        self,
        client: Speaking,
        sender: Sender,
        source: AsyncIterable[bytes],
        vad: VadConfig | None,
        *,
        gate: TurnGate,
        playback: PlaybackGate,
        session_starts: Callable[[], int],
        barge_in: bool,
    ) -> None:
        from ..audio._vad import EnergyVad

        self._client = client
        self._gate = gate
        self._playback = playback
        self._session_starts = session_starts
        self._sender = sender
        self._source = source
        self._vad = EnergyVad(vad)
        self._barges_in = barge_in
        self._modes: dict[VoiceMode, Callable[[Chunks], Awaitable[None]]] = {
            "ptt": self._ptt,
            "vad": self._server_vad,
            "realtime": self._realtime,
        }

    async def run(self, chunks: Chunks, mode: VoiceMode) -> None:
        """Set the mode on the server, and talk until the source ends."""
        await self._client.send(SetVoiceInputModeEvent(mode=mode))
        self._sender.begin()
        async with aclosing(self._keep_mode_set(chunks, mode)) as source:
            await self._modes[mode](source)

    async def _keep_mode_set(self, chunks: Chunks, mode: VoiceMode) -> Chunks:
        """Yield the chunks; set the mode again if the server has lost the session."""
        seen = self._session_starts()
        async for chunk in chunks:
            if self._session_starts() != seen:
                if seen:  # before the first event, the mode command is still in the queue
                    await self._client.send(SetVoiceInputModeEvent(mode=mode))
                seen = self._session_starts()
            yield chunk

    async def _ptt(self, chunks: Chunks) -> None:
        async with aclosing(self._heard(chunks)) as events:
            async for event in events:
                if event.kind == "end":
                    continue  # the end of an utterance whose beginning was lost with a link
                await self._barge_in()
                # Lost with the link: the rest of the utterance becomes a new one.
                with suppress(NotSent, InDoubt):
                    async with self._client.push_to_talk():
                        await self._utterance(event, events)

    async def _utterance(self, event: VadEvent, events: AsyncGenerator[VadEvent, None]) -> None:
        self._sender.begin()
        self._say(event.audio)
        while event.kind != "end":  # the end arrives at the latest when the source ends
            event = await anext(events)
            self._say(event.audio)

    async def _heard(self, chunks: Chunks) -> AsyncGenerator[VadEvent, None]:
        """Yield the events of the VAD."""
        async for chunk in chunks:
            if not self._vad.speaking and not await self._half_duplex():
                continue
            for event in self._vad.process(chunk):
                yield event
        for event in self._vad.flush():
            yield event

    async def _server_vad(self, chunks: Chunks) -> None:
        gate = self._gate
        async for chunk in chunks:
            if not await self._half_duplex():
                continue
            start = self._started(chunk)
            pcm = chunk
            if start is not None:
                if not gate.open:  # nothing was sent before: the first sound is in the pre-roll
                    pcm = start.audio
                await self._barge_in()
                await self._gate.opened()
            if gate.open:
                self._say(pcm)

    async def _realtime(self, chunks: Chunks) -> None:
        async for chunk in chunks:
            if self._started(chunk) is not None:
                await self._barge_in()
            self._say(chunk)

    def _started(self, chunk: bytes) -> VadEvent | None:
        """Return the start of an utterance if this chunk begins one."""
        events = self._vad.process(chunk)
        return next((event for event in events if event.kind == "start"), None)

    def _say(self, pcm: bytes) -> None:
        if pcm:
            self._sender.put_newest(pcm)

    async def _barge_in(self) -> None:
        """Interrupt the agent: the user talks."""
        self._playback.stop()
        if self._barges_in and not self._gate.open:
            # If no confirmation arrives, the end of the turn opens the gate.
            with suppress(NotSent, InDoubt):
                await self._client.cancel()

    async def _half_duplex(self) -> bool:
        """Without barge-in, wait until the agent has finished and its speech was played.

        Return whether the current chunk is usable: a live source has recorded the agent in it.
        """
        if self._barges_in or not self._agent_is_speaking():
            return True
        from ..audio._sources import LiveSource, forget

        await self._gate.opened()
        playback = self._playback.playback
        if playback is not None and playback.playing:
            await playback.drained()
        if not (self._gate.open and isinstance(self._source, LiveSource)):
            return True
        await trio.sleep(_ECHO)
        forget(self._source)
        self._vad.flush()
        return False

    def _agent_is_speaking(self) -> bool:
        playback = self._playback.playback
        return not self._gate.open or (playback is not None and playback.playing)
