"""A UI session, which outlives its sockets, with its running turn and its speech input."""

from __future__ import annotations

from typing import Literal

import attrs

from . import _tones
from ._catalog import Account
from ._chat_sessions import StoredSession
from ._turn_engine import Items, TurnRun

__all__ = ["RunningTurn", "UISession", "UtteranceBuffer", "VoiceMode"]

VoiceMode = Literal["ptt", "vad", "realtime"]


@attrs.define(slots=True, kw_only=True, eq=False)
class RunningTurn:
    """A turn's generator, and the time at which it continues.

    ``started`` says whether it has sent anything; its first event is ``user_turn_end``.
    """

    session: UISession
    items: Items
    run: TurnRun
    late_deltas: int
    due: float
    started: bool = False
    shielded: bool = False


@attrs.define(slots=True, kw_only=True)
class UtteranceBuffer:
    """Collects incoming PCM16 frames into utterances.

    With push-to-talk, an utterance is everything between ``ptt_start`` and ``ptt_end``. In mode
    ``vad`` it starts with a loud frame and ends after ``hangover`` seconds of quiet ones. Audio
    beyond ``limit`` bytes is dropped.
    """

    limit: int
    threshold: float
    hangover: float
    mode: VoiceMode = "ptt"
    recording: bool = False
    silence: float = 0.0
    buffer: bytearray = attrs.Factory(bytearray)

    def start(self) -> None:
        """Start an utterance by push-to-talk."""
        self.buffer.clear()
        self.recording = True

    def finish(self) -> bytes:
        """End the utterance and return its audio."""
        self.recording = False
        audio = bytes(self.buffer)
        self.buffer.clear()
        return audio

    def feed(self, pcm: bytes) -> bytes | None:
        """Add one frame; return the utterance that it ends in mode ``vad``."""
        if self.mode != "vad":
            if self.recording:
                self._append(pcm)
            return None
        if _tones.level(pcm) >= self.threshold:
            self.recording, self.silence = True, 0.0
        elif self.recording:
            self.silence += _tones.duration(pcm)
        if self.recording:
            self._append(pcm)
        return self.finish() if self.recording and self.silence >= self.hangover else None

    def _append(self, pcm: bytes) -> None:
        room = self.limit - len(self.buffer)
        self.buffer += pcm[: max(0, room)]


@attrs.define(slots=True, kw_only=True, eq=False)
class UISession:
    """One client's session, which outlives its sockets.

    ``connection`` is the number of its socket. While it is ``None``, frames that are sent are
    lost.
    """

    id: str
    user: Account
    utterances: UtteranceBuffer
    voice: dict[str, object]
    chat: StoredSession
    connection: int | None = None
    muted: int | None = None
    turn: RunningTurn | None = attrs.field(default=None, repr=False)
    detached_at: float = 0.0
    audio_as_text: bool = False
