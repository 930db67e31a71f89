"""Sending of speech: never late, never blocking, every chunk counted.

Late speech is useless, so the newest has priority: if the link is too slow, the oldest chunk
in the outbox is dropped, and while there is no link all of them are.

A server refuses a frame with half a sample, so an odd byte leaves with the next frame of
the same utterance. It never moves to a new link. The first frame on a new link either starts a
new utterance, in whole samples, or continues the old one, so it begins with the second half of a
sample. An even number of bytes means the former and an odd number the latter, as long as all
frames of an utterance have the same size.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import AsyncIterable
from contextlib import aclosing
from typing import Final, final

import attrs
import trio

from .._core._audio_format import DEFAULT_FORMAT
from .._outbound._outbox import Outbox
from .._outbound._turn_gate import TurnGate
from .._throttle import Throttle
from ..events import AudioInputDeltaEvent

__all__ = ["CHUNK", "LEAD", "Sender", "SendingStatistics"]

_logger: Final = logging.getLogger("realtime_trio.voice")

CHUNK: Final = 0.04
"""Default seconds of a chunk."""

LEAD: Final = 0.1
"""Seconds by which sending may be ahead of real time."""

_MAX_WAITING: Final = 2.0
_CHUNKS: Final = (0.02, 0.1)

_PAUSE: Final = 10.0
"""Seconds between two log records about dropped speech."""


@attrs.frozen(slots=True, kw_only=True)
class SendingStatistics:
    """Counters of speech frames: ``given = sent + dropped + waiting``.

    ``dropped`` counts frames dropped because the link was too slow or missing, ``waiting`` those
    in the outbox. ``seconds`` is the total length of the given speech.
    """

    given: int
    sent: int
    dropped: int
    waiting: int
    seconds: float


@final
class Sender:
    """Puts frames of speech into the outbox."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._max = DEFAULT_FORMAT.bytes_of(_MAX_WAITING)
        self._given = self._bytes = self._refused = 0
        self._drops = Throttle(_PAUSE)
        self._carry = b""  # half a sample, given while link number ``_link`` was open
        self._link = outbox.links

    def begin(self) -> None:
        """Begin a new utterance: drop what is left of the last one."""
        self._carry = b""

    async def put(self, pcm: bytes) -> None:
        """Queue a frame; wait for room. If cancelled, it is not queued."""
        whole, carry, link = self._cut(pcm)
        if whole:
            await self._outbox.put_audio(whole)
        else:
            await trio.lowlevel.checkpoint()
        self._count(whole)
        self._carry, self._link = carry, link

    def put_nowait(self, pcm: bytes) -> None:
        """Queue a frame, or raise ``trio.WouldBlock``."""
        whole, carry, link = self._cut(pcm)
        if whole:
            self._outbox.put_audio_nowait(whole)
        self._count(whole)
        self._carry, self._link = carry, link

    async def put_text(self, pcm: bytes) -> None:
        """Queue a frame as a base64 command; wait for room."""
        await self._outbox.put(AudioInputDeltaEvent(content=base64.b64encode(pcm).decode()))

    def put_newest(self, pcm: bytes) -> None:
        """Queue a frame of whole samples; if two seconds are queued, drop the oldest frames."""
        outbox = self._outbox
        dropped = 0
        while outbox.audio_size + len(pcm) > self._max and outbox.drop_oldest_audio():
            dropped += 1
        try:
            self.put_nowait(pcm)
        except trio.WouldBlock:  # other tasks fill the queue as well, with larger frames
            self._refused += 1
            dropped += 1
            self._count(pcm)
            self._carry = b""
        if dropped and (times := self._drops.count("speech", trio.current_time(), dropped)):
            _logger.warning("dropped %d frames of speech: they leave too slowly", times)

    def _cut(self, pcm: bytes) -> tuple[bytes, bytes, int]:
        """Return whole samples, the remainder, and the number of the link they are for."""
        if not pcm:
            return b"", self._carry, self._link
        carry, link = self._carry, self._outbox.links
        if link != self._link:
            if carry and len(pcm) % 2:
                pcm = pcm[1:]
            carry = b""
        data = carry + pcm
        cut = len(data) - len(data) % 2
        return data[:cut], data[cut:], link

    def _count(self, whole: bytes) -> None:
        self._given += bool(whole)
        self._bytes += len(whole)

    def statistics(self) -> SendingStatistics:
        """Return the counters so far."""
        outbox = self._outbox.statistics()
        dropped = outbox.audio_dropped + self._refused
        return SendingStatistics(
            given=self._given,
            sent=self._given - dropped - outbox.audio,
            dropped=dropped,
            waiting=outbox.audio,
            seconds=DEFAULT_FORMAT.seconds_of(self._bytes),
        )


def check_chunk(chunk: float) -> None:
    """Raise ``ValueError`` for a chunk length that no server expects."""
    low, high = _CHUNKS
    if not low <= chunk <= high:
        message = f"chunk must be from {low:g} to {high:g} seconds, not {chunk!r}"
        raise ValueError(message)


async def send_all(
    source: AsyncIterable[bytes],
    gate: TurnGate,
    sender: Sender,
    *,
    respect_turn: bool,
    as_text: bool,
    chunk: float,
) -> None:
    """Send a source to its end; see ``AudioLane.send_from``."""
    from ..audio._sources import forget
    from ..audio._stream import paced_chunks

    sender.begin()
    async with aclosing(paced_chunks(source, DEFAULT_FORMAT, chunk=chunk, lead=LEAD)) as chunks:
        async for pcm in chunks:
            if respect_turn and not gate.open:
                await gate.opened()
                if gate.open and forget(source):
                    continue  # this sound was not meant for the agent
            if as_text:
                await sender.put_text(pcm)
            else:
                sender.put_newest(pcm)
